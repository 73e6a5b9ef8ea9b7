/*
 * ONNXIFI 1.0: the C interface through which a host runs ONNX models on a backend.
 *
 * Binary and source compatible with the header of the same name in ONNX 1.12. Every function returns an onnxStatus and
 * never throws, aborts or prints on stdout. Typical use:
 *
 *   onnxGetBackendIDs -> onnxInitBackend -> onnxInitGraph -> onnxSetGraphIO -> onnxRunGraph -> onnxWaitEvent
 *
 * Handles are opaque numbers that are looked up, never dereferenced: a stale or made-up handle gives the INVALID_*
 * status of the expected kind. Output handles are NULL after a failure.
 */
#ifndef ONNXIFI_H
#define ONNXIFI_H 1

#include <stddef.h>
#ifndef ONNXIFI_NO_STDINT_H
#include <stdint.h>
#endif

/* Calling convention of functions and function pointers. */
#if defined(_WIN32) && defined(_M_IX86)
#define ONNXIFI_ABI __stdcall
#elif defined(__i386__)
#define ONNXIFI_ABI __attribute__((__cdecl__))
#else
#define ONNXIFI_ABI
#endif

/* Marks the functions that the shared library exports. */
#ifndef ONNXIFI_PUBLIC
#if defined(__ELF__) || defined(__MACH__)
#define ONNXIFI_PUBLIC __attribute__((__visibility__("default")))
#else
#define ONNXIFI_PUBLIC
#endif
#endif

/* The compiler warns when the returned status is dropped. */
#ifndef ONNXIFI_CHECK_RESULT
#if defined(__GNUC__)
#define ONNXIFI_CHECK_RESULT __attribute__((__warn_unused_result__))
#else
#define ONNXIFI_CHECK_RESULT
#endif
#endif

/* Anonymous unions are newer than the C standards that hosts may ask their compiler to enforce. */
#if defined(__GNUC__)
#define ONNXIFI_ANONYMOUS __extension__
#else
#define ONNXIFI_ANONYMOUS
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Basic types ---------------------------------------------------------------------------------------------- */

typedef void* onnxBackendID; /* a device together with the software that drives it; stable for the process */
typedef void* onnxBackend;   /* an initialised backend */
typedef void* onnxGraph;     /* a compiled model */
typedef void* onnxEvent;     /* a single-shot signal */

typedef int32_t onnxStatus;
typedef int32_t onnxEventState;
typedef int32_t onnxBackendInfo;
typedef uint64_t onnxEnum;     /* low 32 bits: standard values, high 32 bits: vendor values */
typedef uint64_t onnxBitfield; /* the same split */
typedef uint64_t onnxPointer;  /* an address, or a device's own memory handle */

/* ---- Status codes --------------------------------------------------------------------------------------------- */

#define ONNXIFI_STATUS_SUCCESS 0x0000
#define ONNXIFI_STATUS_FALLBACK 0x0001 /* worked in part: the value did not fit, or the model runs by emulation */

/* An argument is wrong in itself. */
#define ONNXIFI_STATUS_INVALID_ID 0x0101
#define ONNXIFI_STATUS_INVALID_SIZE 0x0102
#define ONNXIFI_STATUS_INVALID_POINTER 0x0103
#define ONNXIFI_STATUS_INVALID_PROTOBUF 0x0104
#define ONNXIFI_STATUS_INVALID_MODEL 0x0105
#define ONNXIFI_STATUS_INVALID_BACKEND 0x0106
#define ONNXIFI_STATUS_INVALID_GRAPH 0x0107
#define ONNXIFI_STATUS_INVALID_EVENT 0x0108
#define ONNXIFI_STATUS_INVALID_STATE 0x0109
#define ONNXIFI_STATUS_INVALID_NAME 0x010A
#define ONNXIFI_STATUS_INVALID_SHAPE 0x010B
#define ONNXIFI_STATUS_INVALID_DATATYPE 0x010C
#define ONNXIFI_STATUS_INVALID_MEMORY_TYPE 0x010D
#define ONNXIFI_STATUS_INVALID_MEMORY_LOCATION 0x010E
#define ONNXIFI_STATUS_INVALID_FENCE_TYPE 0x010F
#define ONNXIFI_STATUS_INVALID_PROPERTY 0x0110

/* An argument is legal, but this backend cannot do it. */
#define ONNXIFI_STATUS_UNSUPPORTED_TAG 0x0201
#define ONNXIFI_STATUS_UNSUPPORTED_VERSION 0x0202
#define ONNXIFI_STATUS_UNSUPPORTED_OPERATOR 0x0203
#define ONNXIFI_STATUS_UNSUPPORTED_ATTRIBUTE 0x0204
#define ONNXIFI_STATUS_UNSUPPORTED_SHAPE 0x0205
#define ONNXIFI_STATUS_UNSUPPORTED_DATATYPE 0x0206
#define ONNXIFI_STATUS_UNSUPPORTED_MEMORY_TYPE 0x0207
#define ONNXIFI_STATUS_UNSUPPORTED_FENCE_TYPE 0x0208
#define ONNXIFI_STATUS_UNSUPPORTED_PROPERTY 0x0209

/* Arguments do not fit each other or the model. */
#define ONNXIFI_STATUS_UNIDENTIFIED_NAME 0x0301
#define ONNXIFI_STATUS_MISMATCHING_SHAPE 0x0302
#define ONNXIFI_STATUS_MISMATCHING_DATATYPE 0x0303

/* The machine could not deliver. */
#define ONNXIFI_STATUS_NO_SYSTEM_MEMORY 0x0401
#define ONNXIFI_STATUS_NO_DEVICE_MEMORY 0x0402
#define ONNXIFI_STATUS_NO_SYSTEM_RESOURCES 0x0403
#define ONNXIFI_STATUS_NO_DEVICE_RESOURCES 0x0404
#define ONNXIFI_STATUS_BACKEND_UNAVAILABLE 0x0405
#define ONNXIFI_STATUS_INTERNAL_ERROR 0x0406

/* ---- Event states (onnxGetEventState) ------------------------------------------------------------------------- */

#define ONNXIFI_EVENT_STATE_INVALID 0
#define ONNXIFI_EVENT_STATE_NONSIGNALLED 0x16BD
#define ONNXIFI_EVENT_STATE_SIGNALLED 0x3395

/* ---- Backend information (onnxGetBackendInfo); the comment gives the type of the value ------------------------- */

#define ONNXIFI_BACKEND_ONNXIFI_VERSION 0             /* uint64_t: major << 32 | minor */
#define ONNXIFI_BACKEND_NAME 1                        /* char[], with the terminating NUL like every text here */
#define ONNXIFI_BACKEND_VENDOR 2                      /* char[] */
#define ONNXIFI_BACKEND_VERSION 3                     /* char[] */
#define ONNXIFI_BACKEND_EXTENSIONS 4                  /* char[], separated by spaces */
#define ONNXIFI_BACKEND_DEVICE 5                      /* char[] */
#define ONNXIFI_BACKEND_DEVICE_TYPE 6                 /* onnxEnum: ONNXIFI_DEVICE_TYPE_* */
#define ONNXIFI_BACKEND_ONNX_IR_VERSION 7             /* char[]: "3 4 5" */
#define ONNXIFI_BACKEND_OPSET_VERSION 8               /* char[]: "ai.onnx:17 other.domain:1", highest of each */
#define ONNXIFI_BACKEND_CAPABILITIES 10               /* onnxBitfield: ONNXIFI_CAPABILITY_* */
#define ONNXIFI_BACKEND_INIT_PROPERTIES 11            /* onnxBitfield: vendor keys of onnxInitBackend */
#define ONNXIFI_BACKEND_MEMORY_TYPES 12               /* onnxBitfield: ONNXIFI_MEMORY_TYPE_* */
#define ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES 13      /* onnxBitfield: vendor keys of onnxInitGraph */
#define ONNXIFI_BACKEND_SYNCHRONIZATION_TYPES 14      /* onnxBitfield: ONNXIFI_SYNCHRONIZATION_* */
#define ONNXIFI_BACKEND_MEMORY_SIZE 20                /* uint64_t, bytes */
#define ONNXIFI_BACKEND_MAX_GRAPH_SIZE 21             /* uint64_t, bytes of weights */
#define ONNXIFI_BACKEND_MAX_GRAPH_COUNT 22            /* uint64_t */
#define ONNXIFI_BACKEND_MACS_FP32 30                  /* uint64_t, per second; this one and those below are optional */
#define ONNXIFI_BACKEND_MACS_FP16 31                  /* uint64_t, per second */
#define ONNXIFI_BACKEND_MEMORY_BANDWIDTH 35           /* uint64_t, bytes per second */
#define ONNXIFI_BACKEND_CPU_MEMORY_READ_BANDWIDTH 36  /* uint64_t, bytes per second */
#define ONNXIFI_BACKEND_CPU_MEMORY_WRITE_BANDWIDTH 37 /* uint64_t, bytes per second */
#define ONNXIFI_BACKEND_PCI_BUS_ID 40                 /* uint64_t */
#define ONNXIFI_BACKEND_PCI_DEVICE_ID 41              /* uint64_t */
#define ONNXIFI_BACKEND_PCI_DOMAIN_ID 42              /* uint64_t */
#define ONNXIFI_BACKEND_DIRECTX_ID 43                 /* LUID, 8 bytes */
#define ONNXIFI_BACKEND_CUDA_INDEX 44                 /* uint64_t */
#define ONNXIFI_BACKEND_OPENCL_PLATFORM_ID 45         /* cl_platform_id */
#define ONNXIFI_BACKEND_OPENCL_DEVICE_ID 46           /* cl_device_id */

#define ONNXIFI_DEVICE_TYPE_NPU 0x01
#define ONNXIFI_DEVICE_TYPE_DSP 0x02
#define ONNXIFI_DEVICE_TYPE_GPU 0x04
#define ONNXIFI_DEVICE_TYPE_CPU 0x08
#define ONNXIFI_DEVICE_TYPE_FPGA 0x10
#define ONNXIFI_DEVICE_TYPE_HETEROGENEOUS 0x20

#define ONNXIFI_CAPABILITY_THREAD_SAFE 0x01           /* any function from any thread */
#define ONNXIFI_CAPABILITY_SYMBOLIC_BATCH_SIZE 0x02   /* outermost dim may be symbolic in the model */
#define ONNXIFI_CAPABILITY_SYMBOLIC_SIZE_TENSORS 0x04 /* any dim may be */
#define ONNXIFI_CAPABILITY_VARIABLE_BATCH_SIZE 0x08   /* outermost dim of an output may depend on data */
#define ONNXIFI_CAPABILITY_VARIABLE_SIZE_OUTPUTS 0x10 /* any dim of an output may; described shapes are limits */
#define ONNXIFI_CAPABILITY_HOT_PLUGGABLE 0x20         /* the device may go away */

/* ---- Properties: lists of key, value pairs that end with a zero key -------------------------------------------- */

#define ONNXIFI_BACKEND_PROPERTY_NONE 0
#define ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION 1 /* ONNXIFI_OPTIMIZATION_* */
#define ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL 2    /* ONNXIFI_LOG_LEVEL_* */
#define ONNXIFI_BACKEND_CUDA_STREAM 4           /* a CUDA stream, for CUDA backends */
#define ONNXIFI_BACKEND_OPENCL_CONTEXT 8        /* an OpenCL context, for OpenCL backends */
#define ONNXIFI_GRAPH_PROPERTY_NONE 0

#define ONNXIFI_OPTIMIZATION_HIGH_THROUGHPUT 0
#define ONNXIFI_OPTIMIZATION_LOW_LATENCY 1
#define ONNXIFI_OPTIMIZATION_LOW_POWER 2
#define ONNXIFI_OPTIMIZATION_LOW_DELAY 3

#define ONNXIFI_LOG_LEVEL_DEBUG 1
#define ONNXIFI_LOG_LEVEL_INFO 2
#define ONNXIFI_LOG_LEVEL_WARNING 3
#define ONNXIFI_LOG_LEVEL_ERROR 4

/* ---- Tensors and fences ---------------------------------------------------------------------------------------- */

/* Element types; the numbers are those of TensorProto.DataType. */
#define ONNXIFI_DATATYPE_UNDEFINED 0
#define ONNXIFI_DATATYPE_FLOAT32 1
#define ONNXIFI_DATATYPE_UINT8 2
#define ONNXIFI_DATATYPE_INT8 3
#define ONNXIFI_DATATYPE_UINT16 4
#define ONNXIFI_DATATYPE_INT16 5
#define ONNXIFI_DATATYPE_INT32 6
#define ONNXIFI_DATATYPE_INT64 7
#define ONNXIFI_DATATYPE_FLOAT16 10
#define ONNXIFI_DATATYPE_FLOAT64 11
#define ONNXIFI_DATATYPE_UINT32 12
#define ONNXIFI_DATATYPE_UINT64 13
#define ONNXIFI_DATATYPE_COMPLEX64 14
#define ONNXIFI_DATATYPE_COMPLEX128 15
#define ONNXIFI_DATATYPE_BFLOAT16 16

#define ONNXIFI_MEMORY_TYPE_CPU 0 /* ordinary memory of the process */
#define ONNXIFI_MEMORY_TYPE_CUDA_BUFFER 1
#define ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER 2
#define ONNXIFI_MEMORY_TYPE_OPENGLES_TEXTURE_2D 4
#define ONNXIFI_MEMORY_TYPE_D3D_RESOURCE 8

#define ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1 0x43DFBF69

/* A tensor in the host's memory: dense, row-major, exactly shape times element size bytes at `buffer`. */
typedef struct onnxTensorDescriptorV1 {
  int32_t tag;           /* ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1; nothing else is read when it differs */
  const char* name;      /* of a graph input or output */
  onnxEnum dataType;     /* ONNXIFI_DATATYPE_* */
  onnxEnum memoryType;   /* ONNXIFI_MEMORY_TYPE_* */
  uint32_t dimensions;   /* 0 for a scalar */
  const uint64_t* shape; /* `dimensions` numbers; may be NULL for a scalar */
  onnxPointer buffer;
} onnxTensorDescriptorV1;

#define ONNXIFI_SYNCHRONIZATION_EVENT 0
#define ONNXIFI_SYNCHRONIZATION_IMPLICIT 2

#define ONNXIFI_TAG_MEMORY_FENCE_V1 0x23E08AAB

/* When inputs are ready (made by the host) or outputs are (the event is made by onnxRunGraph). */
typedef struct onnxMemoryFenceV1 {
  int32_t tag;   /* ONNXIFI_TAG_MEMORY_FENCE_V1 */
  onnxEnum type; /* ONNXIFI_SYNCHRONIZATION_* */
  ONNXIFI_ANONYMOUS union { onnxEvent event; };
} onnxMemoryFenceV1;

/* ---- Functions ------------------------------------------------------------------------------------------------- */

/* Lists the backends, best default first. Each ID listed by a SUCCESS is to be released once.
 * SUCCESS; FALLBACK: array NULL or too short, count stored; INVALID_POINTER: numBackends NULL. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxGetBackendIDs(onnxBackendID* backendIDs,
                                                                             size_t* numBackends);

/* SUCCESS; INVALID_ID. Backends made from the ID stay usable. */
ONNXIFI_PUBLIC onnxStatus ONNXIFI_ABI onnxReleaseBackendID(onnxBackendID backendID);

/* SUCCESS; FALLBACK: infoValue NULL or capacity too small, required size stored; INVALID_ID; INVALID_POINTER:
 * infoValueSize NULL; UNSUPPORTED_ATTRIBUTE: unknown infoType. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxGetBackendInfo(onnxBackendID backendID,
                                                                              onnxBackendInfo infoType, void* infoValue,
                                                                              size_t* infoValueSize);

/* Would onnxInitGraph accept this serialized ModelProto? SUCCESS, or what is wrong with it. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxGetBackendCompatibility(onnxBackendID backendID,
                                                                                       size_t onnxModelSize,
                                                                                       const void* onnxModel);

/* SUCCESS; INVALID_POINTER; INVALID_ID; UNSUPPORTED_PROPERTY; INVALID_PROPERTY. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxInitBackend(onnxBackendID backendID,
                                                                           const uint64_t* auxPropertiesList,
                                                                           onnxBackend* backend);

/* SUCCESS; INVALID_BACKEND. Graphs and events made from it stay usable. */
ONNXIFI_PUBLIC onnxStatus ONNXIFI_ABI onnxReleaseBackend(onnxBackend backend);

/* Makes a non-signalled event. SUCCESS; INVALID_POINTER; INVALID_BACKEND. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxInitEvent(onnxBackend backend, onnxEvent* event);

/* SUCCESS; INVALID_EVENT; INVALID_STATE: signalled before. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxSignalEvent(onnxEvent event);

/* Never blocks. SUCCESS; INVALID_POINTER; INVALID_EVENT. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxGetEventState(onnxEvent event, onnxEventState* state);

/* Blocks until signalled. SUCCESS; INVALID_EVENT; for the output event of a failed run, the status of that failure. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxWaitEvent(onnxEvent event);

/* SUCCESS; INVALID_EVENT. Releasing a non-signalled input event cancels the runs that wait for it. */
ONNXIFI_PUBLIC onnxStatus ONNXIFI_ABI onnxReleaseEvent(onnxEvent event);

/* Compiles a serialized ModelProto. Graph inputs named by weight descriptors become constants; everything is copied. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI
onnxInitGraph(onnxBackend backend, const uint64_t* auxPropertiesList, size_t onnxModelSize, const void* onnxModel,
              uint32_t weightsCount, const onnxTensorDescriptorV1* weightDescriptors, onnxGraph* graph);

/* Binds buffers and shapes to all inputs and outputs, for the runs submitted afterwards. A failure unbinds. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI
onnxSetGraphIO(onnxGraph graph, uint32_t inputsCount, const onnxTensorDescriptorV1* inputDescriptors,
               uint32_t outputsCount, const onnxTensorDescriptorV1* outputDescriptors);

/* Starts a run that begins after the input fence; a new event is stored in the output fence. Does not block. */
ONNXIFI_PUBLIC ONNXIFI_CHECK_RESULT onnxStatus ONNXIFI_ABI onnxRunGraph(onnxGraph graph,
                                                                        const onnxMemoryFenceV1* inputFence,
                                                                        onnxMemoryFenceV1* outputFence);

/* Blocks until the runs of the graph are complete. SUCCESS; INVALID_GRAPH. */
ONNXIFI_PUBLIC onnxStatus ONNXIFI_ABI onnxReleaseGraph(onnxGraph graph);

/* ---- The same as function pointers, for dlsym ------------------------------------------------------------------- */

typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxGetBackendIDsFunction)(onnxBackendID* backendIDs,
                                                                                size_t* numBackends);
typedef onnxStatus(ONNXIFI_ABI* onnxReleaseBackendIDFunction)(onnxBackendID backendID);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxGetBackendInfoFunction)(onnxBackendID backendID,
                                                                                 onnxBackendInfo infoType,
                                                                                 void* infoValue,
                                                                                 size_t* infoValueSize);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxGetBackendCompatibilityFunction)(onnxBackendID backendID,
                                                                                          size_t onnxModelSize,
                                                                                          const void* onnxModel);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxInitBackendFunction)(onnxBackendID backendID,
                                                                              const uint64_t* auxPropertiesList,
                                                                              onnxBackend* backend);
typedef onnxStatus(ONNXIFI_ABI* onnxReleaseBackendFunction)(onnxBackend backend);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxInitEventFunction)(onnxBackend backend, onnxEvent* event);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxSignalEventFunction)(onnxEvent event);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxGetEventStateFunction)(onnxEvent event, onnxEventState* state);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxWaitEventFunction)(onnxEvent event);
typedef onnxStatus(ONNXIFI_ABI* onnxReleaseEventFunction)(onnxEvent event);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxInitGraphFunction)(
    onnxBackend backend, const uint64_t* auxPropertiesList, size_t onnxModelSize, const void* onnxModel,
    uint32_t weightsCount, const onnxTensorDescriptorV1* weightDescriptors, onnxGraph* graph);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxSetGraphIOFunction)(
    onnxGraph graph, uint32_t inputsCount, const onnxTensorDescriptorV1* inputDescriptors, uint32_t outputsCount,
    const onnxTensorDescriptorV1* outputDescriptors);
typedef ONNXIFI_CHECK_RESULT onnxStatus(ONNXIFI_ABI* onnxRunGraphFunction)(onnxGraph graph,
                                                                           const onnxMemoryFenceV1* inputFence,
                                                                           onnxMemoryFenceV1* outputFence);
typedef onnxStatus(ONNXIFI_ABI* onnxReleaseGraphFunction)(onnxGraph graph);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ONNXIFI_H */
