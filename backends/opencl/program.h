// From source texts to kernels of a device.
#pragma once
#include <span>
#include <vector>

#include "backends/disk_cache.h"
#include "backends/opencl/cl.h"
#include "runtime/kernel.h"

namespace sardonyx::opencl {

// Builds the programs of `kernels` (opencl::Kernel; a VendorKernel is ready as it is), several at once, each distinct
// Source once, and makes ready what a driver would put off to the first launch. Programs come from the cache where it
// has them; a cached program that the driver refuses is built anew. Answers one LoadedKernel for each, in order. Throws
// Error with the driver's build log when the text does not compile.
std::vector<runtime::KernelPtr> load_kernels(cl_context context, cl_device_id device, const backends::DiskCache& cache,
                                             std::span<const runtime::KernelPtr> kernels);

}  // namespace sardonyx::opencl
