// Kernels of vendors' libraries: they put themselves on a device's queue, and load without code of ours.
#pragma once
#include <string>
#include <vector>

#include "backends/opencl/cl.h"
#include "runtime/device.h"

namespace sardonyx::opencl {

class VendorInvocation : public runtime::Invocation {
 public:
  virtual std::string name() const = 0;
  // Enqueues the work without waiting for it; `event` becomes that of its last command. Throws Error.
  virtual void enqueue(cl_command_queue queue, const std::vector<runtime::DeviceRange>& operands,
                       EventOwner& event) const = 0;
};

class VendorKernel : public runtime::Kernel {
 public:
  // Does what a first call would put off, such as compiling. Throws Error. Thread-safe.
  virtual void warm_up(cl_context context, cl_command_queue queue) const = 0;
};

}  // namespace sardonyx::opencl
