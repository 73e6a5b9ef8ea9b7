#include "onnxifi/info.h"

#include <cstring>
#include <string>

#include "importer/import.h"
#include "onnx/onnxifi_x.h"
#include "onnxifi/guard.h"
#include "onnxifi/handles.h"
#include "onnxifi/properties.h"

namespace sardonyx::onnxifi {

namespace {

using backends::DeviceInfo;

// A pointer-sized value.
std::string pointer(void* value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); }

constexpr onnxBitfield capabilities = ONNXIFI_CAPABILITY_THREAD_SAFE | ONNXIFI_CAPABILITY_SYMBOLIC_BATCH_SIZE |
                                      ONNXIFI_CAPABILITY_SYMBOLIC_SIZE_TENSORS |
                                      ONNXIFI_CAPABILITY_VARIABLE_BATCH_SIZE | ONNXIFI_CAPABILITY_VARIABLE_SIZE_OUTPUTS;

std::string number(uint64_t value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); }
std::string text(const std::string& value) { return value + '\0'; }
// Optional figures are left out rather than reported as 0.
std::string known(uint64_t value) { return value == 0 ? std::string() : number(value); }

// Its kernels are called, and nothing is copied.
bool is_host(const DeviceInfo& device) { return device.backend == "cpu"; }

std::string ir_versions() {
  std::vector<int> versions;
  for (int version = 3; version <= importer::max_ir_version; ++version) versions.push_back(version);
  return join(versions, " ");
}

std::string opset_versions() {
  std::vector<std::string> pairs;
  for (const auto& entry : importer::supported_opsets()) pairs.push_back(str(entry.domain, ":", entry.version));
  return join(pairs, " ");
}

// `bytes` returns the value as it is handed out; empty means not applicable to the device.
struct Row {
  onnxBackendInfo type;
  std::string (*bytes)(const DeviceInfo& device);
  bool figure = false;
};
constexpr Row rows[] = {
    {ONNXIFI_BACKEND_ONNXIFI_VERSION, [](const DeviceInfo&) { return number(uint64_t(1) << 32); }},
    {ONNXIFI_BACKEND_NAME, [](const DeviceInfo& device) { return text(device.name); }},
    {ONNXIFI_BACKEND_VENDOR, [](const DeviceInfo&) { return text("Sardonyx"); }},
    {ONNXIFI_BACKEND_VERSION, [](const DeviceInfo&) { return text(SARDONYX_VERSION); }},
    {ONNXIFI_BACKEND_EXTENSIONS, [](const DeviceInfo&) { return text(extension_names); }},
    {ONNXIFI_BACKEND_DEVICE, [](const DeviceInfo& device) { return text(device.device); }},
    {ONNXIFI_BACKEND_DEVICE_TYPE, [](const DeviceInfo& device) { return number(uint64_t(device.type)); }},
    {ONNXIFI_BACKEND_ONNX_IR_VERSION, [](const DeviceInfo&) { return text(ir_versions()); }},
    {ONNXIFI_BACKEND_OPSET_VERSION, [](const DeviceInfo&) { return text(opset_versions()); }},
    {ONNXIFI_BACKEND_CAPABILITIES, [](const DeviceInfo&) { return number(capabilities); }},
    {ONNXIFI_BACKEND_INIT_PROPERTIES, [](const DeviceInfo&) { return number(vendor_backend_properties()); }},
    {ONNXIFI_BACKEND_MEMORY_TYPES, [](const DeviceInfo& device) { return number(memory_types(device)); }},
    {ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES, [](const DeviceInfo&) { return number(graph_properties()); }},
    {ONNXIFI_BACKEND_SYNCHRONIZATION_TYPES, [](const DeviceInfo&) { return number(ONNXIFI_SYNCHRONIZATION_EVENT); }},
    {ONNXIFI_BACKEND_MEMORY_SIZE, [](const DeviceInfo& device) { return number(device.memory_bytes); }},
    {ONNXIFI_BACKEND_MAX_GRAPH_SIZE, [](const DeviceInfo& device) { return number(device.memory_bytes); }},
    {ONNXIFI_BACKEND_MAX_GRAPH_COUNT, [](const DeviceInfo&) { return number(max_handles); }},
    {ONNXIFI_BACKEND_MACS_FP32, [](const DeviceInfo& device) { return known(device.macs_fp32); }, true},
    {ONNXIFI_BACKEND_MEMORY_BANDWIDTH, [](const DeviceInfo& device) { return known(device.memory_bandwidth); }, true},
    {ONNXIFI_BACKEND_CPU_MEMORY_READ_BANDWIDTH,
     [](const DeviceInfo& device) { return known(device.host_read_bandwidth); }, true},
    {ONNXIFI_BACKEND_CPU_MEMORY_WRITE_BANDWIDTH,
     [](const DeviceInfo& device) { return known(device.host_write_bandwidth); }, true},
    {ONNXIFI_BACKEND_OPENCL_PLATFORM_ID,
     [](const DeviceInfo& device) { return device.platform_id ? pointer(device.platform_id) : std::string(); }},
    {ONNXIFI_BACKEND_OPENCL_DEVICE_ID,
     [](const DeviceInfo& device) { return device.device_id ? pointer(device.device_id) : std::string(); }},
    {ONNXX_BACKEND_FIGURES, [](const DeviceInfo& device) { return text(device.measured ? "measured" : "estimated"); },
     true},
    {ONNXX_BACKEND_LAUNCH_NANOSECONDS,
     [](const DeviceInfo& device) {
       return is_host(device) ? std::string() : number(uint64_t(device.target.launch_ns));
     },
     true},
    {ONNXX_BACKEND_TRANSFER_NANOSECONDS,
     [](const DeviceInfo& device) {
       return is_host(device) ? std::string() : number(uint64_t(device.target.transfer_ns));
     },
     true},
};

}  // namespace

onnxBitfield memory_types(const DeviceInfo& device) {
  return device.device_id == nullptr ? ONNXIFI_MEMORY_TYPE_CPU : ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER;
}

Status negotiate(std::string_view bytes, void* value, size_t* size) {
  const bool fits = value != nullptr && *size >= bytes.size();
  *size = bytes.size();
  if (!fits) return Status::Fallback;
  std::memcpy(value, bytes.data(), bytes.size());
  return Status::Success;
}

Status negotiate_text(const std::string& text, void* value, size_t* size) {
  return negotiate(std::string_view(text.c_str(), text.size() + 1), value, size);
}

Status backend_info(const backends::BackendChoice& choice, onnxBackendInfo type, void* value, size_t* size) {
  require_pointer(size, "infoValueSize");
  for (const Row& row : rows) {
    if (row.type != type) continue;
    const std::string bytes = row.bytes(row.figure ? backends::described(choice) : choice.info);
    if (!bytes.empty()) return negotiate(bytes, value, size);
  }
  fail(Status::UnsupportedAttribute, "backend information ", type, " is not available");
}

}  // namespace sardonyx::onnxifi
