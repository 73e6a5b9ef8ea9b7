#include "backends/choices.h"

#include <algorithm>
#include <sstream>

#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::backends {

namespace {

constexpr const char* heterogeneous_name = "hetero";

BackendChoice heterogeneous(const std::vector<DeviceInfo>& devices) {
  BackendChoice choice{heterogeneous_name, {}, devices, -1};
  DeviceInfo& info = choice.info;
  info.backend = heterogeneous_name;
  info.name = "Heterogeneous";
  info.type = DeviceType::Heterogeneous;
  std::vector<std::string> names;
  for (const DeviceInfo& device : devices) {
    names.push_back(device.device);
    info.memory_bytes = std::max(info.memory_bytes, device.memory_bytes);
    info.memory_bandwidth += device.memory_bandwidth;
    info.macs_fp32 += device.macs_fp32;
  }
  info.device = join(names, " + ");
  info.target = devices.front().target;
  return choice;
}

// The host first, then the others as they were found.
std::vector<BackendChoice> all_choices() {
  std::vector<DeviceInfo> found = devices();
  auto host =
      std::find_if(found.begin(), found.end(), [](const DeviceInfo& device) { return device.backend == "cpu"; });
  check(host != found.end(), "the host's CPU is not among the devices");
  std::rotate(found.begin(), host, host + 1);
  std::vector<BackendChoice> all;
  for (size_t i = 0; i < found.size(); ++i) {
    BackendChoice choice{device_name(found[i], i == 0), found[i], {found[0]}, 0};
    if (i > 0) {
      choice.devices.push_back(found[i]);
      choice.preferred = 1;
    }
    all.push_back(std::move(choice));
  }
  // Faster ones first. Another view of the host's own cores is never better than the host.
  auto rank = [&](const BackendChoice& choice) {
    bool same_cores = choice.preferred == 1 && choice.info.type == DeviceType::Cpu;
    return same_cores ? 0.0 : double(choice.info.macs_fp32);
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const BackendChoice& a, const BackendChoice& b) { return rank(a) > rank(b); });
  if (found.size() > 1) all.push_back(heterogeneous(found));
  return all;
}

std::vector<BackendChoice> wanted_choices() {
  std::vector<BackendChoice> all = all_choices(), listed;
  const std::string wanted = settings_from_environment().devices;
  if (wanted.empty()) return all;
  std::istringstream names(wanted);
  for (std::string name; std::getline(names, name, ',');) {
    for (const BackendChoice& choice : all) {
      bool known =
          std::any_of(listed.begin(), listed.end(), [&](const BackendChoice& c) { return c.name == choice.name; });
      if (!known && (name == choice.name || name == choice.info.backend)) listed.push_back(choice);
    }
  }
  if (!listed.empty()) return listed;
  log(LogLevel::Warning, "SARDONYX_DEVICES=", wanted, " matches no device and is ignored");
  return all;
}

}  // namespace

std::string device_name(const DeviceInfo& device, bool host) {
  return host ? device.backend : str(device.backend, ":", device.number);
}

const std::vector<BackendChoice>& choices() {
  // Never destroyed: calls may still come in while the process exits.
  static const auto& all = *new std::vector<BackendChoice>(wanted_choices());
  return all;
}

std::vector<runtime::DevicePtr> open_devices(const BackendChoice& choice, const OpenOptions& options) {
  std::vector<runtime::DevicePtr> opened;
  for (const DeviceInfo& device : choice.devices) opened.push_back(backend_of(device).open(device, options));
  return opened;
}

}  // namespace sardonyx::backends
