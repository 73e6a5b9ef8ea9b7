#include "runtime/thread_hooks.h"

#include <atomic>
#include <mutex>

#include "runtime/base/status.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace sardonyx::runtime {

namespace {
// Constant-initialised and trivially destructible: worker threads may outlive static destruction.
ThreadHooks hooks_table[max_thread_hooks];
std::atomic<int> hooks_count{0};
constinit std::mutex hooks_mutex;

#if defined(__SSE__)
constexpr unsigned default_mxcsr = 0x1F80;
uint64_t enter_float_state() {
  const unsigned saved = _mm_getcsr();
  if (saved != default_mxcsr) _mm_setcsr(default_mxcsr);
  return saved;
}
// Always restored: kernels leave sticky exception flags behind.
void leave_float_state(uint64_t saved) { _mm_setcsr(unsigned(saved)); }
#else
uint64_t enter_float_state() {
  const int saved = std::fegetround();
  std::fesetround(FE_TONEAREST);
  return uint64_t(saved);
}
void leave_float_state(uint64_t saved) { std::fesetround(int(saved)); }
#endif
}  // namespace

void register_thread_hooks(ThreadHooks hooks) {
  std::lock_guard lock(hooks_mutex);
  const int count = hooks_count.load(std::memory_order_relaxed);
  for (int i = 0; i < count; ++i)
    if (hooks_table[i].enter == hooks.enter && hooks_table[i].leave == hooks.leave) return;
  check(count < max_thread_hooks, "too many thread hooks");
  hooks_table[count] = hooks;
  hooks_count.store(count + 1, std::memory_order_release);
}

KernelThreadScope::KernelThreadScope() : float_state_(enter_float_state()) { refresh(); }

KernelThreadScope::~KernelThreadScope() {
  while (entered_ > 0) {
    --entered_;
    hooks_table[entered_].leave(saved_[entered_]);
  }
  leave_float_state(float_state_);
}

void KernelThreadScope::refresh() {
  const int count = hooks_count.load(std::memory_order_acquire);
  for (; entered_ < count; ++entered_) saved_[entered_] = hooks_table[entered_].enter();
}

}  // namespace sardonyx::runtime
