/*
 * What the C hosts of this folder share: the library loaded by path, and checks that count failures.
 *
 *   int main(int argc, char** argv) {
 *     abi_load(argc, argv);
 *     EXPECT(ONNXIFI_STATUS_INVALID_POINTER, onnx.GetBackendIDs(NULL, NULL));
 *     return abi_finish();
 *   }
 */
#ifndef SARDONYX_TESTS_ABI_H
#define SARDONYX_TESTS_ABI_H

#include <stdint.h>
#include <stdio.h>

#include "onnx/onnxifi.h"
#include "onnx/onnxifi_ext.h"
#include "onnx/onnxifi_x.h"

/* Exit status that ctest counts as skipped. */
#define ABI_SKIP 77

struct onnx_api {
  onnxGetBackendIDsFunction GetBackendIDs;
  onnxReleaseBackendIDFunction ReleaseBackendID;
  onnxGetBackendInfoFunction GetBackendInfo;
  onnxGetBackendCompatibilityFunction GetBackendCompatibility;
  onnxInitBackendFunction InitBackend;
  onnxReleaseBackendFunction ReleaseBackend;
  onnxInitEventFunction InitEvent;
  onnxSignalEventFunction SignalEvent;
  onnxGetEventStateFunction GetEventState;
  onnxWaitEventFunction WaitEvent;
  onnxReleaseEventFunction ReleaseEvent;
  onnxInitGraphFunction InitGraph;
  onnxSetGraphIOFunction SetGraphIO;
  onnxRunGraphFunction RunGraph;
  onnxReleaseGraphFunction ReleaseGraph;
  /* Absent behind the wrapper. */
  onnxGetExtensionFunctionAddressFunction GetExtensionFunctionAddress;
  onnxSetIOAndRunGraphFunction SetIOAndRunGraph;
};
extern struct onnx_api onnx;

/* Fetched by abi_load_extensions. */
struct onnxx_api {
  onnxxGetLastErrorFunction GetLastError;
  onnxxGetEventErrorFunction GetEventError;
  onnxxWaitEventForFunction WaitEventFor;
  onnxxGetOutputShapeFunction GetOutputShape;
  onnxxInferOutputShapesFunction InferOutputShapes;
  onnxxGetGraphIOInfoFunction GetGraphIOInfo;
  onnxxGetGraphReportFunction GetGraphReport;
  onnxxCreateTensorFunction CreateTensor;
  onnxxCreateSequenceFunction CreateSequence;
  onnxxCreateOptionalFunction CreateOptional;
  onnxxCreateMapFunction CreateMap;
  onnxxGetKindFunction GetKind;
  onnxxGetItemFunction GetItem;
  onnxxGetTensorFunction GetTensor;
  onnxxReleaseValueFunction ReleaseValue;
  onnxxRunValuesFunction RunValues;
  onnxxInitGraphFromFileFunction InitGraphFromFile;
};
extern struct onnxx_api onnxx;

/* Opens the library named by argv[1]; ends the process when that fails. */
void abi_load(int argc, char** argv);
/* dlopen and dlsym, with `extended` for the two functions beyond the 15. Returns the dlopen handle or NULL. */
void* abi_open(const char* path, int extended);
void abi_load_extensions(onnxBackendID id);
/* Prints the outcome to stderr; the exit status of main. */
int abi_finish(void);
/* Prints why and returns ABI_SKIP. */
int abi_skip(const char* reason);

const char* abi_status_name(onnxStatus status);
int abi_expect_status(const char* file, int line, const char* call, onnxStatus expected, onnxStatus actual);
int abi_expect(const char* file, int line, const char* condition, int holds);

/* Both return whether the expectation held. Thread-safe. */
#define EXPECT(expected, call) abi_expect_status(__FILE__, __LINE__, #call, (expected), (call))
#define EXPECT_TRUE(condition) abi_expect(__FILE__, __LINE__, #condition, (condition) ? 1 : 0)
#define EXPECT_OK(call) EXPECT(ONNXIFI_STATUS_SUCCESS, call)
/* For calls that the test cannot go on without. */
#define REQUIRE_OK(call)                              \
  do {                                                \
    if (!EXPECT_OK(call)) abi_die("cannot continue"); \
  } while (0)
void abi_die(const char* reason);

/* The first backend ID, and a backend made from it without properties. */
onnxBackendID abi_first_id(void);
onnxBackend abi_open_backend(void);

/* Values that are no live handle of any kind: NULL, small numbers, addresses readable and not. */
#define ABI_BOGUS_COUNT 7
extern void* abi_bogus[ABI_BOGUS_COUNT];

onnxTensorDescriptorV1 abi_tensor(const char* name, onnxEnum type, uint32_t rank, const uint64_t* shape, void* buffer);
onnxMemoryFenceV1 abi_fence(onnxEvent event);

/* Waits for and releases the event of an output fence; returns the status of the wait. */
onnxStatus abi_complete(onnxMemoryFenceV1* fence);
void abi_sleep_ms(int milliseconds);

#endif
