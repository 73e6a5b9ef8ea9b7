/* Every element type through the ABI: y = concat(x, w), x bound, w a weight, y with a guard behind it (section 8). */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name

struct element {
  onnxEnum type;
  unsigned bits;
};
static const struct element elements[] = {
    {ONNXIFI_DATATYPE_FLOAT32, 32},     {ONNXIFI_DATATYPE_UINT8, 8},        {ONNXIFI_DATATYPE_INT16, 16},
    {ONNXIFI_DATATYPE_INT64, 64},       {ONNXIFI_DATATYPE_FLOAT16, 16},     {ONNXIFI_DATATYPE_BFLOAT16, 16},
    {ONNXIFI_DATATYPE_COMPLEX64, 64},   {ONNXIFI_DATATYPE_COMPLEX128, 128}, {ONNXX_DATATYPE_FLOAT8E4M3FN, 8},
    {ONNXX_DATATYPE_FLOAT8E4M3FNUZ, 8}, {ONNXX_DATATYPE_FLOAT8E5M2, 8},     {ONNXX_DATATYPE_FLOAT8E5M2FNUZ, 8},
    {ONNXX_DATATYPE_FLOAT8E8M0, 8},     {ONNXX_DATATYPE_UINT4, 4},          {ONNXX_DATATYPE_INT4, 4},
    {ONNXX_DATATYPE_FLOAT4E2M1, 4},     {ONNXX_DATATYPE_UINT2, 2},          {ONNXX_DATATYPE_INT2, 2},
};

enum { W_COUNT = 3, MOST = 16, GUARD = 0xa5 };
static const uint64_t w_shape[] = {W_COUNT};
static const int64_t n1[] = {MODEL_N}, w_dims[] = {W_COUNT};
static onnxBackend backend;

static size_t bytes_of(struct element element, size_t count) { return (count * element.bits + 7) / 8; }

/* Bit `i` of a buffer whose elements fill bytes from the low bits. */
static int bit(const unsigned char* buffer, size_t i) { return buffer[i / 8] >> (i % 8) & 1; }

static onnxGraph make_graph(struct element element, unsigned char* w) {
  onnxTensorDescriptorV1 weight = abi_tensor("w", element.type, 1, w_shape, w);
  bytes graph = model_graph(), node, model;
  onnxGraph made = NULL;
  model_input(&graph, "x", (int)element.type, 1, n1);
  model_input(&graph, "w", (int)element.type, 1, w_dims);
  node = model_make_node("Concat", "x,w", "y");
  model_attribute_int(&node, "axis", 0);
  model_add_node(&graph, node);
  model_output(&graph, "y", (int)element.type, 1, (int64_t[]){MODEL_ANY});
  model = model_with(11, 24, graph);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 1, &weight, &made));
  return made;
}

static void run(onnxGraph graph, struct element element, const unsigned char* w, uint64_t count) {
  unsigned char x[MOST * 16], y[(MOST + W_COUNT) * 16 + 1];
  const uint64_t y_shape[] = {count + W_COUNT};
  const size_t size = bytes_of(element, count + W_COUNT), split = count * element.bits;
  onnxTensorDescriptorV1 in = abi_tensor("x", element.type, 1, &count, x);
  onnxTensorDescriptorV1 out = abi_tensor("y", element.type, 1, y_shape, y);
  onnxMemoryFenceV1 input = abi_fence(NULL), output = abi_fence(NULL);
  size_t i, same = 0;
  for (i = 0; i < sizeof x; ++i) x[i] = (unsigned char)(i * 73 + 11);
  memset(y, GUARD, sizeof y);
  REQUIRE_OK(onnx.InitEvent(backend, &input.event));
  EXPECT_OK(onnx.SignalEvent(input.event));
  REQUIRE_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  EXPECT_OK(abi_complete(&output));
  EXPECT_OK(onnx.ReleaseEvent(input.event));
  for (i = 0; i < size * 8; ++i) {
    const size_t from_w = i - split;
    same += (size_t)(bit(y, i) == (i < split ? bit(x, i) : from_w < W_COUNT * element.bits ? bit(w, from_w) : 0));
  }
  if (!EXPECT_TRUE(same == size * 8)) fprintf(stderr, "  type %d, %d elements\n", (int)element.type, (int)count);
  EXPECT_TRUE(y[size] == GUARD);
}

static void test_type(struct element element) {
  unsigned char w[W_COUNT * 16];
  const char* name = NULL;
  onnxEnum type = 0;
  int64_t dims[1];
  uint32_t rank = 1;
  uint64_t count;
  size_t i;
  onnxGraph graph;
  onnxTensorDescriptorV1 wrong[2];
  for (i = 0; i < sizeof w; ++i) w[i] = (unsigned char)(i * 151 + 77);
  graph = make_graph(element, w);
  EXPECT_OK(onnxx.GetGraphIOInfo(graph, 1, 0, &name, &type, dims, &rank));
  EXPECT_TRUE(type == element.type);
  for (count = 1; count <= 6; ++count) run(graph, element, w, count);
  wrong[0] =
      abi_tensor("x", element.type == ONNXX_DATATYPE_INT4 ? ONNXX_DATATYPE_UINT4 : ONNXX_DATATYPE_INT4, 1, w_shape, w);
  wrong[1] = abi_tensor("y", element.type, 1, w_shape, w);
  EXPECT(S(MISMATCHING_DATATYPE), onnx.SetGraphIO(graph, 1, &wrong[0], 1, &wrong[1]));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  model_free_all();
}

int main(int argc, char** argv) {
  onnxBackendID id;
  size_t i;
  abi_load(argc, argv);
  id = abi_first_id();
  abi_load_extensions(id);
  backend = abi_open_backend();
  for (i = 0; i < sizeof elements / sizeof *elements; ++i) test_type(elements[i]);
  EXPECT_OK(onnx.ReleaseBackend(backend));
  EXPECT_OK(onnx.ReleaseBackendID(id));
  return abi_finish();
}
