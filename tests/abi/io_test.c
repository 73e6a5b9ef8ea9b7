/* Descriptors of onnxSetGraphIO: every status in its order, unbinding, shapes (section 5). */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
#define ADDRESS(object) (uint64_t)(uintptr_t)(object)
enum { FLOAT = 1, INT32 = 6, INT64 = 7, BOOL = 9 };

static const int64_t n4[] = {MODEL_N, 4};
static onnxBackend backend;

static onnxGraph make_graph(bytes model) {
  onnxGraph graph = NULL;
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  return graph;
}

/* Inputs x, w [N,4]; outputs y = x + w and r = relu(x). */
static onnxGraph two_by_two(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_input(&graph, "w", FLOAT, 2, n4);
  model_node(&graph, "Add", "x,w", "y");
  model_node(&graph, "Relu", "x", "r");
  model_output(&graph, "y", FLOAT, 2, n4);
  model_output(&graph, "r", FLOAT, 2, n4);
  return make_graph(model_of(graph));
}

/* Tensors 0 and 1 are inputs, 2 and 3 outputs. */
struct io {
  onnxTensorDescriptorV1 tensors[4];
  uint32_t inputs, outputs;
  const onnxTensorDescriptorV1 *in, *out;
};

enum { X, W, Y, R };
enum field { END, TAG, NAME, TYPE, MEMORY, RANK, SHAPE, BUFFER, IN_COUNT, OUT_COUNT, IN, OUT };
struct edit {
  int index;
  enum field field;
  uint64_t value;
};
struct row {
  onnxStatus expected;
  struct edit edits[4];
};

static const uint64_t shape_2_4[] = {2, 4};

static struct io make_io(float* buffers) {
  struct io io;
  io.tensors[X] = abi_tensor("x", FLOAT, 2, shape_2_4, buffers);
  io.tensors[W] = abi_tensor("w", FLOAT, 2, shape_2_4, buffers + 8);
  io.tensors[Y] = abi_tensor("y", FLOAT, 2, shape_2_4, buffers + 16);
  io.tensors[R] = abi_tensor("r", FLOAT, 2, shape_2_4, buffers + 24);
  io.inputs = io.outputs = 2;
  io.in = io.out = NULL; /* set by the caller, once the struct has its place */
  return io;
}

static void apply(struct io* io, struct edit edit) {
  onnxTensorDescriptorV1* tensor = &io->tensors[edit.index];
  switch (edit.field) {
    case TAG:
      tensor->tag = (int32_t)edit.value;
      break;
    case NAME:
      tensor->name = (const char*)(uintptr_t)edit.value;
      break;
    case TYPE:
      tensor->dataType = edit.value;
      break;
    case MEMORY:
      tensor->memoryType = edit.value;
      break;
    case RANK:
      tensor->dimensions = (uint32_t)edit.value;
      break;
    case SHAPE:
      tensor->shape = (const uint64_t*)(uintptr_t)edit.value;
      break;
    case BUFFER:
      tensor->buffer = edit.value;
      break;
    case IN_COUNT:
      io->inputs = (uint32_t)edit.value;
      break;
    case OUT_COUNT:
      io->outputs = (uint32_t)edit.value;
      break;
    case IN:
      io->in = (const onnxTensorDescriptorV1*)(uintptr_t)edit.value;
      break;
    case OUT:
      io->out = (const onnxTensorDescriptorV1*)(uintptr_t)edit.value;
      break;
    case END:
      break;
  }
}

static const uint64_t n_3_4[] = {3, 4}, n_2_5[] = {2, 5}, zero[] = {0, 4}, zero_last[] = {2, 0};
static const uint64_t huge[] = {UINT64_C(1) << 62, 4}, top[] = {UINT64_MAX, 4}, large[] = {UINT64_C(1) << 50, 4};

static const struct row rows[] = {
    {S(SUCCESS), {{0, END, 0}}},
    {S(SUCCESS), {{X, NAME, ADDRESS("w")}, {W, NAME, ADDRESS("x")}}}, /* in any order */
    {S(SUCCESS), {{Y, NAME, ADDRESS("r")}, {R, NAME, ADDRESS("y")}}},
    {S(INVALID_POINTER), {{0, OUT, 0}, {X, TAG, 0}}},
    {S(INVALID_POINTER), {{0, OUT, 0}, {0, OUT_COUNT, 0}}},
    {S(INVALID_POINTER), {{0, IN, 0}}},
    {S(UNIDENTIFIED_NAME), {{0, IN, 0}, {0, IN_COUNT, 0}}},
    {S(UNSUPPORTED_TAG), {{X, TAG, 0}, {X, NAME, 0}}},
    {S(UNSUPPORTED_TAG), {{W, TAG, ONNXIFI_TAG_MEMORY_FENCE_V1}}},
    {S(UNSUPPORTED_TAG), {{Y, TAG, 1}}},
    {S(UNSUPPORTED_TAG), {{R, TAG, 1}, {X, TYPE, INT32}}},
    {S(INVALID_NAME), {{X, NAME, 0}, {X, TYPE, 0}, {W, TAG, 0}}},
    {S(INVALID_NAME), {{X, NAME, ADDRESS("")}}},
    {S(INVALID_NAME), {{X, NAME, ADDRESS("nowhere")}}},
    {S(INVALID_NAME), {{X, NAME, ADDRESS("y")}}},
    {S(INVALID_NAME), {{W, NAME, ADDRESS("x")}}},
    {S(INVALID_NAME), {{Y, NAME, ADDRESS("x")}}},
    {S(INVALID_NAME), {{R, NAME, ADDRESS("y")}}},
    {S(INVALID_NAME), {{R, NAME, 0}}},
    {S(INVALID_DATATYPE), {{X, TYPE, 0}, {X, MEMORY, 3}}},
    {S(INVALID_DATATYPE), {{X, TYPE, 99}}},
    {S(INVALID_DATATYPE), {{Y, TYPE, UINT64_C(1) << 40 | FLOAT}}},
    {S(UNSUPPORTED_MEMORY_TYPE), {{X, MEMORY, ONNXIFI_MEMORY_TYPE_CUDA_BUFFER}, {X, SHAPE, 0}}},
    {S(UNSUPPORTED_MEMORY_TYPE), {{W, MEMORY, ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER}}},
    {S(UNSUPPORTED_MEMORY_TYPE), {{Y, MEMORY, ONNXIFI_MEMORY_TYPE_OPENGLES_TEXTURE_2D}}},
    {S(UNSUPPORTED_MEMORY_TYPE), {{R, MEMORY, ONNXIFI_MEMORY_TYPE_D3D_RESOURCE}}},
    {S(INVALID_MEMORY_TYPE), {{X, MEMORY, 3}}},
    {S(INVALID_MEMORY_TYPE), {{R, MEMORY, UINT64_C(1) << 33}}},
    {S(INVALID_SHAPE), {{X, SHAPE, 0}, {X, BUFFER, 0}}},
    {S(INVALID_SHAPE), {{X, SHAPE, ADDRESS(zero)}, {X, BUFFER, 0}}},
    {S(INVALID_SHAPE), {{Y, SHAPE, ADDRESS(zero_last)}}},
    {S(INVALID_MEMORY_LOCATION), {{X, BUFFER, 0}, {W, TAG, 0}}},
    {S(INVALID_MEMORY_LOCATION), {{R, BUFFER, 0}, {X, TYPE, INT32}}},
    {S(UNIDENTIFIED_NAME), {{0, IN_COUNT, 1}, {X, TYPE, INT32}}},
    {S(UNIDENTIFIED_NAME), {{0, OUT_COUNT, 1}}},
    {S(UNIDENTIFIED_NAME), {{0, OUT_COUNT, 0}}},
    {S(MISMATCHING_DATATYPE), {{X, TYPE, INT32}, {W, SHAPE, ADDRESS(n_3_4)}}},
    {S(MISMATCHING_DATATYPE), {{X, TYPE, BOOL}}},
    {S(MISMATCHING_DATATYPE), {{R, TYPE, INT64}, {X, RANK, 1}}},
    {S(MISMATCHING_SHAPE), {{X, RANK, 1}}},
    {S(MISMATCHING_SHAPE), {{X, RANK, 0}, {X, SHAPE, 0}}},
    {S(MISMATCHING_SHAPE), {{X, SHAPE, ADDRESS(n_2_5)}}},
    {S(MISMATCHING_SHAPE), {{W, SHAPE, ADDRESS(n_3_4)}}}, /* N is 2 and 3 */
    {S(MISMATCHING_SHAPE), {{Y, SHAPE, ADDRESS(n_3_4)}}}, /* not what follows from the inputs */
    {S(MISMATCHING_SHAPE), {{Y, SHAPE, ADDRESS(top)}}},
    {S(MISMATCHING_SHAPE), {{X, SHAPE, ADDRESS(huge)}}},
    {S(MISMATCHING_SHAPE), {{X, SHAPE, ADDRESS(top)}, {W, SHAPE, ADDRESS(top)}, {Y, RANK, 1}}},
    {S(UNSUPPORTED_SHAPE),
     {{X, SHAPE, ADDRESS(huge)}, {W, SHAPE, ADDRESS(huge)}, {Y, SHAPE, ADDRESS(huge)}, {R, SHAPE, ADDRESS(huge)}}},
    {S(UNSUPPORTED_SHAPE),
     {{X, SHAPE, ADDRESS(top)}, {W, SHAPE, ADDRESS(top)}, {Y, SHAPE, ADDRESS(top)}, {R, SHAPE, ADDRESS(top)}}},
    {S(UNSUPPORTED_SHAPE),
     {{X, SHAPE, ADDRESS(large)}, {W, SHAPE, ADDRESS(large)}, {Y, SHAPE, ADDRESS(large)}, {R, SHAPE, ADDRESS(large)}}},
};

/* A run with inputs that are ready. */
static onnxStatus run_now(onnxGraph graph) {
  onnxEvent ready = NULL;
  onnxMemoryFenceV1 in, out = abi_fence(NULL);
  onnxStatus status;
  EXPECT_OK(onnx.InitEvent(backend, &ready));
  EXPECT_OK(onnx.SignalEvent(ready));
  in = abi_fence(ready);
  status = onnx.RunGraph(graph, &in, &out);
  if (status == S(SUCCESS)) status = abi_complete(&out);
  EXPECT_OK(onnx.ReleaseEvent(ready));
  return status;
}

static void test_rows(void) {
  const onnxGraph graph = two_by_two();
  size_t i, k;
  EXPECT(S(UNIDENTIFIED_NAME), run_now(graph)); /* nothing bound yet */
  for (i = 0; i < sizeof rows / sizeof *rows; ++i) {
    float buffers[32];
    struct io io = make_io(buffers);
    onnxMemoryFenceV1 fence = abi_fence(NULL);
    for (k = 0; k < 32; ++k) buffers[k] = 1;
    io.in = io.tensors;
    io.out = io.tensors + 2;
    /* A good binding before, so that a failure has something to undo. */
    EXPECT_OK(onnx.SetGraphIO(graph, 2, io.in, 2, io.out));
    EXPECT_OK(run_now(graph));
    for (k = 0; k < 4; ++k) apply(&io, rows[i].edits[k]);
    if (!EXPECT(rows[i].expected, onnx.SetGraphIO(graph, io.inputs, io.in, io.outputs, io.out)) ||
        !EXPECT(rows[i].expected == S(SUCCESS) ? S(SUCCESS) : S(UNIDENTIFIED_NAME), run_now(graph))) {
      fprintf(stderr, "  in row %d\n", (int)i);
    }
    /* The same through the combined call; the fence keeps its event on failure. */
    fence.event = (onnxEvent)&fence;
    if (!EXPECT(rows[i].expected, onnx.SetIOAndRunGraph(graph, io.inputs, io.in, io.outputs, io.out, &fence))) {
      fprintf(stderr, "  in combined row %d\n", (int)i);
    }
    EXPECT_TRUE((fence.event == (onnxEvent)&fence) == (rows[i].expected != S(SUCCESS)));
    if (rows[i].expected == S(SUCCESS)) EXPECT_OK(abi_complete(&fence));
    EXPECT(rows[i].expected == S(SUCCESS) ? S(SUCCESS) : S(UNIDENTIFIED_NAME), run_now(graph));
  }
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) EXPECT(S(INVALID_GRAPH), onnx.SetGraphIO(abi_bogus[i], 1, NULL, 1, NULL));
  EXPECT(S(INVALID_GRAPH), onnx.SetGraphIO(backend, 1, NULL, 1, NULL));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT(S(INVALID_GRAPH), onnx.SetGraphIO(graph, 1, NULL, 1, NULL));
}

/* Descriptors, names and shapes may go away after the call; buffers have no slack to write into. */
static void test_symbolic_shapes(void) {
  const onnxGraph graph = two_by_two();
  static const uint64_t sizes[] = {1, 7, 64, 3, 1000, 7, 2};
  size_t i;
  uint64_t k;
  for (i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    const uint64_t count = sizes[i] * 4;
    uint64_t* shape = malloc(2 * sizeof *shape);
    char* name = malloc(2);
    float *x = malloc(count * 4), *w = malloc(count * 4), *y = malloc(count * 4), *r = malloc(count * 4);
    onnxTensorDescriptorV1 in[2], out[2];
    int equal = 1;
    for (k = 0; k < count; ++k) {
      x[k] = (float)k - 5;
      w[k] = (float)(2 * k);
    }
    shape[0] = sizes[i];
    shape[1] = 4;
    strcpy(name, "x");
    in[0] = abi_tensor(name, FLOAT, 2, shape, x);
    in[1] = abi_tensor("w", FLOAT, 2, shape, w);
    out[0] = abi_tensor("y", FLOAT, 2, shape, y);
    out[1] = abi_tensor("r", FLOAT, 2, shape, r);
    EXPECT_OK(onnx.SetGraphIO(graph, 2, in, 2, out));
    memset(shape, 0xFF, 2 * sizeof *shape);
    strcpy(name, "?");
    memset(in, 0xFF, sizeof in);
    memset(out, 0xFF, sizeof out);
    free(shape);
    free(name);
    EXPECT_OK(run_now(graph));
    for (k = 0; k < count; ++k) {
      equal &= y[k] == (float)(3 * k) - 5 && r[k] == (k > 5 ? (float)k - 5 : 0.0f);
    }
    EXPECT_TRUE(equal);
    free(x);
    free(w);
    free(y);
    free(r);
  }
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* An initializer that is also a graph input is static: it need not be described, and cannot be. */
static void test_static_inputs(void) {
  static const int64_t four[] = {4};
  static const uint64_t shape[] = {4};
  const float values[] = {10, 20, 30, 40};
  float x[] = {1, 2, 3, 4}, y[4], other[] = {0, 0, 0, 0};
  onnxTensorDescriptorV1 in[2], out;
  onnxGraph graph;
  bytes description = model_graph();
  model_input(&description, "x", FLOAT, 1, four);
  model_input(&description, "w", FLOAT, 1, four);
  model_initializer(&description, "w", FLOAT, 1, four, values, sizeof values);
  model_node(&description, "Add", "x,w", "y");
  model_output(&description, "y", FLOAT, 1, four);
  graph = make_graph(model_of(description));
  in[0] = abi_tensor("x", FLOAT, 1, shape, x);
  in[1] = abi_tensor("w", FLOAT, 1, shape, other);
  out = abi_tensor("y", FLOAT, 1, shape, y);
  EXPECT_OK(onnx.SetGraphIO(graph, 1, in, 1, &out));
  EXPECT_OK(run_now(graph));
  EXPECT_TRUE(y[0] == 11 && y[3] == 44);
  EXPECT(S(INVALID_NAME), onnx.SetGraphIO(graph, 2, in, 1, &out));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* One name as input and as output has a descriptor on each side. */
static void test_pass_through(void) {
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, same[8] = {0}, y[8] = {0};
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape_2_4, x), out[2];
  onnxGraph graph;
  bytes description = model_scale_graph(2, n4);
  model_output(&description, "x", FLOAT, 2, n4);
  graph = make_graph(model_of(description));
  out[0] = abi_tensor("y", FLOAT, 2, shape_2_4, y);
  out[1] = abi_tensor("x", FLOAT, 2, shape_2_4, same);
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 2, out));
  EXPECT_OK(run_now(graph));
  EXPECT_TRUE(memcmp(x, same, sizeof x) == 0 && y[7] == 17);
  EXPECT(S(UNIDENTIFIED_NAME), onnx.SetGraphIO(graph, 1, &in, 1, out));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* A declared 0 is required, accepted, and needs no buffer. */
static void test_empty_tensors(void) {
  static const int64_t dims[] = {0, 4};
  static const uint64_t shape[] = {0, 4}, wrong[] = {1, 4};
  float some[4] = {0};
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, NULL), out = abi_tensor("y", FLOAT, 2, shape, NULL);
  const onnxGraph graph = make_graph(model_scale(2, dims));
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(run_now(graph));
  in = abi_tensor("x", FLOAT, 2, wrong, some);
  EXPECT(S(MISMATCHING_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* A symbolic dim may be 0 when the graph's property says so. */
static void test_empty_symbols(void) {
  static const int64_t dims[] = {MODEL_N, 4};
  static const uint64_t empty[] = {0, 4}, empty_last[] = {2, 0}, full[] = {2, 4};
  static const uint64_t allow[] = {ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY, 1, ONNXIFI_GRAPH_PROPERTY_NONE};
  static const uint64_t forbid[] = {ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY, 0, ONNXIFI_GRAPH_PROPERTY_NONE};
  static const uint64_t neither[] = {ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY, 2, ONNXIFI_GRAPH_PROPERTY_NONE};
  float x[8] = {1}, y[8];
  const bytes model = model_scale(2, dims);
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, empty, NULL), out = abi_tensor("y", FLOAT, 2, empty, NULL);
  onnxGraph graph = NULL;
  EXPECT(S(INVALID_PROPERTY), onnx.InitGraph(backend, neither, model.size, model.data, 0, NULL, &graph));
  REQUIRE_OK(onnx.InitGraph(backend, forbid, model.size, model.data, 0, NULL, &graph));
  EXPECT(S(INVALID_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  REQUIRE_OK(onnx.InitGraph(backend, allow, model.size, model.data, 0, NULL, &graph));
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(run_now(graph));
  in = abi_tensor("x", FLOAT, 2, full, x);
  EXPECT(S(MISMATCHING_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  out = abi_tensor("y", FLOAT, 2, full, y);
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(run_now(graph));
  EXPECT_TRUE(y[0] == 3 && y[7] == 1);
  in = abi_tensor("x", FLOAT, 2, empty_last, x); /* a static dim stays what it is */
  EXPECT(S(INVALID_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

static void test_scalars_and_bool(void) {
  float a = 3, b = 2;
  unsigned char less = 7, greater = 7;
  onnxTensorDescriptorV1 in[2], out[2];
  onnxGraph graph;
  bytes description = model_graph();
  model_input(&description, "a", FLOAT, 0, NULL);
  model_input(&description, "b", FLOAT, 0, NULL);
  model_node(&description, "Less", "a,b", "less");
  model_node(&description, "Not", "less", "greater");
  model_output(&description, "less", BOOL, 0, NULL);
  model_output(&description, "greater", BOOL, 0, NULL);
  graph = make_graph(model_of(description));
  in[0] = abi_tensor("a", FLOAT, 0, NULL, &a);
  in[1] = abi_tensor("b", FLOAT, 0, NULL, &b);
  out[0] = abi_tensor("less", BOOL, 0, NULL, &less);
  out[1] = abi_tensor("greater", BOOL, 0, NULL, &greater);
  EXPECT_OK(onnx.SetGraphIO(graph, 2, in, 2, out));
  EXPECT_OK(run_now(graph));
  EXPECT_TRUE(less == 0 && greater == 1);
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Any non-zero byte is true, and results are 0 or 1. */
static void test_bool_bytes(void) {
  static const int64_t four[] = {4};
  static const uint64_t shape[] = {4};
  unsigned char x[] = {0, 1, 2, 255}, not_x[4] = {9, 9, 9, 9};
  int32_t number[4] = {9, 9, 9, 9};
  onnxTensorDescriptorV1 in = abi_tensor("x", BOOL, 1, shape, x), out[2];
  onnxGraph graph;
  bytes description = model_graph(), cast = model_make_node("Cast", "x", "number");
  model_input(&description, "x", BOOL, 1, four);
  model_node(&description, "Not", "x", "not_x");
  model_attribute_int(&cast, "to", INT32);
  model_add_node(&description, cast);
  model_output(&description, "not_x", BOOL, 1, four);
  model_output(&description, "number", INT32, 1, four);
  graph = make_graph(model_of(description));
  out[0] = abi_tensor("not_x", BOOL, 1, shape, not_x);
  out[1] = abi_tensor("number", INT32, 1, shape, number);
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 2, out));
  EXPECT_OK(run_now(graph));
  EXPECT_TRUE(not_x[0] == 1 && not_x[1] == 0 && not_x[2] == 0 && not_x[3] == 0);
  EXPECT_TRUE(number[0] == 0 && number[1] == 1 && number[2] == 1 && number[3] == 1);
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* One buffer as input and output of a run behaves as if all was read before anything was written. */
static void test_same_buffer(void) {
  float values[16];
  onnxTensorDescriptorV1 in[2], out[2];
  const onnxGraph graph = two_by_two();
  int i;
  for (i = 0; i < 16; ++i) values[i] = (float)(i - 4);
  in[0] = abi_tensor("x", FLOAT, 2, shape_2_4, values);
  in[1] = abi_tensor("w", FLOAT, 2, shape_2_4, values + 8);
  out[0] = abi_tensor("y", FLOAT, 2, shape_2_4, values);     /* over x */
  out[1] = abi_tensor("r", FLOAT, 2, shape_2_4, values + 8); /* over w */
  EXPECT_OK(onnx.SetGraphIO(graph, 2, in, 2, out));
  EXPECT_OK(run_now(graph));
  for (i = 0; i < 8; ++i) {
    EXPECT_TRUE(values[i] == (float)(2 * i));
    EXPECT_TRUE(values[8 + i] == (i > 4 ? (float)(i - 4) : 0.0f));
  }
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

int main(int argc, char** argv) {
  abi_load(argc, argv);
  backend = abi_open_backend();
  abi_load_extensions(abi_first_id());
  test_rows();
  test_symbolic_shapes();
  test_static_inputs();
  test_pass_through();
  test_empty_tensors();
  test_empty_symbols();
  test_scalars_and_bool();
  test_bool_bytes();
  test_same_buffer();
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
