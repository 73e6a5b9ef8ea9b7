/*
 * Extension functions of ONNXIFI: how to find them, and the first of them.
 *
 * Binary and source compatible with the header of the same name in ONNX 1.12. (A header of this name in the foxi
 * project declares a different, incompatible onnxSetIOAndRunGraph; this library never guesses between the two.)
 */
#ifndef ONNXIFI_EXT_H
#define ONNXIFI_EXT_H 1

#include "onnx/onnxifi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Any extension function; to be cast to its own type before the call. */
typedef onnxStatus(ONNXIFI_ABI* onnxExtensionFunctionPointer)(void);

/* Stores the address of the extension function `name`. Extension [onnx_extension_function].
 * SUCCESS; INVALID_POINTER: name or function NULL; INVALID_ID; UNIDENTIFIED_NAME. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI
onnxGetExtensionFunctionAddress(onnxBackendID backendID, const char* name, onnxExtensionFunctionPointer* function);

/* onnxSetGraphIO and onnxRunGraph, with inputs that are ready now, as one atomic step: concurrent calls on one graph
 * each use their own buffers. Statuses of both. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxSetIOAndRunGraph(
    onnxGraph graph, uint32_t inputsCount, const onnxTensorDescriptorV1* inputDescriptors, uint32_t outputsCount,
    const onnxTensorDescriptorV1* outputDescriptors, onnxMemoryFenceV1* outputFence);

typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxGetExtensionFunctionAddressFunction)(
    onnxBackendID backendID, const char* name, onnxExtensionFunctionPointer* function);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxSetIOAndRunGraphFunction)(
    onnxGraph graph, uint32_t inputsCount, const onnxTensorDescriptorV1* inputDescriptors, uint32_t outputsCount,
    const onnxTensorDescriptorV1* outputDescriptors, onnxMemoryFenceV1* outputFence);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ONNXIFI_EXT_H */
