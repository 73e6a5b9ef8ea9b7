// Discovery: every device of every platform that the system's ICD loader finds.
#pragma once
#include <vector>

#include "backends/backend.h"

namespace sardonyx::opencl {

// The devices at hand, platforms and devices in the loader's order. The first call probes, with a time limit, and later
// calls answer the same; thread-safe. Empty when there is none. What is left out, and why, goes to the log: at Info
// what is quite normal (no loader, no platform, a device too old), at Warning a driver that fails or never answers.
// A driver that never answers keeps one sleeping thread of ours for the life of the process.
const std::vector<backends::DeviceInfo>& discovered_devices();

}  // namespace sardonyx::opencl
