#include "onnxifi/extensions.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "onnx/onnxifi_x.h"
#include "onnxifi/graph.h"
#include "onnxifi/guard.h"
#include "onnxifi/info.h"
#include "onnxifi/properties.h"
#include "onnxifi/report.h"
#include "onnxifi/values.h"

namespace sardonyx::onnxifi {

namespace {

// Array negotiation: `rank` is the capacity of `dims` in, the size out.
template <class T>
Status negotiate_dims(const Dims& dims, T* out, uint32_t* rank) {
  const bool fits = *rank >= dims.size() && (out != nullptr || dims.empty());
  *rank = uint32_t(dims.size());
  if (!fits) return Status::Fallback;
  // Unknown dims are -1, which is UINT64_MAX as an unsigned number.
  std::transform(dims.begin(), dims.end(), out, [](int64_t dim) { return T(dim); });
  return Status::Success;
}

onnxStatus ONNXIFI_ABI onnxxGetLastError(char* text, size_t* size) {
  // Not guarded: asking for the text must not change it.
  if (size == nullptr) return ONNXIFI_STATUS_INVALID_POINTER;
  return onnxStatus(negotiate_text(last_error(), text, size));
}

onnxStatus ONNXIFI_ABI onnxxGetEventError(onnxEvent handle, onnxStatus* run_status, char* text, size_t* size) {
  return guarded([&] {
    require_pointer(run_status, "runStatus");
    const auto event = lookup<EventObject>(handle);
    require_pointer(size, "size");
    require(event->signalled(), Status::InvalidState, "the event is not signalled yet");
    *run_status = onnxStatus(event->status());
    return negotiate_text(event->text(), text, size);
  });
}

onnxStatus ONNXIFI_ABI onnxxWaitEventFor(onnxEvent handle, uint64_t nanoseconds, onnxEventState* state) {
  return guarded([&] {
    require_pointer(state, "state");
    *state = ONNXIFI_EVENT_STATE_INVALID;
    const auto event = lookup<EventObject>(handle);
    const auto timeout = int64_t(std::min(nanoseconds, uint64_t(INT64_MAX)));
    const bool signalled = event->wait_for(std::chrono::nanoseconds(timeout));
    *state = signalled ? ONNXIFI_EVENT_STATE_SIGNALLED : ONNXIFI_EVENT_STATE_NONSIGNALLED;
    if (signalled && event->status() != Status::Success) fail(event->status(), event->text());
  });
}

onnxStatus ONNXIFI_ABI onnxxGetOutputShape(onnxEvent handle, const char* output, uint64_t* dims, uint32_t* rank) {
  return guarded([&] {
    require_pointer(rank, "rank");
    const auto event = lookup<EventObject>(handle);
    require_pointer(output, "output");
    require(event->signalled(), Status::InvalidState, "the event is not signalled yet");
    if (event->status() != Status::Success) fail(event->status(), event->text());
    const Dims* shape = event->output_shape(output);
    require(shape != nullptr, Status::InvalidName, "the run behind the event has no output '", output, "'");
    return negotiate_dims(*shape, dims, rank);
  });
}

onnxStatus ONNXIFI_ABI onnxxInferOutputShapes(onnxGraph handle, uint32_t inputs_count,
                                              const onnxTensorDescriptorV1* inputs, const char* output, uint64_t* dims,
                                              uint32_t* rank) {
  return guarded([&] {
    require_pointer(rank, "rank");
    const auto graph = lookup<Graph>(handle);
    require_pointer(output, "output");
    if (inputs_count > 0) require_pointer(inputs, "inputs");
    const int index = graph->outputs().find(output, 0);
    const auto shapes = graph->infer(Descriptors(inputs, inputs_count));
    require(index >= 0, Status::InvalidName, "the graph has no output '", output, "'");
    return negotiate_dims(shapes[size_t(index)], dims, rank);
  });
}

onnxStatus ONNXIFI_ABI onnxxGetGraphIOInfo(onnxGraph handle, int is_output, uint32_t index, const char** name,
                                           onnxEnum* data_type, int64_t* dims, uint32_t* rank) {
  return guarded([&] {
    require_pointer(name, "name");
    require_pointer(data_type, "dataType");
    require_pointer(rank, "rank");
    const auto graph = lookup<Graph>(handle);
    const IoTable& table = is_output != 0 ? graph->outputs() : graph->inputs();
    require(index < table.size(), Status::InvalidSize, "the graph has ", table.size(), " ", table.noun(), "s");
    *name = table[index].name.c_str();
    const DType dtype = table[index].dtype;
    *data_type = dtype == DType::Object ? onnxEnum(DType::None) : onnxEnum(dtype);
    return negotiate_dims(table[index].dims, dims, rank);
  });
}

onnxStatus ONNXIFI_ABI onnxxGetGraphReport(onnxGraph handle, char* json, size_t* size) {
  return guarded([&] {
    const auto graph = lookup<Graph>(handle);
    require_pointer(size, "size");
    return negotiate_text(report_json(graph->report()), json, size);
  });
}

onnxStatus ONNXIFI_ABI onnxxInitGraphFromFile(onnxBackend backend, const uint64_t* properties, const char* path,
                                              uint32_t weights_count, const onnxTensorDescriptorV1* weights,
                                              onnxGraph* graph) {
  return guarded([&] {
    require_pointer(graph, "graph");
    *graph = nullptr;
    const auto owner = lookup<BackendObject>(backend);
    require_pointer(path, "path");
    if (weights_count > 0) require_pointer(weights, "weightDescriptors");
    const GraphOptions options = graph_options(properties);
    *graph = insert(compile_graph(*owner, {{}, path}, Descriptors(weights, weights_count), options));
  });
}

// The typedefs of the header and the definitions here must agree, so each address goes through its own type.
template <class Function>
onnxExtensionFunctionPointer address(Function function) {
  return reinterpret_cast<onnxExtensionFunctionPointer>(reinterpret_cast<void (*)()>(function));
}

struct Extension {
  const char* name;
  onnxExtensionFunctionPointer function;
};

}  // namespace

onnxExtensionFunctionPointer find_extension(const char* name) {
  static const Extension extensions[] = {
      {"onnxGetExtensionFunctionAddress",
       address<onnxGetExtensionFunctionAddressFunction>(&onnxGetExtensionFunctionAddress)},
      {"onnxSetIOAndRunGraph", address<onnxSetIOAndRunGraphFunction>(&onnxSetIOAndRunGraph)},
      {"onnxxGetLastError", address<onnxxGetLastErrorFunction>(&onnxxGetLastError)},
      {"onnxxGetEventError", address<onnxxGetEventErrorFunction>(&onnxxGetEventError)},
      {"onnxxWaitEventFor", address<onnxxWaitEventForFunction>(&onnxxWaitEventFor)},
      {"onnxxGetOutputShape", address<onnxxGetOutputShapeFunction>(&onnxxGetOutputShape)},
      {"onnxxInferOutputShapes", address<onnxxInferOutputShapesFunction>(&onnxxInferOutputShapes)},
      {"onnxxGetGraphIOInfo", address<onnxxGetGraphIOInfoFunction>(&onnxxGetGraphIOInfo)},
      {"onnxxCreateTensor", address<onnxxCreateTensorFunction>(&onnxxCreateTensor)},
      {"onnxxCreateSequence", address<onnxxCreateSequenceFunction>(&onnxxCreateSequence)},
      {"onnxxCreateOptional", address<onnxxCreateOptionalFunction>(&onnxxCreateOptional)},
      {"onnxxCreateMap", address<onnxxCreateMapFunction>(&onnxxCreateMap)},
      {"onnxxGetKind", address<onnxxGetKindFunction>(&onnxxGetKind)},
      {"onnxxGetItem", address<onnxxGetItemFunction>(&onnxxGetItem)},
      {"onnxxGetTensor", address<onnxxGetTensorFunction>(&onnxxGetTensor)},
      {"onnxxReleaseValue", address<onnxxReleaseValueFunction>(&onnxxReleaseValue)},
      {"onnxxRunValues", address<onnxxRunValuesFunction>(&onnxxRunValues)},
      {"onnxxInitGraphFromFile", address<onnxxInitGraphFromFileFunction>(&onnxxInitGraphFromFile)},
      {"onnxxGetGraphReport", address<onnxxGetGraphReportFunction>(&onnxxGetGraphReport)},
  };
  for (const Extension& extension : extensions) {
    if (std::strcmp(extension.name, name) == 0) return extension.function;
  }
  return nullptr;
}

}  // namespace sardonyx::onnxifi
