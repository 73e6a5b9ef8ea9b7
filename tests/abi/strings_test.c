/* Strings as onnxxString arrays: through plain bindings, as weights, and as values. */
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, INT64 = 7, STRING = 8 };

static const int64_t n[] = {MODEL_N};
static const uint64_t two[] = {2}, three[] = {3}, four[] = {4};
static onnxBackend backend;

static onnxxString text(const char* data) {
  onnxxString result;
  result.data = data;
  result.size = data == NULL ? 0 : strlen(data);
  return result;
}

static int is_text(onnxxString actual, const char* expected) {
  return EXPECT_TRUE(actual.size == strlen(expected) && memcmp(actual.data, expected, (size_t)actual.size) == 0);
}

/* y = Concat(x, w): three texts and what x has. */
static bytes concat_model(void) {
  bytes description = model_graph(), node = model_make_node("Concat", "x,w", "y");
  model_attribute_int(&node, "axis", 0);
  model_input(&description, "x", STRING, 1, n);
  model_input(&description, "w", STRING, 1, (const int64_t[]){1});
  model_add_node(&description, node);
  model_output(&description, "y", STRING, 1, (const int64_t[]){MODEL_M});
  return model_of(description);
}

static void test_bind(void) {
  char first[] = "aa";
  onnxxString x[3], w[1], y[5];
  onnxTensorDescriptorV1 in[2], out;
  onnxMemoryFenceV1 fence = abi_fence(NULL), ready;
  onnxEvent event = NULL;
  onnxGraph graph = NULL;
  bytes model = concat_model();
  w[0] = text("last");
  in[1] = abi_tensor("w", STRING, 1, (const uint64_t[]){1}, w);
  EXPECT_OK(onnx.GetBackendCompatibility(abi_first_id(), model.size, model.data));
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 1, &in[1], &graph));
  w[0] = text("changed"); /* weights are copied */

  x[0] = text(first), x[1] = text(NULL), x[2] = text("c\303\251");
  in[0] = abi_tensor("x", STRING, 1, three, x);
  out = abi_tensor("y", STRING, 1, four, y);
  out.memoryType = ONNXIFI_MEMORY_TYPE_CUDA_BUFFER;
  EXPECT(S(UNSUPPORTED_MEMORY_TYPE), onnx.SetGraphIO(graph, 1, in, 1, &out));
  out = abi_tensor("y", FLOAT, 1, four, y);
  EXPECT(S(MISMATCHING_DATATYPE), onnx.SetGraphIO(graph, 1, in, 1, &out));
  out = abi_tensor("y", STRING, 1, three, y);
  EXPECT(S(MISMATCHING_SHAPE), onnx.SetGraphIO(graph, 1, in, 1, &out));
  out = abi_tensor("y", STRING, 1, four, y);
  REQUIRE_OK(onnx.SetGraphIO(graph, 1, in, 1, &out));
  REQUIRE_OK(onnx.InitEvent(backend, &event));
  ready = abi_fence(event);
  memset(y, 0xA5, sizeof y);
  REQUIRE_OK(onnx.RunGraph(graph, &ready, &fence));
  first[0] = 'b'; /* read once the input event is signalled */
  EXPECT_OK(onnx.SignalEvent(event));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  first[0] = 'z'; /* the bytes of outputs are the library's own, until the event goes */
  is_text(y[0], "ba");
  is_text(y[1], "");
  is_text(y[2], "c\303\251");
  is_text(y[3], "last");
  EXPECT_TRUE(y[4].size == UINT64_C(0xA5A5A5A5A5A5A5A5));
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  EXPECT_OK(onnx.ReleaseEvent(event));
}

/* The distinct texts of x, at most as many as described. */
static void test_data_dependent(void) {
  onnxxString x[3], y[3];
  onnxTensorDescriptorV1 in, out;
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph = NULL;
  uint64_t dims[1] = {0};
  uint32_t rank = 1;
  bytes description = model_graph(), model;
  model_input(&description, "x", STRING, 1, n);
  model_node(&description, "Unique", "x", "y");
  model_output(&description, "y", STRING, 1, (const int64_t[]){MODEL_M});
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  x[0] = text("b"), x[1] = text("a"), x[2] = text("b");
  in = abi_tensor("x", STRING, 1, three, x);
  out = abi_tensor("y", STRING, 1, three, y);
  memset(y, 0xA5, sizeof y);
  REQUIRE_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  EXPECT_OK(onnxx.GetOutputShape(fence.event, "y", dims, &rank));
  EXPECT_TRUE(dims[0] == 2);
  is_text(y[0], "a");
  is_text(y[1], "b");
  EXPECT_TRUE(y[2].size == UINT64_C(0xA5A5A5A5A5A5A5A5));
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  out = abi_tensor("y", STRING, 1, (const uint64_t[]){1}, y);
  REQUIRE_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence));
  EXPECT(S(MISMATCHING_SHAPE), onnx.WaitEvent(fence.event));
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* The output may be the input's own buffer: the library reads before it writes. */
static void test_in_place(void) {
  onnxxString x[2];
  onnxTensorDescriptorV1 in, out;
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph = NULL;
  bytes description = model_graph(), model;
  model_input(&description, "x", STRING, 1, n);
  model_node(&description, "Identity", "x", "y");
  model_output(&description, "y", STRING, 1, n);
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  x[0] = text("one"), x[1] = text("two");
  in = abi_tensor("x", STRING, 1, two, x);
  out = abi_tensor("y", STRING, 1, two, x);
  REQUIRE_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  is_text(x[0], "one");
  is_text(x[1], "two");
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* TensorProto { dims = 1, data_type = 2, string_data = 6, name = 8 } */
static void string_initializer(bytes* graph, const char* name, const char* value) {
  bytes tensor = {NULL, 0, 0};
  put_int(&tensor, 1, 1);
  put_int(&tensor, 2, STRING);
  put_text(&tensor, 6, value);
  put_text(&tensor, 8, name);
  put_message(graph, 5, tensor);
}

/* Three times: s = s + "-", and the last text of s is collected; then what x was, if it is asked for. */
static void test_control_flow(void) {
  static const int64_t minus_one[] = {-1}, trips[] = {3};
  static const uint64_t shape[] = {5};
  onnxxString x[2], s[5], collected[3];
  onnxTensorDescriptorV1 in, out[2];
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph = NULL;
  bytes body = model_graph(), attribute = {NULL, 0, 0}, description = model_graph(), node, model;
  int run;
  model_input(&body, "i", INT64, 0, NULL);
  model_input(&body, "go", 9, 0, NULL);
  model_input(&body, "s", STRING, 1, n);
  model_node(&body, "Identity", "go", "go_on");
  node = model_make_node("Concat", "s,dash", "longer");
  model_attribute_int(&node, "axis", 0);
  model_add_node(&body, node);
  model_node(&body, "Gather", "s,last", "item");
  model_output(&body, "go_on", 9, 0, NULL);
  model_output(&body, "longer", STRING, 1, (const int64_t[]){MODEL_M});
  model_output(&body, "item", STRING, 0, NULL);
  model_input(&description, "x", STRING, 1, n);
  string_initializer(&description, "dash", "-");
  model_initializer(&description, "last", INT64, 0, NULL, minus_one, sizeof minus_one);
  model_initializer(&description, "trips", INT64, 0, NULL, trips, sizeof trips);
  node = model_make_node("Loop", "trips,,x", "y,z");
  put_text(&attribute, 1, "body");
  put_message(&attribute, 6, body);
  put_int(&attribute, 20, 5);
  put_message(&node, 5, attribute);
  model_add_node(&description, node);
  model_output(&description, "y", STRING, 1, (const int64_t[]){MODEL_M});
  model_output(&description, "z", STRING, 1, trips);
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  x[0] = text("a"), x[1] = text("a text that is longer than others");
  in = abi_tensor("x", STRING, 1, two, x);
  out[0] = abi_tensor("y", STRING, 1, shape, s);
  out[1] = abi_tensor("z", STRING, 1, three, collected);
  for (run = 0; run < 2; ++run) {
    REQUIRE_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 2, out, &fence));
    EXPECT_OK(onnx.WaitEvent(fence.event));
    is_text(s[0], "a");
    is_text(s[1], "a text that is longer than others");
    is_text(s[4], "-");
    is_text(collected[0], "a text that is longer than others");
    is_text(collected[1], "-");
    is_text(collected[2], "-");
    EXPECT_OK(onnx.ReleaseEvent(fence.event));
  }
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

static void test_values(void) {
  onnxxString x[2];
  onnxTensorDescriptorV1 descriptor = abi_tensor(NULL, STRING, 1, two, x), view;
  onnxxValue value = NULL, items = NULL, item = NULL;
  char word[] = "word";
  x[0] = text(word), x[1] = text(NULL);
  REQUIRE_OK(onnxx.CreateTensor(backend, &descriptor, &value));
  word[0] = 'W';
  REQUIRE_OK(onnxx.CreateSequence(backend, STRING, 1, &value, &items));
  EXPECT_OK(onnxx.ReleaseValue(value));
  REQUIRE_OK(onnxx.GetItem(items, 0, &item));
  REQUIRE_OK(onnxx.GetTensor(item, &view));
  EXPECT_TRUE(view.dataType == STRING && view.shape[0] == 2);
  is_text(((const onnxxString*)(uintptr_t)view.buffer)[0], "word");
  is_text(((const onnxxString*)(uintptr_t)view.buffer)[1], "");
  EXPECT_OK(onnxx.ReleaseValue(item));
  EXPECT_OK(onnxx.ReleaseValue(items));
}

int main(int argc, char** argv) {
  abi_load(argc, argv);
  abi_load_extensions(abi_first_id());
  backend = abi_open_backend();
  test_bind();
  test_data_dependent();
  test_in_place();
  test_control_flow();
  test_values();
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
