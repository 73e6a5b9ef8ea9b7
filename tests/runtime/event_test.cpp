#include "runtime/event.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sardonyx::runtime {
namespace {

using namespace std::chrono_literals;

TEST(Event, StartsNonSignalledAndGoesToSignalledOnce) {
  Event event;
  EXPECT_FALSE(event.signalled());
  EXPECT_EQ(event.status(), Status::Success);
  EXPECT_TRUE(event.signal(Status::MismatchingShape, "over the limit"));
  EXPECT_FALSE(event.signal(Status::Success, "again"));
  EXPECT_TRUE(event.signalled());
  EXPECT_EQ(event.status(), Status::MismatchingShape);
  EXPECT_EQ(event.text(), "over the limit");
}

TEST(Event, WaitReturnsTheStatusEveryTime) {
  Event event;
  event.signal(Status::NoSystemMemory);
  EXPECT_EQ(event.wait(), Status::NoSystemMemory);
  EXPECT_EQ(event.wait(), Status::NoSystemMemory);
}

TEST(Event, WakesEveryWaiterAndPublishesWhatHappenedBefore) {
  Event event;
  int payload = 0;
  std::atomic<int> seen = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      event.wait();
      seen += payload;
    });
  }
  payload = 7;
  event.signal();
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(seen, 28);
}

TEST(Event, WaitForTimesOut) {
  Event event;
  EXPECT_FALSE(event.wait_for(0ns));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(event.wait_for(20ms));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
  event.signal();
  EXPECT_TRUE(event.wait_for(0ns));
}

TEST(Event, WaitForTakesTheLongestTimeOut) {
  Event event;
  std::thread other([&] {
    std::this_thread::sleep_for(5ms);
    event.signal();
  });
  EXPECT_TRUE(event.wait_for(std::chrono::nanoseconds::max()));
  other.join();
}

TEST(Event, CallbacksRunOnceAfterTheStateIsVisible) {
  Event event;
  int before = 0, after = 0;
  event.on_signal([&](const Event& e) {
    EXPECT_TRUE(e.signalled());
    EXPECT_EQ(e.status(), Status::InvalidEvent);
    ++before;
  });
  EXPECT_EQ(before, 0);
  event.signal(Status::InvalidEvent);
  event.signal();
  event.on_signal([&](const Event&) { ++after; });
  EXPECT_EQ(before, 1);
  EXPECT_EQ(after, 1);
}

TEST(Event, ACallbackMayUseOtherEventsAndRegisterMore) {
  Event first, second;
  int runs = 0;
  first.on_signal([&](const Event& e) {
    second.signal(e.status());
    first.on_signal([&](const Event&) { ++runs; });
  });
  first.signal();
  EXPECT_TRUE(second.signalled());
  EXPECT_EQ(runs, 1);
}

TEST(Event, DropsItsCallbacksOnceSignalled) {
  Event event;
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watch = owned;
  event.on_signal([owned = std::move(owned)](const Event&) {});
  EXPECT_FALSE(watch.expired());
  event.signal();
  EXPECT_TRUE(watch.expired());
}

TEST(Event, KeepsTheShapesOfItsRunButNoneAfterTheSignal) {
  Event event;
  EXPECT_EQ(event.output_shape("y"), nullptr);
  event.set_output_shapes({{"y", {2, 3}}});
  event.signal();
  ASSERT_NE(event.output_shape("y"), nullptr);
  EXPECT_EQ(*event.output_shape("y"), (Dims{2, 3}));
  event.set_output_shapes({{"y", {9}}});
  EXPECT_EQ(*event.output_shape("y"), (Dims{2, 3}));
  EXPECT_EQ(event.output_shape("z"), nullptr);
}

TEST(Event, SignalRacingWithRegistrationLosesNoCallback) {
  for (int round = 0; round < 200; ++round) {
    Event event;
    std::atomic<int> calls = 0;
    std::thread signaller([&] { event.signal(); });
    for (int i = 0; i < 8; ++i) event.on_signal([&](const Event&) { ++calls; });
    signaller.join();
    EXPECT_EQ(calls, 8);
  }
}

}  // namespace
}  // namespace sardonyx::runtime
