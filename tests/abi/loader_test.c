/* Through ONNX's own loader (libonnxifi_loader.a): by path, and by the bare name that it looks for by default. */
#include <string.h>

#include "onnx/onnxifi_loader.h"

#include "abi.h"

static void check(struct onnxifi_library* library) {
  onnxBackendID ids[16];
  onnxBackend backend = NULL;
  onnxEvent event = NULL;
  size_t count = 0, i;
  for (i = 0; i < ONNXIFI_LOADER_FUNCTION_COUNT; ++i) EXPECT_TRUE(library->functions[i] != NULL);
  EXPECT(ONNXIFI_STATUS_FALLBACK, library->onnxGetBackendIDs(NULL, &count));
  EXPECT_TRUE(count > 0 && count <= 16);
  EXPECT_OK(library->onnxGetBackendIDs(ids, &count));
  EXPECT_OK(library->onnxInitBackend(ids[0], NULL, &backend));
  EXPECT_OK(library->onnxInitEvent(backend, &event));
  EXPECT_OK(library->onnxSignalEvent(event));
  EXPECT_OK(library->onnxWaitEvent(event));
  EXPECT_OK(library->onnxReleaseEvent(event));
  EXPECT_OK(library->onnxReleaseBackend(backend));
  for (i = 0; i < count; ++i) EXPECT_OK(library->onnxReleaseBackendID(ids[i]));
  onnxifi_unload(library);
}

int main(int argc, char** argv) {
  struct onnxifi_library library;
  if (argc < 2) return 1;
  EXPECT_TRUE(onnxifi_load(ONNXIFI_LOADER_FLAG_VERSION_1_0, argv[1], &library) != 0);
  check(&library);
  /* LD_LIBRARY_PATH makes ours the first libonnxifi.so. */
  EXPECT_TRUE(onnxifi_load(ONNXIFI_LOADER_FLAG_VERSION_1_0, NULL, &library) != 0);
  check(&library);
  return abi_finish();
}
