#include "backends/choices.h"

#include <algorithm>
#include <map>

#include "backends/calibration.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::backends {

namespace {

// All devices as one. Figures add up; copies to and from the host are those of its slowest device.
DeviceInfo together(const std::vector<DeviceInfo>& devices) {
  DeviceInfo info;
  info.backend = heterogeneous_name;
  info.name = "Heterogeneous";
  info.type = DeviceType::Heterogeneous;
  std::vector<std::string> names;
  info.measured = true;
  info.target = devices.front().target;
  for (const DeviceInfo& device : devices) {
    names.push_back(device.device);
    info.memory_bytes = std::max(info.memory_bytes, device.memory_bytes);
    info.memory_bandwidth += device.memory_bandwidth;
    info.macs_fp32 += device.macs_fp32;
    info.measured &= device.measured;
    if (&device == &devices.front()) continue;
    const auto slower = [](uint64_t a, uint64_t b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); };
    info.host_read_bandwidth = slower(info.host_read_bandwidth, device.host_read_bandwidth);
    info.host_write_bandwidth = slower(info.host_write_bandwidth, device.host_write_bandwidth);
    info.target.launch_ns = std::max(info.target.launch_ns, device.target.launch_ns);
    info.target.transfer_ns = std::max(info.target.transfer_ns, device.target.transfer_ns);
  }
  info.device = join(names, " + ");
  return info;
}

std::vector<DeviceInfo> measured(std::vector<DeviceInfo> devices) {
  for (DeviceInfo& device : devices) device = calibrated(device, Effort::Measure);
  return devices;
}

std::vector<BackendChoice> wanted_choices() {
  const auto recalled = [](const DeviceInfo& device) { return calibrated(device, Effort::Recall).macs_fp32; };
  std::vector<BackendChoice> all = choices_of(devices(), recalled), listed;
  const std::string wanted = settings_from_environment().devices;
  if (wanted.empty()) return all;
  for (const std::string& name : split(wanted, ',')) {
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

std::vector<BackendChoice> choices_of(std::vector<DeviceInfo> devices,
                                      const std::function<uint64_t(const DeviceInfo&)>& speed) {
  auto host =
      std::find_if(devices.begin(), devices.end(), [](const DeviceInfo& device) { return device.backend == "cpu"; });
  check(host != devices.end(), "the host's CPU is not among the devices");
  std::rotate(devices.begin(), host, host + 1);
  std::vector<BackendChoice> all = {{device_name(devices[0], true), devices[0], {devices[0]}, 0}};
  if (devices.size() == 1) return all;
  std::map<std::string, uint64_t> speeds = {{all[0].name, speed(devices[0])}};
  for (size_t i = 1; i < devices.size(); ++i) {
    all.push_back({device_name(devices[i], false), devices[i], {devices[0], devices[i]}, 1});
    speeds[all.back().name] = devices[i].type == DeviceType::Cpu ? 0 : speed(devices[i]);
  }
  std::stable_sort(all.begin(), all.end(), [&](const BackendChoice& a, const BackendChoice& b) {
    return speeds.at(a.name) > speeds.at(b.name);
  });
  all.push_back({heterogeneous_name, together(devices), devices, -1});
  return all;
}

const std::vector<BackendChoice>& choices() {
  // Never destroyed: calls may still come in while the process exits.
  static const auto& all = *new std::vector<BackendChoice>(wanted_choices());
  return all;
}

DeviceInfo described(const BackendChoice& choice) {
  return choice.preferred < 0 ? together(measured(choice.devices)) : calibrated(choice.info, Effort::Measure);
}

std::vector<DeviceInfo> placed_devices(const BackendChoice& choice) {
  return choice.preferred < 0 ? measured(choice.devices) : choice.devices;
}

std::vector<runtime::DevicePtr> open_devices(const BackendChoice& choice, const OpenOptions& options) {
  std::vector<runtime::DevicePtr> opened;
  for (const DeviceInfo& device : choice.devices) opened.push_back(backend_of(device).open(device, options));
  return opened;
}

}  // namespace sardonyx::backends
