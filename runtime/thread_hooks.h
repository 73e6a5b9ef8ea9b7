// Per-thread preparation for kernels that call into libraries with thread-local state of their own.
//
// A backend registers a pair of functions once (before its first kernel runs): `enter` prepares the current thread and
// returns what it changed, `leave` restores it. Worker and dispatcher threads enter once for life; the host's thread
// enters and leaves around a run that executes on it, so that nothing of ours stays behind.
//
//   register_thread_hooks({[]() -> intptr_t { int n = omp_get_max_threads(); omp_set_num_threads(1); return n; },
//                          [](intptr_t n) { omp_set_num_threads(int(n)); }});
#pragma once
#include <cstdint>

namespace sardonyx::runtime {

struct ThreadHooks {
  intptr_t (*enter)() = nullptr;
  void (*leave)(intptr_t saved) = nullptr;
};

inline constexpr int max_thread_hooks = 8;

// Process-wide; thread-safe; a pair that is already registered is not added again.
void register_thread_hooks(ThreadHooks hooks);

// Prepares the current thread for kernels while alive: hooks, and the default floating-point environment (round to
// nearest, denormals kept, no traps), whatever the host has set.
class KernelThreadScope {
 public:
  KernelThreadScope();
  ~KernelThreadScope();
  KernelThreadScope(const KernelThreadScope&) = delete;
  KernelThreadScope& operator=(const KernelThreadScope&) = delete;
  // Enters hooks that were registered after construction. Cheap.
  void refresh();

 private:
  int entered_ = 0;
  intptr_t saved_[max_thread_hooks] = {};
  uint64_t float_state_ = 0;
};

}  // namespace sardonyx::runtime
