#include "runtime/session.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/base/trace.h"
#include "runtime/binding.h"
#include "runtime/dispatcher.h"
#include "runtime/executor.h"
#include "runtime/thread_hooks.h"

namespace sardonyx::runtime {

namespace {
constexpr size_t plan_limit = 64;

// True while this thread executes a run, the callbacks of its output event included.
thread_local bool performing = false;

struct Outcome {
  Status status = Status::Success;
  std::string text;
};

// Of the exception that is being handled.
Outcome current_failure() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return {error.status(), error.text()};
  } catch (const std::bad_alloc&) {
    return {Status::NoSystemMemory, {}};
  } catch (const std::exception& error) {
    return {Status::InternalError, error.what()};
  } catch (...) {
    return {Status::InternalError, {}};
  }
}

std::shared_ptr<const Analysis> analyse(std::shared_ptr<const Program> program, const Context& context) {
  if (program->devices.size() <= 1) return std::make_shared<const Analysis>(std::move(program));
  return std::make_shared<const Analysis>(load_image(*program, context.devices()));
}
}  // namespace

struct Session::State {
  // One submitted run. It sits in the list of runs in flight from submission until its output is signalled.
  struct Run : Task {
    std::shared_ptr<Session> session;
    std::shared_ptr<const Binding> binding;
    EventPtr input, output;
    State* state = nullptr;
    // From the first step on.
    std::unique_ptr<RunState> memory;
    std::optional<Executor> executor;
    std::vector<TraceEvent> events;
    Outcome outcome;
    // While the run waits for a device. The thread that executes it and the device's callback each put their mark; the
    // second to come carries on.
    enum class Wait : uint8_t { Begun, Parked, Reached };
    std::atomic<Wait> wait{Wait::Begun};
    DeviceWait waiting;
    Completion completion;
    // The rest is guarded by runs_mutex.
    int blockers = 0;              // earlier runs on the same buffers, plus one for an unsignalled input
    std::vector<Run*> dependents;  // later runs on the same buffers
    Run* earlier = nullptr;
    Run* later = nullptr;

    void execute(Team* team) noexcept override;
  };

  State(std::shared_ptr<const Program> program, std::shared_ptr<Context> the_context)
      : context(std::move(the_context)),
        analysis(analyse(std::move(program), *context)),
        trace(Trace::open(context->settings().trace_file)) {}

  std::shared_ptr<const Plan> find_plan(std::span<const HostTensor> inputs);
  std::shared_ptr<const Plan> plan_for(std::span<const HostTensor> inputs);
  // Puts the run behind those whose buffers it shares.
  void link(Run& run);
  // Takes the run out and returns the runs that became ready, chained by Task::next.
  Task* unlink(Run& run);
  void unblock(Run* run);
  // False: the run waits for a device and will be queued again.
  bool perform(Run& run, Team* team) noexcept;
  // Executes the run as far as it gets; answers what it waits for.
  DeviceWait advance(Run& run, Team* team) noexcept;
  // Asks the device to say when it gets to what the run waits for. False: it will, the run is not the caller's any
  // more.
  bool reached(Run& run) noexcept;
  void finish(Run& run) noexcept;

  const std::shared_ptr<Context> context;
  const std::shared_ptr<const Analysis> analysis;
  Trace* const trace;

  std::mutex plans_mutex;
  std::vector<std::shared_ptr<const Plan>> plans;  // most recently used first
  StatePool states;

  std::mutex runs_mutex;
  std::condition_variable idle;
  int64_t in_flight = 0;
  Run* last = nullptr;
};

std::shared_ptr<const Plan> Session::State::find_plan(std::span<const HostTensor> inputs) {
  std::lock_guard lock(plans_mutex);
  for (size_t i = 0; i < plans.size(); ++i) {
    const auto same = [](const HostTensor& tensor, const Dims& dims) { return tensor.dims == dims; };
    const std::vector<Dims>& shapes = plans[i]->input_shapes;
    if (!std::equal(inputs.begin(), inputs.end(), shapes.begin(), shapes.end(), same)) continue;
    if (i > 0) std::rotate(plans.begin(), plans.begin() + ptrdiff_t(i), plans.begin() + ptrdiff_t(i) + 1);
    return plans.front();
  }
  return nullptr;
}

std::shared_ptr<const Plan> Session::State::plan_for(std::span<const HostTensor> inputs) {
  if (auto plan = find_plan(inputs)) return plan;
  std::vector<std::span<const int64_t>> shapes;
  for (const HostTensor& tensor : inputs) shapes.emplace_back(tensor.dims);
  KernelThreadScope scope;  // kernels are prepared as they will run
  auto plan = make_plan(analysis, shapes);
  // The memory of the first run is had now, where a lack of it can be reported.
  states.give(states.make(plan));
  std::shared_ptr<const Plan> evicted;
  {
    std::lock_guard lock(plans_mutex);
    plans.insert(plans.begin(), plan);
    if (plans.size() > plan_limit) {
      evicted = std::move(plans.back());
      plans.pop_back();
    }
  }
  if (evicted) states.forget(evicted);
  return plan;
}

void Session::State::link(Run& run) {
  for (Run* other = last; other != nullptr; other = other->earlier) {
    const bool same = other->binding == run.binding;
    if (!same && !other->binding->conflicts(*run.binding)) continue;
    other->dependents.push_back(&run);
    ++run.blockers;
    // Whatever of this binding is older, that one waits for already.
    if (same) break;
  }
  run.earlier = last;
  if (last != nullptr) last->later = &run;
  last = &run;
  ++in_flight;
}

Task* Session::State::unlink(Run& run) {
  std::lock_guard lock(runs_mutex);
  if (run.earlier != nullptr) run.earlier->later = run.later;
  (run.later != nullptr ? run.later->earlier : last) = run.earlier;
  Task* ready = nullptr;
  Task** end = &ready;
  for (Run* dependent : run.dependents) {
    if (--dependent->blockers > 0) continue;
    *end = dependent;
    end = &dependent->next;
  }
  if (--in_flight == 0) idle.notify_all();
  return ready;
}

void Session::State::unblock(Run* run) {
  {
    std::lock_guard lock(runs_mutex);
    if (--run->blockers > 0) return;
  }
  // A small run executes on the thread that made it ready (the one that signals its input); not inside another run,
  // so that chains of any length need no stack.
  if (run->binding->plan->cost_ns < inline_cost_ns && !performing) {
    KernelThreadScope scope;
    run->execute(nullptr);
  } else {
    context->dispatcher().enqueue(run);
  }
}

DeviceWait Session::State::advance(Run& run, Team* team) noexcept {
  const auto failed = [&] { return run.outcome.status != Status::Success; };
  if (!failed()) {
    try {
      if (run.memory == nullptr) {
        const Status before = run.input ? run.input->status() : Status::Success;
        if (before != Status::Success) throw Error(before, run.input->text());
        run.memory = states.take(run.binding->plan);
        run.memory->start(*run.binding);
        run.executor.emplace(*run.memory, *run.binding, trace ? &run.events : nullptr);
      }
      if (const DeviceWait wait = run.executor->run(team)) return wait;
      run.output->set_output_shapes(run.executor->output_shapes());
      if (std::vector<Tensor> results = run.executor->take_results(); !results.empty())
        run.output->set_results(std::move(results));
      run.memory->finish(*run.binding);
    } catch (...) {
      run.outcome = current_failure();
    }
  }
  if (failed() && run.executor)
    if (const DeviceWait wait = run.executor->drain()) return wait;
  return {};
}

bool Session::State::reached(Run& run) noexcept {
  using Wait = Run::Wait;
  run.wait.store(Wait::Begun);
  Device& device = *analysis->image->devices[size_t(run.waiting.device)];
  device.wait(run.waiting.point, [this, &run](const Completion& completion) {
    run.completion = completion;
    if (run.wait.exchange(Wait::Reached) == Wait::Parked) context->dispatcher().enqueue(&run);
  });
  return run.wait.exchange(Wait::Parked) == Wait::Reached;
}

void Session::State::finish(Run& run) noexcept {
  run.executor.reset();
  if (run.memory != nullptr) {
    if (run.outcome.status != Status::Success) run.memory->clear();
    states.give(std::move(run.memory));
  }
  run.output->signal(run.outcome.status, std::move(run.outcome.text));
  if (trace) trace->append(run.events);
  for (Task* ready = unlink(run); ready != nullptr;) {
    Task* next = std::exchange(ready->next, nullptr);
    context->dispatcher().enqueue(ready);
    ready = next;
  }
}

bool Session::State::perform(Run& run, Team* team) noexcept {
  const bool nested = std::exchange(performing, true);
  for (;;) {
    if (run.waiting) run.memory->work->reached(run.waiting, run.completion);
    run.waiting = advance(run, team);
    if (!run.waiting) break;
    if (trace) trace->append(std::exchange(run.events, {}));
    if (!reached(run)) {
      performing = nested;
      return false;
    }
  }
  finish(run);
  performing = nested;
  return true;
}

void Session::State::Run::execute(Team* team) noexcept {
  if (state->perform(*this, team)) delete this;
}

Session::Session(std::shared_ptr<const Program> program, std::shared_ptr<Context> context)
    : context_(std::move(context)),
      state_(std::make_unique<State>(std::move(program), context_)),
      program_(state_->analysis->program) {}

Session::~Session() = default;

std::shared_ptr<Binding> Session::bind(std::span<const HostTensor> inputs, std::span<const HostTensor> outputs) {
  return std::make_shared<Binding>(state_->plan_for(inputs), inputs, outputs);
}

std::vector<Dims> Session::infer(std::span<const Dims> inputs) {
  std::vector<std::span<const int64_t>> shapes(inputs.begin(), inputs.end());
  return output_shapes(*state_->analysis, bind_dims(*state_->analysis, shapes));
}

void Session::submit(std::shared_ptr<Binding> binding, EventPtr input, EventPtr output) {
  State& state = *state_;
  const std::shared_ptr<Session> self = shared_from_this();
  const bool signalled = input == nullptr || input->signalled();
  if (signalled && binding->plan->cost_ns < inline_cost_ns && state.analysis->image == nullptr) {
    State::Run run;
    run.binding = binding;
    run.input = input;
    run.output = output;
    std::unique_lock lock(state.runs_mutex);
    const bool free = std::invoke([&] {
      for (State::Run* other = state.last; other != nullptr; other = other->earlier)
        if (other->binding == binding || other->binding->conflicts(*binding)) return false;
      return true;
    });
    if (free) {
      state.link(run);
      lock.unlock();
      KernelThreadScope scope;
      state.perform(run, nullptr);
      return;
    }
  }
  auto* run = new State::Run;
  run->session = self;
  run->state = &state;
  run->binding = std::move(binding);
  run->input = std::move(input);
  run->output = std::move(output);
  run->blockers = 1;
  {
    std::lock_guard lock(state.runs_mutex);
    state.link(*run);
  }
  if (signalled)
    state.unblock(run);
  else
    EventPtr(run->input)->on_signal([&state, run](const Event&) { state.unblock(run); });
}

void Session::wait_idle() {
  std::unique_lock lock(state_->runs_mutex);
  state_->idle.wait(lock, [&] { return state_->in_flight == 0; });
}

}  // namespace sardonyx::runtime
