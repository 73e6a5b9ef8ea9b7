// OpenCL devices. All groups that have a tensor expression; others run on the host.
#pragma once
#include "backends/backend.h"

namespace sardonyx::opencl {

const backends::Backend& backend();

}  // namespace sardonyx::opencl
