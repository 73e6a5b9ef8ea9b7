#include "backends/plugin/device.h"

#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/base/log.h"

namespace sardonyx::plugin {

using runtime::Completion;
using runtime::DeviceCommand;
using runtime::Point;

namespace {

// Is this thread inside a `done` callback of a plug-in?
thread_local bool in_callback = false;

class CallbackScope {
 public:
  CallbackScope() : outer_(in_callback) { in_callback = true; }
  ~CallbackScope() { in_callback = outer_; }

 private:
  bool outer_;
};

struct Memory : runtime::DeviceMemory {
  Memory(std::shared_ptr<OpenDevice> device, Object object) : device(std::move(device)), object(std::move(object)) {}
  std::shared_ptr<OpenDevice> device;
  Object object;
};

struct KernelObject {
  std::shared_ptr<OpenDevice> device;
  Object object;
};

struct PluginInvocation : runtime::Invocation {
  std::shared_ptr<const KernelObject> kernel;
  std::vector<int64_t> dims;
};

class LoadedKernel : public runtime::Kernel {
 public:
  LoadedKernel(const Code& code, std::shared_ptr<OpenDevice> device, Object object)
      : name_(code.name()),
        cost_ns_(code.cost_ns()),
        kernel_(std::make_shared<KernelObject>(std::move(device), std::move(object))) {}
  std::string name() const override { return name_; }
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    auto invocation = std::make_shared<PluginInvocation>();
    invocation->kernel = kernel_;
    invocation->dims.assign(dims.begin(), dims.end());
    invocation->cost_ns = cost_ns_;
    return invocation;
  }

 private:
  std::string name_;
  double cost_ns_;
  std::shared_ptr<const KernelObject> kernel_;
};

// A submission in C structs, with all that it keeps alive. Ends itself when its point is reached.
struct Flight {
  Flight(std::shared_ptr<OpenDevice> on, std::span<const DeviceCommand> list)
      : device(std::move(on)), commands(list.begin(), list.end()) {
    size_t count = 0;
    for (const DeviceCommand& command : commands) count += command.operands.size();
    ranges.reserve(count);
    labels.reserve(commands.size());
    for (const DeviceCommand& command : commands) {
      const sardonyxRange* first = ranges.data() + ranges.size();
      for (const runtime::DeviceRange& range : command.operands)
        ranges.push_back({static_cast<const Memory&>(*range.memory).object.get(), range.offset});
      labels.emplace_back(command.label);
      sardonyxCommand plain = {};
      plain.command = int32_t(command.op);
      plain.operand_count = int32_t(command.operands.size());
      plain.operands = first;
      plain.host = command.host;
      plain.bytes = command.bytes;
      plain.label = labels.back().c_str();
      if (command.op == DeviceCommand::Op::Launch) {
        const auto& invocation = static_cast<const PluginInvocation&>(*command.invocation);
        plain.kernel = invocation.kernel->object.get();
        plain.dims = invocation.dims.data();
      }
      structs.push_back(plain);
    }
  }

  static void landed(void* self, onnxStatus, const char*) {
    CallbackScope scope;
    delete static_cast<Flight*>(self);
  }

  std::shared_ptr<OpenDevice> device;
  std::vector<DeviceCommand> commands;
  std::vector<sardonyxRange> ranges;
  std::vector<std::string> labels;
  std::vector<sardonyxCommand> structs;
};

// After a broken contract nobody knows what the plug-in still touches: its flight never ends. It is held here, for a
// leak is what nobody refers to.
void hold_for_good(const Flight* flight) {
  static auto& mutex = *new std::mutex();
  static auto& held = *new std::vector<const Flight*>();
  std::lock_guard lock(mutex);
  held.push_back(flight);
}

static_assert(int(DeviceCommand::Op::Launch) == SARDONYX_COMMAND_LAUNCH);
static_assert(int(DeviceCommand::Op::Upload) == SARDONYX_COMMAND_UPLOAD);
static_assert(int(DeviceCommand::Op::Download) == SARDONYX_COMMAND_DOWNLOAD);
static_assert(int(DeviceCommand::Op::Copy) == SARDONYX_COMMAND_COPY);

Completion completion_of(const sardonyxBackend& table, onnxStatus status, const char* text) {
  if (status == int32_t(Status::Success)) return {};
  const Status code = failure_status(status);
  return {code, str("plug-in '", table.name, "': ", text != nullptr && *text != '\0' ? text : status_name(code))};
}

// A callback of the runtime's on its way through the plug-in.
struct Waiter {
  std::shared_ptr<OpenDevice> device;
  std::function<void(const Completion&)> done;

  static void reached(void* self, onnxStatus status, const char* text) {
    CallbackScope scope;
    std::unique_ptr<Waiter> waiter(static_cast<Waiter*>(self));
    waiter->done(completion_of(waiter->device->table, status, text));
  }
};

}  // namespace

OpenDevice::~OpenDevice() {
  if (!in_callback) return;
  // A plug-in cannot end the thread that calls back; another thread can.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  try {
    std::thread([last = std::move(object)]() mutable { last.reset(); }).detach();
  } catch (const std::system_error& error) {
    log(LogLevel::Error, "plug-in '", table.name, "': a device is not released: ", error.what());
    object.release();
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

std::shared_ptr<const runtime::Invocation> Code::prepare(std::span<const int64_t>) const {
  fail(Status::InternalError, "kernel '", name_, "' is not loaded");
}

Completion OpenDevice::failure() {
  std::lock_guard lock(mutex);
  return broken;
}

runtime::DeviceMemoryPtr PluginDevice::allocate(int64_t bytes, const runtime::MemoryUse& use) {
  const sardonyxBackend& table = device_->table;
  require(use.foreign == nullptr, Status::InvalidMemoryType, "plug-in '", table.name,
          "' cannot use memory objects of the host");
  Slots memory(1);
  call(table.name, "allocate", [&](char* error, size_t size) {
    return table.allocate(device_->object.get(), bytes, memory.data(), error, size);
  });
  auto result = std::make_shared<Memory>(device_, memory.take(0, table.name, "allocate"));
  result->bytes = bytes;
  return result;
}

std::vector<runtime::KernelPtr> PluginDevice::load(std::span<const runtime::KernelPtr> kernels) {
  const sardonyxBackend& table = device_->table;
  std::vector<const Code*> codes;
  std::vector<sardonyxObject*> objects;
  for (const runtime::KernelPtr& kernel : kernels) {
    codes.push_back(dynamic_cast<const Code*>(kernel.get()));
    check(codes.back() != nullptr, "kernel '", kernel->name(), "' was not compiled by plug-in '", table.name, "'");
    objects.push_back(codes.back()->object());
  }
  Slots loaded(kernels.size());
  call(table.name, "load", [&](char* error, size_t size) {
    return table.load(device_->object.get(), objects.data(), objects.size(), loaded.data(), error, size);
  });
  std::vector<runtime::KernelPtr> result;
  for (size_t i = 0; i < kernels.size(); ++i)
    result.push_back(std::make_shared<LoadedKernel>(*codes[i], device_, loaded.take(i, table.name, "load")));
  return result;
}

Point PluginDevice::submit(std::span<const DeviceCommand> commands, uint64_t run) {
  const sardonyxBackend& table = device_->table;
  std::lock_guard lock(device_->mutex);
  const Point point = ++device_->last;
  if (device_->broken.status != Status::Success) return point;
  Flight* flight = nullptr;
  try {
    flight = new Flight(device_, commands);
    const Point given = table.submit(device_->object.get(), flight->structs.data(), flight->structs.size(), run);
    check(given == point, "plug-in '", table.name, "': submit gave point ", given, ", expected ", point);
    call(table.name, "wait", [&](char* error, size_t size) {
      return table.wait(device_->object.get(), point, Flight::landed, flight, error, size);
    });
  } catch (const std::exception& error) {
    device_->broken = {Status::InternalError, error.what()};
  } catch (...) {
    device_->broken = {Status::InternalError, str("plug-in '", table.name, "': submit threw an exception")};
  }
  if (device_->broken.status != Status::Success) hold_for_good(flight);
  return point;
}

Completion PluginDevice::wait(Point point, std::function<void(const Completion&)> done) {
  const sardonyxBackend& table = device_->table;
  if (Completion failure = device_->failure(); failure.status != Status::Success) {
    if (done) done(failure);
    return failure;
  }
  try {
    if (done) {
      auto waiter = std::make_unique<Waiter>(Waiter{device_, std::move(done)});
      call(table.name, "wait", [&](char* error, size_t size) {
        return table.wait(device_->object.get(), point, Waiter::reached, waiter.release(), error, size);
      });
      return {};
    }
    char text[error_size] = "";
    const onnxStatus status = table.wait(device_->object.get(), point, nullptr, nullptr, text, error_size);
    text[error_size - 1] = '\0';
    return completion_of(table, status, text);
  } catch (const std::exception& error) {
    return {Status::InternalError, error.what()};
  } catch (...) {
    return {Status::InternalError, str("plug-in '", table.name, "': wait threw an exception")};
  }
}

}  // namespace sardonyx::plugin
