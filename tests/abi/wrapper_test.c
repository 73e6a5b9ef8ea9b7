/*
 * Behind Debian's wrapper (package libonnxifi), which loads every /usr/lib/libonnxifi-VENDOR.so. The test puts a link
 * there for as long as it runs; without the right to do so, or without the wrapper, it is skipped.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
static const char wrapper[] = "/usr/lib/libonnxifi.so";
static const char vendor_link[] = "/usr/lib/libonnxifi-sardonyx.so";

/* All handles here are the wrapper's; the calls behind are ours. */
static void check(void) {
  static const int64_t n4[] = {MODEL_N, 4};
  static const uint64_t shape[] = {2, 4}, wrong[] = {2, 5}, zero_level[] = {ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL, 0, 0};
  const bytes model = model_scale(2, n4);
  float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {0};
  onnxTensorDescriptorV1 in = abi_tensor("x", 1, 2, shape, x), out = abi_tensor("y", 1, 2, shape, y);
  onnxTensorDescriptorV1 first_weight = abi_tensor("two", 1, 0, NULL, x);
  onnxBackendID ids[16];
  onnxBackend backend = NULL;
  onnxGraph graph = NULL;
  onnxEvent ready = NULL, done;
  onnxEventState state = 0;
  onnxMemoryFenceV1 input, output = abi_fence(NULL);
  char vendor[50] = "";
  size_t count = 0, size = sizeof vendor, i;
  EXPECT(S(FALLBACK), onnx.GetBackendIDs(NULL, &count));
  if (!EXPECT_TRUE(count > 0 && count <= 16)) return;
  EXPECT_OK(onnx.GetBackendIDs(ids, &count));
  EXPECT_OK(onnx.GetBackendInfo(ids[0], ONNXIFI_BACKEND_VENDOR, vendor, &size));
  EXPECT_TRUE(strcmp(vendor, "Sardonyx") == 0);
  EXPECT_OK(onnx.GetBackendCompatibility(ids[0], model.size, model.data));
  EXPECT(S(INVALID_SIZE), onnx.GetBackendCompatibility(ids[0], 0, model.data));
  EXPECT(S(INVALID_PROPERTY), onnx.InitBackend(ids[0], zero_level, &backend));
  EXPECT_OK(onnx.InitBackend(ids[0], NULL, &backend));
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 2, &first_weight, &graph));
  EXPECT_OK(onnx.InitEvent(backend, &ready));
  input = abi_fence(ready);
  EXPECT(S(UNIDENTIFIED_NAME), onnx.RunGraph(graph, &input, &output));
  in.shape = wrong;
  EXPECT(S(MISMATCHING_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  in.shape = shape;
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  done = output.event;
  EXPECT_OK(onnx.GetEventState(done, &state));
  EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT(S(INVALID_STATE), onnx.SignalEvent(ready));
  EXPECT_OK(onnx.WaitEvent(done));
  for (i = 0; i < 8; ++i) EXPECT_TRUE(y[i] == 2 * x[i] + 1);
  EXPECT_OK(onnx.ReleaseEvent(done));
  EXPECT_OK(onnx.ReleaseEvent(ready));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
  for (i = 0; i < count; ++i) EXPECT_OK(onnx.ReleaseBackendID(ids[i]));
}

int main(int argc, char** argv) {
  pid_t child;
  int status = -1;
  if (argc < 2) return 1;
  if (access(wrapper, R_OK) != 0) return abi_skip("/usr/lib/libonnxifi.so (package libonnxifi) is not installed");
  if (symlink(argv[1], vendor_link) != 0) {
    fprintf(stderr, "%s: %s\n", vendor_link, strerror(errno));
    return abi_skip("the link in /usr/lib cannot be made");
  }
  /* In a child, so that the link goes away whatever happens. */
  child = fork();
  if (child == 0) {
    alarm(120);
    if (abi_open(wrapper, 0) == NULL) exit(1);
    check();
    model_free_all();
    exit(abi_finish());
  }
  EXPECT_TRUE(child > 0 && waitpid(child, &status, 0) == child);
  EXPECT_TRUE(unlink(vendor_link) == 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return abi_finish();
}
