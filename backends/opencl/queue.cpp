#include "backends/opencl/queue.h"

#include <pthread.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "backends/opencl/submission.h"
#include "runtime/base/log.h"
#include "runtime/team.h"

namespace sardonyx::opencl {

using runtime::Completion;
using runtime::Point;
using Done = std::function<void(const Completion&)>;

namespace {
constexpr char fork_text[] = "an OpenCL device does not work in a fork of the process that opened it";
}

// Shared with the thread, so that a queue destroyed by its own thread leaves it something to end on.
struct Queue::Core {
  Core(ContextOwner owned_context, cl_device_id on, std::string called, Trace* to)
      : context(std::move(owned_context)), device(on), name(std::move(called)), trace(to) {
    cl_int code = CL_SUCCESS;
    queue = QueueOwner(clCreateCommandQueue(context.get(), device, trace ? CL_QUEUE_PROFILING_ENABLE : 0, &code));
    check_call(code, "clCreateCommandQueue");
    shared.context = context.get();
    shared.device = device;
  }

  // What a callback of the driver needs, made per submission. The core outlives it: the thread ends after the last
  // submission, and no submission ends before its callback.
  struct Ticket {
    Core* core;
    Point point;
  };
  struct InFlight {
    uint64_t run;
    std::unique_ptr<Submission> submission;  // null: nothing is done, `known` is the end
    Completion known{};
    int awaited = 2;  // of the call that enqueues it and the driver's callback: those that may still touch it
  };
  // A failure that later submissions of its run, and late waiters, must hear of.
  struct Failure {
    Point point;
    uint64_t run;
    Completion completion;
  };
  // Runs are not announced to us when they end, so the oldest failures are forgotten at some point.
  static constexpr size_t failures_kept = 1024;

  Point submit(std::span<const runtime::DeviceCommand> commands, uint64_t run);
  void enqueue(Submission& submission, Point point);
  bool await(Submission& submission, Point point);
  static void CL_CALLBACK on_complete(cl_event event, cl_int status, void* ticket);
  void serve();
  Completion finish(Submission& submission);
  void let_go(Point point);
  const Completion* failure_of_run(uint64_t run) const;
  Completion completion_of(Point point) const;
  bool forked() const { return getpid() != process; }

  const ContextOwner context;
  const cl_device_id device;
  const std::string name;
  Trace* const trace;
  const pid_t process = getpid();

  // Held while a submission is enqueued, so that its commands stay together and kernels keep their arguments. Taken
  // before `mutex`, never inside it; `mutex` is never held during a call of OpenCL, which may run callbacks.
  std::mutex submit_mutex;
  QueueOwner queue;
  SharedMemory shared;

  mutable std::mutex mutex;  // of what follows
  std::condition_variable work, progress;
  std::deque<InFlight> in_flight;  // of the points completed + 1 ... last
  Point last = 0, completed = 0;
  std::deque<Failure> failures;
  std::multimap<Point, Done> waiters;
  std::string lost;  // why nothing works any more; "" while it does
  bool stop = false;
};

const Completion* Queue::Core::failure_of_run(uint64_t run) const {
  for (const Failure& failure : failures)
    if (failure.run == run) return &failure.completion;
  return nullptr;
}

Completion Queue::Core::completion_of(Point point) const {
  for (const Failure& failure : failures)
    if (failure.point == point) return failure.completion;
  return {};
}

// One of the two that a submission waits for is through with it.
void Queue::Core::let_go(Point point) {
  std::lock_guard lock(mutex);
  if (point <= completed) return;
  int& awaited = in_flight[size_t(point - completed - 1)].awaited;
  if (awaited > 0 && --awaited == 0) work.notify_one();  // inside the lock: the core may be gone right after it
}

void CL_CALLBACK Queue::Core::on_complete(cl_event, cl_int, void* argument) {
  const std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(argument));
  ticket->core->let_go(ticket->point);
}

Point Queue::Core::submit(std::span<const runtime::DeviceCommand> commands, uint64_t run) {
  auto submission = std::make_unique<Submission>(commands);
  std::lock_guard order(submit_mutex);
  std::unique_lock lock(mutex);
  const Point point = ++last;
  const Completion* failure = failure_of_run(run);
  if (failure != nullptr || !lost.empty()) {
    Completion known = failure != nullptr ? *failure : Completion{Status::BackendUnavailable, lost};
    in_flight.push_back({run, nullptr, std::move(known), 0});
    work.notify_one();
    return point;
  }
  Submission& submitted = *submission;
  in_flight.push_back({run, std::move(submission)});
  lock.unlock();
  enqueue(submitted, point);
  return point;
}

void Queue::Core::enqueue(Submission& submission, Point point) {
  submission.enqueue(queue.get(), shared);
  if (!await(submission, point)) let_go(point);
  let_go(point);
}

// True when the driver will call back once the submission is through. The callback is set before the flush: oclgrind
// runs commands inside clFlush, and says nothing of those that ended before.
bool Queue::Core::await(Submission& submission, Point point) {
  const cl_event last_event = submission.last_event();
  if (last_event == nullptr) return false;
  auto ticket = std::make_unique<Ticket>(Ticket{this, point});
  const cl_int set = clSetEventCallback(last_event, CL_COMPLETE, on_complete, ticket.get());
  if (set == CL_SUCCESS)
    ticket.release();
  else
    submission.fail(error_status(set), str("clSetEventCallback failed: ", error_name(set)));
  const cl_int flushed = clFlush(queue.get());
  if (flushed != CL_SUCCESS) submission.fail(error_status(flushed), str("clFlush failed: ", error_name(flushed)));
  if (set == CL_SUCCESS && flushed == CL_SUCCESS) return true;
  // What the device may still touch must not go before it is through.
  return clFinish(queue.get()) == CL_SUCCESS && set == CL_SUCCESS;
}

// How the submission ended; then it holds nothing any more.
Completion Queue::Core::finish(Submission& submission) {
  Completion completion;
  try {
    completion = submission.outcome();
    if (trace != nullptr) submission.trace(*trace, name);
  } catch (const std::exception& error) {
    completion = {Status::InternalError, error.what()};
  }
  if (completion.status != Status::Success) completion.text = str("OpenCL device ", name, ": ", completion.text);
  if (MemoryPtr word = submission.release_status()) {
    std::lock_guard order(submit_mutex);
    shared.status.push_back(std::move(word));
  }
  return completion;
}

void Queue::Core::serve() {
  std::unique_lock lock(mutex);
  for (;;) {
    work.wait(lock, [&] { return in_flight.empty() ? stop : in_flight.front().awaited == 0; });
    if (in_flight.empty()) return;
    InFlight ended = std::move(in_flight.front());
    const uint64_t run = ended.run;
    lock.unlock();
    Completion completion = ended.submission ? finish(*ended.submission) : ended.known;
    ended.submission.reset();
    lock.lock();

    in_flight.pop_front();
    ++completed;
    if (const Completion* earlier = failure_of_run(run)) completion = *earlier;
    if (completion.status == Status::BackendUnavailable && lost.empty()) lost = completion.text + " (lost since then)";
    if (completion.status != Status::Success) {
      failures.push_back({completed, run, completion});
      if (failures.size() > failures_kept) failures.pop_front();
    }
    std::vector<Done> told;
    const auto end = waiters.upper_bound(completed);
    for (auto waiter = waiters.begin(); waiter != end; ++waiter) told.push_back(std::move(waiter->second));
    waiters.erase(waiters.begin(), end);
    progress.notify_all();
    lock.unlock();
    for (const Done& done : told) done(completion);
    told.clear();
    lock.lock();
  }
}

namespace {
thread_local const void* served = nullptr;  // the core whose thread this is
}

Queue::Queue(ContextOwner context, cl_device_id device, std::string name, Trace* trace)
    : core_(std::make_shared<Core>(std::move(context), device, std::move(name), trace)) {
  runtime::SignalBlock block;
  try {
    thread_ = std::thread([core = core_] {
      pthread_setname_np(pthread_self(), "sardonyx-cl");
      served = core.get();
      core->serve();
    });
  } catch (const std::system_error&) {
    fail(Status::NoSystemResources, "cannot start the thread of OpenCL device ", core_->name);
  }
}

Queue::~Queue() {
  if (core_->forked()) {
    // The thread and the driver's threads are not in this process: nothing here can be joined or released.
    new std::thread(std::move(thread_));
    new std::shared_ptr<Core>(std::move(core_));
    return;
  }
  {
    std::lock_guard lock(core_->mutex);
    core_->stop = true;
    core_->work.notify_one();
  }
  served == core_.get() ? thread_.detach() : thread_.join();
}

cl_context Queue::context() const { return core_->context.get(); }

void Queue::require_alive() const {
  require(!core_->forked(), Status::BackendUnavailable, fork_text);
  std::lock_guard lock(core_->mutex);
  require(core_->lost.empty(), Status::BackendUnavailable, core_->lost);
}

Point Queue::submit(std::span<const runtime::DeviceCommand> commands, uint64_t run) {
  return core_->forked() ? 0 : core_->submit(commands, run);
}

Completion Queue::wait(Point point, Done done) {
  Core& core = *core_;
  Completion completion{Status::BackendUnavailable, fork_text};
  if (!core.forked()) {
    std::unique_lock lock(core.mutex);
    if (done && core.completed < point) {
      core.waiters.emplace(point, std::move(done));
      return {};
    }
    core.progress.wait(lock, [&] { return core.completed >= point; });
    completion = core.completion_of(point);
  }
  if (done) done(completion);
  return completion;
}

}  // namespace sardonyx::opencl
