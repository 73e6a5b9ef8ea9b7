/* Extensions on graphs: output shapes, reflection, the compile report (section 8). */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, INT32 = 6 };

static const int64_t n4[] = {MODEL_N, 4};
static const uint64_t shape[] = {3, 4};
static onnxBackend backend;

/* y = 2 x + 1 over [N,4], and s = sum over the last axis, [N,1]. */
static onnxGraph make_graph(void) {
  static const int64_t n1[] = {MODEL_N, 1}, one[] = {1};
  static const int64_t axis[] = {-1};
  onnxGraph graph = NULL;
  bytes description = model_scale_graph(2, n4), model;
  model_initializer(&description, "axes", 7, 1, one, axis, sizeof axis);
  model_node(&description, "ReduceSum", "y,axes", "s");
  model_output(&description, "s", FLOAT, 2, n1);
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  return graph;
}

static void test_graph_io_info(onnxGraph graph) {
  const char* name = NULL;
  onnxEnum type = 0;
  int64_t dims[2] = {7, 7};
  uint32_t rank = 2;
  EXPECT(S(INVALID_POINTER), onnxx.GetGraphIOInfo(graph, 0, 0, NULL, &type, dims, &rank));
  EXPECT(S(INVALID_POINTER), onnxx.GetGraphIOInfo(graph, 0, 0, &name, NULL, dims, &rank));
  EXPECT(S(INVALID_POINTER), onnxx.GetGraphIOInfo(graph, 0, 0, &name, &type, dims, NULL));
  EXPECT(S(INVALID_GRAPH), onnxx.GetGraphIOInfo(backend, 0, 0, &name, &type, dims, &rank));
  EXPECT(S(INVALID_SIZE), onnxx.GetGraphIOInfo(graph, 0, 1, &name, &type, dims, &rank)); /* initializers are static */
  EXPECT(S(INVALID_SIZE), onnxx.GetGraphIOInfo(graph, 1, 2, &name, &type, dims, &rank));
  EXPECT(S(FALLBACK), onnxx.GetGraphIOInfo(graph, 0, 0, &name, &type, NULL, &rank));
  EXPECT_TRUE(rank == 2 && strcmp(name, "x") == 0 && type == FLOAT);
  rank = 1;
  EXPECT(S(FALLBACK), onnxx.GetGraphIOInfo(graph, 0, 0, &name, &type, dims, &rank));
  EXPECT_TRUE(rank == 2 && dims[0] == 7);
  EXPECT_OK(onnxx.GetGraphIOInfo(graph, 0, 0, &name, &type, dims, &rank));
  EXPECT_TRUE(dims[0] == -1 && dims[1] == 4);
  EXPECT_OK(onnxx.GetGraphIOInfo(graph, 1, 0, &name, &type, dims, &rank));
  EXPECT_TRUE(strcmp(name, "y") == 0 && dims[0] == -1 && dims[1] == 4);
  EXPECT_OK(onnxx.GetGraphIOInfo(graph, 1, 1, &name, &type, dims, &rank));
  EXPECT_TRUE(strcmp(name, "s") == 0 && dims[0] == -1 && dims[1] == 1);
}

static void test_infer_output_shapes(onnxGraph graph) {
  static const uint64_t wrong[] = {3, 5};
  uint64_t dims[2] = {7, 7};
  uint32_t rank = 2;
  onnxTensorDescriptorV1 x = abi_tensor("x", FLOAT, 2, shape, NULL);
  x.memoryType = 77; /* buffers are ignored */
  EXPECT(S(INVALID_POINTER), onnxx.InferOutputShapes(NULL, 1, &x, "y", dims, NULL));
  EXPECT(S(INVALID_GRAPH), onnxx.InferOutputShapes(NULL, 1, NULL, NULL, dims, &rank));
  EXPECT(S(INVALID_POINTER), onnxx.InferOutputShapes(graph, 1, &x, NULL, dims, &rank));
  EXPECT(S(INVALID_POINTER), onnxx.InferOutputShapes(graph, 1, NULL, "y", dims, &rank));
  EXPECT(S(UNIDENTIFIED_NAME), onnxx.InferOutputShapes(graph, 0, NULL, "y", dims, &rank));
  EXPECT(S(INVALID_NAME), onnxx.InferOutputShapes(graph, 1, &x, "x", dims, &rank));
  EXPECT(S(FALLBACK), onnxx.InferOutputShapes(graph, 1, &x, "y", NULL, &rank));
  EXPECT_TRUE(rank == 2);
  EXPECT_OK(onnxx.InferOutputShapes(graph, 1, &x, "s", dims, &rank));
  EXPECT_TRUE(rank == 2 && dims[0] == 3 && dims[1] == 1);
  x.dataType = INT32;
  EXPECT(S(MISMATCHING_DATATYPE), onnxx.InferOutputShapes(graph, 1, &x, "y", dims, &rank));
  x.dataType = FLOAT;
  x.shape = wrong;
  EXPECT(S(MISMATCHING_SHAPE), onnxx.InferOutputShapes(graph, 1, &x, "y", dims, &rank));
  x.tag = 0;
  EXPECT(S(UNSUPPORTED_TAG), onnxx.InferOutputShapes(graph, 1, &x, "y", dims, &rank));
}

static void test_output_shape(onnxGraph graph) {
  static const uint64_t column[] = {3, 1};
  float x[12] = {0}, y[12], s[3];
  uint64_t dims[2] = {7, 7};
  uint32_t rank = 2;
  onnxEvent ready = NULL;
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x);
  onnxTensorDescriptorV1 out[2];
  onnxMemoryFenceV1 input, output = abi_fence(NULL);
  out[0] = abi_tensor("y", FLOAT, 2, shape, y);
  out[1] = abi_tensor("s", FLOAT, 2, column, s);
  EXPECT_OK(onnx.InitEvent(backend, &ready));
  input = abi_fence(ready);
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 2, out));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  EXPECT(S(INVALID_POINTER), onnxx.GetOutputShape(NULL, "y", dims, NULL));
  EXPECT(S(INVALID_EVENT), onnxx.GetOutputShape(NULL, NULL, dims, &rank));
  EXPECT(S(INVALID_POINTER), onnxx.GetOutputShape(output.event, NULL, dims, &rank));
  EXPECT(S(INVALID_STATE), onnxx.GetOutputShape(output.event, "y", dims, &rank));
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT(S(INVALID_NAME), onnxx.GetOutputShape(ready, "y", dims, &rank)); /* no run behind it */
  EXPECT_OK(onnx.WaitEvent(output.event));
  EXPECT(S(INVALID_NAME), onnxx.GetOutputShape(output.event, "x", dims, &rank));
  rank = 1;
  EXPECT(S(FALLBACK), onnxx.GetOutputShape(output.event, "s", dims, &rank));
  EXPECT_TRUE(rank == 2 && dims[0] == 7);
  EXPECT(S(FALLBACK), onnxx.GetOutputShape(output.event, "s", NULL, &rank));
  EXPECT_OK(onnxx.GetOutputShape(output.event, "s", dims, &rank));
  EXPECT_TRUE(rank == 2 && dims[0] == 3 && dims[1] == 1);
  EXPECT_TRUE(s[0] == 4);
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseEvent(output.event));
}

static void test_report(onnxGraph graph) {
  static char json[20000];
  size_t size = sizeof json, needed;
  EXPECT(S(INVALID_GRAPH), onnxx.GetGraphReport(NULL, json, NULL));
  EXPECT(S(INVALID_POINTER), onnxx.GetGraphReport(graph, json, NULL));
  EXPECT(S(FALLBACK), onnxx.GetGraphReport(graph, NULL, &size));
  needed = size;
  EXPECT_TRUE(needed > 2 && needed < sizeof json);
  size = needed - 1;
  EXPECT(S(FALLBACK), onnxx.GetGraphReport(graph, json, &size));
  EXPECT_TRUE(json[0] == '\0');
  EXPECT_OK(onnxx.GetGraphReport(graph, json, &size));
  EXPECT_TRUE(size == needed && strlen(json) == size - 1);
  EXPECT_TRUE(json[0] == '[' && json[size - 2] == ']');
  EXPECT_TRUE(strstr(json, "\"candidate\"") != NULL && strstr(json, "\"n:s\"") != NULL);
}

/* Of the first group. */
static double reported_flops(onnxGraph graph) {
  static char json[20000];
  size_t size = sizeof json;
  const char* flops;
  EXPECT_OK(onnxx.GetGraphReport(graph, json, &size));
  flops = strstr(json, "\"flops\": ");
  EXPECT_TRUE(flops != NULL && strstr(json, "\"bytes\": ") != NULL && strstr(json, "\"steps\": ") != NULL);
  return flops == NULL ? 0 : strtod(flops + strlen("\"flops\": "), NULL);
}

int main(int argc, char** argv) {
  onnxGraph graph;
  double typical;
  abi_load(argc, argv);
  backend = abi_open_backend();
  abi_load_extensions(abi_first_id());
  graph = make_graph();
  test_graph_io_info(graph);
  test_infer_output_shapes(graph);
  typical = reported_flops(graph);
  test_output_shape(graph);
  test_report(graph);
  EXPECT_TRUE(typical > 0 && reported_flops(graph) == typical / 64 * 3); /* three rows are bound */
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
