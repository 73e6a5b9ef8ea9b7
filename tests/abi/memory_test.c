/* Memory does not grow over a thousand lives of everything (section 7). */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "model.h"

enum { FLOAT = 1, CYCLES = 1000, WARM_UP = 300 };

static long resident_kib(void) {
  long pages = 0, resident = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) abi_die("/proc/self/statm cannot be read");
  fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void cycle(bytes model) {
  static const uint64_t shape[] = {16, 4};
  static float x[64], y[64];
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  const onnxBackend backend = abi_open_backend();
  onnxMemoryFenceV1 input = abi_fence(NULL), output = abi_fence(NULL);
  onnxGraph graph = NULL;
  EXPECT_OK(onnx.InitEvent(backend, &input.event));
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  EXPECT_OK(onnx.SignalEvent(input.event));
  EXPECT_OK(abi_complete(&output));
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &output));
  EXPECT_OK(abi_complete(&output));
  EXPECT_OK(onnx.ReleaseEvent(input.event));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
  EXPECT_OK(onnx.ReleaseBackendID(abi_first_id()));
}

int main(int argc, char** argv) {
  static const int64_t n4[] = {MODEL_N, 4};
  /* A sanitizer keeps freed memory back and slows everything down: then only the calls are checked. */
  const int measured = getenv("ABI_MEMORY_NOT_MEASURED") == NULL;
  const int cycles = measured ? CYCLES : 20;
  bytes model;
  long before = 0, after;
  int i;
  abi_load(argc, argv);
  model = model_scale(2, n4);
  for (i = 0; i < cycles; ++i) {
    if (i == WARM_UP) before = resident_kib();
    cycle(model);
  }
  after = resident_kib();
  fprintf(stderr, "resident: %ld KiB after %d cycles, %ld KiB after %d\n", before, WARM_UP, after, cycles);
  if (measured) EXPECT_TRUE(after - before < 8 * 1024);
  model_free_all();
  return abi_finish();
}
