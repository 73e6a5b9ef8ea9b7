// What a device does in a second, found out by running two small groups on it: a product of matrices and a map over
// more than most caches hold, compiled and launched as those of any graph.
#pragma once
#include "backends/backend.h"

namespace sardonyx::backends {

// 0: not measured, because the device declines the group or has nothing of the kind.
struct Measurement {
  double macs = 0;               // multiply-adds/s
  double bytes = 0;              // bytes/s that the map reads and writes
  double upload_bytes = 0;       // bytes/s from host memory to the device's,
  double download_bytes = 0;     // and back
  double transfer_ns = 0;        // a copy of nearly nothing, until the host knows
  double launch_ns = 0;          // a launch of nearly nothing, among others
  double contraction_ratio = 0;  // time of the product, over what its candidate estimates
  double map_ratio = 0;          // the same of the map
};

// Opens the device, measures for some tens of milliseconds beside what compiling takes, and closes it. The host is
// measured on the calling thread: figures of one core. A device that does not answer is given up after two seconds.
// Throws Error, also what the backend throws.
Measurement measure(const Backend& backend, const DeviceInfo& device, const Settings& settings);

}  // namespace sardonyx::backends
