#include "tools/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "runtime/base/status.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

std::string executable_folder() {
  char buffer[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", buffer, sizeof buffer);
  if (length <= 0) return ".";
  const std::string path(buffer, size_t(length));
  return path.substr(0, path.rfind('/'));
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return text;
}

}  // namespace

bool Library::open(const std::string& path, std::string& problem) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    problem += str("\n  ", dlerror());
    return false;
  }
  const char* missing = nullptr;
#define SARDONYX_REQUIRE(name)                                                         \
  functions_.name = reinterpret_cast<decltype(functions_.name)>(dlsym(handle, #name)); \
  if (functions_.name == nullptr && missing == nullptr) missing = #name;
#define SARDONYX_LOOK_UP(name) functions_.name = reinterpret_cast<decltype(functions_.name)>(dlsym(handle, #name));
  SARDONYX_REQUIRED_FUNCTIONS(SARDONYX_REQUIRE)
  SARDONYX_OPTIONAL_FUNCTIONS(SARDONYX_LOOK_UP)
#undef SARDONYX_REQUIRE
#undef SARDONYX_LOOK_UP
  if (missing != nullptr) {
    problem += str("\n  ", path, " is no ONNXIFI library: it has no function ", missing);
    dlclose(handle);
    return false;
  }
  handle_ = handle;
  path_ = path;
  return true;
}

Library::Library(const std::string& path) {
  const char* from_environment = std::getenv("SARDONYX_LIBRARY");
  std::vector<std::string> candidates;
  if (!path.empty()) {
    candidates = {path};
  } else if (from_environment != nullptr && *from_environment != '\0') {
    candidates = {from_environment};
  } else {
    const std::string folder = executable_folder();
    // Beside the program, as installed, as built, as the system finds it.
    candidates = {folder + "/libonnxifi.so", folder + "/../lib/libonnxifi.so", folder + "/../onnxifi/libonnxifi.so",
                  "libonnxifi.so"};
  }
  std::string problem;
  for (const auto& candidate : candidates) {
    const bool searched = candidates.size() > 1 && candidate.find('/') != std::string::npos;
    if (searched && access(candidate.c_str(), F_OK) != 0) continue;
    if (open(candidate, problem)) return;
  }
  throw UsageError(str("cannot open the ONNXIFI library (name one with --library or SARDONYX_LIBRARY):", problem));
}

onnxExtensionFunctionPointer Library::find_extension(onnxBackendID id, const char* name) const {
  onnxExtensionFunctionPointer function = nullptr;
  if (functions_.onnxGetExtensionFunctionAddress == nullptr) return nullptr;
  const onnxStatus status = functions_.onnxGetExtensionFunctionAddress(id, name, &function);
  return status == ONNXIFI_STATUS_SUCCESS ? function : nullptr;
}

void Library::check(onnxStatus status, const std::string& call) const {
  if (status == ONNXIFI_STATUS_SUCCESS) return;
  std::string text = str(call, ": ", status_name(Status(status)));
  size_t size = 0;
  if (last_error_ != nullptr && last_error_(nullptr, &size) == ONNXIFI_STATUS_FALLBACK && size > 1) {
    std::string detail(size, '\0');
    if (last_error_(detail.data(), &size) == ONNXIFI_STATUS_SUCCESS) text += str(": ", detail.c_str());
  }
  throw Error(Status(status), text);
}

std::string Device::text(onnxBackendInfo item) const {
  size_t size = 0;
  if (library_->fn().onnxGetBackendInfo(id_, item, nullptr, &size) != ONNXIFI_STATUS_FALLBACK || size == 0) return "";
  std::string value(size, '\0');
  if (library_->fn().onnxGetBackendInfo(id_, item, value.data(), &size) != ONNXIFI_STATUS_SUCCESS) return "";
  value.resize(strnlen(value.data(), size));
  return value;
}

std::optional<uint64_t> Device::number(onnxBackendInfo item) const {
  uint64_t value = 0;
  size_t size = sizeof value;
  if (library_->fn().onnxGetBackendInfo(id_, item, &value, &size) != ONNXIFI_STATUS_SUCCESS) return std::nullopt;
  return value;
}

std::string Device::title() const {
  return str(text(ONNXIFI_BACKEND_VENDOR), " ", text(ONNXIFI_BACKEND_NAME), " (", text(ONNXIFI_BACKEND_DEVICE), ")");
}

std::vector<Device> list_devices(const Library& library) {
  size_t count = 0;
  const onnxStatus counted = library.fn().onnxGetBackendIDs(nullptr, &count);
  if (counted != ONNXIFI_STATUS_FALLBACK) library.check(counted, "onnxGetBackendIDs");
  std::vector<onnxBackendID> ids(count);
  if (count > 0) library.check(library.fn().onnxGetBackendIDs(ids.data(), &count), "onnxGetBackendIDs");
  std::vector<Device> devices;
  for (size_t i = 0; i < std::min(count, ids.size()); ++i) devices.emplace_back(library, ids[i]);
  return devices;
}

Device pick_device(const Library& library, const std::string& selector) {
  const auto devices = list_devices(library);
  if (devices.empty()) throw UsageError(str(library.path(), " lists no backend"));
  if (selector.empty()) return devices.front();
  if (std::all_of(selector.begin(), selector.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    const size_t index = std::strtoul(selector.c_str(), nullptr, 10);
    if (index < devices.size()) return devices[index];
  }
  std::string known;
  for (size_t i = 0; i < devices.size(); ++i) {
    const std::string title = str(device_kind(devices[i]), " ", devices[i].title());
    if (lower(title).find(lower(selector)) != std::string::npos) return devices[i];
    known += str("\n  ", i, ": ", title);
  }
  throw UsageError(str("no backend '", selector, "'; there are:", known));
}

std::string device_kind(const Device& device) {
  static const struct {
    uint64_t code;
    const char* name;
  } kinds[] = {{ONNXIFI_DEVICE_TYPE_NPU, "NPU"},   {ONNXIFI_DEVICE_TYPE_DSP, "DSP"},
               {ONNXIFI_DEVICE_TYPE_GPU, "GPU"},   {ONNXIFI_DEVICE_TYPE_CPU, "CPU"},
               {ONNXIFI_DEVICE_TYPE_FPGA, "FPGA"}, {ONNXIFI_DEVICE_TYPE_HETEROGENEOUS, "heterogeneous"}};
  const auto code = device.number(ONNXIFI_BACKEND_DEVICE_TYPE);
  for (const auto& kind : kinds) {
    if (code == kind.code) return kind.name;
  }
  return "unknown";
}

}  // namespace sardonyx::tools
