// What the first two cores give at this moment, as a line of JSON: how long a cache line takes from one to the other
// and back, and what one and both of them read from memory. Figures of two threads mean little without: the cores of a
// virtual machine move, and with them lie near to each other or far, and share a path to memory or do not.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <future>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int rounds = 10, passes = 1000;
constexpr size_t words = size_t{16} << 20;  // 128 MiB, more than caches hold

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// A thread that runs `work` on core 1; it is there when this returns. Spinning for that instead would keep it from
// getting there under a real-time class, as it begins on the core of the caller.
template <class Work>
std::thread on_other_core(Work work) {
  std::promise<void> there;
  const std::future<void> arrived = there.get_future();
  std::thread thread([work, there = std::move(there)]() mutable {
    pin(1);
    there.set_value();
    work();
  });
  arrived.wait();
  return thread;
}

// The best of some rounds; each thread takes its turn `passes` times.
double round_trip_ns() {
  alignas(128) static std::atomic<int> turn{0};
  std::thread other = on_other_core([] {
    for (int i = 0; i < rounds * passes; ++i) {
      while (turn.load(std::memory_order_acquire) != 2 * i + 1) {
      }
      turn.store(2 * i + 2, std::memory_order_release);
    }
  });
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    for (int i = round * passes; i < (round + 1) * passes; ++i) {
      turn.store(2 * i + 1, std::memory_order_release);
      while (turn.load(std::memory_order_acquire) != 2 * i + 2) {
      }
    }
    best = std::min(best, since(start) / passes * 1e9);
  }
  other.join();
  return best;
}

uint64_t sum(const uint64_t* data, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += data[i];
  return total;
}

// Each of `cores` reads its part of the data from front to end.
double read_gb_per_s(const std::vector<uint64_t>& data, int cores) {
  static std::atomic<uint64_t> sink{0};
  const size_t part = data.size() / size_t(cores);
  double best = 0;
  for (int round = 0; round < rounds / 2; ++round) {
    std::atomic<bool> go{false};
    std::thread other;
    if (cores > 1)
      other = on_other_core([&] {
        while (!go.load()) {
        }
        sink += sum(data.data() + part, part);
      });
    const auto start = Clock::now();
    go.store(true);
    sink += sum(data.data(), part);
    if (cores > 1) other.join();
    best = std::max(best, double(part * size_t(cores) * sizeof data[0]) / since(start) * 1e-9);
  }
  return best;
}

}  // namespace

int main() {
  pin(0);
  const std::vector<uint64_t> data(words, 1);
  std::printf("{\"round_trip_ns\": %.0f, \"read_gb_per_s\": [%.1f, %.1f]}\n", round_trip_ns(), read_gb_per_s(data, 1),
              read_gb_per_s(data, 2));
}
