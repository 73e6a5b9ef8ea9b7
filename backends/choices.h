// What a host can choose from: one entry per backend ID.
//
// Every entry runs whole graphs: what its preferred device cannot do, the host's cores do (unless the host forbids it).
//   "cpu"      the host's cores
//   "opencl:0" one device of another kind, beside the host's cores
//   "hetero"   all devices together, each group of operators where it is estimated to end first
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sardonyx::backends {

inline constexpr const char* heterogeneous_name = "hetero";

struct BackendChoice {
  std::string name;
  DeviceInfo info;                  // what onnxGetBackendInfo tells, but for figures: see described()
  std::vector<DeviceInfo> devices;  // [0] is always the host
  int preferred = 0;                // index of the device that gets all it can run; -1: by cost
};

// What settings and reports call a device: "cpu" for the host, else "opencl:0".
std::string device_name(const DeviceInfo& device, bool host);

// All choices of these devices: the one with the most multiply-adds per second first (`speed`, asked when there are
// several), all together last. Another view of the host's own cores is never better than the host, which must be among
// them.
std::vector<BackendChoice> choices_of(std::vector<DeviceInfo> devices,
                                      const std::function<uint64_t(const DeviceInfo&)>& speed);

// All choices, best default first by figures that are on disk or estimated, or those that Settings::devices names, in
// its order. Made by the first call, from devices(). Never empty.
const std::vector<BackendChoice>& choices();

// The choice's info with figures, which are measured when they are not known yet (calibration.h).
DeviceInfo described(const BackendChoice& choice);

// The devices of a choice as graphs are compiled for them: where cost decides between them, with what was measured.
std::vector<DeviceInfo> placed_devices(const BackendChoice& choice);

// Opens the devices of a choice: one each, null for the host. Throws what Backend::open throws.
std::vector<runtime::DevicePtr> open_devices(const BackendChoice& choice, const OpenOptions& options);

}  // namespace sardonyx::backends
