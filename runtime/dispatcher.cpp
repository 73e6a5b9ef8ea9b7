#include "runtime/dispatcher.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <vector>

#include "runtime/base/log.h"
#include "runtime/cpu_count.h"
#include "runtime/futex.h"
#include "runtime/thread_hooks.h"

namespace sardonyx::runtime {

// Shared with the threads, so that a dispatcher destroyed by its own thread leaves them something to end on.
struct Dispatcher::Core {
  explicit Core(const Settings& settings)
      : spin_nanoseconds(settings.spin_microseconds * 1000),
        threads_wanted(thread_count(settings) / cores_per_run(settings)),
        team(cores_per_run(settings), spin_nanoseconds) {}

  void push(Task* task) {
    std::lock_guard lock(mutex);
    task->next = nullptr;  // a task that comes again still points to whom it stood before
    (last ? last->next : first) = task;
    last = task;
    queued.fetch_add(1);
  }

  Task* pop() {
    std::lock_guard lock(mutex);
    Task* task = first;
    if (task == nullptr) return nullptr;
    first = task->next;
    if (first == nullptr) last = nullptr;
    queued.fetch_sub(1);
    return task;
  }

  void serve() {
    KernelThreadScope scope;
    const auto news = [&] {
      return queued.load(std::memory_order_acquire) > 0 || stop.load(std::memory_order_relaxed);
    };
    for (;;) {
      if (Task* task = pop()) {
        scope.refresh();
        task->execute(threads_wanted == 1 ? &team : nullptr);
        continue;
      }
      if (stop.load()) return;
      if (spin_until(spin_nanoseconds, news)) continue;
      const uint32_t seen = bell.load();
      sleepers.fetch_add(1);
      if (queued.load() == 0 && !stop.load()) futex_wait(bell, seen);
      sleepers.fetch_sub(1);
    }
  }

  // One thread per core, where there are as many: schedulers may leave several on one while others are free.
  void spread() {
    cpu_set_t allowed;
    if (threads.size() < 2 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    if (CPU_COUNT(&allowed) != int(threads.size())) return;
    size_t cpu = 0;
    for (pthread_t thread : threads) {
      while (!CPU_ISSET(cpu, &allowed)) ++cpu;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu++, &one);
      pthread_setaffinity_np(thread, sizeof one, &one);
    }
  }

  // False when no thread serves the queue and none can be created.
  bool ensure_threads(const std::shared_ptr<Core>& self) {
    if (started.load(std::memory_order_acquire)) return true;
    std::lock_guard lock(start_mutex);
    if (started.load(std::memory_order_relaxed)) return true;
    SignalBlock block;
    while (int(threads.size()) < threads_wanted) {
      auto argument = std::make_unique<std::shared_ptr<Core>>(self);
      pthread_t thread;
      if (pthread_create(&thread, nullptr, thread_entry, argument.get()) != 0) break;
      argument.release();
      char name[16];
      std::snprintf(name, sizeof name, "sardonyx-d%d", int(threads.size()) % 10000);
      pthread_setname_np(thread, name);
      threads.push_back(thread);
    }
    if (threads.empty()) {
      log(LogLevel::Warning, "no thread could be created; runs execute on the calling thread");
      return false;
    }
    spread();
    process = getpid();
    started.store(true, std::memory_order_release);
    return true;
  }

  const int64_t spin_nanoseconds;
  const int threads_wanted;
  Team team;
  std::mutex mutex;
  Task* first = nullptr;
  Task* last = nullptr;
  alignas(64) std::atomic<int32_t> queued{0};
  std::atomic<int32_t> sleepers{0};
  std::atomic<uint32_t> bell{0};
  std::atomic<bool> stop{false};
  std::mutex start_mutex;
  std::atomic<bool> started{false};
  std::vector<pthread_t> threads;
  pid_t process = 0;
};

void* Dispatcher::thread_entry(void* argument) {
  std::shared_ptr<Core> core;
  {
    const std::unique_ptr<std::shared_ptr<Core>> owner(static_cast<std::shared_ptr<Core>*>(argument));
    core = std::move(*owner);
  }
  core->serve();
  return nullptr;
}

Dispatcher::Dispatcher(const Settings& settings) : core_(std::make_shared<Core>(settings)) {}

Dispatcher::~Dispatcher() {
  core_->stop.store(true);
  core_->bell.fetch_add(1);
  futex_wake(core_->bell);
  for (pthread_t thread : core_->threads) {
    if (pthread_equal(thread, pthread_self()))
      pthread_detach(thread);
    else
      pthread_join(thread, nullptr);
  }
}

void Dispatcher::enqueue(Task* task) {
  // Once the task is in the queue it may end, and with it the last owner of this dispatcher.
  const std::shared_ptr<Core> keep = core_;
  Core& core = *keep;
  if (!core.ensure_threads(keep) || core.process != getpid()) {
    KernelThreadScope scope;
    task->execute(nullptr);
    return;
  }
  core.push(task);
  if (core.sleepers.load() == 0) return;
  core.bell.fetch_add(1);
  futex_wake(core.bell, 1);
}

int Dispatcher::lanes() const { return core_->threads_wanted; }

int Dispatcher::team_size() const { return core_->team.size(); }

}  // namespace sardonyx::runtime
