#include "backends/null/device.h"

#include <cstring>

#include "runtime/base/tensor.h"

namespace sardonyx::null {

using runtime::Completion;
using runtime::DeviceCommand;
using runtime::Point;

namespace {

struct Memory : runtime::DeviceMemory {
  std::shared_ptr<uint8_t> storage;
};

uint8_t* address(const runtime::DeviceRange& range, int64_t bytes) {
  const auto& memory = static_cast<const Memory&>(*range.memory);
  check(range.offset >= 0 && bytes >= 0 && range.offset + bytes <= memory.bytes, "bytes ", range.offset, " to ",
        range.offset + bytes, " of ", memory.bytes);
  return memory.storage.get() + range.offset;
}

void move(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) std::memmove(to, from, size_t(bytes));
}

void execute(const DeviceCommand& command) {
  switch (command.op) {
    case DeviceCommand::Op::Upload:
      return move(address(command.operands[0], command.bytes), command.host, command.bytes);
    case DeviceCommand::Op::Download:
      return move(command.host, address(command.operands[0], command.bytes), command.bytes);
    case DeviceCommand::Op::Copy:
      return move(address(command.operands[1], command.bytes), address(command.operands[0], command.bytes),
                  command.bytes);
    case DeviceCommand::Op::Launch:  // fill in: run command.invocation, which prepare() of a loaded kernel made
      fail(Status::UnsupportedOperator, "the null device runs no kernel");
  }
}

}  // namespace

runtime::DeviceMemoryPtr Device::allocate(int64_t bytes, const runtime::MemoryUse& use) {
  require(use.foreign == nullptr, Status::InvalidMemoryType, "the null device uses no memory of the host's");
  auto memory = std::make_shared<Memory>();
  try {
    memory->storage = allocate_bytes(size_t(bytes));
  } catch (const Error& error) {
    fail(Status::NoDeviceMemory, error.text());
  }
  memory->bytes = bytes;
  return memory;
}

std::vector<runtime::KernelPtr> Device::load(std::span<const runtime::KernelPtr> kernels) {
  // Fill in: build the code of each and return kernels whose prepare() makes an Invocation of this device.
  require(kernels.empty(), Status::UnsupportedOperator, "the null device loads no kernel");
  return {};
}

Point Device::submit(std::span<const DeviceCommand> commands, uint64_t run) {
  std::lock_guard lock(mutex_);
  const Point point = ++last_;
  if (auto failed = failed_runs_.find(run); failed != failed_runs_.end()) {
    failures_[point] = failed->second;
    return point;
  }
  for (const DeviceCommand& command : commands) {
    try {
      execute(command);
    } catch (const Error& error) {
      failures_[point] = failed_runs_[run] = {error.status(), str(command.label, ": ", error.text())};
      break;
    }
  }
  return point;
}

Completion Device::wait(Point point, std::function<void(const Completion&)> done) {
  Completion completion;
  {
    std::lock_guard lock(mutex_);
    if (auto failure = failures_.find(point); failure != failures_.end()) completion = failure->second;
  }
  if (done) done(completion);
  return completion;
}

}  // namespace sardonyx::null
