#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

#include "runtime/base/strings.h"
#include "tools/commands.h"
#include "tools/text.h"

namespace sardonyx::tools {

namespace {

using Json = nlohmann::ordered_json;

struct Name {
  uint64_t bit;
  const char* text;
};
constexpr Name capabilities[] = {{ONNXIFI_CAPABILITY_THREAD_SAFE, "thread-safe"},
                                 {ONNXIFI_CAPABILITY_SYMBOLIC_BATCH_SIZE, "symbolic-batch"},
                                 {ONNXIFI_CAPABILITY_SYMBOLIC_SIZE_TENSORS, "symbolic-sizes"},
                                 {ONNXIFI_CAPABILITY_VARIABLE_BATCH_SIZE, "variable-batch"},
                                 {ONNXIFI_CAPABILITY_VARIABLE_SIZE_OUTPUTS, "variable-sizes"},
                                 {ONNXIFI_CAPABILITY_HOT_PLUGGABLE, "hot-pluggable"}};
// CPU memory and event fences have the value 0: every device has them.
constexpr Name memory_types[] = {{ONNXIFI_MEMORY_TYPE_CUDA_BUFFER, "cuda"},
                                 {ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER, "opencl"},
                                 {ONNXIFI_MEMORY_TYPE_OPENGLES_TEXTURE_2D, "opengles-texture"},
                                 {ONNXIFI_MEMORY_TYPE_D3D_RESOURCE, "d3d"}};
constexpr Name synchronization[] = {{ONNXIFI_SYNCHRONIZATION_IMPLICIT, "implicit"}};

template <size_t N>
std::string bit_names(uint64_t bits, const Name (&names)[N], const std::string& always = "") {
  std::vector<std::string> set;
  if (!always.empty()) set.push_back(always);
  for (const Name& name : names) {
    if ((bits & name.bit) != 0) set.push_back(name.text);
  }
  return join(set, " ");
}

std::string hex(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}
std::string rate(uint64_t value) { return str(bytes_text(double(value)), "/s"); }
std::string giga(uint64_t value) { return str(double(value) * 1e-9, " G/s"); }
std::string duration(uint64_t value) { return seconds_text(double(value) * 1e-9); }
std::string plain(uint64_t value) { return str(value); }
std::string size(uint64_t value) { return bytes_text(double(value)); }
std::string version(uint64_t value) { return str(value >> 32, ".", value & 0xFFFFFFFFu); }

// One row of the listing; texts have no `show`.
struct Item {
  onnxBackendInfo info;
  const char* key;
  const char* label;
  std::function<std::string(uint64_t)> show;
};

const std::vector<Item>& items() {
  static const std::vector<Item> list = {
      {ONNXIFI_BACKEND_NAME, "name", "Name", nullptr},
      {ONNXIFI_BACKEND_VENDOR, "vendor", "Vendor", nullptr},
      {ONNXIFI_BACKEND_VERSION, "version", "Version", nullptr},
      {ONNXIFI_BACKEND_DEVICE, "device", "Device", nullptr},
      {ONNXIFI_BACKEND_ONNXIFI_VERSION, "onnxifi_version", "ONNXIFI", version},
      {ONNXIFI_BACKEND_ONNX_IR_VERSION, "onnx_ir_versions", "ONNX IR versions", nullptr},
      {ONNXIFI_BACKEND_OPSET_VERSION, "opset_versions", "Operator sets", nullptr},
      {ONNXIFI_BACKEND_EXTENSIONS, "extensions", "Extensions", nullptr},
      {ONNXIFI_BACKEND_CAPABILITIES, "capabilities", "Capabilities",
       [](uint64_t bits) { return bit_names(bits, capabilities); }},
      {ONNXIFI_BACKEND_INIT_PROPERTIES, "init_properties", "Backend properties", hex},
      {ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES, "graph_init_properties", "Graph properties", hex},
      {ONNXIFI_BACKEND_MEMORY_TYPES, "memory_types", "Memory types",
       [](uint64_t bits) { return bit_names(bits, memory_types, "cpu"); }},
      {ONNXIFI_BACKEND_SYNCHRONIZATION_TYPES, "synchronization_types", "Fences",
       [](uint64_t bits) { return bit_names(bits, synchronization, "event"); }},
      {ONNXIFI_BACKEND_MEMORY_SIZE, "memory_size", "Memory", size},
      {ONNXIFI_BACKEND_MAX_GRAPH_SIZE, "max_graph_size", "Largest graph", size},
      {ONNXIFI_BACKEND_MAX_GRAPH_COUNT, "max_graph_count", "Most graphs", plain},
      {ONNXIFI_BACKEND_MACS_FP32, "macs_fp32", "fp32 multiply-adds", giga},
      {ONNXIFI_BACKEND_MACS_FP16, "macs_fp16", "fp16 multiply-adds", giga},
      {ONNXIFI_BACKEND_MEMORY_BANDWIDTH, "memory_bandwidth", "Memory bandwidth", rate},
      {ONNXIFI_BACKEND_CPU_MEMORY_READ_BANDWIDTH, "cpu_memory_read_bandwidth", "Read from host", rate},
      {ONNXIFI_BACKEND_CPU_MEMORY_WRITE_BANDWIDTH, "cpu_memory_write_bandwidth", "Write to host", rate},
      {ONNXX_BACKEND_LAUNCH_NANOSECONDS, "launch_ns", "Launch", duration},
      {ONNXX_BACKEND_TRANSFER_NANOSECONDS, "transfer_ns", "Copy", duration},
      {ONNXX_BACKEND_FIGURES, "figures", "Figures are", nullptr},
      {ONNXIFI_BACKEND_OPENCL_PLATFORM_ID, "opencl_platform", "OpenCL platform", hex},
      {ONNXIFI_BACKEND_OPENCL_DEVICE_ID, "opencl_device", "OpenCL device", hex},
      {ONNXIFI_BACKEND_PCI_DOMAIN_ID, "pci_domain", "PCI domain", plain},
      {ONNXIFI_BACKEND_PCI_BUS_ID, "pci_bus", "PCI bus", plain},
      {ONNXIFI_BACKEND_PCI_DEVICE_ID, "pci_device", "PCI device", plain},
      {ONNXIFI_BACKEND_CUDA_INDEX, "cuda_index", "CUDA index", plain},
  };
  return list;
}

}  // namespace

int devices_command(const CommonOptions& options) {
  const Library library(options.library);
  const auto devices = list_devices(library);
  Json report = {{"library", library.path()}, {"devices", Json::array()}};
  std::string tree = str("Library ", library.path(), "\n");
  for (size_t i = 0; i < devices.size(); ++i) {
    const Device& device = devices[i];
    const bool last = i + 1 == devices.size();
    tree += str(last ? "`-- " : "|-- ", "Backend ", i, " (", device_kind(device), ")\n");
    Json entry = {{"index", i}, {"kind", device_kind(device)}};
    for (const Item& item : items()) {
      std::string text;
      if (item.show == nullptr) {
        text = device.text(item.info);
        entry[item.key] = text;
      } else if (const auto value = device.number(item.info)) {
        text = item.show(*value);
        entry[item.key] = *value;
      }
      if (text.empty()) continue;
      char line[64];
      std::snprintf(line, sizeof line, "%s    |-- %-22s", last ? " " : "|", item.label);
      tree += str(line, text, "\n");
    }
    const size_t branch = tree.rfind("|-- ");
    if (branch != std::string::npos) tree.replace(branch, 1, "`");
    report["devices"].push_back(entry);
  }
  if (devices.empty()) tree += "`-- no backend\n";
  std::fputs(options.json ? (report.dump(2) + "\n").c_str() : tree.c_str(), stdout);
  return 0;
}

}  // namespace sardonyx::tools
