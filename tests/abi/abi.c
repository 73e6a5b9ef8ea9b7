#define _GNU_SOURCE
#include "abi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct onnx_api onnx;
struct onnxx_api onnxx;

static pthread_mutex_t counts = PTHREAD_MUTEX_INITIALIZER;
static int checks, failures;

static int readable_target[16];
void* abi_bogus[ABI_BOGUS_COUNT] = {NULL,
                                    (void*)1,
                                    (void*)0xDEADBEEF,
                                    (void*)UINT64_C(0x7FFFFFFFFFFFF000),
                                    (void*)UINTPTR_MAX,
                                    readable_target,
                                    (void*)UINT64_C(0xA600000200000001)};

struct symbol {
  const char* name;
  size_t offset;
};
#define SYMBOL(name) \
  { "onnx" #name, offsetof(struct onnx_api, name) }
static const struct symbol symbols[] = {
    SYMBOL(GetBackendIDs),   SYMBOL(ReleaseBackendID), SYMBOL(GetBackendInfo), SYMBOL(GetBackendCompatibility),
    SYMBOL(InitBackend),     SYMBOL(ReleaseBackend),   SYMBOL(InitEvent),      SYMBOL(SignalEvent),
    SYMBOL(GetEventState),   SYMBOL(WaitEvent),        SYMBOL(ReleaseEvent),   SYMBOL(InitGraph),
    SYMBOL(SetGraphIO),      SYMBOL(RunGraph),         SYMBOL(ReleaseGraph),   SYMBOL(GetExtensionFunctionAddress),
    SYMBOL(SetIOAndRunGraph)};

void abi_die(const char* reason) {
  fprintf(stderr, "fatal: %s\n", reason);
  exit(1);
}

void* abi_open(const char* path, int extended) {
  size_t i, count = sizeof symbols / sizeof *symbols;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return NULL;
  }
  if (!extended) count -= 2;
  for (i = 0; i < count; ++i) {
    void* address = dlsym(library, symbols[i].name);
    if (address == NULL) {
      fprintf(stderr, "missing symbol: %s\n", symbols[i].name);
      return NULL;
    }
    memcpy((char*)&onnx + symbols[i].offset, &address, sizeof address);
  }
  return library;
}

void abi_load(int argc, char** argv) {
  if (argc < 2) abi_die("usage: TEST LIBRARY");
  if (abi_open(argv[1], 1) == NULL) abi_die("the library cannot be loaded");
}

#define FETCH(member)                                                                                           \
  do {                                                                                                          \
    onnxExtensionFunctionPointer found = NULL;                                                                  \
    if (!EXPECT_OK(onnx.GetExtensionFunctionAddress(id, "onnxx" #member, &found))) abi_die("no onnxx" #member); \
    memcpy(&onnxx.member, &found, sizeof found);                                                                \
  } while (0)
void abi_load_extensions(onnxBackendID id) {
  FETCH(GetLastError);
  FETCH(GetEventError);
  FETCH(WaitEventFor);
  FETCH(GetOutputShape);
  FETCH(InferOutputShapes);
  FETCH(GetGraphIOInfo);
  FETCH(GetGraphReport);
  FETCH(CreateTensor);
  FETCH(CreateSequence);
  FETCH(CreateOptional);
  FETCH(CreateMap);
  FETCH(GetKind);
  FETCH(GetItem);
  FETCH(GetTensor);
  FETCH(ReleaseValue);
  FETCH(RunValues);
  FETCH(InitGraphFromFile);
}

int abi_finish(void) {
  fprintf(stderr, "%d checks, %d failures\n", checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}

int abi_skip(const char* reason) {
  fprintf(stderr, "skipped: %s\n", reason);
  return ABI_SKIP;
}

static const struct {
  onnxStatus status;
  const char* name;
} status_names[] = {{0x0000, "SUCCESS"},
                    {0x0001, "FALLBACK"},
                    {0x0101, "INVALID_ID"},
                    {0x0102, "INVALID_SIZE"},
                    {0x0103, "INVALID_POINTER"},
                    {0x0104, "INVALID_PROTOBUF"},
                    {0x0105, "INVALID_MODEL"},
                    {0x0106, "INVALID_BACKEND"},
                    {0x0107, "INVALID_GRAPH"},
                    {0x0108, "INVALID_EVENT"},
                    {0x0109, "INVALID_STATE"},
                    {0x010A, "INVALID_NAME"},
                    {0x010B, "INVALID_SHAPE"},
                    {0x010C, "INVALID_DATATYPE"},
                    {0x010D, "INVALID_MEMORY_TYPE"},
                    {0x010E, "INVALID_MEMORY_LOCATION"},
                    {0x010F, "INVALID_FENCE_TYPE"},
                    {0x0110, "INVALID_PROPERTY"},
                    {0x0201, "UNSUPPORTED_TAG"},
                    {0x0202, "UNSUPPORTED_VERSION"},
                    {0x0203, "UNSUPPORTED_OPERATOR"},
                    {0x0204, "UNSUPPORTED_ATTRIBUTE"},
                    {0x0205, "UNSUPPORTED_SHAPE"},
                    {0x0206, "UNSUPPORTED_DATATYPE"},
                    {0x0207, "UNSUPPORTED_MEMORY_TYPE"},
                    {0x0208, "UNSUPPORTED_FENCE_TYPE"},
                    {0x0209, "UNSUPPORTED_PROPERTY"},
                    {0x0301, "UNIDENTIFIED_NAME"},
                    {0x0302, "MISMATCHING_SHAPE"},
                    {0x0303, "MISMATCHING_DATATYPE"},
                    {0x0401, "NO_SYSTEM_MEMORY"},
                    {0x0402, "NO_DEVICE_MEMORY"},
                    {0x0403, "NO_SYSTEM_RESOURCES"},
                    {0x0404, "NO_DEVICE_RESOURCES"},
                    {0x0405, "BACKEND_UNAVAILABLE"},
                    {0x0406, "INTERNAL_ERROR"}};

const char* abi_status_name(onnxStatus status) {
  size_t i;
  for (i = 0; i < sizeof status_names / sizeof *status_names; ++i) {
    if (status_names[i].status == status) return status_names[i].name;
  }
  return "?";
}

static void count(int holds) {
  pthread_mutex_lock(&counts);
  ++checks;
  if (!holds) ++failures;
  pthread_mutex_unlock(&counts);
}

int abi_expect_status(const char* file, int line, const char* call, onnxStatus expected, onnxStatus actual) {
  count(expected == actual);
  if (expected != actual) {
    char text[400] = "";
    size_t size = sizeof text;
    if (onnxx.GetLastError != NULL && onnxx.GetLastError(text, &size) != ONNXIFI_STATUS_SUCCESS) text[0] = '\0';
    fprintf(stderr, "%s:%d: %s\n  expected %s, got %s (%s)\n", file, line, call, abi_status_name(expected),
            abi_status_name(actual), text);
  }
  return expected == actual;
}

int abi_expect(const char* file, int line, const char* condition, int holds) {
  count(holds);
  if (!holds) fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
  return holds;
}

onnxBackendID abi_first_id(void) {
  onnxBackendID ids[16];
  size_t count = 16;
  REQUIRE_OK(onnx.GetBackendIDs(ids, &count));
  if (count == 0) abi_die("no backends");
  return ids[0];
}

onnxBackend abi_open_backend(void) {
  onnxBackend backend = NULL;
  REQUIRE_OK(onnx.InitBackend(abi_first_id(), NULL, &backend));
  return backend;
}

onnxTensorDescriptorV1 abi_tensor(const char* name, onnxEnum type, uint32_t rank, const uint64_t* shape, void* buffer) {
  onnxTensorDescriptorV1 tensor;
  tensor.tag = ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1;
  tensor.name = name;
  tensor.dataType = type;
  tensor.memoryType = ONNXIFI_MEMORY_TYPE_CPU;
  tensor.dimensions = rank;
  tensor.shape = shape;
  tensor.buffer = (onnxPointer)(uintptr_t)buffer;
  return tensor;
}

onnxMemoryFenceV1 abi_fence(onnxEvent event) {
  onnxMemoryFenceV1 fence;
  fence.tag = ONNXIFI_TAG_MEMORY_FENCE_V1;
  fence.type = ONNXIFI_SYNCHRONIZATION_EVENT;
  fence.event = event;
  return fence;
}

onnxStatus abi_complete(onnxMemoryFenceV1* fence) {
  const onnxStatus status = onnx.WaitEvent(fence->event);
  EXPECT_OK(onnx.ReleaseEvent(fence->event));
  fence->event = NULL;
  return status;
}

void abi_sleep_ms(int milliseconds) {
  struct timespec time;
  time.tv_sec = milliseconds / 1000;
  time.tv_nsec = (long)(milliseconds % 1000) * 1000000;
  nanosleep(&time, NULL);
}
