/* Backend IDs, information, backends and property lists: every status in its order (sections 2 and 3). */
#include <string.h>

#include "abi.h"

#define S(name) ONNXIFI_STATUS_##name

static void test_ids(void) {
  onnxBackendID ids[16], again[16];
  size_t count = 16, needed = 99, i, k;
  EXPECT(S(INVALID_POINTER), onnx.GetBackendIDs(NULL, NULL));
  EXPECT(S(INVALID_POINTER), onnx.GetBackendIDs(ids, NULL));
  EXPECT(S(FALLBACK), onnx.GetBackendIDs(NULL, &needed));
  EXPECT_TRUE(needed >= 1 && needed <= 16);
  count = 0;
  ids[0] = again;
  EXPECT(S(FALLBACK), onnx.GetBackendIDs(ids, &count));
  EXPECT_TRUE(count == needed && ids[0] == (onnxBackendID)again);
  count = 16;
  for (i = 0; i < 16; ++i) ids[i] = again;
  EXPECT_OK(onnx.GetBackendIDs(ids, &count));
  EXPECT_TRUE(count == needed);
  for (i = 0; i < 16; ++i) EXPECT_TRUE(i < count ? ids[i] != NULL : ids[i] == (onnxBackendID)again);
  EXPECT_OK(onnx.GetBackendIDs(again, &count));
  for (i = 0; i < count; ++i) {
    EXPECT_TRUE(ids[i] == again[i]);
    for (k = 0; k < i; ++k) EXPECT_TRUE(ids[i] != ids[k]);
  }
  /* Two references each. */
  for (i = 0; i < count; ++i) {
    size_t size = 0;
    EXPECT_OK(onnx.ReleaseBackendID(ids[i]));
    EXPECT(S(FALLBACK), onnx.GetBackendInfo(ids[i], ONNXIFI_BACKEND_NAME, NULL, &size));
    EXPECT_OK(onnx.ReleaseBackendID(ids[i]));
    EXPECT(S(INVALID_ID), onnx.ReleaseBackendID(ids[i]));
    EXPECT(S(INVALID_ID), onnx.GetBackendInfo(ids[i], ONNXIFI_BACKEND_NAME, NULL, &size));
  }
  EXPECT_OK(onnx.GetBackendIDs(again, &count));
  for (i = 0; i < count; ++i) {
    EXPECT_TRUE(ids[i] == again[i]);
    EXPECT_OK(onnx.ReleaseBackendID(again[i]));
  }
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) EXPECT(S(INVALID_ID), onnx.ReleaseBackendID(abi_bogus[i]));
}

enum value_type { TEXT, NUMBER };
struct info {
  onnxBackendInfo type;
  enum value_type value_type;
  int required;
};
static const struct info infos[] = {{ONNXIFI_BACKEND_ONNXIFI_VERSION, NUMBER, 1},
                                    {ONNXIFI_BACKEND_NAME, TEXT, 1},
                                    {ONNXIFI_BACKEND_VENDOR, TEXT, 1},
                                    {ONNXIFI_BACKEND_VERSION, TEXT, 1},
                                    {ONNXIFI_BACKEND_EXTENSIONS, TEXT, 1},
                                    {ONNXIFI_BACKEND_DEVICE, TEXT, 1},
                                    {ONNXIFI_BACKEND_DEVICE_TYPE, NUMBER, 1},
                                    {ONNXIFI_BACKEND_ONNX_IR_VERSION, TEXT, 1},
                                    {ONNXIFI_BACKEND_OPSET_VERSION, TEXT, 1},
                                    {ONNXIFI_BACKEND_CAPABILITIES, NUMBER, 1},
                                    {ONNXIFI_BACKEND_INIT_PROPERTIES, NUMBER, 1},
                                    {ONNXIFI_BACKEND_MEMORY_TYPES, NUMBER, 1},
                                    {ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES, NUMBER, 1},
                                    {ONNXIFI_BACKEND_SYNCHRONIZATION_TYPES, NUMBER, 1},
                                    {ONNXIFI_BACKEND_MEMORY_SIZE, NUMBER, 1},
                                    {ONNXIFI_BACKEND_MAX_GRAPH_SIZE, NUMBER, 1},
                                    {ONNXIFI_BACKEND_MAX_GRAPH_COUNT, NUMBER, 1},
                                    {ONNXIFI_BACKEND_MACS_FP32, NUMBER, 0},
                                    {ONNXIFI_BACKEND_MACS_FP16, NUMBER, 0},
                                    {ONNXIFI_BACKEND_MEMORY_BANDWIDTH, NUMBER, 0},
                                    {ONNXIFI_BACKEND_CPU_MEMORY_READ_BANDWIDTH, NUMBER, 0},
                                    {ONNXIFI_BACKEND_CPU_MEMORY_WRITE_BANDWIDTH, NUMBER, 0},
                                    {ONNXX_BACKEND_FIGURES, TEXT, 1},
                                    {ONNXX_BACKEND_LAUNCH_NANOSECONDS, NUMBER, 0},
                                    {ONNXX_BACKEND_TRANSFER_NANOSECONDS, NUMBER, 0}};

/* Words separated by single spaces, no NUL but the last byte, nothing but printable bytes. */
static int well_formed(const char* text, size_t size) {
  size_t i;
  if (size == 0 || text[size - 1] != '\0' || strlen(text) != size - 1) return 0;
  if (size > 1 && (text[0] == ' ' || text[size - 2] == ' ')) return 0;
  for (i = 0; i + 1 < size; ++i) {
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) return 0;
  }
  return 1;
}

static int has_word(const char* text, const char* word) {
  const size_t length = strlen(word);
  while (*text != '\0') {
    const size_t here = strcspn(text, " ");
    if (here == length && memcmp(text, word, length) == 0) return 1;
    text += here;
    if (*text == ' ') ++text;
  }
  return 0;
}

static void test_info_negotiation(onnxBackendID id, struct info info) {
  unsigned char value[4097], second[4096];
  size_t size = 4096, needed;
  const onnxStatus first = onnx.GetBackendInfo(id, info.type, NULL, &size);
  if (!info.required && first == S(UNSUPPORTED_ATTRIBUTE)) return;
  EXPECT(S(FALLBACK), first);
  needed = size;
  EXPECT_TRUE(info.value_type == TEXT ? needed >= 2 : needed == 8);
  memset(value, 0xAA, sizeof value);
  size = needed - 1;
  EXPECT(S(FALLBACK), onnx.GetBackendInfo(id, info.type, value, &size));
  EXPECT_TRUE(size == needed && value[0] == 0xAA);
  size = 4096;
  EXPECT_OK(onnx.GetBackendInfo(id, info.type, value + 1, &size)); /* unaligned */
  EXPECT_TRUE(size == needed && value[0] == 0xAA && value[1 + needed] == 0xAA);
  size = needed;
  EXPECT_OK(onnx.GetBackendInfo(id, info.type, second, &size));
  EXPECT_TRUE(memcmp(value + 1, second, needed) == 0);
  if (info.value_type == TEXT) EXPECT_TRUE(well_formed((const char*)second, size));
}

static uint64_t number(onnxBackendID id, onnxBackendInfo type) {
  uint64_t value = 0;
  size_t size = sizeof value;
  EXPECT_OK(onnx.GetBackendInfo(id, type, &value, &size));
  return value;
}

static const char* text(onnxBackendID id, onnxBackendInfo type) {
  static char value[4096];
  size_t size = sizeof value;
  EXPECT_OK(onnx.GetBackendInfo(id, type, value, &size));
  return value;
}

static void test_info(void) {
  static const onnxBackendInfo unknown[] = {9, 15, 19, 23, 32, 38, 44, 45, 46, 47, -1, 0x7FFFFFFF, -0x7FFFFFFF};
  static const char* const versions[] = {"3", "4", "5", "6", "7", "8"};
  const onnxBackendID id = abi_first_id();
  uint64_t value;
  size_t size = 77, i;
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    EXPECT(S(INVALID_ID), onnx.GetBackendInfo(abi_bogus[i], ONNXIFI_BACKEND_NAME, NULL, NULL));
  }
  EXPECT(S(INVALID_POINTER), onnx.GetBackendInfo(id, ONNXIFI_BACKEND_NAME, NULL, NULL));
  EXPECT(S(INVALID_POINTER), onnx.GetBackendInfo(id, 9, NULL, NULL));
  for (i = 0; i < sizeof unknown / sizeof *unknown; ++i) {
    EXPECT(S(UNSUPPORTED_ATTRIBUTE), onnx.GetBackendInfo(id, unknown[i], &value, &size));
    EXPECT_TRUE(size == 77);
  }
  for (i = 0; i < sizeof infos / sizeof *infos; ++i) test_info_negotiation(id, infos[i]);

  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_ONNXIFI_VERSION) == UINT64_C(0x100000000));
  EXPECT_TRUE(strlen(text(id, ONNXIFI_BACKEND_NAME)) < 50);
  EXPECT_TRUE(strstr(text(id, ONNXIFI_BACKEND_NAME), "Sardonyx") == NULL); /* the vendor */
  EXPECT_TRUE(has_word(text(id, ONNXIFI_BACKEND_EXTENSIONS), "onnx_extension_function"));
  EXPECT_TRUE(has_word(text(id, ONNXIFI_BACKEND_EXTENSIONS), "onnxx_values"));
  EXPECT_TRUE(!has_word(text(id, ONNXIFI_BACKEND_EXTENSIONS), "onnxx_dlpack"));
  EXPECT_TRUE(has_word(text(id, ONNXIFI_BACKEND_EXTENSIONS), "onnxx_figures"));
  EXPECT_TRUE(has_word(text(id, ONNXIFI_BACKEND_EXTENSIONS), "onnxx_file"));
  EXPECT_TRUE(strcmp(text(id, ONNXX_BACKEND_FIGURES), "measured") == 0);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_MACS_FP32) > 1000000);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_MEMORY_BANDWIDTH) > 1000000);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_CPU_MEMORY_READ_BANDWIDTH) > 1000000);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_CPU_MEMORY_WRITE_BANDWIDTH) > 1000000);
  for (i = 0; i < sizeof versions / sizeof *versions; ++i) {
    EXPECT_TRUE(has_word(text(id, ONNXIFI_BACKEND_ONNX_IR_VERSION), versions[i]));
  }
  {
    const char* opset = strstr(text(id, ONNXIFI_BACKEND_OPSET_VERSION), "ai.onnx:");
    int version = 0;
    EXPECT_TRUE(opset != NULL && sscanf(opset, "ai.onnx:%d", &version) == 1 && version >= 17);
  }
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_DEVICE_TYPE) == ONNXIFI_DEVICE_TYPE_CPU);
  EXPECT_TRUE((number(id, ONNXIFI_BACKEND_CAPABILITIES) & 0xFFFFFFFF) == 0x1F);
  EXPECT_TRUE((uint32_t)number(id, ONNXIFI_BACKEND_INIT_PROPERTIES) == 0);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_INIT_PROPERTIES) ==
              (ONNXX_BACKEND_PROPERTY_NUM_THREADS | ONNXX_BACKEND_PROPERTY_POLICY |
               ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR | ONNXX_BACKEND_PROPERTY_TRACE_FILE |
               ONNXX_BACKEND_PROPERTY_SPIN_MICROSECONDS | ONNXX_BACKEND_PROPERTY_PLACEMENT |
               ONNXX_BACKEND_PROPERTY_STRICT | ONNXX_BACKEND_PROPERTY_EXACT |
               ONNXX_BACKEND_PROPERTY_FAST_MATH | ONNXX_BACKEND_PROPERTY_DETERMINISTIC));
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_MEMORY_TYPES) == 0);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES) ==
              (ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY | ONNXX_GRAPH_PROPERTY_VALUES));
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_SYNCHRONIZATION_TYPES) == 0);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_MEMORY_SIZE) > 0);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_MAX_GRAPH_SIZE) > 0);
  EXPECT_TRUE(number(id, ONNXIFI_BACKEND_MAX_GRAPH_COUNT) > 0);
}

static const char some_dir[] = "/";
static const char empty_text[] = "";

struct property_row {
  onnxStatus expected;
  uint64_t list[8];
};
#define TEXT_VALUE(variable) (uint64_t)(uintptr_t)(variable)

static void test_properties(void) {
  const struct property_row rows[] = {
      {S(SUCCESS), {0}},
      {S(SUCCESS), {ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION, ONNXIFI_OPTIMIZATION_HIGH_THROUGHPUT, 0}},
      {S(SUCCESS), {ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION, 3, 0}},
      {S(INVALID_PROPERTY), {ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION, 4, 0}},
      {S(INVALID_PROPERTY), {ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION, UINT64_MAX, 0}},
      {S(INVALID_PROPERTY), {ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL, 0, 0}},
      {S(INVALID_PROPERTY), {ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL, 5, 0}},
      {S(SUCCESS), {ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL, ONNXIFI_LOG_LEVEL_ERROR, 0}},
      {S(SUCCESS), {ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL, ONNXIFI_LOG_LEVEL_WARNING, 0}},
      {S(UNSUPPORTED_PROPERTY), {ONNXIFI_BACKEND_CUDA_STREAM, 0, 0}},
      {S(UNSUPPORTED_PROPERTY), {ONNXIFI_BACKEND_OPENCL_CONTEXT, 1, 0}},
      {S(UNSUPPORTED_PROPERTY), {ONNXIFI_BACKEND_OPENCL_CONTEXT, 0, 0}},
      {S(UNSUPPORTED_PROPERTY), {3, 0, 0}},
      {S(UNSUPPORTED_PROPERTY), {16, 0, 0}},
      {S(UNSUPPORTED_PROPERTY), {UINT64_C(1) << 33, 0, 0}},
      {S(UNSUPPORTED_PROPERTY), {UINT64_C(1) << 63, 1, 0}},
      /* The terminator counts in key position only; the first bad pair decides. */
      {S(INVALID_PROPERTY), {1, 0, 2, 9, 0}},
      {S(UNSUPPORTED_PROPERTY), {1, 0, 99, 0, 2, 9, 0}},
      {S(INVALID_PROPERTY), {2, 9, 99, 0, 0}},
      {S(SUCCESS), {1, 0, 2, 3, 1, 1, 0, 99}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_NUM_THREADS, 0, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_NUM_THREADS, 2, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_NUM_THREADS, 1025, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_POLICY, ONNXX_POLICY_LIBRARY, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_POLICY, 3, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_SPIN_MICROSECONDS, 0, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_SPIN_MICROSECONDS, 1000001, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_STRICT, 1, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_STRICT, 2, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_EXACT, 1, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_EXACT, 2, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_FAST_MATH, 1, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_FAST_MATH, 2, 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_DETERMINISTIC, 1, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_DETERMINISTIC, 2, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_PLACEMENT, 0, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR, 0, 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR, TEXT_VALUE(empty_text), 0}},
      {S(SUCCESS), {ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR, TEXT_VALUE(some_dir), 0}},
      {S(INVALID_PROPERTY), {ONNXX_BACKEND_PROPERTY_TRACE_FILE, 0, 0}},
  };
  const onnxBackendID id = abi_first_id();
  size_t i;
  for (i = 0; i < sizeof rows / sizeof *rows; ++i) {
    onnxBackend backend = (onnxBackend)&rows;
    if (!EXPECT(rows[i].expected, onnx.InitBackend(id, rows[i].list, &backend))) {
      fprintf(stderr, "  in row %d\n", (int)i);
    }
    EXPECT_TRUE((backend != NULL) == (rows[i].expected == S(SUCCESS)));
    if (backend != NULL) EXPECT_OK(onnx.ReleaseBackend(backend));
  }
}

static void test_backends(void) {
  static const uint64_t bad_list[] = {99, 0, 0};
  const onnxBackendID id = abi_first_id();
  onnxBackend first = NULL, second = NULL, third = (onnxBackend)&first;
  onnxEvent event = NULL;
  size_t i;
  EXPECT(S(INVALID_POINTER), onnx.InitBackend(id, NULL, NULL));
  EXPECT(S(INVALID_POINTER), onnx.InitBackend(NULL, bad_list, NULL));
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    third = (onnxBackend)&first;
    EXPECT(S(INVALID_ID), onnx.InitBackend(abi_bogus[i], bad_list, &third));
    EXPECT_TRUE(third == NULL);
    EXPECT(S(INVALID_BACKEND), onnx.ReleaseBackend(abi_bogus[i]));
  }
  EXPECT_OK(onnx.InitBackend(id, NULL, &first));
  EXPECT_OK(onnx.InitBackend(id, NULL, &second));
  EXPECT_TRUE(first != NULL && second != NULL && first != second);
  EXPECT_OK(onnx.InitEvent(first, &event));
  /* Handles of another kind. */
  EXPECT(S(INVALID_BACKEND), onnx.ReleaseBackend(id));
  EXPECT(S(INVALID_BACKEND), onnx.ReleaseBackend(event));
  EXPECT(S(INVALID_ID), onnx.InitBackend(first, NULL, &third));
  EXPECT(S(INVALID_ID), onnx.ReleaseBackendID(first));
  EXPECT_OK(onnx.ReleaseBackend(first));
  EXPECT(S(INVALID_BACKEND), onnx.ReleaseBackend(first));
  /* A new backend is not the old one come back. */
  EXPECT_OK(onnx.InitBackend(id, NULL, &third));
  EXPECT_TRUE(third != first);
  EXPECT(S(INVALID_BACKEND), onnx.ReleaseBackend(first));
  /* Its event is still usable. */
  EXPECT_OK(onnx.SignalEvent(event));
  EXPECT_OK(onnx.WaitEvent(event));
  EXPECT_OK(onnx.ReleaseEvent(event));
  EXPECT_OK(onnx.ReleaseBackend(second));
  EXPECT_OK(onnx.ReleaseBackend(third));
}

static void test_backend_outlives_id(void) {
  onnxBackendID ids[16];
  size_t count = 16, i;
  onnxBackend backend = NULL;
  onnxEvent event = NULL;
  EXPECT_OK(onnx.GetBackendIDs(ids, &count));
  EXPECT_OK(onnx.InitBackend(ids[0], NULL, &backend));
  for (i = 0; i < count; ++i) EXPECT_OK(onnx.ReleaseBackendID(ids[i]));
  EXPECT_OK(onnx.InitEvent(backend, &event));
  EXPECT_OK(onnx.ReleaseEvent(event));
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

static void test_extension_lookup(void) {
  static const char* const known[] = {"onnxGetExtensionFunctionAddress", "onnxSetIOAndRunGraph"};
  static const char* const unknown[] = {"",
                                        "onnxSetIOAndRunGraphFunction",
                                        "onnxGetExtensionFunctionAddressFunction",
                                        "onnxsetioandrungraph",
                                        "onnxInitGraph",
                                        "onnxxNothing",
                                        "onnxxFromDLPack"};
  const onnxBackendID id = abi_first_id();
  onnxExtensionFunctionPointer function = NULL;
  size_t i;
  EXPECT(S(INVALID_POINTER), onnx.GetExtensionFunctionAddress(id, known[0], NULL));
  EXPECT(S(INVALID_POINTER), onnx.GetExtensionFunctionAddress(NULL, NULL, NULL));
  for (i = 0; i < sizeof known / sizeof *known; ++i) {
    EXPECT_OK(onnx.GetExtensionFunctionAddress(id, known[i], &function));
    EXPECT_TRUE(function != NULL);
  }
  EXPECT_TRUE(function == (onnxExtensionFunctionPointer)(void (*)(void))onnx.SetIOAndRunGraph);
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    EXPECT_OK(onnx.GetExtensionFunctionAddress(id, known[0], &function));
    EXPECT(S(INVALID_ID), onnx.GetExtensionFunctionAddress(abi_bogus[i], NULL, &function));
    EXPECT_TRUE(function == NULL);
  }
  EXPECT_OK(onnx.GetExtensionFunctionAddress(id, known[0], &function));
  EXPECT(S(INVALID_POINTER), onnx.GetExtensionFunctionAddress(id, NULL, &function));
  EXPECT_TRUE(function == NULL);
  for (i = 0; i < sizeof unknown / sizeof *unknown; ++i) {
    EXPECT_OK(onnx.GetExtensionFunctionAddress(id, known[0], &function));
    EXPECT(S(UNIDENTIFIED_NAME), onnx.GetExtensionFunctionAddress(id, unknown[i], &function));
    EXPECT_TRUE(function == NULL);
  }
}

int main(int argc, char** argv) {
  abi_load(argc, argv);
  test_ids();
  test_info();
  test_properties();
  test_backends();
  test_backend_outlives_id();
  test_extension_lookup();
  return abi_finish();
}
