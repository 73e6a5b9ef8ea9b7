// Sleeping on a word of memory, and waiting that spins for a bounded time first.
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sardonyx::runtime {

inline void cpu_pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns at once when `word` is not `expected`; may wake for no reason.
inline void futex_wait(std::atomic<uint32_t>& word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

inline void futex_wake(std::atomic<uint32_t>& word, int count = INT_MAX) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// Spins until `done()` or until about `nanoseconds` have passed; true when done.
template <class Done>
bool spin_until(int64_t nanoseconds, Done&& done) {
  using Clock = std::chrono::steady_clock;
  if (done()) return true;
  if (nanoseconds <= 0) return false;
  const auto end = Clock::now() + std::chrono::nanoseconds(nanoseconds);
  do {
    for (int i = 0; i < 16; ++i) {
      cpu_pause();
      if (done()) return true;
    }
  } while (Clock::now() < end);
  return false;
}

}  // namespace sardonyx::runtime
