// Measured figures in the place of estimates.
//
// A device is measured when its figures are first needed: when a host asks for one, or initialises a backend that
// chooses between devices. The results are kept for the process, and on disk for the next one (Settings::cache_dir), by
// device, driver, number of threads and version of the library, for ninety days; for one when the machine was busy.
//
// What they change: memory_bandwidth, macs_fp32, the bandwidths to and from the host, Target's costs of launches and
// copies, and the factors that make estimates of different devices comparable. What they leave alone is all that code
// generation and the choice between candidates of one device look at: noise must not change code from run to run.
// Factors and costs are rounded to steps of a fifth for the same reason.
#pragma once
#include <memory>

#include "backends/backend.h"

namespace sardonyx::backends {

// Recall: known to this process or on disk. Measure: else found out now, which takes some tenths of a second, for what
// drivers take to compile two kernels.
enum class Effort { Recall, Measure };

// Thread-safe; a device is measured once. In a fork of the process that made this object nothing is measured.
class Calibration {
 public:
  // Of `settings` it reads calibrate, cache_dir and num_threads.
  explicit Calibration(const Settings& settings);
  ~Calibration();
  // The device with measured figures; as it is when there are none, or calibration is off. Never throws for what the
  // device does: the reason goes to the log at Info, and the device is not asked again.
  DeviceInfo calibrated(const Backend& backend, const DeviceInfo& device, Effort effort);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same for registered devices, with the settings of the environment.
DeviceInfo calibrated(const DeviceInfo& device, Effort effort);

}  // namespace sardonyx::backends
