#include "runtime/team.h"

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>

#include "runtime/base/log.h"
#include "runtime/futex.h"
#include "runtime/memory.h"
#include "runtime/thread_hooks.h"

namespace sardonyx::runtime {

namespace {
constexpr uint64_t open_flag = uint64_t{1} << 31;     // workers may join
constexpr uint64_t waiting_flag = uint64_t{1} << 30;  // the leader sleeps until the last worker leaves
constexpr uint64_t count_mask = waiting_flag - 1;
constexpr uint64_t job_unit = uint64_t{1} << 32;

// Below these a launch stays on the leader: the hand-over would cost more than it saves.
constexpr double awake_threshold_ns = 4'000;
constexpr double asleep_threshold_ns = 30'000;
constexpr double chunk_ns = 1'500;
constexpr int64_t max_chunks_per_worker = 16;
constexpr int max_lanes = 8;
constexpr int64_t leader_spin_ns = 50'000;
}  // namespace

SignalBlock::SignalBlock() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &saved_);
}

SignalBlock::~SignalBlock() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }

struct Team::Worker {
  Team* team;
  int member;
};

Team::Team(int size, int64_t spin_nanoseconds)
    : size_(std::max(size, 1)),
      spin_nanoseconds_(spin_nanoseconds),
      lanes_(new Lane[size_t(std::min(size_, max_lanes))]) {}

Team::~Team() {
  stop_.store(true);
  bell_.fetch_add(1);
  futex_wake(bell_);
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
}

void* Team::thread_entry(void* argument) {
  const std::unique_ptr<Worker> worker(static_cast<Worker*>(argument));
  worker->team->worker_loop(worker->member);
  return nullptr;
}

void Team::start() {
  if (start_failed_ || int(threads_.size()) == size_ - 1) return;
  SignalBlock block;
  if (sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) CPU_ZERO(&allowed_);
  while (int(threads_.size()) < size_ - 1) {
    const int member = int(threads_.size()) + 1;
    auto worker = std::make_unique<Worker>(Worker{this, member});  // the thread's from its start on
    pthread_t thread;
    if (pthread_create(&thread, nullptr, thread_entry, worker.get()) != 0) {
      start_failed_ = true;
      log(LogLevel::Warning, "only ", threads_.size() + 1, " of ", size_, " worker threads could be started");
      return;
    }
    char name[16];
    std::snprintf(name, sizeof name, "sardonyx-w%d", member % 10000);
    pthread_setname_np(thread, name);
    worker.release();
    threads_.push_back(thread);
  }
}

// A worker that waits for the leader's own core does not take part, and schedulers leave it there for long: under a
// real-time class until something else happens on another core, else as long as that one has work of others.
void Team::keep_apart() {
  const int cpu = sched_getcpu();
  if (cpu == leader_cpu_ || cpu < 0 || cpu >= CPU_SETSIZE) return;
  leader_cpu_ = cpu;
  cpu_set_t others = allowed_;
  CPU_CLR(size_t(cpu), &others);
  if (CPU_COUNT(&others) < int(threads_.size())) return;
  for (pthread_t thread : threads_) pthread_setaffinity_np(thread, sizeof others, &others);
}

void Team::wake_sleepers() {
  if (sleepers_.load() == 0) return;
  bell_.fetch_add(1);
  futex_wake(bell_);
}

void Team::wake() {
  if (size_ == 1) return;
  start();
  keep_apart();
  wake_sleepers();
}

bool Team::worthwhile(const HostInvocation& invocation) {
  if (size_ == 1 || invocation.grid < 2 * invocation.grain || invocation.grid < 2 ||
      invocation.cost_ns <= awake_threshold_ns)
    return false;
  const bool awake = !threads_.empty() && sleepers_.load(std::memory_order_relaxed) == 0;
  if (awake || invocation.cost_ns > asleep_threshold_ns) {
    missed_ns_ = 0;
    return true;
  }
  // Not worth waiting for sleepers, but many such launches in a row are worth waking them for the later ones.
  missed_ns_ += invocation.cost_ns;
  if (missed_ns_ > asleep_threshold_ns) {
    missed_ns_ = 0;
    wake();
  }
  return false;
}

int32_t Team::run(const HostInvocation& invocation, void* const* buffers, const int64_t* dims, void* scratch) {
  if (!worthwhile(invocation))
    return invocation.grid > 0 ? invocation.run(buffers, dims, scratch, 0, invocation.grid) : KernelOk;
  split(invocation, buffers, dims, scratch);
  return error_.load(std::memory_order_relaxed);
}

void Team::split(const HostInvocation& invocation, void* const* buffers, const int64_t* dims, void* scratch) {
  start();
  keep_apart();
  const int64_t per_worker =
      std::clamp(int64_t(invocation.cost_ns / (chunk_ns * size_)), int64_t{1}, max_chunks_per_worker);
  // As many pieces for each, unless they would be smaller than the grain.
  const int64_t most = invocation.grid / std::max<int64_t>(invocation.grain, 1);
  const int64_t pieces = std::min(per_worker * size_, most < size_ ? most : most / size_ * size_);
  const int64_t chunk = (invocation.grid + pieces - 1) / pieces;
  const int64_t chunks = (invocation.grid + chunk - 1) / chunk;
  const int lanes = int(std::min<int64_t>(std::min(size_, max_lanes), chunks));
  job_ = {&invocation, buffers, dims, invocation.grid, chunk, lanes};
  for (int i = 0; i < lanes; ++i) {
    lanes_[size_t(i)].next.store(chunks * i / lanes, std::memory_order_relaxed);
    lanes_[size_t(i)].end = chunks * (i + 1) / lanes;
  }
  error_.store(0, std::memory_order_relaxed);
  const uint64_t job = (gate_.load(std::memory_order_relaxed) / job_unit + 1) * job_unit;
  gate_.store(job | open_flag);  // sequentially consistent, as is the sleepers' count: one side sees the other
  wake_sleepers();
  work(0, scratch);
  // Close the gate, then wait for those inside.
  gate_.fetch_and(~open_flag, std::memory_order_acq_rel);
  const auto empty = [&] { return (gate_.load(std::memory_order_acquire) & count_mask) == 0; };
  if (spin_until(leader_spin_ns, empty)) return;
  // A worker lost its core in the middle of a chunk.
  const uint32_t seen = finished_.load();
  const uint64_t before = gate_.fetch_or(waiting_flag, std::memory_order_acq_rel);
  if ((before & count_mask) != 0)
    while (finished_.load() == seen) futex_wait(finished_, seen);
  gate_.fetch_and(~waiting_flag, std::memory_order_acq_rel);
}

void Team::leave() {
  const uint64_t before = gate_.fetch_sub(1, std::memory_order_acq_rel);
  if ((before & count_mask) == 1 && (before & waiting_flag) != 0) {
    finished_.fetch_add(1);
    futex_wake(finished_, 1);
  }
}

bool Team::claim(int lane, int64_t& begin, int64_t& end) {
  Lane& own = lanes_[size_t(lane)];
  if (own.next.load(std::memory_order_relaxed) >= own.end) return false;
  const int64_t index = own.next.fetch_add(1, std::memory_order_relaxed);
  if (index >= own.end) return false;
  begin = index * job_.chunk;
  end = std::min(begin + job_.chunk, job_.grid);
  return true;
}

void Team::work(int member, void* scratch) {
  const int home = int(int64_t(member) * job_.lanes / size_);
  int64_t begin = 0, end = 0;
  for (int i = 0; i < job_.lanes; ++i) {
    const int lane = (home + i) % job_.lanes;
    while (error_.load(std::memory_order_relaxed) == 0 && claim(lane, begin, end)) {
      const int32_t code = job_.invocation->run(job_.buffers, job_.dims, scratch, begin, end);
      int32_t none = 0;
      if (code != 0) error_.compare_exchange_strong(none, code, std::memory_order_relaxed);
    }
  }
}

void Team::worker_loop(int member) {
  KernelThreadScope scope;
  Memory scratch;
  uint64_t seen = 0;  // number of the last job looked at
  const auto news = [&] {
    const uint64_t gate = gate_.load(std::memory_order_acquire);
    return (gate / job_unit != seen && (gate & open_flag) != 0) || stop_.load(std::memory_order_relaxed);
  };
  for (;;) {
    if (!spin_until(spin_nanoseconds_, news)) {
      const uint32_t bell = bell_.load();
      sleepers_.fetch_add(1);
      const uint64_t gate = gate_.load();
      const bool pending = gate / job_unit != seen && (gate & open_flag) != 0;
      if (!pending && !stop_.load()) futex_wait(bell_, bell);
      sleepers_.fetch_sub(1);
      continue;
    }
    if (stop_.load(std::memory_order_relaxed)) return;
    uint64_t gate = gate_.load(std::memory_order_acquire);
    bool joined = false;
    while ((gate & open_flag) != 0 && gate / job_unit != seen && !joined)
      joined = gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acq_rel, std::memory_order_acquire);
    if (!joined) continue;
    seen = gate / job_unit;
    scope.refresh();
    if (scratch.try_reserve(job_.invocation->scratch_bytes)) {
      work(member, scratch.data());
    } else {
      int32_t none = 0;
      error_.compare_exchange_strong(none, OutOfMemory, std::memory_order_relaxed);
    }
    leave();
  }
}

}  // namespace sardonyx::runtime
