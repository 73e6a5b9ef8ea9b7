#include "runtime/base/compile_thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <vector>

#include "runtime/base/status.h"

namespace sardonyx {

namespace {

constexpr size_t stack_bytes = size_t{64} << 20;
thread_local bool on_compile_stack = false;

struct Task {
  const std::function<void()>* work;
  std::exception_ptr error;
};

void* run_task(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  on_compile_stack = true;
  try {
    (*task.work)();
  } catch (...) {
    task.error = std::current_exception();
  }
  return nullptr;
}

// Starts a thread that inherits a full signal mask; false when the system has none to give.
bool start(Task& task, pthread_t* thread) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  bool started = pthread_attr_setstacksize(&attributes, stack_bytes) == 0 &&
                 pthread_create(thread, &attributes, run_task, &task) == 0;
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  pthread_attr_destroy(&attributes);
  return started;
}

size_t available_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return size_t(std::max(1, CPU_COUNT(&set)));
}

}  // namespace

void on_compile_thread(const std::function<void()>& work) {
  if (on_compile_stack) {
    work();
    return;
  }
  Task task{&work, nullptr};
  pthread_t thread;
  require(start(task, &thread), Status::NoSystemResources, "cannot start a compile thread");
  pthread_join(thread, nullptr);
  if (task.error) std::rethrow_exception(task.error);
}

void parallel_compile(size_t count, const std::function<void(size_t)>& work, size_t most_threads) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  std::function<void()> drain = [&] {
    for (size_t i; (i = next.fetch_add(1)) < count;) {
      try {
        work(i);
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next.store(count);
      }
    }
  };
  size_t helpers = std::min({count, available_cores(), most_threads});
  std::vector<Task> tasks(helpers > 0 ? helpers - 1 : 0, Task{&drain, nullptr});
  std::vector<pthread_t> threads;
  for (Task& task : tasks) {
    pthread_t thread;
    if (!start(task, &thread)) break;
    threads.push_back(thread);
  }
  on_compile_thread(drain);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  if (error) std::rethrow_exception(error);
}

void parallel_parts(int64_t count, int64_t bytes, const std::function<void(int64_t)>& work) {
  constexpr int64_t little = int64_t{4} << 20, chunks = 32;
  if (count == 0) return;
  const int64_t chunk = bytes < little ? count : (count + chunks - 1) / chunks;
  const auto do_chunk = [&](size_t i) {
    for (int64_t k = int64_t(i) * chunk; k < std::min(count, (int64_t(i) + 1) * chunk); ++k) work(k);
  };
  if (bytes < little)
    do_chunk(0);
  else
    parallel_compile(size_t((count + chunk - 1) / chunk), do_chunk);
}

void parallel_ranges(int64_t count, int64_t range, int64_t bytes, const std::function<void(int64_t, int64_t)>& work) {
  parallel_parts((count + range - 1) / range, bytes,
                 [&](int64_t i) { work(i * range, std::min(count, (i + 1) * range)); });
}

}  // namespace sardonyx
