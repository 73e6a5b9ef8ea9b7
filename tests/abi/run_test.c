/* Runs: every status of onnxRunGraph and onnxSetIOAndRunGraph, order, chaining, failures, releases (sections 6, 7). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, INT32 = 6, INT64 = 7, BOOL = 9 };

static const int64_t n4[] = {MODEL_N, 4};
static const uint64_t shape[] = {2, 4};
static onnxBackend backend;

/* y = 2 x + 1 over [N,4]. */
static onnxGraph make_graph(bytes model) {
  onnxGraph graph = NULL;
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  return graph;
}

static onnxStatus bind(onnxGraph graph, float* x, float* y) {
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  return onnx.SetGraphIO(graph, 1, &in, 1, &out);
}

static onnxEvent make_event(void) {
  onnxEvent event = NULL;
  REQUIRE_OK(onnx.InitEvent(backend, &event));
  return event;
}

static onnxEventState state_of(onnxEvent event) {
  onnxEventState state = 1;
  EXPECT_OK(onnx.GetEventState(event, &state));
  return state;
}

/* Submits a run behind `ready` and returns its output event. */
static onnxEvent submit(onnxGraph graph, onnxEvent ready) {
  const onnxMemoryFenceV1 in = abi_fence(ready);
  onnxMemoryFenceV1 out = abi_fence(NULL);
  REQUIRE_OK(onnx.RunGraph(graph, &in, &out));
  EXPECT_TRUE(out.event != NULL);
  return out.event;
}

static void fill(float* values, float first) {
  int i;
  for (i = 0; i < 8; ++i) values[i] = first + (float)i;
}

static int is_scaled(const float* x, const float* y) {
  int i, equal = 1;
  for (i = 0; i < 8; ++i) equal &= y[i] == 2 * x[i] + 1;
  return equal;
}

struct fence_row {
  onnxStatus expected;
  int32_t in_tag, out_tag;
  onnxEnum in_type, out_type;
};
#define TAG ONNXIFI_TAG_MEMORY_FENCE_V1
static const struct fence_row fence_rows[] = {
    {S(UNSUPPORTED_TAG), 0, TAG, 0, 0},
    {S(UNSUPPORTED_TAG), TAG, 0, 0, 0},
    {S(UNSUPPORTED_TAG), TAG, 0, 7, 0},
    {S(UNSUPPORTED_TAG), ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1, TAG, 0, 0},
    {S(INVALID_FENCE_TYPE), TAG, TAG, 1, 2},
    {S(INVALID_FENCE_TYPE), TAG, TAG, 0, 3},
    {S(UNSUPPORTED_FENCE_TYPE), TAG, TAG, 2, 1},
    {S(UNSUPPORTED_FENCE_TYPE), TAG, TAG, 0, 2},
    {S(INVALID_FENCE_TYPE), TAG, TAG, UINT64_C(1) << 32, 0},
};

static void test_statuses(void) {
  float x[8], y[8];
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event(), dead = make_event();
  const onnxTensorDescriptorV1 input = abi_tensor("x", FLOAT, 2, shape, x);
  const onnxTensorDescriptorV1 output = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 in = abi_fence(ready), out = abi_fence((onnxEvent)&in), before;
  size_t i;
  fill(x, 1);
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.ReleaseEvent(dead));
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    EXPECT(S(INVALID_GRAPH), onnx.RunGraph(abi_bogus[i], NULL, NULL));
    EXPECT(S(INVALID_GRAPH), onnx.SetIOAndRunGraph(abi_bogus[i], 1, NULL, 1, NULL, NULL));
  }
  EXPECT(S(INVALID_GRAPH), onnx.RunGraph(ready, &in, &out));
  EXPECT(S(INVALID_POINTER), onnx.RunGraph(graph, NULL, &out));
  EXPECT(S(INVALID_POINTER), onnx.RunGraph(graph, &in, NULL));
  EXPECT(S(UNIDENTIFIED_NAME), onnx.RunGraph(graph, &in, &out));
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    in.event = abi_bogus[i];
    EXPECT(S(INVALID_EVENT), onnx.RunGraph(graph, &in, &out)); /* before the missing bindings */
  }
  in.event = dead;
  EXPECT(S(INVALID_EVENT), onnx.RunGraph(graph, &in, &out));
  EXPECT_OK(bind(graph, x, y));
  EXPECT(S(INVALID_EVENT), onnx.RunGraph(graph, &in, &out));
  for (i = 0; i < sizeof fence_rows / sizeof *fence_rows; ++i) {
    in.tag = fence_rows[i].in_tag;
    in.type = fence_rows[i].in_type;
    in.event = NULL;
    out.tag = fence_rows[i].out_tag;
    out.type = fence_rows[i].out_type;
    before = out;
    if (!EXPECT(fence_rows[i].expected, onnx.RunGraph(graph, &in, &out))) fprintf(stderr, "  in row %d\n", (int)i);
    EXPECT_TRUE(memcmp(&before, &out, sizeof out) == 0);
    if (in.tag == TAG && in.type == 0) { /* the combined call has only the output fence */
      EXPECT(fence_rows[i].expected, onnx.SetIOAndRunGraph(graph, 1, &input, 1, &output, &out));
      EXPECT_TRUE(memcmp(&before, &out, sizeof out) == 0);
      EXPECT_OK(bind(graph, x, y));
    }
  }
  EXPECT(S(INVALID_POINTER), onnx.SetIOAndRunGraph(graph, 1, &input, 1, NULL, &out));
  EXPECT(S(INVALID_POINTER), onnx.SetIOAndRunGraph(graph, 1, NULL, 1, &output, &out));
  EXPECT(S(INVALID_POINTER), onnx.SetIOAndRunGraph(graph, 1, &input, 1, &output, NULL));
  /* A bad fence beats a bad descriptor. */
  out.tag = 0;
  {
    onnxTensorDescriptorV1 bad = input;
    bad.tag = 0;
    bad.name = NULL;
    out.tag = TAG;
    out.type = 9;
    EXPECT(S(INVALID_FENCE_TYPE), onnx.SetIOAndRunGraph(graph, 1, &bad, 1, &output, &out));
  }
  in = abi_fence(ready);
  out = abi_fence((onnxEvent)&in);
  EXPECT(S(UNIDENTIFIED_NAME), onnx.RunGraph(graph, &in, &out)); /* the failures above unbound the graph */
  EXPECT_OK(bind(graph, x, y));
  EXPECT_OK(onnx.RunGraph(graph, &in, &out));
  EXPECT_TRUE(in.event == ready && out.event != (onnxEvent)&in);
  EXPECT_OK(abi_complete(&out));
  EXPECT_TRUE(is_scaled(x, y));
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* The library makes the output event; a live event of the host in the fence is ignored, not signalled or released. */
static void test_output_fence(void) {
  float x[8], y[8];
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event(), own = make_event();
  const onnxMemoryFenceV1 in = abi_fence(ready);
  onnxMemoryFenceV1 out = abi_fence(own);
  fill(x, 1);
  EXPECT_OK(bind(graph, x, y));
  EXPECT_OK(onnx.RunGraph(graph, &in, &out));
  EXPECT_TRUE(out.event != own && out.event != ready);
  EXPECT_TRUE(state_of(out.event) == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(abi_complete(&out));
  EXPECT_TRUE(is_scaled(x, y));
  EXPECT_TRUE(state_of(own) == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_OK(onnx.ReleaseEvent(own));
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Inputs are read after the input event, and each run has the bindings of its submission. */
static void test_pending_runs(void) {
  float x[3][8], y[3][8];
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent late = make_event(), soon = make_event();
  onnxEvent outputs[3];
  int i;
  memset(y, 0, sizeof y);
  EXPECT_OK(bind(graph, x[0], y[0]));
  outputs[0] = submit(graph, late);
  EXPECT_OK(bind(graph, x[1], y[1])); /* does not wait for the pending run */
  outputs[1] = submit(graph, soon);
  EXPECT_OK(bind(graph, x[2], y[2]));
  outputs[2] = submit(graph, late);
  for (i = 0; i < 3; ++i) fill(x[i], (float)(10 * i));
  EXPECT_OK(onnx.SignalEvent(soon)); /* does not wait for the runs before it */
  EXPECT_OK(onnx.WaitEvent(outputs[1]));
  EXPECT_TRUE(is_scaled(x[1], y[1]));
  EXPECT_TRUE(state_of(outputs[0]) == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_TRUE(state_of(outputs[2]) == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_TRUE(y[0][0] == 0 && y[2][0] == 0);
  EXPECT_OK(onnx.SignalEvent(late));
  for (i = 0; i < 3; ++i) {
    EXPECT_OK(onnx.WaitEvent(outputs[i]));
    EXPECT_TRUE(is_scaled(x[i], y[i]));
    EXPECT_OK(onnx.ReleaseEvent(outputs[i]));
  }
  EXPECT_OK(onnx.ReleaseEvent(late));
  EXPECT_OK(onnx.ReleaseEvent(soon));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Many runs on one set of buffers before the first has started. */
static void test_many_submissions(void) {
  enum { RUNS = 50 };
  float x[8], y[8];
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event();
  onnxEvent outputs[RUNS];
  int i;
  fill(x, 3);
  EXPECT_OK(bind(graph, x, y));
  for (i = 0; i < RUNS; ++i) outputs[i] = submit(graph, ready);
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.ReleaseEvent(ready)); /* signalled: releasing it right away is normal */
  for (i = 0; i < RUNS; ++i) {
    EXPECT_OK(onnx.WaitEvent(outputs[i]));
    EXPECT_OK(onnx.ReleaseEvent(outputs[i]));
  }
  EXPECT_TRUE(is_scaled(x, y));
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* The output event of one run is the input event of the next, over two graphs of two backends. */
static void test_chain(void) {
  float x[8], middle[8], y[8];
  onnxBackend other = abi_open_backend();
  onnxGraph first = make_graph(model_scale(2, n4)), second = NULL;
  const bytes model = model_scale(2, n4);
  const onnxEvent ready = make_event();
  onnxEvent after_first, after_second;
  EXPECT_OK(onnx.InitGraph(other, NULL, model.size, model.data, 0, NULL, &second));
  EXPECT_OK(bind(first, x, middle));
  EXPECT_OK(bind(second, middle, y));
  after_first = submit(first, ready);
  after_second = submit(second, after_first);
  EXPECT_OK(onnx.ReleaseEvent(after_first)); /* an output event in use: normal, nothing is cancelled */
  fill(x, 5);
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.WaitEvent(after_second));
  EXPECT_TRUE(is_scaled(x, middle) && is_scaled(middle, y));
  EXPECT_OK(onnx.ReleaseEvent(after_second));
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(first));
  EXPECT_OK(onnx.ReleaseGraph(second));
  EXPECT_OK(onnx.ReleaseBackend(other));
}

/* Releasing an unsignalled input event cancels the run, and what is chained to it. */
static void test_cancel(void) {
  float x[8], y[8] = {0}, z[8] = {0};
  const onnxGraph first = make_graph(model_scale(2, n4)), second = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event();
  onnxEvent after_first, after_second;
  onnxStatus status = 0;
  char text[200];
  size_t size = sizeof text;
  fill(x, 1);
  EXPECT_OK(bind(first, x, y));
  EXPECT_OK(bind(second, y, z));
  after_first = submit(first, ready);
  after_second = submit(second, after_first);
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT(S(INVALID_EVENT), onnx.WaitEvent(after_first));
  EXPECT(S(INVALID_EVENT), onnx.WaitEvent(after_first));
  EXPECT(S(INVALID_EVENT), onnx.WaitEvent(after_second));
  EXPECT_TRUE(state_of(after_second) == ONNXIFI_EVENT_STATE_SIGNALLED);
  EXPECT(S(INVALID_STATE), onnx.SignalEvent(after_first));
  EXPECT_OK(onnxx.GetEventError(after_second, &status, text, &size));
  EXPECT_TRUE(status == S(INVALID_EVENT) && size > 1);
  EXPECT_TRUE(y[0] == 0 && z[0] == 0);
  EXPECT_OK(onnx.ReleaseEvent(after_first));
  EXPECT_OK(onnx.ReleaseEvent(after_second));
  EXPECT_OK(onnx.ReleaseGraph(first));
  EXPECT_OK(onnx.ReleaseGraph(second));
}

/* A host may signal an output event itself; the run goes on and its completion changes nothing. */
static void test_output_signalled_by_host(void) {
  float x[8], y[8];
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event();
  onnxEvent output;
  fill(x, 2);
  EXPECT_OK(bind(graph, x, y));
  output = submit(graph, ready);
  EXPECT_OK(onnx.SignalEvent(output));
  EXPECT_OK(onnx.WaitEvent(output));
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(graph)); /* waits for the run itself */
  EXPECT_TRUE(is_scaled(x, y));
  EXPECT_OK(onnx.WaitEvent(output));
  EXPECT_OK(onnx.ReleaseEvent(output));
  EXPECT_OK(onnx.ReleaseEvent(ready));
}

/* Gather with an index that only run time can know. */
static void test_failed_run(void) {
  static const int64_t four[] = {4}, n[] = {MODEL_N};
  static const uint64_t data_shape[] = {4}, one[] = {1};
  float data[] = {1, 2, 3, 4}, y[3] = {-1, -1, -1};
  int64_t index = 99;
  onnxTensorDescriptorV1 in[2], out;
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph;
  onnxStatus status = 0;
  char text[500] = "";
  size_t size = sizeof text;
  int round;
  bytes description = model_graph();
  model_input(&description, "data", FLOAT, 1, four);
  model_input(&description, "index", INT64, 1, n);
  model_node(&description, "Gather", "data,index", "y");
  model_output(&description, "y", FLOAT, 1, n);
  graph = make_graph(model_of(description));
  in[0] = abi_tensor("data", FLOAT, 1, data_shape, data);
  in[1] = abi_tensor("index", INT64, 1, one, &index);
  out = abi_tensor("y", FLOAT, 1, one, y + 1);
  for (round = 0; round < 3; ++round) {
    index = 99;
    EXPECT_OK(onnx.SetIOAndRunGraph(graph, 2, in, 1, &out, &fence));
    EXPECT(S(INTERNAL_ERROR), onnx.WaitEvent(fence.event));
    EXPECT(S(INTERNAL_ERROR), onnx.WaitEvent(fence.event));
    EXPECT_TRUE(state_of(fence.event) == ONNXIFI_EVENT_STATE_SIGNALLED);
    EXPECT_OK(onnxx.GetEventError(fence.event, &status, text, &size));
    EXPECT_TRUE(status == S(INTERNAL_ERROR) && strstr(text, "n:y") != NULL);
    size = sizeof text;
    EXPECT_OK(onnx.ReleaseEvent(fence.event));
    EXPECT_TRUE(y[0] == -1 && y[2] == -1);
    index = -1; /* the graph stays usable; negative indices count from the end */
    EXPECT_OK(onnx.SetIOAndRunGraph(graph, 2, in, 1, &out, &fence));
    EXPECT_OK(abi_complete(&fence));
    EXPECT_TRUE(y[0] == -1 && y[1] == 4 && y[2] == -1);
  }
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

static void test_division_by_zero(void) {
  static const int64_t four[] = {4};
  static const uint64_t dims[] = {4};
  int32_t a[] = {8, 9, -7, 5}, b[] = {2, 0, 2, 1}, y[] = {0, 0, 0, 0};
  onnxTensorDescriptorV1 in[2], out;
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph;
  bytes description = model_graph();
  model_input(&description, "a", INT32, 1, four);
  model_input(&description, "b", INT32, 1, four);
  model_node(&description, "Div", "a,b", "y");
  model_output(&description, "y", INT32, 1, four);
  graph = make_graph(model_of(description));
  in[0] = abi_tensor("a", INT32, 1, dims, a);
  in[1] = abi_tensor("b", INT32, 1, dims, b);
  out = abi_tensor("y", INT32, 1, dims, y);
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 2, in, 1, &out, &fence));
  EXPECT(S(INTERNAL_ERROR), abi_complete(&fence));
  b[1] = 3;
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 2, in, 1, &out, &fence));
  EXPECT_OK(abi_complete(&fence));
  EXPECT_TRUE(y[0] == 4 && y[1] == 3 && y[2] == -3 && y[3] == 5);
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Described shapes of data-dependent outputs are limits; the result is dense in its own shape. */
static void test_data_dependent_output(void) {
  static const int64_t four[] = {4}, any[] = {1, MODEL_ANY};
  static const uint64_t dims[] = {4}, limit[] = {1, 3}, wrong_rank[] = {3};
  float x[] = {0, 5, 0, 7};
  int64_t y[] = {-1, -1, -1, -1};
  uint64_t shape_out[2] = {0, 0};
  uint32_t rank = 2;
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 1, dims, x), out = abi_tensor("y", INT64, 2, limit, y);
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph;
  bytes description = model_graph();
  model_input(&description, "x", FLOAT, 1, four);
  model_node(&description, "NonZero", "x", "y");
  model_output(&description, "y", INT64, 2, any);
  graph = make_graph(model_of(description));
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence));
  EXPECT_OK(onnx.WaitEvent(fence.event));
  EXPECT_TRUE(y[0] == 1 && y[1] == 3 && y[2] == -1 && y[3] == -1);
  EXPECT_OK(onnxx.GetOutputShape(fence.event, "y", shape_out, &rank));
  EXPECT_TRUE(rank == 2 && shape_out[0] == 1 && shape_out[1] == 2);
  EXPECT_OK(onnx.ReleaseEvent(fence.event));
  /* One more than fits: the run fails and nothing is stored out of bounds. */
  x[0] = x[2] = 1;
  y[3] = -1;
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence));
  EXPECT(S(MISMATCHING_SHAPE), abi_complete(&fence));
  EXPECT_TRUE(y[3] == -1);
  out.dimensions = 1;
  out.shape = wrong_rank;
  EXPECT(S(MISMATCHING_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  rank = 2;
  out.dimensions = 2;
  out.shape = limit;
  EXPECT_OK(onnxx.InferOutputShapes(graph, 1, &in, "y", shape_out, &rank));
  EXPECT_TRUE(rank == 2 && shape_out[0] == 1 && shape_out[1] == UINT64_MAX);
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* ---- Releases ---------------------------------------------------------------------------------------------------- */

struct release {
  pthread_t thread;
  onnxGraph graph;
  onnxStatus status;
  int done;
};

static void* release_thread(void* argument) {
  struct release* release = argument;
  release->status = onnx.ReleaseGraph(release->graph);
  __atomic_store_n(&release->done, 1, __ATOMIC_RELEASE);
  return NULL;
}

static void start_release(struct release* release, onnxGraph graph) {
  release->graph = graph;
  release->status = -1;
  release->done = 0;
  pthread_create(&release->thread, NULL, release_thread, release);
}

/* ReleaseGraph blocks for runs that wait for an event, which another thread signals or releases. */
static void test_release_in_flight(int cancel) {
  float x[8], y[8] = {0};
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event();
  onnxEvent output;
  struct release release;
  const onnxMemoryFenceV1 in = abi_fence(ready);
  onnxMemoryFenceV1 out = abi_fence(NULL);
  fill(x, 4);
  EXPECT_OK(bind(graph, x, y));
  output = submit(graph, ready);
  start_release(&release, graph);
  abi_sleep_ms(30);
  EXPECT_TRUE(__atomic_load_n(&release.done, __ATOMIC_ACQUIRE) == 0);
  /* The handle is dead already. */
  EXPECT(S(INVALID_GRAPH), onnx.ReleaseGraph(graph));
  EXPECT(S(INVALID_GRAPH), onnx.RunGraph(graph, &in, &out));
  EXPECT(S(INVALID_GRAPH), bind(graph, x, y));
  if (cancel) {
    EXPECT_OK(onnx.ReleaseEvent(ready));
  } else {
    EXPECT_OK(onnx.SignalEvent(ready));
  }
  pthread_join(release.thread, NULL);
  EXPECT_OK(release.status);
  EXPECT_TRUE(state_of(output) == ONNXIFI_EVENT_STATE_SIGNALLED);
  EXPECT(cancel ? S(INVALID_EVENT) : S(SUCCESS), onnx.WaitEvent(output));
  EXPECT_TRUE(cancel ? y[0] == 0 : is_scaled(x, y));
  EXPECT_OK(onnx.ReleaseEvent(output));
  if (!cancel) EXPECT_OK(onnx.ReleaseEvent(ready));
}

/* Everything is released in the wrong order and goes on working. */
static void test_release_order(void) {
  float x[8], y[8];
  onnxBackend own = abi_open_backend();
  const bytes model = model_scale(2, n4);
  onnxGraph graph = NULL;
  onnxEvent ready = NULL, output;
  onnxMemoryFenceV1 in, out = abi_fence(NULL);
  fill(x, 6);
  EXPECT_OK(onnx.InitEvent(own, &ready));
  EXPECT_OK(onnx.InitGraph(own, NULL, model.size, model.data, 0, NULL, &graph));
  EXPECT_OK(onnx.ReleaseBackend(own));
  EXPECT(S(INVALID_BACKEND), onnx.InitEvent(own, &output));
  EXPECT_OK(bind(graph, x, y));
  in = abi_fence(ready);
  EXPECT_OK(onnx.RunGraph(graph, &in, &out));
  output = out.event;
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_TRUE(is_scaled(x, y));
  EXPECT_OK(onnx.WaitEvent(output));
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseEvent(output));
}

/* An output event that the host drops at once does not stop the run. */
static void test_dropped_output_event(void) {
  float x[8], y[8] = {0};
  const onnxGraph graph = make_graph(model_scale(2, n4));
  const onnxEvent ready = make_event();
  fill(x, 7);
  EXPECT_OK(bind(graph, x, y));
  EXPECT_OK(onnx.ReleaseEvent(submit(graph, ready)));
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_TRUE(is_scaled(x, y));
}

int main(int argc, char** argv) {
  abi_load(argc, argv);
  backend = abi_open_backend();
  abi_load_extensions(abi_first_id());
  test_statuses();
  test_output_fence();
  test_pending_runs();
  test_many_submissions();
  test_chain();
  test_cancel();
  test_output_signalled_by_host();
  test_failed_run();
  test_division_by_zero();
  test_data_dependent_output();
  test_release_in_flight(0);
  test_release_in_flight(1);
  test_release_order();
  test_dropped_output_event();
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
