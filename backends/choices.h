// What a host can choose from: one entry per backend ID.
//
// Every entry runs whole graphs: what its preferred device cannot do, the host's cores do (unless the host forbids it).
//   "cpu"      the host's cores
//   "opencl:0" one device of another kind, beside the host's cores
//   "hetero"   all devices together, each group of operators where it is estimated to end first
#pragma once
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sardonyx::backends {

struct BackendChoice {
  std::string name;
  DeviceInfo info;                  // what onnxGetBackendInfo tells
  std::vector<DeviceInfo> devices;  // [0] is always the host
  int preferred = 0;                // index of the device that gets all it can run; -1: by cost
};

// What settings and reports call a device: "cpu" for the host, else "opencl:0".
std::string device_name(const DeviceInfo& device, bool host);

// All choices, best default first, or those that Settings::devices names, in its order. Made by the first call, from
// devices(). Never empty.
const std::vector<BackendChoice>& choices();

// Opens the devices of a choice: one each, null for the host. Throws what Backend::open throws.
std::vector<runtime::DevicePtr> open_devices(const BackendChoice& choice, const OpenOptions& options);

}  // namespace sardonyx::backends
