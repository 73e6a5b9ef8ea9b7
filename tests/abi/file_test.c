/* Models from files and large weights: statuses, answers, how much memory initialising a graph takes at most, and what
 * graphs share. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "model.h"

enum { FLOAT = 1 };
/* y = relu(x a) b; the weights take 192 MiB. All elements are powers of two, so that the sums are exact. */
enum { K = 2048, M = 8192, N = 4096 };
static const double WEIGHTS_KIB = ((double)K * M + (double)M * N) * 4 / 1024;

static double status_kib(const char* key) {
  char line[256];
  double found = -1;
  FILE* file = fopen("/proc/self/status", "r");
  if (file == NULL) abi_die("/proc/self/status cannot be read");
  while (found < 0 && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, key, strlen(key)) == 0) found = atof(line + strlen(key));
  fclose(file);
  return found;
}

/* From now on VmHWM is what is reached from here. */
static void reset_peak(void) {
  FILE* file = fopen("/proc/self/clear_refs", "w");
  if (file == NULL || fputs("5", file) == EOF || fclose(file) != 0) abi_die("the peak of memory cannot be reset");
}

static const int64_t A_DIMS[] = {K, M}, B_DIMS[] = {M, N};
static const size_t A_COUNT = (size_t)K * M, B_COUNT = (size_t)M * N;

/* `count` elements `offset` bytes into new memory. */
static unsigned char* new_weights(size_t count, float value, size_t offset) {
  unsigned char* data = malloc(count * sizeof value + offset);
  size_t i;
  if (data == NULL) abi_die("no memory for weights");
  for (i = 0; i < count; ++i) memcpy(data + offset + i * sizeof value, &value, sizeof value);
  return data;
}

static void add_weights(bytes* graph, const char* name, const int64_t* dims, size_t count, float value) {
  unsigned char* data = new_weights(count, value, 0);
  model_initializer(graph, name, FLOAT, 2, dims, data, count * sizeof value);
  free(data);
}

enum weights { INSIDE, DESCRIBED };

static bytes large_model(enum weights weights) {
  static const int64_t in[] = {1, K}, out[] = {1, N};
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, in);
  if (weights == INSIDE) {
    add_weights(&graph, "a", A_DIMS, A_COUNT, 1.0f / K);
    add_weights(&graph, "b", B_DIMS, B_COUNT, 1.0f / M);
  } else {
    model_input(&graph, "a", FLOAT, 2, A_DIMS);
    model_input(&graph, "b", FLOAT, 2, B_DIMS);
  }
  model_node(&graph, "MatMul", "x,a", "product");
  model_node(&graph, "Relu", "product", "hidden");
  model_node(&graph, "MatMul", "hidden,b", "y");
  model_output(&graph, "y", FLOAT, 2, out);
  return model_of(graph);
}

static void write_file(char* path, const void* data, size_t size) {
  const int file = mkstemp(path);
  FILE* stream = file < 0 ? NULL : fdopen(file, "wb");
  if (stream == NULL || fwrite(data, 1, size, stream) != size || fclose(stream) != 0) abi_die("no file can be written");
}

static void expect_ones(onnxGraph graph) {
  static const uint64_t in[] = {1, K}, out[] = {1, N};
  float x[K], y[N];
  const onnxTensorDescriptorV1 input = abi_tensor("x", FLOAT, 2, in, x), output = abi_tensor("y", FLOAT, 2, out, y);
  onnxMemoryFenceV1 done = abi_fence(NULL);
  int i, same = 1;
  for (i = 0; i < K; ++i) x[i] = 1;
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &input, 1, &output, &done));
  EXPECT_OK(abi_complete(&done));
  for (i = 0; i < N; ++i) same = same && y[i] == 1;
  EXPECT_TRUE(same);
}

/* A weight and its packed form are in memory together while it is packed, and only then: the largest one here is two
 * thirds of all, so the peak is 5/3 of the weights, and what the compiler takes. Memory of the host's does not count.
 */
static void check_growth(double before, int measured) {
  const double peak = status_kib("VmHWM:") - before, stays = status_kib("VmRSS:") - before;
  fprintf(stderr, "weights %.0f KiB, peak %.0f, afterwards %.0f\n", WEIGHTS_KIB, peak, stays);
  if (!measured) return;
  EXPECT_TRUE(peak < 2.0 * WEIGHTS_KIB);
  EXPECT_TRUE(stays < 1.3 * WEIGHTS_KIB);
}

static void test_memory(int measured) {
  char path[] = "/tmp/sardonyx_model_XXXXXX";
  const onnxBackend backend = abi_open_backend();
  bytes model = large_model(INSIDE);
  onnxGraph graph = NULL;
  double before;
  write_file(path, model.data, model.size);

  before = status_kib("VmRSS:");
  reset_peak();
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  check_growth(before, measured);
  expect_ones(graph);
  EXPECT_OK(onnx.ReleaseGraph(graph));

  model_free_all();
  before = status_kib("VmRSS:");
  reset_peak();
  EXPECT_OK(onnxx.InitGraphFromFile(backend, NULL, path, 0, NULL, &graph));
  unlink(path);
  check_growth(before, measured);
  expect_ones(graph);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

/* Weights are read where the host has them, at any alignment, and only until onnxInitGraph returns. */
static void test_described_weights(int measured) {
  static const uint64_t a_shape[] = {K, M}, b_shape[] = {M, N};
  const onnxBackend backend = abi_open_backend();
  const bytes model = large_model(DESCRIBED);
  size_t offset;
  for (offset = 0; offset < 2; ++offset) {
    unsigned char *a = new_weights(A_COUNT, 1.0f / K, offset), *b = new_weights(B_COUNT, 1.0f / M, offset);
    onnxTensorDescriptorV1 weights[2];
    onnxGraph graph = NULL;
    const double before = status_kib("VmRSS:");
    weights[0] = abi_tensor("a", FLOAT, 2, a_shape, a + offset);
    weights[1] = abi_tensor("b", FLOAT, 2, b_shape, b + offset);
    reset_peak();
    EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 2, weights, &graph));
    if (measured) EXPECT_TRUE(status_kib("VmHWM:") - before < 1.3 * WEIGHTS_KIB);
    memset(a, 0x55, A_COUNT * sizeof(float));
    memset(b, 0x55, B_COUNT * sizeof(float));
    expect_ones(graph);
    EXPECT_OK(onnx.ReleaseGraph(graph));
    free(a);
    free(b);
  }
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

/* Graphs with equal weights have them once, wherever they come from, until the last one goes. */
static void test_shared_weights(int measured) {
  char path[] = "/tmp/sardonyx_model_XXXXXX";
  const onnxBackend backend = abi_open_backend();
  const bytes model = large_model(INSIDE);
  const double before = status_kib("VmRSS:");
  onnxGraph graphs[3] = {NULL, NULL, NULL};
  int i;
  write_file(path, model.data, model.size);
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graphs[0]));
  EXPECT_OK(onnxx.InitGraphFromFile(backend, NULL, path, 0, NULL, &graphs[1]));
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graphs[2]));
  unlink(path);
  if (measured) EXPECT_TRUE(status_kib("VmRSS:") - before < 1.3 * WEIGHTS_KIB);
  for (i = 0; i < 3; ++i) {
    expect_ones(graphs[i]);
    EXPECT_OK(onnx.ReleaseGraph(graphs[i]));
    if (i < 2) expect_ones(graphs[2]);
  }
  /* The thread that executed the last run may be the last to let go. */
  for (i = 0; i < 50 && status_kib("VmRSS:") - before > 0.3 * WEIGHTS_KIB; ++i) abi_sleep_ms(100);
  if (measured) EXPECT_TRUE(status_kib("VmRSS:") - before < 0.3 * WEIGHTS_KIB);
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

struct life {
  onnxBackend backend;
  bytes model;
};

static void* live(void* argument) {
  const struct life* life = argument;
  int i;
  for (i = 0; i < 3; ++i) {
    onnxGraph graph = NULL;
    EXPECT_OK(onnx.InitGraph(life->backend, NULL, life->model.size, life->model.data, 0, NULL, &graph));
    expect_ones(graph);
    EXPECT_OK(onnx.ReleaseGraph(graph));
  }
  return NULL;
}

static void test_sharing_threads(void) {
  pthread_t threads[3];
  struct life life;
  size_t i;
  life.backend = abi_open_backend();
  life.model = large_model(INSIDE);
  for (i = 0; i < 3; ++i)
    if (pthread_create(&threads[i], NULL, live, &life) != 0) abi_die("no thread");
  for (i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  EXPECT_OK(onnx.ReleaseBackend(life.backend));
}

static void test_statuses(void) {
  char empty[] = "/tmp/sardonyx_model_XXXXXX", garbage[] = "/tmp/sardonyx_model_XXXXXX";
  const onnxBackend backend = abi_open_backend();
  onnxGraph graph = (onnxGraph)backend;
  write_file(empty, "", 0);
  write_file(garbage, "\xff\xff\xff\xff", 4);
  EXPECT(ONNXIFI_STATUS_INVALID_POINTER, onnxx.InitGraphFromFile(backend, NULL, empty, 0, NULL, NULL));
  EXPECT(ONNXIFI_STATUS_INVALID_BACKEND, onnxx.InitGraphFromFile(NULL, NULL, empty, 0, NULL, &graph));
  EXPECT_TRUE(graph == NULL);
  EXPECT(ONNXIFI_STATUS_INVALID_POINTER, onnxx.InitGraphFromFile(backend, NULL, NULL, 0, NULL, &graph));
  EXPECT(ONNXIFI_STATUS_INVALID_POINTER, onnxx.InitGraphFromFile(backend, NULL, empty, 1, NULL, &graph));
  EXPECT(ONNXIFI_STATUS_INVALID_MODEL, onnxx.InitGraphFromFile(backend, NULL, "/tmp", 0, NULL, &graph));
  EXPECT(ONNXIFI_STATUS_INVALID_MODEL, onnxx.InitGraphFromFile(backend, NULL, "/dev/null", 0, NULL, &graph));
  EXPECT(ONNXIFI_STATUS_INVALID_SIZE, onnxx.InitGraphFromFile(backend, NULL, empty, 0, NULL, &graph));
  EXPECT(ONNXIFI_STATUS_INVALID_PROTOBUF, onnxx.InitGraphFromFile(backend, NULL, garbage, 0, NULL, &graph));
  EXPECT_TRUE(graph == NULL);
  unlink(empty);
  EXPECT(ONNXIFI_STATUS_INVALID_MODEL, onnxx.InitGraphFromFile(backend, NULL, empty, 0, NULL, &graph));
  unlink(garbage);
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

int main(int argc, char** argv) {
  const int measured = getenv("ABI_MEMORY_NOT_MEASURED") == NULL;
  abi_load(argc, argv);
  abi_load_extensions(abi_first_id());
  test_statuses();
  test_memory(measured);
  test_described_weights(measured);
  test_shared_weights(measured);
  test_sharing_threads();
  model_free_all();
  return abi_finish();
}
