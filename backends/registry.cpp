#include <set>

#include "backends/backend.h"
#include "backends/choices.h"
#include "backends/cpu/backend.h"
#include "backends/opencl/backend.h"
#include "backends/plugin/loader.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::backends {

std::string to_string(const Point& point) {
  std::string text;
  for (const auto& [name, value] : point) text += str(text.empty() ? "" : " ", name, "=", value);
  return text;
}

const std::vector<const Backend*>& registry() {
  // Never destroyed: calls may still come in while the process exits.
  static const auto& backends = *[] {
    auto* all = new std::vector<const Backend*>{&cpu::backend(), &opencl::backend()};
    for (auto& loaded : plugin::load_plugins(settings_from_environment().plugins, *all))
      all->push_back(loaded.release());
    return all;
  }();
  return backends;
}

namespace {

// Backends that SARDONYX_DEVICES leaves out need not load their drivers. Empty: all are wanted, also when it names
// nothing that there is.
std::set<std::string, std::less<>> wanted_backends() {
  std::set<std::string, std::less<>> wanted;
  bool known = false;
  for (const std::string& name : split(settings_from_environment().devices, ',')) {
    if (name == heterogeneous_name) return {};
    const std::string backend = name.substr(0, name.find(':'));
    for (const Backend* there : registry()) known |= there->name() == backend;
    wanted.insert(backend);
  }
  if (!known) return {};
  wanted.emplace(cpu::backend().name());  // the host, which every choice has
  return wanted;
}

std::vector<DeviceInfo> probe() {
  std::vector<DeviceInfo> found;
  const auto wanted = wanted_backends();
  for (const Backend* backend : registry()) {
    if (!wanted.empty() && !wanted.contains(backend->name())) continue;
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
  return found;
}

}  // namespace

const std::vector<DeviceInfo>& devices() {
  static const auto& all = *new std::vector<DeviceInfo>(probe());
  return all;
}

const Backend& backend_of(const DeviceInfo& device) {
  for (const Backend* backend : registry())
    if (backend->name() == device.backend) return *backend;
  fail(Status::InternalError, "no backend named '", device.backend, "'");
}

}  // namespace sardonyx::backends
