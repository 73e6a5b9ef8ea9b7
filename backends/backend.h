// What a backend offers to the compiler: devices, candidates per group, kernels.
//
// A group is a `fused` node of the graph: a region of primitives that becomes one or a few launches. Every way to run
// it - scheduled tensor IR, vendor call, library kernel - is a Candidate in one list; the driver ranks them by cost.
// Backends are stateless tables of functions over plain data (Target), so compiling needs no device at hand.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tensor/target.h"
#include "runtime/base/settings.h"
#include "runtime/device.h"
#include "runtime/kernel.h"

namespace sardonyx::backends {

// Values equal ONNXIFI_DEVICE_TYPE_*.
enum class DeviceType : uint64_t { Npu = 0x01, Dsp = 0x02, Gpu = 0x04, Cpu = 0x08, Fpga = 0x10, Heterogeneous = 0x20 };

using tensor::Point;
using tensor::Target;

struct DeviceInfo {
  std::string backend;  // "cpu"
  int number = 0;       // among the devices of the backend, in the order of its discover(); set by the registry
  std::string name;     // ONNXIFI_BACKEND_NAME
  std::string device;   // "Intel(R) Xeon(R) Processor"
  std::string driver;   // with its version: what figures that were measured on the device depend on
  DeviceType type = DeviceType::Cpu;
  uint64_t memory_bytes = 0;
  // Estimates, or measured (calibration.h); 0 unknown.
  bool measured = false;
  uint64_t memory_bandwidth = 0;      // bytes/s
  uint64_t macs_fp32 = 0;             // multiply-adds/s
  uint64_t host_read_bandwidth = 0;   // bytes/s from host memory to the device
  uint64_t host_write_bandwidth = 0;  // and back
  // What kernels take, over what their candidates estimate: of contractions, and of all else.
  double contraction_factor = 1, map_factor = 1;
  Target target;
  // OpenCL only: cl_platform_id and cl_device_id.
  void* platform_id = nullptr;
  void* device_id = nullptr;
};

// What a host may say when it opens a device.
struct OpenOptions {
  Settings settings;
  void* opencl_context = nullptr;  // ONNXIFI_BACKEND_OPENCL_CONTEXT: a cl_context to work in
};

std::string to_string(const Point& point);

struct Candidate {
  enum class Kind : uint8_t { Scheduled, Vendor, Library } kind = Kind::Scheduled;
  std::string family;  // "contraction", "onednn.conv", "library.topk"
  int version = 1;
  Point point;
  std::vector<graph::Layout> inputs, outputs;  // one per operand / result of the group; empty: all row-major
  double cost_ns = 0;                          // estimate on all cores the target has
  bool exact = true;  // false: an algorithm with a larger error than direct sums; never what the `exact` setting takes
};

// Answer of the candidate query: what could run the group, and why the others declined ("onednn.conv: 5-D").
struct Candidates {
  std::vector<Candidate> list;
  std::vector<std::string> refusals;
};

// One launch of a compiled group. Operand numbers: group inputs first, then its outputs, then temporaries.
struct GroupLaunch {
  runtime::KernelPtr kernel;
  std::vector<int> inputs, outputs;
  std::vector<expr::Expr> dims;  // dim operands of the kernel, over the graph's symbols
};
struct GroupTemporary {
  DType dtype = DType::F32;
  std::vector<expr::Expr> dims;
};
struct CompiledGroup {
  std::vector<GroupLaunch> launches;
  std::vector<GroupTemporary> temporaries;
  // Constant inputs that the kernels want in a format of their own: input number -> packing function (pure,
  // thread-safe).
  std::map<int, std::function<Tensor(const Tensor&)>> pack;
  // Set instead of launches for opaque groups: reads the operands in order and makes the results in order.
  std::shared_ptr<const runtime::HostFunction> host;
};

// A group and the candidate chosen for it.
struct Chosen {
  const graph::Node* group = nullptr;
  Candidate candidate;
  // Operands that are constant numbers but read when the code runs, because groups that differ in them share it. Of
  // scheduled candidates only.
  std::set<int> arguments = {};
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // Devices at hand; a device that fails to probe is left out quietly. Thread-safe, cached by the registry.
  virtual std::vector<DeviceInfo> discover() const = 0;
  // Null: the device is the host itself. Throws Error: BackendUnavailable, NoDeviceResources, InvalidProperty.
  virtual runtime::DevicePtr open(const DeviceInfo& device, const OpenOptions& options) const = 0;
  virtual Candidates candidates(const graph::Node& group, const Target& target) const = 0;
  // Compiles a batch (code of several groups may share a module; modules compile in parallel). One result per entry.
  virtual std::vector<CompiledGroup> compile(std::span<const Chosen> batch, const Target& target,
                                             const Settings& settings) const = 0;
};

// The backends built in. Immutable after first use.
const std::vector<const Backend*>& registry();
// Devices of all backends that Settings::devices does not leave out, in the order of their discover(); the host always.
// Probed once per process. What hosts choose from is made of
// them in choices.h.
const std::vector<DeviceInfo>& devices();
const Backend& backend_of(const DeviceInfo& device);

}  // namespace sardonyx::backends
