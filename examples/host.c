/* A whole host: classifies one picture of a digit. Usage: example_host examples/digits/model.onnx */
#include <onnx/onnxifi.h>
#include <stdio.h>

static onnxTensorDescriptorV1 tensor(const char* name, uint32_t rank, const uint64_t* shape, float* data) {
  const onnxTensorDescriptorV1 result = {ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1,
                                         name,
                                         ONNXIFI_DATATYPE_FLOAT32,
                                         ONNXIFI_MEMORY_TYPE_CPU,
                                         rank,
                                         shape,
                                         (onnxPointer)data};
  return result;
}

int main(int argc, char** argv) {
  static char model[1 << 20];
  FILE* file = fopen(argc > 1 ? argv[1] : "model.onnx", "rb");
  size_t size = file ? fread(model, 1, sizeof model, file) : 0, count = 16, best = 0, i;
  float image[64] = {0}, probability[10];
  const uint64_t image_shape[] = {1, 1, 8, 8}, probability_shape[] = {1, 10};
  const onnxTensorDescriptorV1 in = tensor("image", 4, image_shape, image);
  const onnxTensorDescriptorV1 out = tensor("probability", 2, probability_shape, probability);
  onnxMemoryFenceV1 start = {ONNXIFI_TAG_MEMORY_FENCE_V1, ONNXIFI_SYNCHRONIZATION_EVENT, {NULL}}, done = start;
  onnxBackendID ids[16];
  onnxBackend backend;
  onnxGraph graph;
  for (i = 0; i < 8; ++i) image[8 * i + 3] = image[8 * i + 4] = 1; /* an upright stroke: a one */
  if (onnxGetBackendIDs(ids, &count) || onnxInitBackend(ids[0], NULL, &backend)) return 1;
  if (onnxInitGraph(backend, NULL, size, model, 0, NULL, &graph)) return 2;
  if (onnxSetGraphIO(graph, 1, &in, 1, &out)) return 3;
  if (onnxInitEvent(backend, &start.event) || onnxSignalEvent(start.event)) return 4;
  if (onnxRunGraph(graph, &start, &done) || onnxWaitEvent(done.event)) return 5;
  for (i = 1; i < 10; ++i) best = probability[i] > probability[best] ? i : best;
  printf("it is a %d (%.1f %%)\n", (int)best, 100 * probability[best]);
  onnxReleaseEvent(done.event);
  onnxReleaseEvent(start.event);
  onnxReleaseGraph(graph);
  onnxReleaseBackend(backend);
  return fclose(file);
}
