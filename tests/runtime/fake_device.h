// A device for tests: a thread that works through a queue, on memory that is the host's but poisoned before and after
// its use. It can be slow, stop, run out of memory, and fail.
//
//   auto device = std::make_shared<FakeDevice>("a");
//   auto context = Context::create(settings(), {nullptr, device});
//   device->hold();  ...submit...  device->let_go();
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device.h"

namespace sardonyx::runtime::test {

class FakeDevice final : public Device {
 public:
  explicit FakeDevice(std::string the_name) : name(std::move(the_name)), thread_([this] { work(); }) {}
  ~FakeDevice() override {
    EXPECT_NE(thread_.get_id(), std::this_thread::get_id()) << "a device is destroyed by its own thread";
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      held_ = false;
    }
    news_.notify_all();
    thread_.join();
    EXPECT_TRUE(queue_.empty()) << "a device is destroyed with work left";
  }

  const std::string name;
  std::chrono::microseconds delay{0};  // per command
  std::atomic<int64_t> bytes_limit{INT64_MAX};
  std::atomic<int> fail_submit{0};  // this many submissions from now on, one fails
  std::atomic<int> most_queued{0};  // submissions that waited at once
  std::atomic<int> submits{0}, launches{0}, uploads{0}, downloads{0}, copies{0}, loaded{0};
  // What the commands submitted so far are named after.
  std::vector<std::string> groups() {
    std::lock_guard lock(mutex_);
    return groups_;
  }
  // Bytes of all memory that lives.
  int64_t bytes() const { return *bytes_; }

  void hold() {
    std::lock_guard lock(mutex_);
    held_ = true;
  }
  void let_go() {
    {
      std::lock_guard lock(mutex_);
      held_ = false;
    }
    news_.notify_all();
  }

  DeviceMemoryPtr allocate(int64_t bytes, const MemoryUse&) override {
    require(*bytes_ + bytes <= bytes_limit, Status::NoDeviceMemory, "device ", name, " has no ", bytes, " bytes");
    return std::make_shared<Memory>(bytes, bytes_);
  }

  // The bytes of memory of this device, for tests that bind it. Only while nothing uses it.
  static float* floats(const DeviceMemoryPtr& memory) {
    return reinterpret_cast<float*>(static_cast<Memory&>(*memory).data.data());
  }

  std::vector<KernelPtr> load(std::span<const KernelPtr> kernels) override {
    std::vector<KernelPtr> result;
    for (const KernelPtr& kernel : kernels) result.push_back(std::make_shared<Loaded>(name, kernel));
    loaded += int(kernels.size());
    return result;
  }

  Point submit(std::span<const DeviceCommand> commands, uint64_t run) override {
    ++submits;
    Submission submission{{commands.begin(), commands.end()}, run, fail_submit > 0 && --fail_submit == 0};
    std::lock_guard lock(mutex_);
    for (const DeviceCommand& command : commands) groups_.emplace_back(command.group);
    queue_.push_back(std::move(submission));
    most_queued = std::max(most_queued.load(), int(queue_.size()));
    news_.notify_all();
    return ++submitted_;
  }

  Completion wait(Point point, std::function<void(const Completion&)> done) override {
    std::unique_lock lock(mutex_);
    EXPECT_LE(point, submitted_);
    if (done == nullptr) {
      EXPECT_NE(thread_.get_id(), std::this_thread::get_id()) << "the device's thread waits for itself";
      reached_.wait(lock, [&] { return ends_.size() >= point; });
      return point > 0 ? ends_[point - 1] : Completion{};
    }
    if (ends_.size() < point) {
      callbacks_.emplace(point, std::move(done));
      return {};
    }
    const Completion end = point > 0 ? ends_[point - 1] : Completion{};
    lock.unlock();
    done(end);
    return {};
  }

 private:
  static constexpr uint8_t poison = 0xCD;
  struct Memory final : DeviceMemory {
    Memory(int64_t count, std::shared_ptr<std::atomic<int64_t>> the_total)
        : data(size_t(count), poison), total(std::move(the_total)) {
      bytes = count;
      *total += count;
    }
    ~Memory() override {
      std::fill(data.begin(), data.end(), poison);
      *total -= bytes;
    }
    std::vector<uint8_t> data;
    std::shared_ptr<std::atomic<int64_t>> total;
  };
  struct Ready final : Invocation {
    std::string device;
    std::vector<int64_t> dims;
    std::shared_ptr<const Invocation> body;
  };
  struct Loaded final : Kernel {
    Loaded(std::string the_device, KernelPtr the_kernel)
        : device(std::move(the_device)), kernel(std::move(the_kernel)) {}
    std::string device;
    KernelPtr kernel;
    std::string name() const override { return kernel->name(); }
    std::shared_ptr<const Invocation> prepare(std::span<const int64_t> dims) const override {
      auto ready = std::make_shared<Ready>();
      ready->device = device;
      ready->dims.assign(dims.begin(), dims.end());
      ready->body = kernel->prepare(dims);
      ready->grid = ready->body->grid;
      return ready;
    }
  };
  struct Submission {
    std::vector<DeviceCommand> commands;
    uint64_t run = 0;
    bool fails = false;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      news_.wait(lock, [&] { return stop_ || (!held_ && !queue_.empty()); });
      if (queue_.empty()) return;
      Submission submission = std::move(queue_.front());
      queue_.pop_front();
      Completion end;
      if (const auto before = failed_.find(submission.run); before != failed_.end()) end = before->second;
      lock.unlock();
      if (end.status == Status::Success) end = execute(submission);
      submission.commands.clear();
      lock.lock();
      if (end.status != Status::Success) failed_[submission.run] = end;
      ends_.push_back(end);
      reached_.notify_all();
      while (!callbacks_.empty() && callbacks_.begin()->first <= ends_.size()) {
        const auto [point, done] = *callbacks_.begin();
        callbacks_.erase(callbacks_.begin());
        const Completion how = ends_[point - 1];
        lock.unlock();
        done(how);
        lock.lock();
      }
    }
  }

  Completion execute(const Submission& submission) {
    for (size_t i = 0; i < submission.commands.size(); ++i) {
      const DeviceCommand& command = submission.commands[i];
      if (delay.count() > 0) std::this_thread::sleep_for(delay);
      if (submission.fails && i == submission.commands.size() / 2)
        return {Status::NoDeviceResources, "'" + std::string(command.label) + "' failed on " + name};
      if (!run(command)) return {Status::InternalError, "'" + std::string(command.label) + "' makes no sense"};
    }
    return {};
  }

  uint8_t* at(const DeviceRange& range, int64_t bytes) {
    auto* memory = dynamic_cast<Memory*>(range.memory.get());
    EXPECT_TRUE(memory != nullptr && memory->total == bytes_) << "memory of another device";
    if (memory == nullptr) return nullptr;
    EXPECT_TRUE(range.offset >= 0 && range.offset + bytes <= memory->bytes);
    return memory->data.data() + range.offset;
  }

  bool run(const DeviceCommand& command) {
    using Op = DeviceCommand::Op;
    switch (command.op) {
      case Op::Upload:
        ++uploads;
        std::memcpy(at(command.operands[0], command.bytes), command.host, size_t(command.bytes));
        return true;
      case Op::Download:
        ++downloads;
        std::memcpy(command.host, at(command.operands[0], command.bytes), size_t(command.bytes));
        return true;
      case Op::Copy:
        ++copies;
        std::memcpy(at(command.operands[1], command.bytes), at(command.operands[0], command.bytes),
                    size_t(command.bytes));
        return true;
      case Op::Launch: {
        ++launches;
        const auto* ready = dynamic_cast<const Ready*>(command.invocation.get());
        if (ready == nullptr || ready->device != name) return false;
        std::vector<void*> buffers;
        for (const DeviceRange& range : command.operands) buffers.push_back(at(range, 0));
        return on_host(*ready->body).run(buffers.data(), ready->dims.data(), nullptr, 0, ready->grid) == KernelOk;
      }
    }
    return false;
  }

  std::mutex mutex_;
  std::condition_variable news_, reached_;
  std::deque<Submission> queue_;
  std::vector<std::string> groups_;
  Point submitted_ = 0;
  std::vector<Completion> ends_;  // by point - 1
  std::multimap<Point, std::function<void(const Completion&)>> callbacks_;
  std::map<uint64_t, Completion> failed_;  // by run
  bool held_ = false, stop_ = false;
  const std::shared_ptr<std::atomic<int64_t>> bytes_ = std::make_shared<std::atomic<int64_t>>(0);
  std::thread thread_;
};

}  // namespace sardonyx::runtime::test
