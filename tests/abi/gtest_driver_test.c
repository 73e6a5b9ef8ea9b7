/*
 * The host that ONNX 1.12 ships with its tests, step by step, quirks included (section 11): counting call, properties
 * {0}, a name within 50 bytes, one weight descriptor for any number of initializers, two events per run of which the
 * second leaks, RunGraph before SignalEvent, and a backend that is released while the leaked event lives.
 */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1 };

static void drive(onnxBackendID id, onnxBackend backend, bytes model) {
  static const uint64_t no_properties[] = {0};
  static const uint64_t shape[] = {2, 4}, empty_shape[] = {1};
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {0};
  onnxTensorDescriptorV1 weight = abi_tensor("two", FLOAT, 1, empty_shape, NULL);
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 input, output;
  onnxGraph graph = NULL;
  onnxEventState state = 0;
  int i;
  EXPECT_OK(onnx.GetBackendCompatibility(id, model.size, model.data));
  EXPECT_OK(onnx.InitGraph(backend, no_properties, model.size, model.data, 2, &weight, &graph));
  memset(&input, 0, sizeof input);
  memset(&output, 0, sizeof output);
  input.tag = output.tag = ONNXIFI_TAG_MEMORY_FENCE_V1;
  input.type = output.type = ONNXIFI_SYNCHRONIZATION_EVENT;
  EXPECT_OK(onnx.InitEvent(backend, &input.event));
  EXPECT_OK(onnx.InitEvent(backend, &output.event));
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  EXPECT_OK(onnx.SignalEvent(input.event));
  EXPECT_OK(onnx.WaitEvent(output.event));
  EXPECT_OK(onnx.GetEventState(output.event, &state));
  EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_SIGNALLED);
  EXPECT_OK(onnx.ReleaseEvent(input.event));
  EXPECT_OK(onnx.ReleaseEvent(output.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  for (i = 0; i < 8; ++i) EXPECT_TRUE(y[i] == 2 * x[i] + 1);
}

int main(int argc, char** argv) {
  static const int64_t n4[] = {MODEL_N, 4};
  static const uint64_t no_properties[] = {0};
  onnxBackendID* ids;
  size_t count = 0, i;
  bytes model;
  abi_load(argc, argv);
  model = model_scale(2, n4);
  EXPECT(S(FALLBACK), onnx.GetBackendIDs(NULL, &count));
  ids = malloc(count * sizeof *ids);
  EXPECT_OK(onnx.GetBackendIDs(ids, &count));
  for (i = 0; i < count; ++i) {
    char name[50];
    size_t size = sizeof name;
    onnxBackend backend = NULL;
    EXPECT_OK(onnx.GetBackendInfo(ids[i], ONNXIFI_BACKEND_NAME, name, &size));
    EXPECT_TRUE(size <= sizeof name && strlen(name) == size - 1);
    EXPECT_OK(onnx.InitBackend(ids[i], no_properties, &backend));
    drive(ids[i], backend, model);
    drive(ids[i], backend, model);
    EXPECT_OK(onnx.ReleaseBackend(backend));
    EXPECT_OK(onnx.ReleaseBackendID(ids[i]));
  }
  free(ids);
  model_free_all();
  return abi_finish();
}
