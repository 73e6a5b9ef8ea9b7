// An ONNXIFI library for testing the tools: one backend, whose graphs copy input number k to output number k. What the
// model's bytes contain decides how it misbehaves, and where it says that its groups run.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "onnx/onnxifi.h"
#include "onnx/onnxifi_x.h"

namespace {

struct FakeGraph {
  std::string model;
  std::vector<onnxTensorDescriptorV1> inputs, outputs;
  std::vector<size_t> sizes;
  bool has(const char* word) const { return model.find(word) != std::string::npos; }
};

int id, backend, event;

std::string model_text(const void* model, size_t size) { return {static_cast<const char*>(model), size}; }

// Bytes of a float tensor.
size_t byte_size(const onnxTensorDescriptorV1& tensor) {
  size_t size = 4;
  for (uint32_t i = 0; i < tensor.dimensions; ++i) size *= tensor.shape[i];
  return size;
}

// Two groups on a device with "placed", one on the host, and the copy between them.
onnxStatus graph_report(onnxGraph graph, char* json, size_t* size) {
  const bool placed = static_cast<FakeGraph*>(graph)->has("placed");
  const std::string text = placed
                               ? R"([{"primitives": "add", "device": "toy:0"}, {"primitives": "mul", "device": "toy:0"},
                                        {"primitives": "copy", "device": "cpu", "candidate": "toy:0 -> cpu"},
                                        {"primitives": "topk", "device": "cpu"}])"
                               : "[]";
  const bool fits = json != nullptr && *size > text.size();
  if (fits) std::memcpy(json, text.c_str(), text.size() + 1);
  *size = text.size() + 1;
  return fits ? ONNXIFI_STATUS_SUCCESS : ONNXIFI_STATUS_FALLBACK;
}

}  // namespace

extern "C" {

onnxStatus onnxGetBackendIDs(onnxBackendID* ids, size_t* count) {
  const bool fits = ids != nullptr && *count >= 1;
  if (fits) ids[0] = &id;
  *count = 1;
  return fits ? ONNXIFI_STATUS_SUCCESS : ONNXIFI_STATUS_FALLBACK;
}
onnxStatus onnxReleaseBackendID(onnxBackendID) { return ONNXIFI_STATUS_SUCCESS; }
onnxStatus onnxGetBackendInfo(onnxBackendID, onnxBackendInfo item, void* value, size_t* size) {
  const std::string text = item == ONNXIFI_BACKEND_NAME ? "copier" : item == ONNXIFI_BACKEND_VENDOR ? "nobody" : "";
  if (text.empty()) return ONNXIFI_STATUS_UNSUPPORTED_ATTRIBUTE;
  const bool fits = value != nullptr && *size > text.size();
  if (fits) std::memcpy(value, text.c_str(), text.size() + 1);
  *size = text.size() + 1;
  return fits ? ONNXIFI_STATUS_SUCCESS : ONNXIFI_STATUS_FALLBACK;
}
onnxStatus onnxGetBackendCompatibility(onnxBackendID, size_t size, const void* model) {
  const std::string text = model_text(model, size);
  return text.find("unsupported") != std::string::npos ? ONNXIFI_STATUS_UNSUPPORTED_OPERATOR : ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxInitBackend(onnxBackendID, const uint64_t*, onnxBackend* result) {
  *result = &backend;
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxReleaseBackend(onnxBackend) { return ONNXIFI_STATUS_SUCCESS; }
onnxStatus onnxInitEvent(onnxBackend, onnxEvent* result) {
  *result = &event;
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxSignalEvent(onnxEvent) { return ONNXIFI_STATUS_SUCCESS; }
onnxStatus onnxGetEventState(onnxEvent, onnxEventState* state) {
  *state = ONNXIFI_EVENT_STATE_SIGNALLED;
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxWaitEvent(onnxEvent) { return ONNXIFI_STATUS_SUCCESS; }
onnxStatus onnxReleaseEvent(onnxEvent) { return ONNXIFI_STATUS_SUCCESS; }
onnxStatus onnxInitGraph(onnxBackend, const uint64_t*, size_t size, const void* model, uint32_t,
                         const onnxTensorDescriptorV1*, onnxGraph* result) {
  auto* graph = new FakeGraph{model_text(model, size), {}, {}, {}};
  const bool unsupported = graph->has("unsupported");
  if (unsupported || graph->has("surprising")) {
    delete graph;
    return ONNXIFI_STATUS_UNSUPPORTED_OPERATOR;
  }
  *result = graph;
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxSetGraphIO(onnxGraph handle, uint32_t inputs, const onnxTensorDescriptorV1* in, uint32_t outputs,
                          const onnxTensorDescriptorV1* out) {
  auto* graph = static_cast<FakeGraph*>(handle);
  graph->inputs.assign(in, in + inputs);
  graph->outputs.assign(out, out + outputs);
  graph->sizes.clear();
  for (const auto& input : graph->inputs) graph->sizes.push_back(byte_size(input));
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxRunGraph(onnxGraph handle, const onnxMemoryFenceV1*, onnxMemoryFenceV1* output) {
  const auto* graph = static_cast<FakeGraph*>(handle);
  if (graph->has("crashing")) std::abort();
  while (graph->has("hanging")) pause();
  for (size_t i = 0; i < graph->outputs.size(); ++i) {
    auto* to = reinterpret_cast<char*>(uintptr_t(graph->outputs[i].buffer));
    std::memcpy(to, reinterpret_cast<const char*>(uintptr_t(graph->inputs[i].buffer)), graph->sizes[i]);
    if (graph->has("wrong")) to[3] = char(to[3] ^ 0x40);
    if (graph->has("overrunning")) to[graph->sizes[i]] = 0;
  }
  output->event = &event;
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxGetExtensionFunctionAddress(onnxBackendID, const char* name, onnxExtensionFunctionPointer* function) {
  if (std::strcmp(name, "onnxxGetGraphReport") != 0) return ONNXIFI_STATUS_UNIDENTIFIED_NAME;
  *function = reinterpret_cast<onnxExtensionFunctionPointer>(reinterpret_cast<void (*)()>(&graph_report));
  return ONNXIFI_STATUS_SUCCESS;
}
onnxStatus onnxReleaseGraph(onnxGraph graph) {
  delete static_cast<FakeGraph*>(graph);
  return ONNXIFI_STATUS_SUCCESS;
}

}  // extern "C"
