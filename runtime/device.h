// The run-time half of a backend: memory and an in-order queue of one device that is not the host.
//
// The host itself is device 0 of every program and needs no Device: its memory is the host's, and the executor runs its
// kernels (HostInvocation) on the worker team. Every other device is one object of this class, opened per backend
// handle and shared by its graphs.
//
//   auto memory = device.allocate(bytes, {});
//   std::vector<KernelPtr> ready = device.load(compiled);           // once per graph
//   auto invocation = ready[0]->prepare(dims);                      // once per plan
//   Point done = device.submit({{upload, launch, download}});       // in order, asynchronous
//   device.wait(done, nullptr);
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/kernel.h"

namespace sardonyx::runtime {

// A block of device memory. Commands that were submitted keep what they use alive, so an owner may let go early.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  int64_t bytes = 0;
};
using DeviceMemoryPtr = std::shared_ptr<DeviceMemory>;

// What memory is for.
struct MemoryUse {
  // A memory object of the host's, in the device's own terms (cl_mem), to be used in place: retained, never copied. The
  // device checks that it can use it and that it holds the bytes.
  void* foreign = nullptr;
};

// Bytes of a device from an offset on.
struct DeviceRange {
  DeviceMemoryPtr memory;
  int64_t offset = 0;
};

struct DeviceCommand {
  enum class Op : uint8_t {
    Launch,    // invocation over operands: inputs, then outputs
    Upload,    // bytes at `host` -> operands[0]
    Download,  // operands[0] -> bytes at `host`
    Copy,      // operands[0] -> operands[1], both of this device
  };
  Op op = Op::Launch;
  std::shared_ptr<const Invocation> invocation{};  // made by a kernel that this device loaded
  std::vector<DeviceRange> operands{};
  void* host = nullptr;      // stays as it is until the command is done
  int64_t bytes = 0;         // of copies
  std::string_view label{};  // for errors and traces; outlives the command
  std::string_view group{};  // for traces, likewise; may be empty
};

// A place on the timeline of a device: work submitted up to here is done when the device has reached it. Grows by one
// with every submission; 0 is reached from the start.
using Point = uint64_t;

// How the work up to a point ended.
struct Completion {
  Status status = Status::Success;
  std::string text{};  // names the command that failed
};

class Device {
 public:
  virtual ~Device() = default;

  // Throws Error: NoDeviceMemory when the device has not enough; for foreign memory InvalidMemoryType when it is of a
  // kind that the device cannot use, and InvalidMemoryLocation when it is none, not within its reach, or too small.
  // BackendUnavailable when the device is lost. Contents undefined. 0 bytes are allowed.
  virtual DeviceMemoryPtr allocate(int64_t bytes, const MemoryUse& use) = 0;

  // Makes kernels of this backend ready for this device (builds their code): one for each, in order. Throws Error with
  // the device's own words when that fails.
  virtual std::vector<KernelPtr> load(std::span<const KernelPtr> kernels) = 0;

  // Puts the commands behind all that was submitted before, and returns at once. Never fails: what goes wrong, then or
  // later, is the completion of the point. A failure ends its own submission only; the device stays usable unless it is
  // lost: then every later submission ends with BackendUnavailable. `run` names whose commands these are: once a
  // failure is known, later submissions of the same run do nothing, and all of them complete with that failure. (Those
  // that the device has in its queue already may still run.) A kernel whose check fails ends no command: what follows
  // it in the submission works on what it left. Thread-safe.
  virtual Point submit(std::span<const DeviceCommand> commands, uint64_t run) = 0;

  // With `done` null: returns when the point is reached. Else returns at once and calls `done`, once, when it is
  // reached, on any thread (also on this one, before wait returns); `done` must not block. Thread-safe. The first form
  // answers how the submission behind the point ended; the second passes it to `done`.
  virtual Completion wait(Point point, std::function<void(const Completion&)> done) = 0;
};
using DevicePtr = std::shared_ptr<Device>;

}  // namespace sardonyx::runtime
