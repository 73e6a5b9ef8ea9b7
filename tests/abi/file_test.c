/* Models from files: statuses, answers, and how much memory initialising a graph takes at most. */
#define _GNU_SOURCE
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

static void add_weights(bytes* graph, const char* name, int64_t rows, int64_t columns, float value) {
  const int64_t dims[] = {rows, columns};
  const size_t count = (size_t)(rows * columns);
  float* data = malloc(count * sizeof *data);
  size_t i;
  if (data == NULL) abi_die("no memory for weights");
  for (i = 0; i < count; ++i) data[i] = value;
  model_initializer(graph, name, FLOAT, 2, dims, data, count * sizeof *data);
  free(data);
}

static bytes large_model(void) {
  static const int64_t in[] = {1, K}, out[] = {1, N};
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, in);
  add_weights(&graph, "a", K, M, 1.0f / K);
  add_weights(&graph, "b", M, N, 1.0f / M);
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

static void expect_ones(onnxBackend backend, onnxGraph graph) {
  static const uint64_t in[] = {1, K}, out[] = {1, N};
  static float x[K], y[N];
  const onnxTensorDescriptorV1 input = abi_tensor("x", FLOAT, 2, in, x), output = abi_tensor("y", FLOAT, 2, out, y);
  onnxMemoryFenceV1 done = abi_fence(NULL);
  int i, same = 1;
  (void)backend;
  for (i = 0; i < K; ++i) x[i] = 1;
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &input, 1, &output, &done));
  EXPECT_OK(abi_complete(&done));
  for (i = 0; i < N; ++i) same = same && y[i] == 1;
  EXPECT_TRUE(same);
}

/* A weight and its packed form are in memory together while it is packed, and only then: the largest one here is two
 * thirds of all, so the peak is 5/3 of the weights, and what the compiler takes. */
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
  bytes model = large_model();
  onnxGraph graph = NULL;
  double before;
  write_file(path, model.data, model.size);

  before = status_kib("VmRSS:");
  reset_peak();
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  check_growth(before, measured);
  expect_ones(backend, graph);
  EXPECT_OK(onnx.ReleaseGraph(graph));

  model_free_all();
  before = status_kib("VmRSS:");
  reset_peak();
  EXPECT_OK(onnxx.InitGraphFromFile(backend, NULL, path, 0, NULL, &graph));
  unlink(path);
  check_growth(before, measured);
  expect_ones(backend, graph);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
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
  abi_load(argc, argv);
  abi_load_extensions(abi_first_id());
  test_statuses();
  test_memory(getenv("ABI_MEMORY_NOT_MEASURED") == NULL);
  return abi_finish();
}
