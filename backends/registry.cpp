#include <algorithm>
#include <sstream>

#include "backends/backend.h"
#include "backends/cpu/backend.h"
#include "backends/plugin/loader.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::backends {

std::string to_string(const Point& point) {
  std::string text;
  for (const auto& [name, value] : point) text += str(text.empty() ? "" : " ", name, "=", value);
  return text;
}

const std::vector<const Backend*>& registry() {
  // Never destroyed: calls may still come in while the process exits.
  static const auto& backends = *[] {
    auto* all = new std::vector<const Backend*>{&cpu::backend()};
    for (auto& loaded : plugin::load_plugins(settings_from_environment().plugins, *all))
      all->push_back(loaded.release());
    return all;
  }();
  return backends;
}

namespace {

std::vector<DeviceInfo> probe() {
  std::vector<DeviceInfo> found;
  for (const Backend* backend : registry()) {
    try {
      int number = 0;
      for (DeviceInfo& device : backend->discover()) {
        device.number = number++;
        found.push_back(std::move(device));
      }
    } catch (const std::exception& error) {
      log(LogLevel::Info, "backend ", backend->name(), " left out: ", error.what());
    }
  }
  std::string wanted = settings_from_environment().devices;
  if (wanted.empty()) return found;
  std::vector<DeviceInfo> ordered;
  std::istringstream names(wanted);
  for (std::string name; std::getline(names, name, ',');)
    for (const DeviceInfo& device : found)
      if (name == device.backend || name == str(device.backend, ":", device.number)) ordered.push_back(device);
  // A CPU backend is always present: a filter that leaves nothing is ignored.
  if (!ordered.empty()) return ordered;
  log(LogLevel::Warning, "SARDONYX_DEVICES=", wanted, " matches no device and is ignored");
  return found;
}

}  // namespace

const std::vector<DeviceInfo>& devices() {
  static const std::vector<DeviceInfo> all = probe();
  return all;
}

const Backend& backend_of(const DeviceInfo& device) {
  for (const Backend* backend : registry())
    if (backend->name() == device.backend) return *backend;
  fail(Status::InternalError, "no backend named '", device.backend, "'");
}

}  // namespace sardonyx::backends
