// Order, continuations, lifetimes and cost of submitted runs.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

using Clock = std::chrono::steady_clock;
using Values = std::vector<float>;

double microseconds(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// y = x + 1 over [n]; `ns` per element decides whether runs are small enough for the calling thread.
struct Plus {
  explicit Plus(double ns = 1, Settings s = settings()) {
    const DimId n = t.input_dim(0, 0, "n");
    t.launch(affine(1, 1, ns), {t.input("x", {n})}, {t.output("y", {n})}, {n}, "plus");
    session = t.session(Context::create(s));
  }
  std::shared_ptr<Binding> bind(float* x, float* y, int64_t n = 1) {
    return session->bind(std::vector<HostTensor>{{x, {n}}}, std::vector<HostTensor>{{y, {n}}});
  }
  EventPtr submit(const std::shared_ptr<Binding>& binding, EventPtr input = nullptr) {
    auto output = std::make_shared<Event>();
    session->submit(binding, std::move(input), output);
    return output;
  }
  TestProgram t;
  std::shared_ptr<Session> session;
};

constexpr double big = 1e6;  // ns per element: never inline

EventPtr signalled_event() {
  auto event = std::make_shared<Event>();
  event->signal();
  return event;
}

TEST(Dispatch, SmallRunsExecuteOnTheCallingThread) {
  const auto self = std::this_thread::get_id();
  std::thread::id ran;
  for (double ns : {1.0, big}) {
    TestProgram t;
    const DimId n = t.input_dim(0, 0, "n");
    t.launch(kernel(
                 "who",
                 [&](auto...) {
                   ran = std::this_thread::get_id();
                   return 0;
                 },
                 ns),
             {t.input("x", {n})}, {t.output("y", {n})}, {n});
    auto session = t.session(Context::create(settings()));
    Values x(1), y(1);
    auto done = std::make_shared<Event>();
    session->submit(session->bind(std::vector<HostTensor>{{x.data(), {1}}}, std::vector<HostTensor>{{y.data(), {1}}}),
                    signalled_event(), done);
    EXPECT_TRUE(done->signalled() || ns != 1.0);
    done->wait();
    EXPECT_EQ(ran == self, ns == 1.0);
  }
}

TEST(Dispatch, RunsWaitForTheirInputWithoutStoppingOthers) {
  for (double ns : {1.0, big}) {
    Plus plus(ns);
    float a = 1, b = 0, c = 10, d = 0;
    auto gate = std::make_shared<Event>();
    auto blocked = plus.submit(plus.bind(&a, &b), gate);
    auto free = plus.submit(plus.bind(&c, &d));
    EXPECT_EQ(free->wait(), Status::Success);
    EXPECT_EQ(d, 11);
    EXPECT_FALSE(blocked->signalled());
    EXPECT_EQ(b, 0);
    a = 5;  // inputs are read only after the event
    gate->signal();
    EXPECT_EQ(blocked->wait(), Status::Success);
    EXPECT_EQ(b, 6);
  }
}

TEST(Dispatch, RunsThatShareBuffersKeepTheirOrder) {
  for (double ns : {1.0, big}) {
    Plus plus(ns);
    float a = 0, b = 0, c = 0, d = 0;
    auto gate = std::make_shared<Event>();
    auto first = plus.submit(plus.bind(&a, &b), gate);  // b = a + 1, later
    auto second = plus.submit(plus.bind(&b, &c));       // reads b
    auto third = plus.submit(plus.bind(&d, &a));        // overwrites a, which the first has yet to read
    auto reader = plus.submit(plus.bind(&a, &d));       // after the third
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    for (const auto& event : {first, second, third, reader}) EXPECT_FALSE(event->signalled());
    a = 100;
    gate->signal();
    for (const auto& event : {first, second, third, reader}) EXPECT_EQ(event->wait(), Status::Success);
    EXPECT_EQ(b, 101);
    EXPECT_EQ(c, 102);
    EXPECT_EQ(a, 1);
    EXPECT_EQ(d, 2);
  }
}

TEST(Dispatch, ReadersOfOneBufferDoNotWaitForEachOther) {
  Plus plus(big);
  float a = 1, b = 0, c = 0;
  auto gate = std::make_shared<Event>();
  auto blocked = plus.submit(plus.bind(&a, &b), gate);
  EXPECT_EQ(plus.submit(plus.bind(&a, &c))->wait(), Status::Success);
  EXPECT_FALSE(blocked->signalled());
  gate->signal();
  EXPECT_EQ(blocked->wait(), Status::Success);
}

TEST(Dispatch, FailuresTravelAlongChains) {
  Plus plus(big);
  float a = 1, b = 0, c = 0, d = 0;
  auto gate = std::make_shared<Event>();
  auto first = plus.submit(plus.bind(&a, &b), gate);
  auto second = plus.submit(plus.bind(&b, &c), first);
  auto independent = plus.submit(plus.bind(&c, &d));  // shares a buffer, not the failure
  gate->signal(Status::InvalidEvent, "cancelled by the host");
  EXPECT_EQ(first->wait(), Status::InvalidEvent);
  EXPECT_EQ(second->wait(), Status::InvalidEvent);
  EXPECT_EQ(second->text(), "cancelled by the host");
  EXPECT_EQ(independent->wait(), Status::Success);
  EXPECT_EQ(b, 0);
  EXPECT_EQ(d, 1);
}

TEST(Dispatch, LongChainsOfEvents) {
  for (double ns : {1.0, big / 1000}) {
    Plus plus(ns);
    std::vector<float> cells(2001);
    auto gate = std::make_shared<Event>();
    EventPtr last = gate;
    for (size_t i = 0; i + 1 < cells.size(); ++i) last = plus.submit(plus.bind(&cells[i], &cells[i + 1]), last);
    gate->signal();
    EXPECT_EQ(last->wait(), Status::Success);
    EXPECT_EQ(cells.back(), 2000);
  }
}

TEST(Dispatch, ManyPendingRunsOfOneBinding) {
  Plus plus;
  float a = 0;
  auto binding = plus.bind(&a, &a);
  auto gate = std::make_shared<Event>();
  std::vector<EventPtr> done;
  for (int i = 0; i < 5000; ++i) done.push_back(plus.submit(binding, gate));
  gate->signal();
  plus.session->wait_idle();
  for (const auto& event : done) EXPECT_TRUE(event->signalled());
  EXPECT_EQ(a, 5000);
}

TEST(Dispatch, RandomSubmissionsEqualSequentialExecution) {
  std::mt19937 random(5);
  for (Optimization optimization : {Optimization::LowLatency, Optimization::HighThroughput}) {
    Settings s = settings(3);
    s.optimization = optimization;
    Plus small(1, s), large(2e4, s);
    for (int round = 0; round < 20; ++round) {
      for (Plus* plus : {&small, &large}) {
        std::vector<float> cells(6), expected(6);
        for (size_t i = 0; i < 6; ++i) cells[i] = expected[i] = float(i * 100);
        std::vector<EventPtr> gates, done;
        for (int i = 0; i < 40; ++i) {
          const size_t from = random() % 6, to = random() % 6;
          gates.push_back(random() % 3 == 0 ? std::make_shared<Event>() : signalled_event());
          done.push_back(plus->submit(plus->bind(&cells[from], &cells[to]), gates.back()));
          expected[to] = expected[from] + 1;
        }
        std::shuffle(gates.begin(), gates.end(), random);
        for (const auto& gate : gates) gate->signal();
        for (const auto& event : done) ASSERT_EQ(event->wait(), Status::Success);
        ASSERT_EQ(cells, expected);
      }
    }
  }
}

TEST(Dispatch, ThreadsSubmitToOneSession) {
  for (Optimization optimization : {Optimization::LowLatency, Optimization::HighThroughput}) {
    Settings s = settings(2);
    s.optimization = optimization;
    Plus plus(100, s);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 200; ++i) {
          const int64_t n = 1 + (i + thread) % 5 * 200;  // some inline, some not
          Values x(static_cast<size_t>(n), float(i)), y(static_cast<size_t>(n));
          auto done = plus.submit(plus.bind(x.data(), y.data(), n), i % 2 ? signalled_event() : nullptr);
          ASSERT_EQ(done->wait(), Status::Success);
          ASSERT_EQ(y.front(), float(i) + 1);
          ASSERT_EQ(y.back(), float(i) + 1);
        }
      });
    for (auto& thread : threads) thread.join();
    plus.session->wait_idle();
  }
}

TEST(Dispatch, RunsExecuteAtTheSameTimeWhenThroughputCounts) {
  Settings s = settings(2);
  s.optimization = Optimization::HighThroughput;
  auto context = Context::create(s);
  // Each run of either session waits, for a while, until one of the other is under way.
  std::atomic<int> inside{0}, together{0}, threads_of_run{0};
  const auto meet = kernel(
      "meet",
      [&](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
        ++inside;
        const auto start = Clock::now();
        while (inside < 2 && microseconds(start) < 1e6) std::this_thread::yield();
        together += inside == 2;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        --inside;
        if (begin != 0 || end != 8) ++threads_of_run;  // the run was split
        for (int64_t i = begin; i < end; ++i) static_cast<float*>(b[1])[i] = static_cast<float*>(b[0])[i] + 1;
        return 0;
      },
      1e5);
  TestProgram programs[2];
  std::shared_ptr<Session> sessions[2];
  for (int i = 0; i < 2; ++i) {
    TestProgram& t = programs[i];
    const DimId n = t.input_dim(0, 0, "n");
    t.launch(meet, {t.input("x", {n})}, {t.output("y", {n})}, {n});
    sessions[i] = t.session(context);
  }
  for (const auto& [first, second] : {std::pair{0, 1}, {0, 0}}) {
    Values x(8, 3), a(8), b(8);
    together = 0;
    const auto bind = [&](int session, Values& y) {
      return sessions[session]->bind(std::vector{host_tensor(x, {8})}, std::vector{host_tensor(y, {8})});
    };
    auto one = std::make_shared<Event>(), other = std::make_shared<Event>();
    sessions[first]->submit(bind(first, a), nullptr, one);
    sessions[second]->submit(bind(second, b), nullptr, other);
    ASSERT_EQ(one->wait(), Status::Success);
    ASSERT_EQ(other->wait(), Status::Success);
    EXPECT_EQ(a, Values(8, 4));
    EXPECT_EQ(b, Values(8, 4));
    EXPECT_GE(together, 1) << "of sessions " << first << " and " << second;
  }
  EXPECT_EQ(threads_of_run, 0);
}

TEST(Dispatch, LargeLaunchesUseTheTeam) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  std::mutex mutex;
  std::vector<std::thread::id> seen;
  t.launch(kernel(
               "sleepy",
               [&](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
                 {
                   std::lock_guard lock(mutex);
                   if (std::find(seen.begin(), seen.end(), std::this_thread::get_id()) == seen.end())
                     seen.push_back(std::this_thread::get_id());
                 }
                 std::this_thread::sleep_for(std::chrono::milliseconds(1));
                 for (int64_t i = begin; i < end; ++i) static_cast<float*>(b[1])[i] = static_cast<float*>(b[0])[i];
                 return 0;
               },
               1e5),
           {t.input("x", {n})}, {t.output("y", {n})}, {n});
  auto session = t.session(Context::create(settings(3)));
  Values x(64, 3), y(64);
  ASSERT_EQ(run(session, {host_tensor(x, {64})}, {host_tensor(y, {64})})->status(), Status::Success);
  EXPECT_EQ(y, x);
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Dispatch, TheHostsFloatingPointEnvironmentIsNeitherUsedNorChanged) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const auto half = kernel("half", [](void* const* b, const int64_t*, void*, int64_t, int64_t) {
    volatile float value = *static_cast<float*>(b[0]);
    value = value / 2;
    *static_cast<float*>(b[1]) = value;
    return 0;
  });
  t.launch(half, {t.input("x", {n})}, {t.output("y", {n})}, {n});
  auto session = t.session(Context::create(settings()));
  const unsigned host = 0x9FC0 | 0x6000;  // flush to zero, denormals are zero, round toward zero, all masked
  const unsigned before = _mm_getcsr();
  _mm_setcsr(host);
  Values x{1e-38f}, y{0};
  auto done = run(session, {host_tensor(x, {1})}, {host_tensor(y, {1})});
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(after, host) << "not even the sticky flags";
  EXPECT_EQ(y[0], 0.5e-38f) << "denormal results survive";
}

TEST(Dispatch, SessionsOutliveTheirHandlesUntilTheRunsAreDone) {
  float a = 1, b = 0;
  auto gate = std::make_shared<Event>();
  EventPtr done;
  std::weak_ptr<Session> weak;
  {
    Plus plus(big);
    weak = plus.session;
    done = plus.submit(plus.bind(&a, &b), gate);
  }
  EXPECT_FALSE(weak.expired());
  gate->signal();
  EXPECT_EQ(done->wait(), Status::Success);
  EXPECT_EQ(b, 2);
  // The dispatcher thread dropped the last reference to the context, that is to itself.
  for (int i = 0; i < 1000 && !weak.expired(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(weak.expired());
}

TEST(Dispatch, ManyContextsComeAndGo) {
  for (int i = 0; i < 60; ++i) {
    Plus plus(big, settings(1 + i % 4));
    Values x(4), y(4);
    auto done = plus.submit(plus.bind(x.data(), y.data(), 4));
    if (i % 3 != 0) done->wait();
    if (i % 3 == 1) plus.session->wait_idle();
    if (i % 3 == 0) {
      plus.session.reset();
      done->wait();
    }
  }
}

TEST(Dispatch, WaitIdleCountsParkedRuns) {
  Plus plus(big);
  float a = 1, b = 0;
  auto gate = std::make_shared<Event>();
  auto done = plus.submit(plus.bind(&a, &b), gate);
  std::thread signaller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    gate->signal();
  });
  plus.session->wait_idle();
  EXPECT_TRUE(done->signalled());
  EXPECT_EQ(b, 2);
  signaller.join();
}

TEST(Dispatch, AHostMaySignalTheOutputItself) {
  Plus plus(big);
  float a = 1, b = 0;
  auto gate = std::make_shared<Event>();
  auto done = plus.submit(plus.bind(&a, &b), gate);
  done->signal();
  gate->signal();
  plus.session->wait_idle();
  EXPECT_EQ(b, 2);
  EXPECT_EQ(done->wait(), Status::Success);
}

TEST(Dispatch, CallbacksOfTheOutputMaySubmitMore) {
  Plus plus(1);
  float a = 0, b = 0, c = 0;
  auto second = std::make_shared<Event>();
  auto first = std::make_shared<Event>();
  first->on_signal([&](const Event&) { plus.session->submit(plus.bind(&b, &c), nullptr, second); });
  plus.session->submit(plus.bind(&a, &b), nullptr, first);
  EXPECT_EQ(second->wait(), Status::Success);
  EXPECT_EQ(c, 2);
  plus.session->wait_idle();
}

TEST(DispatchDeathTest, ExitWithoutReleasingAnything) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (bool busy : {false, true}) {
    EXPECT_EXIT(
        {
          static auto* plus = new Plus(busy ? 5e7 : 1e5);
          static auto* gate = new EventPtr(std::make_shared<Event>());
          static float cells[64];
          plus->submit(plus->bind(cells, cells + 32, 32));
          plus->submit(plus->bind(cells, cells + 32, 32), *gate);
          if (!busy) std::this_thread::sleep_for(std::chrono::milliseconds(20));
          std::exit(7);
        },
        testing::ExitedWithCode(7), "");
  }
}

TEST(Dispatch, AForkedChildRunsOnItsOwnThread) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer cannot follow a fork of a process with threads";
#endif
  Plus plus(1e5);
  Values x(32), y(32);
  EXPECT_EQ(plus.submit(plus.bind(x.data(), y.data(), 32))->wait(), Status::Success);
  plus.session->wait_idle();  // a fork in the middle of a run would copy locked mutexes
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    x[0] = 41;
    const bool good = plus.submit(plus.bind(x.data(), y.data(), 32))->wait() == Status::Success && y[0] == 42;
    _exit(good ? 7 : 8);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(Dispatch, IdleProcessesBurnNothing) {
  Plus plus(1e5);
  Values x(64), y(64);
  auto binding = plus.bind(x.data(), y.data(), 64);
  for (int i = 0; i < 20; ++i) plus.submit(binding)->wait();
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto cpu = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  };
  const double before = cpu();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu() - before, 2.0);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

TEST(Latency, PrintsTheCostOfSmallRuns) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  ValueId last = t.input("x", {n});
  const auto nothing = kernel("nothing", [](auto...) { return 0; });
  for (int i = 0; i < 7; ++i) {
    const ValueId next = i == 6 ? t.output("y", {n}) : t.temporary({n});
    t.launch(nothing, {last}, {next}, {n});
    last = next;
  }
  auto session = t.session(Context::create(settings()));
  Values x(16), y(16), z(16);
  const std::vector<HostTensor> inputs{host_tensor(x, {16})};
  const std::vector<HostTensor> outputs[] = {{host_tensor(y, {16})}, {host_tensor(z, {16})}};
  auto binding = session->bind(inputs, outputs[0]);
  std::vector<double> submit_us, bind_us, both_us;
  const auto input = signalled_event();
  for (int i = 0; i < 20'000; ++i) {
    auto output = std::make_shared<Event>();
    auto start = Clock::now();
    session->submit(binding, input, output);
    submit_us.push_back(microseconds(start));
    ASSERT_TRUE(output->signalled());
    start = Clock::now();
    auto other = session->bind(inputs, outputs[i % 2]);
    bind_us.push_back(microseconds(start));
    start = Clock::now();
    auto third = session->bind(inputs, outputs[i % 2]);
    auto event = std::make_shared<Event>();
    session->submit(third, input, event);
    both_us.push_back(microseconds(start));
  }
  std::printf("7 empty steps: run %.2f us, bind %.2f us, bind and run %.2f us (medians)\n", median(submit_us),
              median(bind_us), median(both_us));
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(median(submit_us), 10) << "generous: the target is 1.5";
#endif
}

TEST(Latency, PrintsTheTimeFromSignalToStart) {
  for (auto [name, ns] : {std::pair{"small", 1.0}, {"large", big}}) {
    TestProgram t;
    const DimId n = t.input_dim(0, 0, "n");
    std::atomic<int64_t> started{0};
    t.launch(kernel(
                 "clock",
                 [&](auto...) {
                   started = Clock::now().time_since_epoch().count();
                   return 0;
                 },
                 ns),
             {t.input("x", {n})}, {t.output("y", {n})}, {n});
    auto session = t.session(Context::create(settings()));
    Values x(1), y(1);
    auto binding =
        session->bind(std::vector<HostTensor>{host_tensor(x, {1})}, std::vector<HostTensor>{host_tensor(y, {1})});
    std::vector<double> us;
    for (int i = 0; i < 300; ++i) {
      auto gate = std::make_shared<Event>(), done = std::make_shared<Event>();
      session->submit(binding, gate, done);
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // the dispatcher sleeps by now
      const auto start = Clock::now();
      gate->signal();
      done->wait();
      us.push_back(std::chrono::duration<double, std::micro>(Clock::duration(started.load()) - start.time_since_epoch())
                       .count());
    }
    std::printf("%s run: %.1f us from signal to start (median)\n", name, median(us));
    EXPECT_LT(median(us), 5000);
  }
}

}  // namespace
}  // namespace sardonyx::runtime::test
