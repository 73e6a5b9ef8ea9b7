/*
 * Facts about the ONNXIFI headers: every constant, size, offset and prototype as a number. Compiled twice, against our
 * headers and against ONNX's (FACTS names the table); header_test.c compares the two tables. constants.inc is made at
 * configure time from the macros that ONNX's header defines.
 */
#include <stddef.h>

#include "onnx/onnxifi.h"
#include "onnx/onnxifi_ext.h"

#include "header_facts.h"

#define CONSTANT(name) {#name, (unsigned long long)(name)},
#define SIZE(type) {"sizeof " #type, sizeof(type)},
#define UNSIGNED(type) {"unsigned " #type, (type) ~(type)0 > (type)0},
#define MEMBER(type, member) \
  {"offset " #type "." #member, offsetof(type, member)}, {"size " #type "." #member, sizeof(((type*)0)->member)},
/* 1 when the function has exactly this type and its pointer typedef points to it. */
#define PROTOTYPE(function, ...)                                                                          \
  {"prototype " #function, __builtin_types_compatible_p(__typeof__(function), onnxStatus(__VA_ARGS__)) && \
                               __builtin_types_compatible_p(function##Function, onnxStatus(*)(__VA_ARGS__))},

/* clang-format off */
const struct fact FACTS[] = {
#include "constants.inc"
  SIZE(onnxBackendID)
  SIZE(onnxBackend)
  SIZE(onnxGraph)
  SIZE(onnxEvent)
  SIZE(onnxStatus)
  SIZE(onnxEnum)
  SIZE(onnxBitfield)
  SIZE(onnxPointer)
  SIZE(onnxEventState)
  SIZE(onnxBackendInfo)
  SIZE(onnxTensorDescriptorV1)
  SIZE(onnxMemoryFenceV1)
  SIZE(onnxExtensionFunctionPointer)
  UNSIGNED(onnxStatus)
  UNSIGNED(onnxEnum)
  UNSIGNED(onnxBitfield)
  UNSIGNED(onnxPointer)
  UNSIGNED(onnxEventState)
  UNSIGNED(onnxBackendInfo)
  MEMBER(onnxTensorDescriptorV1, tag)
  MEMBER(onnxTensorDescriptorV1, name)
  MEMBER(onnxTensorDescriptorV1, dataType)
  MEMBER(onnxTensorDescriptorV1, memoryType)
  MEMBER(onnxTensorDescriptorV1, dimensions)
  MEMBER(onnxTensorDescriptorV1, shape)
  MEMBER(onnxTensorDescriptorV1, buffer)
  MEMBER(onnxMemoryFenceV1, tag)
  MEMBER(onnxMemoryFenceV1, type)
  MEMBER(onnxMemoryFenceV1, event)
  PROTOTYPE(onnxGetBackendIDs, onnxBackendID*, size_t*)
  PROTOTYPE(onnxReleaseBackendID, onnxBackendID)
  PROTOTYPE(onnxGetBackendInfo, onnxBackendID, onnxBackendInfo, void*, size_t*)
  PROTOTYPE(onnxGetBackendCompatibility, onnxBackendID, size_t, const void*)
  PROTOTYPE(onnxInitBackend, onnxBackendID, const uint64_t*, onnxBackend*)
  PROTOTYPE(onnxReleaseBackend, onnxBackend)
  PROTOTYPE(onnxInitEvent, onnxBackend, onnxEvent*)
  PROTOTYPE(onnxSignalEvent, onnxEvent)
  PROTOTYPE(onnxGetEventState, onnxEvent, onnxEventState*)
  PROTOTYPE(onnxWaitEvent, onnxEvent)
  PROTOTYPE(onnxReleaseEvent, onnxEvent)
  PROTOTYPE(onnxInitGraph, onnxBackend, const uint64_t*, size_t, const void*, uint32_t, const onnxTensorDescriptorV1*,
            onnxGraph*)
  PROTOTYPE(onnxSetGraphIO, onnxGraph, uint32_t, const onnxTensorDescriptorV1*, uint32_t,
            const onnxTensorDescriptorV1*)
  PROTOTYPE(onnxRunGraph, onnxGraph, const onnxMemoryFenceV1*, onnxMemoryFenceV1*)
  PROTOTYPE(onnxReleaseGraph, onnxGraph)
  PROTOTYPE(onnxGetExtensionFunctionAddress, onnxBackendID, const char*, onnxExtensionFunctionPointer*)
  PROTOTYPE(onnxSetIOAndRunGraph, onnxGraph, uint32_t, const onnxTensorDescriptorV1*, uint32_t,
            const onnxTensorDescriptorV1*, onnxMemoryFenceV1*)
  {NULL, 0}
};
/* clang-format on */
