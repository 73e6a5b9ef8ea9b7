// From lowered kernels to OpenCL kernels that a device can load.
#pragma once
#include <span>
#include <vector>

#include "backends/opencl/kernel.h"
#include "runtime/base/settings.h"

namespace sardonyx::opencl {

// One opencl::Kernel per entry, in order; neighbours share programs. Throws Error(UnsupportedOperator) when the target
// lacks what a kernel needs.
std::vector<runtime::KernelPtr> compile_kernels(std::span<const tensor::LoweredKernel> kernels,
                                                const tensor::Target& target, const Settings& settings);

}  // namespace sardonyx::opencl
