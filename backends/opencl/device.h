// An OpenCL device as the runtime sees it.
#pragma once
#include "backends/backend.h"
#include "runtime/device.h"

namespace sardonyx::opencl {

// Opens a device that discovered_devices listed, in a context of its own or in the host's (OpenOptions::opencl_context,
// a valid cl_context, which is retained). Throws Error: InvalidProperty when that context does not hold the device,
// BackendUnavailable, NoDeviceResources or NoDeviceMemory when the device has nothing to give.
runtime::DevicePtr open(const backends::DeviceInfo& info, const backends::OpenOptions& options);

}  // namespace sardonyx::opencl
