// The device half of the contract (runtime/device.h), for every device: memory, copies, order, callbacks, failures.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <numeric>
#include <thread>

#include "runtime/base/status.h"
#include "tests/backends/conformance/subjects.h"

namespace sardonyx::conformance {
namespace {

using runtime::Completion;
using runtime::DeviceCommand;
using runtime::DeviceMemoryPtr;
using runtime::DevicePtr;
using runtime::DeviceRange;
using runtime::Point;
using Bytes = std::vector<uint8_t>;

Bytes pattern(size_t size, int seed) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = uint8_t(31 * i + size_t(seed) * 7 + (i >> 8));
  return bytes;
}

DeviceCommand upload(const DeviceMemoryPtr& to, int64_t offset, const Bytes& from) {
  return {.op = DeviceCommand::Op::Upload,
          .operands = {{to, offset}},
          .host = const_cast<uint8_t*>(from.data()),
          .bytes = int64_t(from.size()),
          .label = "upload"};
}
DeviceCommand download(Bytes& to, const DeviceMemoryPtr& from, int64_t offset) {
  return {.op = DeviceCommand::Op::Download,
          .operands = {{from, offset}},
          .host = to.data(),
          .bytes = int64_t(to.size()),
          .label = "download"};
}
DeviceCommand copy(const DeviceMemoryPtr& to, int64_t to_offset, const DeviceMemoryPtr& from, int64_t from_offset,
                   int64_t bytes) {
  return {.op = DeviceCommand::Op::Copy,
          .operands = {{from, from_offset}, {to, to_offset}},
          .bytes = bytes,
          .label = "copy"};
}

// Collects completions that arrive on other threads.
class Inbox {
 public:
  std::function<void(const Completion&)> slot() {
    return [this](const Completion& completion) {
      std::lock_guard lock(mutex_);
      completions_.push_back(completion);
      changed_.notify_all();
    };
  }
  std::vector<Completion> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return completions_.size() >= count; }))
        << completions_.size() << " of " << count << " callbacks have come";
    return completions_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Completion> completions_;
};

class DeviceConformance : public testing::TestWithParam<Subject> {
 protected:
  void SetUp() override { device_ = GetParam().backend->open(GetParam().device, {}); }

  DeviceMemoryPtr memory(int64_t bytes) {
    DeviceMemoryPtr result = device_->allocate(bytes, {});
    EXPECT_EQ(result->bytes, bytes);
    return result;
  }
  Point submit(const std::vector<DeviceCommand>& commands, uint64_t run = 1) { return device_->submit(commands, run); }
  void finish(const std::vector<DeviceCommand>& commands, uint64_t run = 1) {
    const Completion completion = device_->wait(submit(commands, run), nullptr);
    EXPECT_EQ(completion.status, Status::Success) << completion.text;
  }
  // A submission that cannot succeed: it reads behind the end of a block.
  Point submit_bad(uint64_t run) { return submit({download(spoiled_, memory(16), 8)}, run); }

  DevicePtr device_;
  Bytes spoiled_ = Bytes(64);
};

TEST_P(DeviceConformance, AllocatesNothingAndMovesNothing) {
  const DeviceMemoryPtr empty = memory(0), other = memory(16);
  Bytes none;
  finish({upload(empty, 0, none), copy(other, 16, empty, 0, 0), download(none, empty, 0)});
  finish({});
}

TEST_P(DeviceConformance, KeepsBlocksApart) {
  constexpr int count = 300;
  std::vector<DeviceMemoryPtr> blocks;
  std::vector<Bytes> in, out;
  for (int i = 0; i < count; ++i) {
    in.push_back(pattern(size_t(1 + i * 7 % 1000), i));
    out.emplace_back(in.back().size());
    blocks.push_back(memory(int64_t(in.back().size())));
  }
  std::vector<DeviceCommand> commands;
  for (size_t i = 0; i < count; ++i) commands.push_back(upload(blocks[i], 0, in[i]));
  for (size_t i = 0; i < count; ++i) commands.push_back(download(out[i], blocks[i], 0));
  finish(commands);
  EXPECT_EQ(in, out);
}

TEST_P(DeviceConformance, MovesLargeBlocks) {
  const Bytes in = pattern(size_t{48} << 20, 3);
  Bytes out(in.size());
  const DeviceMemoryPtr a = memory(int64_t(in.size())), b = memory(int64_t(in.size()));
  finish({upload(a, 0, in), copy(b, 0, a, 0, int64_t(in.size())), download(out, b, 0)});
  EXPECT_TRUE(in == out);
}

TEST_P(DeviceConformance, RefusesMoreMemoryThanThereIs) {
  for (int round = 0; round < 2; ++round) {
    try {
      device_->allocate(int64_t{1} << 50, {});
      FAIL() << "a petabyte was allocated";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::NoDeviceMemory) << error.text();
      EXPECT_FALSE(error.text().empty());
    }
    const Bytes in = pattern(100, round);
    Bytes out(100);
    const DeviceMemoryPtr block = memory(100);
    finish({upload(block, 0, in), download(out, block, 0)});
    EXPECT_EQ(in, out);
  }
}

TEST_P(DeviceConformance, CopiesWithOffsets) {
  const Bytes in = pattern(1000, 1);
  const DeviceMemoryPtr a = memory(1000), b = memory(1000);
  const int64_t cases[][3] = {{0, 0, 1000}, {1, 2, 3}, {128, 64, 256}, {999, 0, 1}, {7, 500, 493}};
  for (const auto& [from, to, bytes] : cases) {
    Bytes expected(1000, 0xEE), out(1000), part(static_cast<size_t>(bytes));
    finish({upload(a, 0, in), upload(b, 0, expected), copy(b, to, a, from, bytes), download(out, b, 0),
            download(part, b, to)});
    std::memcpy(expected.data() + to, in.data() + from, size_t(bytes));
    EXPECT_EQ(out, expected) << from << " -> " << to << ", " << bytes << " bytes";
    EXPECT_EQ(part, Bytes(in.begin() + from, in.begin() + from + bytes));
    const Bytes piece = pattern(size_t(bytes), 2);
    finish({upload(b, to, piece), download(out, b, 0)});
    std::memcpy(expected.data() + to, piece.data(), size_t(bytes));
    EXPECT_EQ(out, expected);
  }
}

// Every step reads what the one before it wrote, in submissions of their own.
TEST_P(DeviceConformance, RunsSubmissionsInOrder) {
  constexpr int64_t cells = 200;
  const DeviceMemoryPtr block = memory(cells * 8);
  const Bytes first = pattern(8, 9);
  Bytes last(8);
  submit({upload(block, 0, first)});
  for (int64_t i = 1; i < cells; ++i) submit({copy(block, i * 8, block, (i - 1) * 8, 8)}, uint64_t(i));
  finish({download(last, block, (cells - 1) * 8)});
  EXPECT_EQ(last, first);
}

TEST_P(DeviceConformance, NumbersManySmallSubmissions) {
  constexpr int64_t count = 3000;
  const DeviceMemoryPtr block = memory(count * 4);
  const Bytes in = pattern(count * 4, 4);
  std::vector<Bytes> parts;
  for (int64_t i = 0; i < count; ++i) parts.emplace_back(in.begin() + i * 4, in.begin() + i * 4 + 4);
  Point last = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Point point = submit({upload(block, i * 4, parts[size_t(i)])}, uint64_t(i + 1));
    ASSERT_EQ(point, last + 1);
    last = point;
  }
  Bytes out(in.size());
  finish({download(out, block, 0)});
  EXPECT_TRUE(in == out);
}

TEST_P(DeviceConformance, WaitsOnPointsOfThePast) {
  EXPECT_EQ(device_->wait(0, nullptr).status, Status::Success);
  Inbox inbox;
  device_->wait(0, inbox.slot());
  Point last = 0;
  for (int i = 0; i < 20; ++i) last = submit({}, 1);
  for (int round = 0; round < 2; ++round) {
    for (Point point = last; point > 0; --point) EXPECT_EQ(device_->wait(point, nullptr).status, Status::Success);
  }
  device_->wait(1, inbox.slot());
  for (const Completion& completion : inbox.wait_for(2)) EXPECT_EQ(completion.status, Status::Success);
}

TEST_P(DeviceConformance, CallsBackOnceForEveryWait) {
  constexpr size_t count = 500;
  Inbox inbox;
  const DeviceMemoryPtr block = memory(64);
  const Bytes in = pattern(64, 1);
  for (size_t i = 0; i < count; ++i) {
    const Point point = submit({upload(block, 0, in)}, i + 1);
    device_->wait(point, inbox.slot());
    if (i % 2 == 0) device_->wait(point, inbox.slot());
  }
  EXPECT_EQ(inbox.wait_for(count + count / 2).size(), count + count / 2);
  device_->wait(count, nullptr);
  EXPECT_EQ(inbox.wait_for(0).size(), count + count / 2);
}

// A continuation submits the next piece of work, as a run over several devices does.
TEST_P(DeviceConformance, CallbacksMaySubmit) {
  constexpr int rounds = 50;
  const DeviceMemoryPtr block = memory((rounds + 1) * 8);
  const Bytes first = pattern(8, 2);
  Inbox inbox;
  std::function<void(int)> next = [&](int round) {
    device_->wait(submit({copy(block, (round + 1) * 8, block, round * 8, 8)}, 1), [&, round](const Completion& done) {
      if (done.status == Status::Success && round + 1 < rounds)
        next(round + 1);
      else
        inbox.slot()(done);
    });
  };
  submit({upload(block, 0, first)});
  next(0);
  EXPECT_EQ(inbox.wait_for(1).front().status, Status::Success);
  Bytes last(8);
  finish({download(last, block, rounds * 8)});
  EXPECT_EQ(last, first);
}

TEST_P(DeviceConformance, EndsARunWithItsFirstFailure) {
  const DeviceMemoryPtr block = memory(64);
  const Bytes before = pattern(64, 1), after = pattern(64, 2);
  Bytes out(64);
  finish({upload(block, 0, before)}, 7);
  const Point bad = submit_bad(8);
  const Point later = submit({upload(block, 0, after)}, 8);
  const Point other = submit({download(out, block, 0)}, 9);
  const Completion failure = device_->wait(bad, nullptr);
  EXPECT_NE(failure.status, Status::Success);
  EXPECT_NE(failure.text.find("download"), std::string::npos) << failure.text;
  const Completion same = device_->wait(later, nullptr);
  EXPECT_EQ(same.status, failure.status);
  EXPECT_EQ(same.text, failure.text);
  EXPECT_EQ(device_->wait(other, nullptr).status, Status::Success);
  // Commands that were queued before the failure was known may have run. Later ones do nothing, and callbacks learn
  // why.
  finish({upload(block, 0, before)}, 9);
  Inbox inbox;
  device_->wait(submit({upload(block, 0, after)}, 8), inbox.slot());
  finish({download(out, block, 0)}, 9);
  EXPECT_EQ(out, before) << "a submission behind the known failure of its run has run";
  device_->wait(bad, inbox.slot());
  for (const Completion& completion : inbox.wait_for(2)) {
    EXPECT_EQ(completion.status, failure.status);
    EXPECT_EQ(completion.text, failure.text);
  }
  finish({upload(block, 0, after), download(out, block, 0)}, 10);
  EXPECT_EQ(out, after);
}

TEST_P(DeviceConformance, StopsASubmissionAtItsFirstFailure) {
  const DeviceMemoryPtr block = memory(16);
  const Bytes before = pattern(16, 1), after = pattern(16, 2);
  Bytes out(16);
  finish({upload(block, 0, before)});
  const Point point = submit({download(spoiled_, memory(16), 8), upload(block, 0, after)}, 2);
  EXPECT_NE(device_->wait(point, nullptr).status, Status::Success);
  finish({download(out, block, 0)}, 3);
  EXPECT_EQ(out, before);
}

TEST_P(DeviceConformance, KeepsMemoryOfCommandsInFlight) {
  constexpr int rounds = 30;
  const Bytes in = pattern(size_t{1} << 20, 5);
  std::vector<Bytes> out(rounds, Bytes(in.size()));
  Point last = 0;
  for (Bytes& target : out) {
    const DeviceMemoryPtr a = memory(int64_t(in.size())), b = memory(int64_t(in.size()));
    last = submit({upload(a, 0, in), copy(b, 0, a, 0, int64_t(in.size())), download(target, b, 0)});
  }
  EXPECT_EQ(device_->wait(last, nullptr).status, Status::Success);
  for (const Bytes& result : out) EXPECT_TRUE(result == in);
}

TEST_P(DeviceConformance, TakesSubmissionsFromManyThreads) {
  constexpr int threads = 4, rounds = 100;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      const DeviceMemoryPtr block = device_->allocate(256, {});
      for (int round = 0; round < rounds; ++round) {
        const Bytes in = pattern(256, t * rounds + round);
        Bytes out(256);
        const uint64_t run = uint64_t(1 + t * rounds + round);
        submit({upload(block, 0, in)}, run);
        const Point point = submit({download(out, block, 0)}, run);
        if (device_->wait(point, nullptr).status != Status::Success || in != out) ++wrong;
      }
    });
  for (std::thread& thread : pool) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(DeviceConformance, LoadsOnlyKernelsOfItsBackend) {
  struct Foreign : runtime::Kernel {
    std::string name() const override { return "foreign"; }
    std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t>) const override { return nullptr; }
  };
  EXPECT_TRUE(device_->load({}).empty());
  const runtime::KernelPtr foreign[] = {std::make_shared<Foreign>()};
  EXPECT_THROW(device_->load(foreign), Error);
}

TEST_P(DeviceConformance, RefusesForeignMemoryThatIsNone) {
  runtime::MemoryUse use;
  int not_memory = 0;
  use.foreign = &not_memory;
  if (GetParam().device.backend == "opencl") GTEST_SKIP() << "the ICD loader follows any pointer it gets";
  EXPECT_THROW(device_->allocate(4, use), Error);
}

// Two queues of one device do not wait for each other.
TEST_P(DeviceConformance, OpensTwice) {
  const DevicePtr second = GetParam().backend->open(GetParam().device, {});
  const DeviceMemoryPtr block = second->allocate(32, {});
  const Bytes in = pattern(32, 6);
  Bytes out(32);
  EXPECT_NE(device_->wait(submit_bad(1), nullptr).status, Status::Success);
  const DeviceCommand commands[] = {upload(block, 0, in), download(out, block, 0)};
  EXPECT_EQ(second->submit(commands, 1), 1u);
  EXPECT_EQ(second->wait(1, nullptr).status, Status::Success);
  EXPECT_EQ(in, out);
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceConformance, testing::ValuesIn(opened_subjects()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sardonyx::conformance
