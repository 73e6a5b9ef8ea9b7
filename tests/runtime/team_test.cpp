// The worker team by itself: coverage of the grid, errors, scratch, hooks, sleeping, speed.
#include "runtime/team.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <mutex>
#include <thread>

#include "runtime/cpu_count.h"
#include "runtime/thread_hooks.h"
#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

using Clock = std::chrono::steady_clock;

double process_cpu_ms() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) { return double(t.tv_sec) * 1e3 + double(t.tv_usec) / 1e3; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

FunctionInvocation invocation(int64_t grid, double cost_ns, Body body, int64_t grain = 1) {
  FunctionInvocation result;
  result.grid = grid;
  result.cost_ns = cost_ns;
  result.grain = grain;
  result.body = std::move(body);
  return result;
}

TEST(Team, EveryIndexRunsExactlyOnce) {
  for (int size : {1, 2, 3, 8, 20}) {
    Team team(size, 20'000);
    for (int64_t grid : {1, 2, 7, 64, 1000, 12345}) {
      for (double cost : {100.0, 10'000.0, 1e6}) {
        std::vector<std::atomic<int>> hits(static_cast<size_t>(grid));
        auto job = invocation(grid, cost, [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++hits[size_t(i)];
          return 0;
        });
        ASSERT_EQ(team.run(job, nullptr, nullptr, nullptr), 0);
        for (auto& hit : hits) ASSERT_EQ(hit, 1);
      }
    }
  }
}

TEST(Team, ChunksAreNoSmallerThanTheGrain) {
  Team team(4, 20'000);
  std::atomic<int> bad{0};
  auto job = invocation(
      1000, 1e6,
      [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
        if (end - begin < 48 && end != 1000) ++bad;
        return 0;
      },
      48);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(team.run(job, nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(bad, 0);
}

TEST(Team, FewPiecesAreSharedEvenly) {
  Team team(2, 20'000);
  std::mutex mutex;
  std::vector<int64_t> sizes;
  // Three grains would be two pieces for one member and one for the other.
  auto job = invocation(
      24, 6'000,
      [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
        std::lock_guard lock(mutex);
        sizes.push_back(end - begin);
        return 0;
      },
      8);
  for (int i = 0; i < 100; ++i) {
    sizes.clear();
    team.wake();
    ASSERT_EQ(team.run(job, nullptr, nullptr, nullptr), 0);
    if (sizes.size() > 1) {
      EXPECT_EQ(sizes, (std::vector<int64_t>{12, 12}));
    }
  }
}

TEST(Team, SmallLaunchesStayOnTheLeaderAndStartNoThread) {
  Team team(4, 20'000);
  const auto leader = std::this_thread::get_id();
  auto job = invocation(1000, 1'000, [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
    return begin == 0 && end == 1000 && std::this_thread::get_id() == leader ? 0 : KernelFailed;
  });
  EXPECT_EQ(team.run(job, nullptr, nullptr, nullptr), 0);
  EXPECT_EQ(team.started(), 0);
}

TEST(Team, FirstErrorStopsTheLaunch) {
  Team team(2, 20'000);
  std::atomic<int> chunks{0};
  auto job = invocation(100'000, 1e6, [&](void* const*, const int64_t*, void*, int64_t, int64_t) {
    ++chunks;
    return int32_t(IndexOutOfRange);
  });
  EXPECT_EQ(team.run(job, nullptr, nullptr, nullptr), IndexOutOfRange);
  EXPECT_LE(chunks, 2);
  auto good = invocation(100, 1e6, [](auto...) { return 0; });
  EXPECT_EQ(team.run(good, nullptr, nullptr, nullptr), 0) << "the error does not stick";
}

TEST(Team, ScratchIsPrivateAndAligned) {
  Team team(3, 20'000);
  std::vector<uint8_t> own(5000);
  for (int64_t bytes : {100, 5000, 64}) {
    auto job = invocation(64, 1e6, [&](void* const*, const int64_t*, void* scratch, int64_t begin, int64_t) -> int32_t {
      auto* data = static_cast<uint8_t*>(scratch);
      if (data != own.data() && reinterpret_cast<uintptr_t>(data) % 64 != 0) return KernelFailed;
      std::fill_n(data, bytes, uint8_t(begin));
      std::this_thread::yield();
      for (int64_t i = 0; i < bytes; ++i)
        if (data[i] != uint8_t(begin)) return KernelFailed;
      return 0;
    });
    job.scratch_bytes = bytes;
    for (int i = 0; i < 20; ++i) ASSERT_EQ(team.run(job, nullptr, nullptr, own.data()), 0);
  }
}

TEST(Team, WorkersBlockSignals) {
  Team team(2, 20'000);
  std::atomic<int> unblocked{0};
  const auto leader = std::this_thread::get_id();
  auto job = invocation(64, 1e6, [&](void* const*, const int64_t*, void*, int64_t, int64_t) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    if (std::this_thread::get_id() != leader && !sigismember(&mask, SIGINT)) ++unblocked;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    return 0;
  });
  team.run(job, nullptr, nullptr, nullptr);
  EXPECT_EQ(unblocked, 0);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_FALSE(sigismember(&mask, SIGINT)) << "the leader's mask is as before";
}

thread_local int hook_depth = 0;

TEST(Team, HooksRunOncePerWorkerAndAroundInlineScopes) {
  static std::atomic<int> entered{0};
  register_thread_hooks({[]() -> intptr_t {
                           ++entered;
                           return hook_depth++;
                         },
                         [](intptr_t saved) { hook_depth = int(saved); }});
  {
    KernelThreadScope outer;
    EXPECT_EQ(hook_depth, 1);
    {
      KernelThreadScope inner;
      EXPECT_EQ(hook_depth, 2);
    }
    EXPECT_EQ(hook_depth, 1);
  }
  EXPECT_EQ(hook_depth, 0);
  entered = 0;
  Team team(3, 20'000);
  std::atomic<int> wrong{0};
  const auto leader = std::this_thread::get_id();
  auto job = invocation(64, 1e6, [&](void* const*, const int64_t*, void*, int64_t, int64_t) {
    if (std::this_thread::get_id() != leader && hook_depth != 1) ++wrong;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    return 0;
  });
  for (int i = 0; i < 10; ++i) team.run(job, nullptr, nullptr, nullptr);
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(entered, 2);
}

TEST(Team, WorkersKeepOffTheCoreOfTheLeader) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  if (CPU_COUNT(&allowed) < 2) GTEST_SKIP() << "needs two cores";
  Team team(2, 20'000);
  const auto leader = std::this_thread::get_id();
  std::atomic<int> shared{0}, helped{0}, here{-1};
  auto job = invocation(64, 1e6, [&](void* const*, const int64_t*, void*, int64_t, int64_t) {
    if (std::this_thread::get_id() != leader) {
      ++helped;
      if (sched_getcpu() == here) ++shared;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    return 0;
  });
  team.run(job, nullptr, nullptr, nullptr);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(size_t(cpu), &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(size_t(cpu), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    here = cpu;
    // Other processes may keep the other cores for a while.
    const int wanted = helped + 20;
    const auto start = Clock::now();
    while (helped < wanted && Clock::now() - start < std::chrono::seconds(20))
      ASSERT_EQ(team.run(job, nullptr, nullptr, nullptr), 0);
    EXPECT_GE(helped, wanted) << "with the leader on CPU " << cpu;
  }
  sched_setaffinity(0, sizeof allowed, &allowed);
  EXPECT_EQ(shared, 0);
}

TEST(Team, SleepsWhenIdleAndWakesAgain) {
  Team team(3, 20'000);
  std::atomic<int64_t> sum{0};
  auto job = invocation(100, 1e6, [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sum += i;
    return 0;
  });
  for (int round = 0; round < 3; ++round) {
    sum = 0;
    team.run(job, nullptr, nullptr, nullptr);
    EXPECT_EQ(sum, 4950);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const double before = process_cpu_ms();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    EXPECT_LT(process_cpu_ms() - before, 10.0) << "1 % of a second";
  }
}

TEST(Team, WorksWhileOtherThreadsCompeteForTheCores) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> sink{0};
  std::vector<std::thread> hogs;
  for (int i = 0; i < 3; ++i)
    hogs.emplace_back([&] {
      while (!stop) sink.fetch_add(1, std::memory_order_relaxed);
    });
  Team team(4, 20'000);
  for (int i = 0; i < 100; ++i) {
    std::atomic<int64_t> sum{0};
    auto job = invocation(256, 1e6, [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) sum += k;
      return 0;
    });
    ASSERT_EQ(team.run(job, nullptr, nullptr, nullptr), 0);
    ASSERT_EQ(sum, 256 * 255 / 2);
  }
  stop = true;
  for (auto& hog : hogs) hog.join();
}

// A grid of equal pieces of pure computation.
double spin_work(int64_t pieces) {
  double value = 1;
  for (int64_t i = 0; i < pieces * 200; ++i) value = std::sqrt(value + 1.0);
  return value;
}

TEST(Team, PrintsTheSpeedUpOfTwoThreads) {
  if (usable_cpus() < 2) GTEST_SKIP() << "needs two cores";
  Team two(2, 20'000);
  std::atomic<int64_t> guard{0};
  const auto body = [&](void* const*, const int64_t*, void*, int64_t begin, int64_t end) {
    if (spin_work(end - begin) < 0) ++guard;
    return 0;
  };
  const auto best = [&](auto&& call) {
    double result = 1e9;
    for (int i = 0; i < 2000; ++i) {
      const auto start = Clock::now();
      call();
      result = std::min(result, std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    return result;
  };
  for (int64_t grid : {8, 16, 32, 64, 256}) {
    auto job = invocation(grid, 0, body);
    const double alone = best([&] { job.run(nullptr, nullptr, nullptr, 0, grid); });
    job.cost_ns = alone * 1e3;
    two.wake();  // as the dispatcher does when a run begins
    const double split = best([&] { two.run(job, nullptr, nullptr, nullptr); });
    std::printf("launch of %6.1f us: %6.1f us on two threads (x %.2f)\n", alone, split, alone / split);
    EXPECT_LT(split, 1.2 * alone + 1) << "splitting never costs much";
  }
}

TEST(CpuCount, CoresShareARunUnlessThroughputCounts) {
  Settings settings;
  EXPECT_EQ(thread_count(settings), usable_cpus());
  settings.num_threads = 3;
  EXPECT_EQ(cores_per_run(settings), 3);
  settings.optimization = Optimization::HighThroughput;
  EXPECT_EQ(thread_count(settings), 3);
  EXPECT_EQ(cores_per_run(settings), 1);
}

TEST(CpuCount, ReadsQuotasOfBothHierarchies) {
  EXPECT_GE(usable_cpus(), 1);
  const std::string root = testing::TempDir() + "sardonyx_cgroup_" + std::to_string(getpid());
  const auto write = [&](const std::string& path, const std::string& text) {
    const std::string full = root + path;
    ASSERT_EQ(std::system(("mkdir -p " + full.substr(0, full.find_last_of('/'))).c_str()), 0);
    FILE* file = std::fopen(full.c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fputs(text.c_str(), file);
    std::fclose(file);
  };
  EXPECT_EQ(cgroup_cpu_quota(root), 0) << "no files, no limit";
  write("/proc/self/cgroup", "0::/outer/inner\n");
  write("/sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root), 0);
  write("/sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root), 1.5) << "a parent's limit counts";
  write("/sys/fs/cgroup/outer/inner/cpu.max", "50000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root), 0.5);
  write("/proc/self/cgroup", "4:cpu,cpuacct:/box\n1:name=systemd:/\n");
  write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root), 0);
  write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(cgroup_cpu_quota(root), 3);
  write("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "nonsense\n");
  EXPECT_EQ(cgroup_cpu_quota(root), 0);
  ASSERT_EQ(std::system(("rm -rf " + root).c_str()), 0);
}

}  // namespace
}  // namespace sardonyx::runtime::test
