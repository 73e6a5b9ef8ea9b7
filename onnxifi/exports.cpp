// The exported functions: check pointers and handles in the documented order, call, translate.
#include "importer/import.h"
#include "onnx/onnxifi.h"
#include "onnx/onnxifi_ext.h"
#include "onnxifi/extensions.h"
#include "onnxifi/graph.h"
#include "onnxifi/guard.h"
#include "onnxifi/ids.h"
#include "onnxifi/info.h"
#include "onnxifi/properties.h"

using namespace sardonyx;
using namespace sardonyx::onnxifi;

onnxStatus ONNXIFI_ABI onnxGetBackendIDs(onnxBackendID* backendIDs, size_t* numBackends) {
  return guarded([&] {
    require_pointer(numBackends, "numBackends");
    return list_ids(backendIDs, numBackends);
  });
}

onnxStatus ONNXIFI_ABI onnxReleaseBackendID(onnxBackendID backendID) {
  return guarded([&] { release_id(backendID); });
}

onnxStatus ONNXIFI_ABI onnxGetBackendInfo(onnxBackendID backendID, onnxBackendInfo infoType, void* infoValue,
                                          size_t* infoValueSize) {
  return guarded([&] { return backend_info(choice_of(backendID), infoType, infoValue, infoValueSize); });
}

onnxStatus ONNXIFI_ABI onnxGetBackendCompatibility(onnxBackendID backendID, size_t onnxModelSize,
                                                   const void* onnxModel) {
  return guarded([&] {
    choice_of(backendID);
    require_pointer(onnxModel, "onnxModel");
    require(onnxModelSize > 0, Status::InvalidSize, "onnxModelSize is 0");
    const FloatEnvironment float_environment;
    const auto report = importer::Model::parse(onnxModel, onnxModelSize, {})->check();
    if (report.status() != Status::Success) fail(report.status(), report.text());
  });
}

onnxStatus ONNXIFI_ABI onnxInitBackend(onnxBackendID backendID, const uint64_t* auxPropertiesList,
                                       onnxBackend* backend) {
  return guarded([&] {
    require_pointer(backend, "backend");
    *backend = nullptr;
    const auto& choice = choice_of(backendID);
    const BackendOptions options = backend_options(environment(), auxPropertiesList, choice);
    auto devices = backends::placed_devices(choice);
    auto context = runtime::Context::create(options.open.settings, backends::open_devices(choice, options.open));
    *backend = insert(std::make_shared<BackendObject>(BackendObject{&choice, std::move(devices), std::move(context)}));
    if (options.log_level_given) set_log_level(options.open.settings.log_level);
  });
}

onnxStatus ONNXIFI_ABI onnxReleaseBackend(onnxBackend backend) {
  return guarded([&] { take<BackendObject>(backend); });
}

onnxStatus ONNXIFI_ABI onnxInitEvent(onnxBackend backend, onnxEvent* event) {
  return guarded([&] {
    require_pointer(event, "event");
    *event = nullptr;
    lookup<BackendObject>(backend);
    *event = insert(std::make_shared<EventObject>(false));
  });
}

onnxStatus ONNXIFI_ABI onnxSignalEvent(onnxEvent event) {
  return guarded([&] {
    const bool changed = lookup<EventObject>(event)->signal();
    require(changed, Status::InvalidState, "the event is signalled already");
  });
}

onnxStatus ONNXIFI_ABI onnxGetEventState(onnxEvent event, onnxEventState* state) {
  return guarded([&] {
    require_pointer(state, "state");
    *state = ONNXIFI_EVENT_STATE_INVALID;
    const bool signalled = lookup<EventObject>(event)->signalled();
    *state = signalled ? ONNXIFI_EVENT_STATE_SIGNALLED : ONNXIFI_EVENT_STATE_NONSIGNALLED;
  });
}

onnxStatus ONNXIFI_ABI onnxWaitEvent(onnxEvent event) {
  return guarded([&] {
    const auto waited = lookup<EventObject>(event);
    const Status status = waited->wait();
    if (status != Status::Success) fail(status, waited->text());
  });
}

onnxStatus ONNXIFI_ABI onnxReleaseEvent(onnxEvent event) {
  return guarded([&] {
    const auto released = take<EventObject>(event);
    if (!released->made_by_run) released->signal(Status::InvalidEvent, "the event was released unsignalled");
  });
}

onnxStatus ONNXIFI_ABI onnxInitGraph(onnxBackend backend, const uint64_t* auxPropertiesList, size_t onnxModelSize,
                                     const void* onnxModel, uint32_t weightsCount,
                                     const onnxTensorDescriptorV1* weightDescriptors, onnxGraph* graph) {
  return guarded([&] {
    require_pointer(graph, "graph");
    *graph = nullptr;
    const auto owner = lookup<BackendObject>(backend);
    require_pointer(onnxModel, "onnxModel");
    if (weightsCount > 0) require_pointer(weightDescriptors, "weightDescriptors");
    require(onnxModelSize > 0, Status::InvalidSize, "onnxModelSize is 0");
    const GraphOptions options = graph_options(auxPropertiesList);
    const std::span model(static_cast<const uint8_t*>(onnxModel), onnxModelSize);
    *graph = insert(compile_graph(*owner, {model}, Descriptors(weightDescriptors, weightsCount), options));
  });
}

onnxStatus ONNXIFI_ABI onnxSetGraphIO(onnxGraph graph, uint32_t inputsCount,
                                      const onnxTensorDescriptorV1* inputDescriptors, uint32_t outputsCount,
                                      const onnxTensorDescriptorV1* outputDescriptors) {
  return guarded([&] {
    const auto bound = lookup<Graph>(graph);
    bound->or_unbind([&] {
      require_pointer(outputDescriptors, "outputDescriptors");
      if (inputsCount > 0) require_pointer(inputDescriptors, "inputDescriptors");
      bound->set_io({inputDescriptors, inputsCount}, {outputDescriptors, outputsCount});
    });
  });
}

onnxStatus ONNXIFI_ABI onnxRunGraph(onnxGraph graph, const onnxMemoryFenceV1* inputFence,
                                    onnxMemoryFenceV1* outputFence) {
  return guarded([&] {
    const auto started = lookup<Graph>(graph);
    require_pointer(inputFence, "inputFence");
    require_pointer(outputFence, "outputFence");
    started->run(*inputFence, *outputFence);
  });
}

onnxStatus ONNXIFI_ABI onnxReleaseGraph(onnxGraph graph) {
  return guarded([&] { take<Graph>(graph)->close(); });
}

onnxStatus ONNXIFI_ABI onnxGetExtensionFunctionAddress(onnxBackendID backendID, const char* name,
                                                       onnxExtensionFunctionPointer* function) {
  return guarded([&] {
    require_pointer(reinterpret_cast<const void*>(function), "function");
    *function = nullptr;
    choice_of(backendID);
    require_pointer(name, "name");
    *function = find_extension(name);
    require(*function != nullptr, Status::UnidentifiedName, "no extension function '", name, "'");
  });
}

onnxStatus ONNXIFI_ABI onnxSetIOAndRunGraph(onnxGraph graph, uint32_t inputsCount,
                                            const onnxTensorDescriptorV1* inputDescriptors, uint32_t outputsCount,
                                            const onnxTensorDescriptorV1* outputDescriptors,
                                            onnxMemoryFenceV1* outputFence) {
  return guarded([&] {
    const auto started = lookup<Graph>(graph);
    started->or_unbind([&] {
      require_pointer(outputDescriptors, "outputDescriptors");
      if (inputsCount > 0) require_pointer(inputDescriptors, "inputDescriptors");
      require_pointer(outputFence, "outputFence");
      started->set_io_and_run({inputDescriptors, inputsCount}, {outputDescriptors, outputsCount}, *outputFence);
    });
  });
}
