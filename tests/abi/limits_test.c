/* A machine that has nothing left to give: error statuses, and everything works again afterwards (section 1.4). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1 };
static const uint64_t weight_bytes = UINT64_C(1) << 30;
static const int64_t n4[] = {MODEL_N, 4};

static onnxBackend backend;

static uint64_t address_space(void) {
  unsigned long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%lu", &pages) != 1) abi_die("/proc/self/statm cannot be read");
  fclose(file);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Allows `slack` bytes beyond what the process has now; 0 lifts the limit. */
static void limit(uint64_t slack) {
  struct rlimit limits;
  getrlimit(RLIMIT_AS, &limits);
  limits.rlim_cur = slack == 0 ? limits.rlim_max : address_space() + slack;
  if (setrlimit(RLIMIT_AS, &limits) != 0) abi_die("the limit cannot be set");
}

static onnxStatus run(onnxGraph graph, uint64_t rows, float* x, float* y) {
  const uint64_t shape[] = {rows, 4};
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  const onnxStatus status = onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence);
  return status == S(SUCCESS) ? abi_complete(&fence) : status;
}

/* A copy of the weights does not fit. */
static void test_weights(float* data) {
  const uint64_t rows = weight_bytes / 16, shape[] = {rows, 4};
  const onnxTensorDescriptorV1 weight = abi_tensor("w", FLOAT, 2, shape, data);
  onnxGraph graph = (onnxGraph)&weight;
  bytes description = model_graph(), model;
  model_input(&description, "x", FLOAT, 2, n4);
  model_input(&description, "w", FLOAT, 2, n4);
  model_node(&description, "Add", "x,w", "y");
  model_output(&description, "y", FLOAT, 2, n4);
  model = model_of(description);
  limit(weight_bytes / 2);
  EXPECT(S(NO_SYSTEM_MEMORY), onnx.InitGraph(backend, NULL, model.size, model.data, 1, &weight, &graph));
  limit(0);
  EXPECT_TRUE(graph == NULL);
}

/* Intermediate results do not fit: the graph says so when it is bound or run, and stays usable. */
static void test_run(float* data) {
  const uint64_t rows = weight_bytes / 16;
  float x[4] = {1, 2, 3, 4}, y[4] = {0};
  bytes description = model_graph(), model;
  onnxGraph graph = NULL;
  onnxStatus status;
  /* Two products that cannot be fused away: the inner one has to be stored. */
  model_input(&description, "x", FLOAT, 2, n4);
  {
    static const int64_t square[] = {4, 4};
    static const float identity[] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    model_initializer(&description, "i", FLOAT, 2, square, identity, sizeof identity);
  }
  model_node(&description, "MatMul", "x,i", "a");
  model_node(&description, "MatMul", "a,i", "y");
  model_output(&description, "y", FLOAT, 2, n4);
  model = model_of(description);
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  EXPECT_OK(run(graph, 1, x, y));
  limit(weight_bytes / 2);
  status = run(graph, rows, data, data);
  limit(0);
  EXPECT(S(NO_SYSTEM_MEMORY), status);
  memset(y, 0, sizeof y);
  EXPECT_OK(run(graph, 1, x, y));
  EXPECT_TRUE(y[0] == 1 && y[3] == 4);
  EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Hardly anything is left: every answer but a crash is fine, and afterwards all is well. */
static void test_starvation(void) {
  const bytes model = model_scale(2, n4);
  uint64_t slack;
  for (slack = UINT64_C(64) << 10; slack <= UINT64_C(512) << 20; slack *= 4) {
    onnxBackend other = NULL;
    onnxGraph graph = NULL;
    onnxStatus status;
    limit(slack);
    status = onnx.InitBackend(abi_first_id(), NULL, &other);
    EXPECT_TRUE(status == S(SUCCESS) || status == S(NO_SYSTEM_MEMORY) || status == S(NO_SYSTEM_RESOURCES));
    status = onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph);
    EXPECT_TRUE(status == S(SUCCESS) || status == S(NO_SYSTEM_MEMORY) || status == S(NO_SYSTEM_RESOURCES));
    limit(0);
    if (graph != NULL) EXPECT_OK(onnx.ReleaseGraph(graph));
    if (other != NULL) EXPECT_OK(onnx.ReleaseBackend(other));
  }
  {
    float x[4] = {1, 2, 3, 4}, y[4] = {0};
    onnxGraph graph = NULL;
    EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
    EXPECT_OK(run(graph, 1, x, y));
    EXPECT_TRUE(y[3] == 9);
    EXPECT_OK(onnx.ReleaseGraph(graph));
  }
}

int main(int argc, char** argv) {
  float* data;
  if (getenv("ABI_MEMORY_NOT_MEASURED") != NULL) return abi_skip("a sanitizer reserves the whole address space");
  abi_load(argc, argv);
  backend = abi_open_backend();
  abi_load_extensions(abi_first_id());
  /* Pages that are never touched cost nothing. */
  data = mmap(NULL, weight_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return abi_skip("no address space for the test");
  test_weights(data);
  test_run(data);
  test_starvation();
  munmap(data, weight_bytes);
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
