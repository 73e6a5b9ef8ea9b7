/* Threads: shared graphs, private graphs, releases that race with everything, events of many producers (section 1.8).
 */
#include <pthread.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, THREADS = 4 };

static const int64_t n4[] = {MODEL_N, 4};
static onnxBackend backend;
static bytes model;

static onnxGraph make_graph(void) {
  onnxGraph graph = NULL;
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  return graph;
}

static void run_threads(void* (*body)(void*), void* argument) {
  pthread_t threads[THREADS];
  int i;
  for (i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, body, argument);
  for (i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
}

/* One combined run on buffers and a shape of this thread's own. */
static onnxStatus private_run(onnxGraph graph, uint64_t rows, float seed) {
  float x[64], y[64];
  const uint64_t shape[] = {rows, 4};
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxStatus status;
  uint64_t i;
  int equal = 1;
  for (i = 0; i < rows * 4; ++i) x[i] = seed + (float)i;
  status = onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence);
  if (status != S(SUCCESS)) return status;
  EXPECT_OK(abi_complete(&fence));
  for (i = 0; i < rows * 4; ++i) equal &= y[i] == 2 * x[i] + 1;
  EXPECT_TRUE(equal);
  return status;
}

static void* shared_graph_thread(void* graph) {
  uint64_t round;
  for (round = 0; round < 300; ++round) EXPECT_OK(private_run(graph, 1 + round % 5, (float)round));
  return NULL;
}

static void* private_graph_thread(void* unused) {
  int round;
  for (round = 0; round < 5; ++round) {
    const onnxGraph graph = make_graph();
    EXPECT_OK(private_run(graph, 3, 1));
    EXPECT_OK(onnx.ReleaseGraph(graph));
  }
  return unused;
}

/* Binds and runs as two calls: another thread may bind or unbind in between, so a run may use any thread's buffers. */
static float shared_x[THREADS][4], shared_y[THREADS][4];
static int next_slot;

static void* bind_and_run_thread(void* graph) {
  const int slot = __atomic_fetch_add(&next_slot, 1, __ATOMIC_RELAXED);
  const uint64_t shape[] = {1, 4};
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, shared_x[slot]);
  const onnxTensorDescriptorV1 out = abi_tensor("y", FLOAT, 2, shape, shared_y[slot]);
  int round;
  for (round = 0; round < 100; ++round) {
    const int bad = round % 10 == 9;
    onnxEvent ready = NULL;
    onnxMemoryFenceV1 input, output = abi_fence(NULL);
    onnxStatus status;
    EXPECT_OK(onnx.InitEvent(backend, &ready));
    input = abi_fence(ready);
    in.name = bad ? "nowhere" : "x";
    EXPECT(bad ? S(INVALID_NAME) : S(SUCCESS), onnx.SetGraphIO(graph, 1, &in, 1, &out));
    status = onnx.RunGraph(graph, &input, &output);
    EXPECT_TRUE(status == S(SUCCESS) || status == S(UNIDENTIFIED_NAME));
    EXPECT_OK(onnx.SignalEvent(ready));
    if (status == S(SUCCESS)) EXPECT_OK(abi_complete(&output));
    EXPECT_OK(onnx.ReleaseEvent(ready));
  }
  return NULL;
}

/* A graph is released while others use it. */
static onnxGraph raced;

static void* race_run_thread(void* unused) {
  int round;
  for (round = 0; round < 20; ++round) {
    const onnxStatus status = private_run(raced, 2, 5);
    EXPECT_TRUE(status == S(SUCCESS) || status == S(INVALID_GRAPH));
  }
  return unused;
}

static void test_release_race(void) {
  int round, i;
  for (round = 0; round < 20; ++round) {
    pthread_t threads[THREADS];
    raced = make_graph();
    for (i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, race_run_thread, NULL);
    abi_sleep_ms(round % 3);
    EXPECT_OK(onnx.ReleaseGraph(raced));
    for (i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  }
}

/* Exactly one of several concurrent releases wins. */
static int wins;
static void* release_thread(void* graph) {
  const onnxStatus status = onnx.ReleaseGraph(graph);
  EXPECT_TRUE(status == S(SUCCESS) || status == S(INVALID_GRAPH));
  if (status == S(SUCCESS)) __atomic_add_fetch(&wins, 1, __ATOMIC_RELAXED);
  return NULL;
}

/* One thread computes, another signals, a third waits: the three-way hand-over keeps all data visible. */
struct stage {
  onnxEvent ready, done;
  float *x, *y;
};
static void* produce_thread(void* argument) {
  struct stage* stage = argument;
  int i;
  for (i = 0; i < 8; ++i) stage->x[i] = (float)i;
  EXPECT_OK(onnx.SignalEvent(stage->ready));
  return NULL;
}
static void* consume_thread(void* argument) {
  struct stage* stage = argument;
  int i, equal = 1;
  EXPECT_OK(onnx.WaitEvent(stage->done));
  for (i = 0; i < 8; ++i) equal &= stage->y[i] == (float)(2 * i + 1);
  EXPECT_TRUE(equal);
  return NULL;
}

static void test_hand_over(void) {
  static const uint64_t shape[] = {2, 4};
  const onnxGraph graph = make_graph();
  int round;
  for (round = 0; round < 100; ++round) {
    float x[8], y[8];
    struct stage stage = {NULL, NULL, x, y};
    const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
    onnxMemoryFenceV1 input, output = abi_fence(NULL);
    pthread_t producer, consumer;
    EXPECT_OK(onnx.InitEvent(backend, &stage.ready));
    input = abi_fence(stage.ready);
    EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
    EXPECT_OK(onnx.RunGraph(graph, &input, &output));
    stage.done = output.event;
    pthread_create(&consumer, NULL, consume_thread, &stage);
    pthread_create(&producer, NULL, produce_thread, &stage);
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    EXPECT_OK(onnx.ReleaseEvent(stage.ready));
    EXPECT_OK(onnx.ReleaseEvent(stage.done));
  }
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Backend IDs, information and compatibility from all threads. */
static void* query_thread(void* unused) {
  int round;
  for (round = 0; round < 50; ++round) {
    onnxBackendID ids[16];
    size_t count = 16, size, i;
    char text[4096];
    EXPECT_OK(onnx.GetBackendIDs(ids, &count));
    for (size = sizeof text, i = 0; i < count; ++i, size = sizeof text) {
      EXPECT_OK(onnx.GetBackendInfo(ids[i], ONNXIFI_BACKEND_DEVICE, text, &size));
      EXPECT_OK(onnx.GetBackendCompatibility(ids[i], model.size, model.data));
      EXPECT_OK(onnx.ReleaseBackendID(ids[i]));
    }
  }
  return unused;
}

int main(int argc, char** argv) {
  onnxGraph graph;
  int round;
  abi_load(argc, argv);
  model = model_scale(2, n4);
  run_threads(query_thread, NULL); /* races for the very first use */
  backend = abi_open_backend();
  graph = make_graph();
  run_threads(shared_graph_thread, graph);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  run_threads(private_graph_thread, NULL);
  graph = make_graph();
  run_threads(bind_and_run_thread, graph);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  test_release_race();
  for (round = 0; round < 10; ++round) {
    wins = 0;
    run_threads(release_thread, make_graph());
    EXPECT_TRUE(wins == 1);
  }
  test_hand_over();
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
