// Memory of an OpenCL device.
#pragma once
#include <cstdint>
#include <memory>

#include "backends/opencl/cl.h"
#include "runtime/device.h"

namespace sardonyx::opencl {

// What this process has allocated on a device. OpenCL drivers promise memory when a buffer is created and look for it
// when it is first used; counting finds the plain cases early, where the caller can still be told.
struct MemoryBudget;

class Memory final : public runtime::DeviceMemory {
 public:
  // Throws Error(NoDeviceMemory). `zeroed`: contents are 0, else undefined.
  static std::shared_ptr<Memory> allocate(cl_context context, cl_device_id device, int64_t bytes, bool zeroed = false);
  // The host's own buffer, in place. Throws Error: InvalidMemoryLocation when it is no memory object, is of another
  // context or holds less than `bytes`; InvalidMemoryType when it is an image.
  static std::shared_ptr<Memory> adopt(cl_context context, cl_mem foreign, int64_t bytes);
  ~Memory() override;

  cl_mem get() const { return object_.get(); }

 private:
  MemoryOwner object_;
  MemoryBudget* budget_ = nullptr;
};
using MemoryPtr = std::shared_ptr<Memory>;

}  // namespace sardonyx::opencl
