// Kernels of a device: compiled text made ready to run.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/opencl/kernel.h"
#include "backends/opencl/memory.h"
#include "runtime/device.h"

namespace sardonyx::opencl {

class LoadedKernel final : public runtime::Kernel, public std::enable_shared_from_this<LoadedKernel> {
 public:
  LoadedKernel(std::shared_ptr<const opencl::Kernel> code, KernelOwner kernel)
      : code_(std::move(code)), kernel_(std::move(kernel)) {}
  std::string name() const override { return code_->name(); }
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override;

  const opencl::Kernel& code() const { return *code_; }
  cl_kernel get() const { return kernel_.get(); }

 private:
  std::shared_ptr<const opencl::Kernel> code_;
  KernelOwner kernel_;
};

// A kernel with concrete dims.
class Launch final : public runtime::Invocation {
 public:
  Launch(std::shared_ptr<const LoadedKernel> kernel, std::vector<int64_t> dims, LaunchShape shape);

  // Sets the arguments and enqueues; nothing when the grid is empty (`event` stays empty then). `scratch` and `status`
  // are null where the signature has none. Throws Error. A kernel object holds its arguments between the calls, so
  // nobody else may enqueue the same kernel meanwhile.
  void enqueue(cl_command_queue queue, const std::vector<runtime::DeviceRange>& operands, cl_mem scratch, cl_mem status,
               EventOwner& event) const;
  const LoadedKernel& kernel() const { return *kernel_; }
  const LaunchShape& shape() const { return shape_; }

 private:
  std::shared_ptr<const LoadedKernel> kernel_;
  std::vector<int64_t> dims_;
  LaunchShape shape_;
};

// Launches the kernel with an empty grid, which touches no memory: drivers that finish compiling at the first launch
// (CPU drivers specialise code to the size of work-groups) do it now. Throws Error as enqueue does.
void warm_up(const LoadedKernel& kernel, cl_command_queue queue);

}  // namespace sardonyx::opencl
