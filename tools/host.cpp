#include "tools/host.h"

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "runtime/base/status.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

onnxTensorDescriptorV1 describe(const HostTensor& tensor, std::vector<uint64_t>& shape) {
  shape.assign(tensor.dims.begin(), tensor.dims.end());
  onnxTensorDescriptorV1 descriptor = {};
  descriptor.tag = ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1;
  descriptor.name = tensor.name.c_str();
  descriptor.dataType = onnxEnum(tensor.dtype);
  descriptor.memoryType = ONNXIFI_MEMORY_TYPE_CPU;
  descriptor.dimensions = uint32_t(shape.size());
  descriptor.shape = shape.empty() ? nullptr : shape.data();
  descriptor.buffer = onnxPointer(reinterpret_cast<uintptr_t>(tensor.bytes.data()));
  return descriptor;
}

struct Descriptors {
  explicit Descriptors(const std::vector<HostTensor>& tensors) : shapes(tensors.size()) {
    for (size_t i = 0; i < tensors.size(); ++i) list.push_back(describe(tensors[i], shapes[i]));
  }
  std::vector<std::vector<uint64_t>> shapes;
  std::vector<onnxTensorDescriptorV1> list;
};

std::vector<Binding> reflect(onnxxGetGraphIOInfoFunction info, onnxGraph graph, int is_output) {
  std::vector<Binding> bindings;
  for (uint32_t index = 0;; ++index) {
    const char* name = nullptr;
    onnxEnum dtype = 0;
    int64_t dims[32];
    uint32_t rank = 32;
    if (info(graph, is_output, index, &name, &dtype, dims, &rank) != ONNXIFI_STATUS_SUCCESS) return bindings;
    bindings.push_back({name, DType(dtype), true, {dims, dims + rank}});
  }
}

// Reflection has no types of containers; the model does.
void take_containers(const Signature& model, Signature& signature) {
  const auto take = [](const std::vector<Binding>& from, std::vector<Binding>& to) {
    for (Binding& binding : to)
      for (const Binding& declared : from)
        if (declared.name == binding.name) binding.container = declared.container;
  };
  take(model.inputs, signature.inputs);
  take(model.outputs, signature.outputs);
}

}  // namespace

Backend::Backend(const Device& device, const BackendOptions& options) : device_(device), options_(options) {
  const uint64_t announced = device.number(ONNXIFI_BACKEND_INIT_PROPERTIES).value_or(0);
  std::vector<uint64_t> properties;
  const auto add = [&](const std::optional<uint64_t>& value, uint64_t key, const char* what) {
    if (!value) return;
    if ((announced & key) == 0) throw UsageError(str(device.title(), " has no property for ", what));
    properties.insert(properties.end(), {key, *value});
  };
  add(options.threads, ONNXX_BACKEND_PROPERTY_NUM_THREADS, "the number of threads");
  add(options.policy, ONNXX_BACKEND_PROPERTY_POLICY, "the policy");
  if (!options.trace_file.empty())
    add(reinterpret_cast<uintptr_t>(options.trace_file.c_str()), ONNXX_BACKEND_PROPERTY_TRACE_FILE, "a trace");
  properties.push_back(ONNXIFI_BACKEND_PROPERTY_NONE);
  const Library& library = device.library();
  library.load_error_text(device.id());
  library.check(library.fn().onnxInitBackend(device.id(), properties.data(), &handle_), "onnxInitBackend");
}

Backend::~Backend() {
  if (handle_ != nullptr) device_.library().fn().onnxReleaseBackend(handle_);
}

Graph::Graph(const Backend& backend, Bytes model, const std::string& source)
    : device_(backend.device()), backend_(backend.handle()) {
  const Library& library = device_.library();
  std::vector<uint64_t> properties;
  const auto add = [&](bool wanted, uint64_t key, const char* what) {
    if (!wanted) return;
    const uint64_t announced = device_.number(ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES).value_or(0);
    if ((announced & key) == 0) throw UsageError(str(device_.title(), " has no property for ", what));
    properties.insert(properties.end(), {key, 1});
  };
  add(backend.options().allow_empty, ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY, "empty tensors");
  add(backend.options().values, ONNXX_GRAPH_PROPERTY_VALUES, "sequences, optionals and maps");
  properties.push_back(ONNXIFI_GRAPH_PROPERTY_NONE);
  const onnxStatus status =
      library.fn().onnxInitGraph(backend_, properties.data(), model.size(), model.data(), 0, nullptr, &handle_);
  if (status != ONNXIFI_STATUS_FALLBACK) library.check(status, "onnxInitGraph");
  const auto info = library.extension<onnxxGetGraphIOInfoFunction>(device_.id(), "onnxxGetGraphIOInfo");
  if (info != nullptr) {
    signature_ = {reflect(info, handle_, 0), reflect(info, handle_, 1)};
    if (backend.options().values) take_containers(read_signature(model, source), signature_);
  } else {
    signature_ = read_signature(model, source);
  }
}

Graph::~Graph() {
  const Functions& fn = device_.library().fn();
  release_output_event();
  if (handle_ != nullptr) fn.onnxReleaseGraph(handle_);
  if (ready_ != nullptr) fn.onnxReleaseEvent(ready_);
}

std::vector<HostTensor> Graph::make_outputs(const std::vector<HostTensor>& inputs, int64_t limit) const {
  const Library& library = device_.library();
  const auto infer = library.extension<onnxxInferOutputShapesFunction>(device_.id(), "onnxxInferOutputShapes");
  const Descriptors described(inputs);
  std::vector<HostTensor> outputs;
  for (const Binding& output : signature_.outputs) {
    HostTensor tensor{output.name, output.dtype, output.dims, {}};
    if (infer != nullptr) {
      uint64_t dims[32];
      uint32_t rank = 32;
      library.check(infer(handle_, uint32_t(inputs.size()), described.list.data(), output.name.c_str(), dims, &rank),
                    "onnxxInferOutputShapes");
      tensor.dims.assign(dims, dims + rank);
    } else if (!output.has_shape) {
      throw UsageError(str("the library cannot tell the shape of output '", output.name, "', nor can the model"));
    }
    for (int64_t& dim : tensor.dims) {
      if (dim < 0) dim = limit;
    }
    tensor.allocate();
    outputs.push_back(std::move(tensor));
  }
  return outputs;
}

void Graph::bind(const std::vector<HostTensor>& inputs, std::vector<HostTensor>& outputs) {
  const Library& library = device_.library();
  const Descriptors in(inputs), out(outputs);
  library.check(library.fn().onnxSetGraphIO(handle_, uint32_t(in.list.size()), in.list.data(),
                                            uint32_t(out.list.size()), out.list.data()),
                "onnxSetGraphIO");
  if (ready_ == nullptr) {
    library.check(library.fn().onnxInitEvent(backend_, &ready_), "onnxInitEvent");
    library.check(library.fn().onnxSignalEvent(ready_), "onnxSignalEvent");
  }
}

double Graph::run() {
  const Library& library = device_.library();
  release_output_event();
  onnxMemoryFenceV1 input = {}, output = {};
  input.tag = output.tag = ONNXIFI_TAG_MEMORY_FENCE_V1;
  input.type = output.type = ONNXIFI_SYNCHRONIZATION_EVENT;
  input.event = ready_;
  const auto start = std::chrono::steady_clock::now();
  const onnxStatus submitted = library.fn().onnxRunGraph(handle_, &input, &output);
  if (submitted != ONNXIFI_STATUS_SUCCESS) library.check(submitted, "onnxRunGraph");
  done_ = output.event;
  const onnxStatus finished = library.fn().onnxWaitEvent(done_);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  require_success(finished);
  return seconds.count();
}

void Graph::require_success(onnxStatus finished) const {
  const Library& library = device_.library();
  if (finished != ONNXIFI_STATUS_SUCCESS) {
    std::string text = str("run failed: ", status_name(Status(finished)));
    const auto explain = library.extension<onnxxGetEventErrorFunction>(device_.id(), "onnxxGetEventError");
    char detail[4096];
    size_t size = sizeof detail;
    onnxStatus status = 0;
    if (explain != nullptr && explain(done_, &status, detail, &size) == ONNXIFI_STATUS_SUCCESS) {
      text += str(": ", detail);
    }
    throw Error(Status(finished), text);
  }
}

void Graph::read_shapes(std::vector<HostTensor>& outputs) const {
  const Library& library = device_.library();
  const auto shape_of = library.extension<onnxxGetOutputShapeFunction>(device_.id(), "onnxxGetOutputShape");
  if (shape_of == nullptr) return;
  for (HostTensor& output : outputs) {
    uint64_t dims[32];
    uint32_t rank = 32;
    library.check(shape_of(done_, output.name.c_str(), dims, &rank), "onnxxGetOutputShape");
    output.dims.assign(dims, dims + rank);
  }
}

std::string Graph::report() const {
  const Library& library = device_.library();
  const auto get = library.extension<onnxxGetGraphReportFunction>(device_.id(), "onnxxGetGraphReport");
  if (get == nullptr) return "";
  size_t size = 0;
  const onnxStatus sized = get(handle_, nullptr, &size);
  if (sized != ONNXIFI_STATUS_FALLBACK) library.check(sized, "onnxxGetGraphReport");
  std::string json(size, '\0');
  library.check(get(handle_, json.data(), &size), "onnxxGetGraphReport");
  json.resize(json.find_last_not_of('\0') + 1);
  return json;
}

void Graph::release_output_event() {
  if (done_ != nullptr) device_.library().fn().onnxReleaseEvent(done_);
  done_ = nullptr;
}

Memory process_memory() {
  Memory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) memory.resident = std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    if (line.starts_with("VmHWM:")) memory.peak = std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return memory;
}

}  // namespace sardonyx::tools
