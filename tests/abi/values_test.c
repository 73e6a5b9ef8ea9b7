/* Values (extension onnxx_values): handles, every status, and runs on sequences, optionals and maps. */
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, INT32 = 6, INT64 = 7, STRING = 8 };

static const int64_t n[] = {MODEL_N};
static const uint64_t two[] = {2};
static const uint64_t with_values[] = {ONNXX_GRAPH_PROPERTY_VALUES, 1, ONNXIFI_GRAPH_PROPERTY_NONE};
static onnxBackend backend;

static onnxxValue tensor(onnxEnum type, uint32_t rank, const uint64_t* shape, const void* data) {
  onnxTensorDescriptorV1 descriptor = abi_tensor(NULL, type, rank, shape, (void*)data);
  onnxxValue value = NULL;
  REQUIRE_OK(onnxx.CreateTensor(backend, &descriptor, &value));
  return value;
}

static onnxxValue integer(int64_t value) { return tensor(INT64, 0, NULL, &value); }

static onnxxValue sequence(onnxEnum type, uint64_t count, const onnxxValue* items) {
  onnxxValue value = NULL;
  REQUIRE_OK(onnxx.CreateSequence(backend, type, count, items, &value));
  return value;
}

static int has_kind(onnxxValue value, onnxxKind kind, uint64_t length) {
  onnxxKind actual = 0;
  uint64_t count = 0;
  return EXPECT_OK(onnxx.GetKind(value, &actual, &count)) && EXPECT_TRUE(actual == kind) &&
         EXPECT_TRUE(count == length);
}

static onnxxValue item(onnxxValue value, uint64_t index) {
  onnxxValue result = NULL;
  REQUIRE_OK(onnxx.GetItem(value, index, &result));
  return result;
}

static int holds(onnxxValue value, uint64_t count, const float* expected) {
  onnxTensorDescriptorV1 view;
  memset(&view, 0xA5, sizeof view);
  return EXPECT_OK(onnxx.GetTensor(value, &view)) && EXPECT_TRUE(view.tag == ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1) &&
         EXPECT_TRUE(view.name == NULL && view.memoryType == ONNXIFI_MEMORY_TYPE_CPU && view.dataType == FLOAT) &&
         EXPECT_TRUE(view.dimensions == 1 && view.shape[0] == count) &&
         EXPECT_TRUE(memcmp((const void*)(uintptr_t)view.buffer, expected, count * sizeof *expected) == 0);
}

static void release(onnxxValue value) { EXPECT_OK(onnxx.ReleaseValue(value)); }

/* ValueInfoProto of a sequence (field 4 of TypeProto) or optional (9) of tensors without a shape. */
static bytes container_info(const char* name, int kind, int type) {
  bytes tensor_type = {NULL, 0, 0}, element = {NULL, 0, 0}, container = {NULL, 0, 0}, outer = {NULL, 0, 0},
        info = {NULL, 0, 0};
  put_int(&tensor_type, 1, type);
  put_message(&element, 1, tensor_type);
  put_message(&container, 1, element);
  put_message(&outer, kind, container);
  put_text(&info, 1, name);
  put_message(&info, 2, outer);
  return info;
}

static void test_create_tensor(void) {
  static const uint64_t zero[] = {0}, huge[] = {(uint64_t)1 << 62, 8};
  float data[2] = {1, 2};
  onnxTensorDescriptorV1 descriptor = abi_tensor("ignored", FLOAT, 1, two, data);
  onnxxValue value = backend;
  size_t i;
  EXPECT(S(INVALID_POINTER), onnxx.CreateTensor(backend, &descriptor, NULL));
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) EXPECT(S(INVALID_BACKEND), onnxx.CreateTensor(abi_bogus[i], NULL, &value));
  EXPECT_TRUE(value == NULL);
  EXPECT(S(INVALID_POINTER), onnxx.CreateTensor(backend, NULL, &value));
  descriptor.tag = 0;
  EXPECT(S(UNSUPPORTED_TAG), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor = abi_tensor(NULL, 99, 1, two, data);
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor = abi_tensor(NULL, 64, 1, two, data);
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor = abi_tensor(NULL, FLOAT, 1, two, data);
  descriptor.memoryType = ONNXIFI_MEMORY_TYPE_CUDA_BUFFER;
  EXPECT(S(UNSUPPORTED_MEMORY_TYPE), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor.memoryType = 77;
  EXPECT(S(INVALID_MEMORY_TYPE), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor = abi_tensor(NULL, FLOAT, 1, NULL, data);
  EXPECT(S(INVALID_SHAPE), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor = abi_tensor(NULL, FLOAT, 2, huge, data);
  EXPECT(S(UNSUPPORTED_SHAPE), onnxx.CreateTensor(backend, &descriptor, &value));
  descriptor = abi_tensor(NULL, FLOAT, 1, two, NULL);
  EXPECT(S(INVALID_MEMORY_LOCATION), onnxx.CreateTensor(backend, &descriptor, &value));
  EXPECT_TRUE(value == NULL);
  descriptor = abi_tensor(NULL, FLOAT, 1, zero, NULL);
  EXPECT_OK(onnxx.CreateTensor(backend, &descriptor, &value));
  has_kind(value, ONNXX_KIND_TENSOR, 0);
  release(value);
  value = tensor(FLOAT, 1, two, data);
  data[0] = 77; /* the value has a copy */
  {
    const float expected[] = {1, 2};
    holds(value, 2, expected);
  }
  release(value);
  EXPECT(S(INVALID_ID), onnxx.ReleaseValue(value));
}

static void test_bogus_values(void) {
  onnxTensorDescriptorV1 view;
  onnxxValue value = backend;
  onnxxKind kind;
  uint64_t length;
  size_t i;
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    EXPECT(S(INVALID_ID), onnxx.GetKind(abi_bogus[i], &kind, &length));
    EXPECT(S(INVALID_ID), onnxx.GetItem(abi_bogus[i], 0, &value));
    EXPECT_TRUE(value == NULL);
    EXPECT(S(INVALID_ID), onnxx.GetTensor(abi_bogus[i], &view));
    EXPECT(S(INVALID_ID), onnxx.ReleaseValue(abi_bogus[i]));
    EXPECT(S(INVALID_ID), onnxx.CreateSequence(backend, FLOAT, 1, &abi_bogus[i], &value));
    EXPECT(S(INVALID_ID), onnxx.CreateMap(backend, abi_bogus[i], abi_bogus[i], &value));
    if (abi_bogus[i] != NULL) EXPECT(S(INVALID_ID), onnxx.CreateOptional(backend, FLOAT, abi_bogus[i], &value));
  }
  EXPECT(S(INVALID_ID), onnxx.ReleaseValue(backend));
}

static void test_containers(void) {
  static const float data[] = {1, 2};
  static const int64_t keys[] = {5, 6}, repeated[] = {5, 5};
  static const uint64_t one[] = {1};
  onnxTensorDescriptorV1 view;
  onnxxValue a = tensor(FLOAT, 1, two, data), whole = integer(3), value = backend, again, map, empty;
  onnxxValue items[2];
  onnxxKind kind;
  uint64_t length;
  EXPECT(S(INVALID_POINTER), onnxx.CreateSequence(backend, FLOAT, 0, NULL, NULL));
  EXPECT(S(INVALID_BACKEND), onnxx.CreateSequence(NULL, FLOAT, 1, NULL, &value));
  EXPECT_TRUE(value == NULL);
  EXPECT(S(INVALID_POINTER), onnxx.CreateSequence(backend, FLOAT, 1, NULL, &value));
  items[0] = a, items[1] = whole;
  EXPECT(S(INVALID_SIZE), onnxx.CreateSequence(backend, FLOAT, UINT64_MAX, items, &value));
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateSequence(backend, 99, 2, items, &value));
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateSequence(backend, FLOAT, 2, items, &value));
  items[1] = a;
  value = sequence(FLOAT, 2, items);
  has_kind(value, ONNXX_KIND_SEQUENCE, 2);
  EXPECT(S(INVALID_POINTER), onnxx.GetKind(value, NULL, &length));
  EXPECT(S(INVALID_POINTER), onnxx.GetKind(value, &kind, NULL));
  EXPECT(S(INVALID_POINTER), onnxx.GetItem(value, 0, NULL));
  EXPECT(S(INVALID_SIZE), onnxx.GetItem(value, 2, &again));
  EXPECT_TRUE(again == NULL);
  EXPECT(S(INVALID_DATATYPE), onnxx.GetItem(a, 0, &again));
  EXPECT(S(INVALID_DATATYPE), onnxx.GetTensor(value, &view));
  EXPECT(S(INVALID_POINTER), onnxx.GetTensor(a, NULL));
  release(a); /* the sequence keeps it */
  again = item(value, 1);
  holds(again, 2, data);
  release(value); /* and the item lives on */
  holds(again, 2, data);

  EXPECT(S(INVALID_POINTER), onnxx.CreateOptional(backend, FLOAT, NULL, NULL));
  EXPECT(S(INVALID_BACKEND), onnxx.CreateOptional(NULL, FLOAT, NULL, &value));
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateOptional(backend, 0, NULL, &value));
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateOptional(backend, INT64, again, &value));
  REQUIRE_OK(onnxx.CreateOptional(backend, FLOAT, NULL, &empty));
  has_kind(empty, ONNXX_KIND_OPTIONAL, 0);
  EXPECT(S(INVALID_SIZE), onnxx.GetItem(empty, 0, &value));
  REQUIRE_OK(onnxx.CreateOptional(backend, FLOAT, again, &value));
  has_kind(value, ONNXX_KIND_OPTIONAL, 1);
  release(value);
  release(empty);

  items[0] = tensor(INT64, 1, two, keys);
  EXPECT(S(INVALID_POINTER), onnxx.CreateMap(backend, items[0], again, NULL));
  EXPECT(S(INVALID_BACKEND), onnxx.CreateMap(NULL, items[0], again, &map));
  EXPECT(S(INVALID_DATATYPE), onnxx.CreateMap(backend, again, again, &map)); /* keys of float */
  EXPECT(S(INVALID_SHAPE), onnxx.CreateMap(backend, whole, again, &map));
  items[1] = tensor(INT64, 1, one, keys);
  EXPECT(S(INVALID_SHAPE), onnxx.CreateMap(backend, items[1], again, &map));
  release(items[1]);
  items[1] = tensor(INT64, 1, two, repeated);
  EXPECT(S(INVALID_NAME), onnxx.CreateMap(backend, items[1], again, &map));
  EXPECT_TRUE(map == NULL);
  release(items[1]);
  REQUIRE_OK(onnxx.CreateMap(backend, items[0], again, &map));
  has_kind(map, ONNXX_KIND_MAP, 2);
  value = item(map, 1);
  holds(value, 2, data);
  EXPECT(S(INVALID_SIZE), onnxx.GetItem(map, 2, &a));
  release(value);
  release(map);
  release(items[0]);
  release(again);
  release(whole);
}

/* No depth of containers overflows a stack. */
static void test_nesting(void) {
  onnxxValue value = NULL, inner = integer(1);
  onnxStatus status = S(SUCCESS);
  int depth = 0;
  for (; depth < 100; ++depth) {
    status = onnxx.CreateOptional(backend, INT64, inner, &value);
    release(inner);
    if (status != S(SUCCESS)) break;
    inner = value;
  }
  EXPECT(S(INVALID_SIZE), status);
  EXPECT_TRUE(depth == 15);
}

/* longer = SequenceInsert(s, x), last = SequenceAt(longer, -1), length = SequenceLength(longer) */
static onnxGraph sequence_graph(void) {
  onnxGraph graph = NULL;
  static const int64_t minus_one[] = {-1};
  bytes description = model_graph(), model;
  put_message(&description, 11, container_info("s", 4, FLOAT));
  model_input(&description, "x", FLOAT, 1, n);
  model_initializer(&description, "end", INT64, 0, NULL, minus_one, sizeof *minus_one);
  model_node(&description, "SequenceInsert", "s,x", "longer");
  model_node(&description, "SequenceAt", "longer,end", "last");
  model_node(&description, "SequenceLength", "longer", "length");
  put_message(&description, 12, container_info("longer", 4, FLOAT));
  model_output(&description, "last", FLOAT, 1, (const int64_t[]){MODEL_M});
  model_output(&description, "length", INT64, 0, NULL);
  model = model_of(description);
  EXPECT(S(UNSUPPORTED_DATATYPE), onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  EXPECT(S(UNSUPPORTED_DATATYPE), onnx.GetBackendCompatibility(abi_first_id(), model.size, model.data));
  REQUIRE_OK(onnx.InitGraph(backend, with_values, model.size, model.data, 0, NULL, &graph));
  return graph;
}

static void test_run_values(void) {
  static const char* const in_names[] = {"x", "s"};
  static const char* const out_names[] = {"length", "longer", "last"};
  static const char* const twice[] = {"x", "x"};
  static const char* const unknown[] = {"x", "t"};
  static const char* const null_name[] = {"x", NULL};
  static const float data[] = {1, 2};
  onnxGraph graph = sequence_graph();
  onnxMemoryFenceV1 fence = abi_fence(NULL), bad;
  onnxxValue in[2], out[3], x = tensor(FLOAT, 1, two, data), wrong, value;
  onnxTensorDescriptorV1 view;
  onnxEvent event = backend;
  in[0] = x, in[1] = sequence(FLOAT, 0, NULL);

  EXPECT(S(INVALID_POINTER), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, NULL, &fence));
  EXPECT(S(INVALID_GRAPH), onnxx.RunValues(backend, 2, in_names, in, 3, out_names, out, &fence));
  EXPECT_TRUE(out[0] == NULL && out[2] == NULL);
  EXPECT(S(INVALID_POINTER), onnxx.RunValues(graph, 2, NULL, in, 3, out_names, out, &fence));
  EXPECT(S(INVALID_POINTER), onnxx.RunValues(graph, 2, in_names, NULL, 3, out_names, out, &fence));
  EXPECT(S(INVALID_POINTER), onnxx.RunValues(graph, 2, in_names, in, 3, NULL, out, &fence));
  EXPECT(S(INVALID_POINTER), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, NULL));
  bad = fence, bad.tag = 0;
  EXPECT(S(UNSUPPORTED_TAG), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &bad));
  bad = fence, bad.type = 77;
  EXPECT(S(INVALID_FENCE_TYPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &bad));
  bad.type = ONNXIFI_SYNCHRONIZATION_IMPLICIT;
  EXPECT(S(UNSUPPORTED_FENCE_TYPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &bad));
  EXPECT(S(INVALID_NAME), onnxx.RunValues(graph, 2, twice, in, 3, out_names, out, &fence));
  EXPECT(S(INVALID_NAME), onnxx.RunValues(graph, 2, unknown, in, 3, out_names, out, &fence));
  EXPECT(S(INVALID_NAME), onnxx.RunValues(graph, 2, null_name, in, 3, out_names, out, &fence));
  EXPECT(S(UNIDENTIFIED_NAME), onnxx.RunValues(graph, 1, in_names, in, 3, out_names, out, &fence));
  EXPECT(S(UNIDENTIFIED_NAME), onnxx.RunValues(graph, 2, in_names, in, 2, out_names, out, &fence));
  wrong = integer(1);
  in[0] = wrong;
  EXPECT(S(MISMATCHING_DATATYPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  in[0] = in[1];
  EXPECT(S(MISMATCHING_DATATYPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  in[0] = x;
  release(in[1]);
  EXPECT(S(INVALID_ID), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  in[1] = sequence(INT64, 0, NULL);
  EXPECT(S(MISMATCHING_DATATYPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  release(in[1]);
  in[1] = x;
  EXPECT(S(MISMATCHING_DATATYPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  release(wrong);
  {
    onnxTensorDescriptorV1 scalar = abi_tensor(NULL, FLOAT, 0, NULL, (void*)data);
    REQUIRE_OK(onnxx.CreateTensor(backend, &scalar, &wrong));
  }
  in[0] = wrong, in[1] = sequence(FLOAT, 0, NULL);
  EXPECT(S(MISMATCHING_SHAPE), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  EXPECT_TRUE(out[0] == NULL && out[1] == NULL && out[2] == NULL && fence.event == NULL);
  release(wrong);
  release(in[1]);

  /* The handles of the inputs may go at once; a result is an input of the next run. */
  in[0] = x, in[1] = sequence(FLOAT, 0, NULL);
  fence.event = event; /* ignored */
  REQUIRE_OK(onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  release(in[1]);
  EXPECT_OK(onnx.WaitEvent(fence.event));
  has_kind(out[0], ONNXX_KIND_TENSOR, 1);
  EXPECT_OK(onnxx.GetTensor(out[0], &view));
  EXPECT_TRUE(view.dataType == INT64 && *(const int64_t*)(uintptr_t)view.buffer == 1);
  has_kind(out[1], ONNXX_KIND_SEQUENCE, 1);
  holds(out[2], 2, data);
  release(out[0]);
  release(out[2]);
  EXPECT_OK(onnx.ReleaseEvent(fence.event)); /* values outlive it */
  in[1] = out[1];
  REQUIRE_OK(onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  EXPECT_OK(onnx.ReleaseGraph(graph)); /* they outlive the graph, too */
  has_kind(in[1], ONNXX_KIND_SEQUENCE, 1);
  has_kind(out[1], ONNXX_KIND_SEQUENCE, 2);
  value = item(out[1], 1);
  holds(value, 2, data);
  release(value);
  release(in[1]);
  release(out[0]);
  release(out[1]);
  release(out[2]);
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  EXPECT(S(INVALID_GRAPH), onnxx.RunValues(graph, 2, in_names, in, 3, out_names, out, &fence));
  release(x);
}

/* Binding needs tensors. */
static void test_set_io(void) {
  float data[2], last[2];
  int64_t length;
  onnxGraph graph = sequence_graph();
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxTensorDescriptorV1 in[2], out[3];
  const char* name = NULL;
  onnxEnum type = 77;
  uint32_t rank = 0;
  in[0] = abi_tensor("s", FLOAT, 1, two, data);
  in[1] = abi_tensor("x", FLOAT, 1, two, data);
  out[0] = abi_tensor("longer", FLOAT, 1, two, last);
  out[1] = abi_tensor("last", FLOAT, 1, two, last);
  out[2] = abi_tensor("length", INT64, 0, NULL, &length);
  EXPECT(S(INVALID_POINTER), onnx.SetGraphIO(graph, 2, in, 3, NULL));
  EXPECT(S(INVALID_DATATYPE), onnx.SetGraphIO(graph, 2, in, 3, out));
  EXPECT(S(INVALID_DATATYPE), onnx.SetIOAndRunGraph(graph, 2, in, 3, out, &fence));
  EXPECT_OK(onnxx.GetGraphIOInfo(graph, 0, 0, &name, &type, NULL, &rank));
  EXPECT_TRUE(strcmp(name, "s") == 0 && type == 0 && rank == 0);
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Any graph runs on values, with or without the property; the library sizes outputs that depend on data. */
static void test_plain_graph(void) {
  static const char* const in_names[] = {"x"};
  static const char* const out_names[] = {"where", "twice"};
  static const uint64_t four[] = {4};
  static const float x[] = {0, 3, 0, 4}, doubled[] = {0, 6, 0, 8};
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxTensorDescriptorV1 view;
  onnxxValue in[1], out[2];
  onnxGraph graph = NULL;
  bytes description = model_graph(), model;
  model_input(&description, "x", FLOAT, 1, n);
  model_node(&description, "NonZero", "x", "where");
  model_node(&description, "Add", "x,x", "twice");
  model_output(&description, "where", INT64, 2, (const int64_t[]){1, MODEL_M});
  model_output(&description, "twice", FLOAT, 1, n);
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  in[0] = tensor(FLOAT, 1, four, x);
  REQUIRE_OK(onnxx.RunValues(graph, 1, in_names, in, 2, out_names, out, &fence));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  holds(out[1], 4, doubled);
  REQUIRE_OK(onnxx.GetTensor(out[0], &view));
  EXPECT_TRUE(view.dimensions == 2 && view.shape[0] == 1 && view.shape[1] == 2);
  EXPECT_TRUE(((const int64_t*)(uintptr_t)view.buffer)[1] == 3);
  release(in[0]);
  release(out[0]);
  release(out[1]);
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* y = OptionalGetElement(o): fails when there is none, and so does whoever asks for y. */
static void test_failed_run(void) {
  static const char* const in_names[] = {"o"};
  static const char* const out_names[] = {"y"};
  static const float data[] = {1, 2};
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxxKind kind;
  uint64_t length;
  onnxxValue in[1], out[1], x = tensor(FLOAT, 1, two, data), value;
  onnxGraph graph = NULL;
  bytes description = model_graph(), model;
  put_message(&description, 11, container_info("o", 9, FLOAT));
  model_node(&description, "OptionalGetElement", "o", "y");
  model_output(&description, "y", FLOAT, 1, n);
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, with_values, model.size, model.data, 0, NULL, &graph));
  REQUIRE_OK(onnxx.CreateOptional(backend, FLOAT, NULL, &in[0]));
  REQUIRE_OK(onnxx.RunValues(graph, 1, in_names, in, 1, out_names, out, &fence));
  EXPECT(S(INTERNAL_ERROR), onnx.WaitEvent(fence.event));
  EXPECT(S(INTERNAL_ERROR), onnxx.GetKind(out[0], &kind, &length));
  value = in[0];
  in[0] = out[0];
  EXPECT(S(INTERNAL_ERROR), onnxx.RunValues(graph, 1, in_names, in, 1, out_names, out, &fence));
  EXPECT_TRUE(out[0] == NULL);
  release(in[0]);
  release(value);
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  REQUIRE_OK(onnxx.CreateOptional(backend, FLOAT, x, &in[0]));
  REQUIRE_OK(onnxx.RunValues(graph, 1, in_names, in, 1, out_names, out, &fence));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  holds(out[0], 2, data);
  release(out[0]);
  release(in[0]);
  release(x);
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

int main(int argc, char** argv) {
  abi_load(argc, argv);
  abi_load_extensions(abi_first_id());
  backend = abi_open_backend();
  test_create_tensor();
  test_bogus_values();
  test_containers();
  test_nesting();
  test_run_values();
  test_set_io();
  test_plain_graph();
  test_failed_run();
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
