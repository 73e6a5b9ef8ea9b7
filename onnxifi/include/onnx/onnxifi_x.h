/*
 * Sardonyx's extensions to ONNXIFI 1.0.
 *
 * Each group is announced by its name (in brackets) in ONNXIFI_BACKEND_EXTENSIONS. The functions are not exported as
 * symbols: fetch them with onnxGetExtensionFunctionAddress under the name of their type without the ending "Function".
 *
 *   onnxxGetLastErrorFunction last_error;
 *   onnxGetExtensionFunctionAddress(id, "onnxxGetLastError", (onnxExtensionFunctionPointer*)&last_error);
 *
 * Texts and arrays use the size negotiation of onnxGetBackendInfo: on input the capacity, on output the size. A NULL
 * or too small buffer gives FALLBACK, stores the size that is needed and leaves the buffer alone. The size of a text
 * counts its terminating NUL.
 */
#ifndef ONNXIFI_X_H
#define ONNXIFI_X_H 1

#include "onnx/onnxifi.h"
#include "onnx/onnxifi_ext.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Backend properties (keys for onnxInitBackend; their union is ONNXIFI_BACKEND_INIT_PROPERTIES) --------------- */
/* A property beats the environment variable, which beats the default. A bad value is INVALID_PROPERTY. */

/* Worker threads, the calling thread included: 1 to 1024, or 0 for what affinity and quota allow
 * (SARDONYX_NUM_THREADS). */
#define ONNXX_BACKEND_PROPERTY_NUM_THREADS (((uint64_t)1) << 34)
/* Which kernels may be chosen: ONNXX_POLICY_* (SARDONYX_POLICY). */
#define ONNXX_BACKEND_PROPERTY_POLICY (((uint64_t)1) << 35)
/* Folder of external tensor data: address of a non-empty NUL-terminated text. Without it such models are refused. */
#define ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR (((uint64_t)1) << 36)
/* File for a Chrome trace of the executed kernels: address of a non-empty NUL-terminated text (SARDONYX_TRACE). */
#define ONNXX_BACKEND_PROPERTY_TRACE_FILE (((uint64_t)1) << 37)
/* How long an idle worker polls before it sleeps: 0 to 1000000 microseconds (SARDONYX_SPIN_US). */
#define ONNXX_BACKEND_PROPERTY_SPIN_MICROSECONDS (((uint64_t)1) << 38)

/* Which device runs which nodes: address of a non-empty NUL-terminated text "pattern=device;..." (SARDONYX_PLACEMENT;
 * see the user guide). */
#define ONNXX_BACKEND_PROPERTY_PLACEMENT (((uint64_t)1) << 39)
/* 1: a graph with an operator that the device of the backend lacks is refused, never run elsewhere. 0 (default) or 1
 * (SARDONYX_STRICT). */
#define ONNXX_BACKEND_PROPERTY_STRICT (((uint64_t)1) << 40)

/* 1: every sum is over its own products, in some order; convolutions by Winograd's algorithm, whose error is a few
 * times that of direct sums, are not used. 0 (default) or 1 (SARDONYX_EXACT). */
#define ONNXX_BACKEND_PROPERTY_EXACT (((uint64_t)1) << 41)
/* 1: float32 operands of products and convolutions with constant weights may be rounded to bfloat16 where the device has
 * dot products of it; sums stay float32. ONNXX_BACKEND_PROPERTY_EXACT and ONNXX_BACKEND_PROPERTY_DETERMINISTIC switch it
 * off. 0 (default) or 1 (SARDONYX_FAST_MATH). */
#define ONNXX_BACKEND_PROPERTY_FAST_MATH (((uint64_t)1) << 42)
/* 1: what the CPU computes of a sample of a batch is the same, bit for bit, for every number of threads, size of the
 * batch and place in it. Neither the vendor's library nor Winograd's algorithm is used. 0 (default) or 1
 * (SARDONYX_DETERMINISTIC). */
#define ONNXX_BACKEND_PROPERTY_DETERMINISTIC (((uint64_t)1) << 43)

#define ONNXX_POLICY_AUTO 0    /* the cheapest candidate by the cost model */
#define ONNXX_POLICY_CODEGEN 1 /* generated code wherever it exists */
#define ONNXX_POLICY_LIBRARY 2 /* the vendor's library wherever it exists */

/* ---- Graph properties (keys for onnxInitGraph; their union is ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES) --------------
 */

/* [onnxx_empty] 1: symbolic dims may be bound to 0, which else is INVALID_SHAPE. 0 (default) or 1. */
#define ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY (((uint64_t)1) << 32)

/* [onnxx_values] 1: inputs and outputs of the model may be sequences, optionals and maps, which else is
 * UNSUPPORTED_DATATYPE. A graph that has such is run with onnxxRunValues; onnxSetGraphIO is INVALID_DATATYPE. 0
 * (default) or 1. */
#define ONNXX_GRAPH_PROPERTY_VALUES (((uint64_t)1) << 33)

/* ---- [onnxx_types] ------------------------------------------------------------------------------------------------
 */
/* dataType may be any TensorProto code that the model declares and the library supports; beyond the codes of
 * onnxifi.h these are the following. BOOL: one byte per element, written as 0 or 1, any non-zero input is true. */
#define ONNXX_DATATYPE_BOOL 9
/* One byte per element: */
#define ONNXX_DATATYPE_FLOAT8E4M3FN 17
#define ONNXX_DATATYPE_FLOAT8E4M3FNUZ 18
#define ONNXX_DATATYPE_FLOAT8E5M2 19
#define ONNXX_DATATYPE_FLOAT8E5M2FNUZ 20
#define ONNXX_DATATYPE_FLOAT8E8M0 24
/* Two elements per byte, the first in the low bits: */
#define ONNXX_DATATYPE_UINT4 21
#define ONNXX_DATATYPE_INT4 22
#define ONNXX_DATATYPE_FLOAT4E2M1 23
/* Four elements per byte, the first in the lowest bits: */
#define ONNXX_DATATYPE_UINT2 25
#define ONNXX_DATATYPE_INT2 26
/* Buffers of packed elements are rounded up to whole bytes, whose unused bits are written as 0 and not read. They lie
 * in CPU memory; other memory types are UNSUPPORTED_MEMORY_TYPE. */
/* STRING: an array of onnxxString in the CPU's memory, UTF-8, not necessarily terminated. The bytes behind outputs
 * belong to the library and stay until the output event of the run is released. */
#define ONNXX_DATATYPE_STRING 8
typedef struct onnxxString {
  const char* data; /* may be NULL when size is 0 */
  uint64_t size;    /* in bytes */
} onnxxString;

/* ---- [onnxx_figures] ----------------------------------------------------------------------------------------------
 */

/* Further informationType values of onnxGetBackendInfo. Figures of a device are measured when one of them (or MACS_FP32
 * or a bandwidth) is first asked for, which takes some tenths of a second, and kept on disk (SARDONYX_CALIBRATE,
 * SARDONYX_CACHE_DIR). Of the CPU one core is measured and taken times the number of threads. */
#define ONNXX_BACKEND_FIGURES 0x10000              /* text: "measured" or "estimated" */
#define ONNXX_BACKEND_LAUNCH_NANOSECONDS 0x10001   /* uint64_t: what a launch costs beside its work; not of the CPU */
#define ONNXX_BACKEND_TRANSFER_NANOSECONDS 0x10002 /* uint64_t: what a copy costs beside its bytes; not of the CPU */

/* ---- [onnxx_error] ------------------------------------------------------------------------------------------------
 */

/* Text of the last call that failed on this thread, "" before any; successes and FALLBACK leave it alone.
 * SUCCESS; FALLBACK; INVALID_POINTER: size NULL. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetLastErrorFunction)(char* text, size_t* size);

/* Status and text of the run behind an output event. runStatus is stored as soon as the event is known to be signalled.
 * SUCCESS; FALLBACK; INVALID_POINTER: runStatus or size NULL; INVALID_EVENT; INVALID_STATE: not signalled yet. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetEventErrorFunction)(onnxEvent event, onnxStatus* runStatus, char* text,
                                                            size_t* size);

/* ---- [onnxx_wait] -------------------------------------------------------------------------------------------------
 */

/* Like onnxWaitEvent, but at most for the given time. Time-out: SUCCESS and state NONSIGNALLED. In time: state
 * SIGNALLED and the status that onnxWaitEvent returns. INVALID_POINTER: state NULL; INVALID_EVENT. */
typedef onnxStatus(ONNXIFI_ABI* onnxxWaitEventForFunction)(onnxEvent event, uint64_t nanoseconds,
                                                           onnxEventState* state);

/* ---- [onnxx_output_shapes] ----------------------------------------------------------------------------------------
 */

/* Exact shape of an output of the run behind an output event. rank: capacity of dims in, rank out.
 * SUCCESS; FALLBACK; INVALID_POINTER: rank or output NULL; INVALID_EVENT; INVALID_STATE: not signalled yet; the
 * status of the run when it failed; INVALID_NAME: the run has no such output. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetOutputShapeFunction)(onnxEvent event, const char* output, uint64_t* dims,
                                                             uint32_t* rank);

/* Shape that an output will have for the described inputs (buffers and memory types are ignored); a dim that depends on
 * data is UINT64_MAX. Statuses of onnxSetGraphIO for the inputs; INVALID_NAME: no such output; FALLBACK. */
typedef onnxStatus(ONNXIFI_ABI* onnxxInferOutputShapesFunction)(onnxGraph graph, uint32_t inputsCount,
                                                                const onnxTensorDescriptorV1* inputs,
                                                                const char* output, uint64_t* dims, uint32_t* rank);

/* ---- [onnxx_reflect] ----------------------------------------------------------------------------------------------
 */

/* Inputs that a host must bind (isOutput 0) or outputs (else), in order. Symbolic dims are -1. The name stays valid
 * until the graph is released. name and dataType are stored with FALLBACK, too. SUCCESS; FALLBACK: dims NULL or too
 * short; INVALID_POINTER: name, dataType or rank NULL; INVALID_GRAPH; INVALID_SIZE: index past the end. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetGraphIOInfoFunction)(onnxGraph graph, int isOutput, uint32_t index,
                                                             const char** name, onnxEnum* dataType, int64_t* dims,
                                                             uint32_t* rank);

/* ---- [onnxx_values] ------------------------------------------------------------------------------------------------
 */
/* Values that the library holds: sequences, optionals, maps, and tensors whose size it decides. Immutable and shared: a
 * container keeps its items, whatever handles are released. Every call that makes a handle makes a new one, which the
 * host releases; on failure it stores NULL. What is no live value is INVALID_ID. An output of a run that is not
 * complete yet is INVALID_STATE wherever its contents are needed, and the status of the run when that failed. Inside
 * each other there may be 16 containers; more are INVALID_SIZE. */
typedef void* onnxxValue;
typedef int32_t onnxxKind;
#define ONNXX_KIND_TENSOR 1
#define ONNXX_KIND_SEQUENCE 2
#define ONNXX_KIND_OPTIONAL 3
#define ONNXX_KIND_MAP 4
#define ONNXX_KIND_SPARSE_TENSOR 5 /* not made by this version */

/* A tensor with a copy of the described buffer, strings included. The name is ignored, dims may be 0 (the buffer may be
 * NULL then). INVALID_POINTER: value or copyOf NULL; INVALID_BACKEND; UNSUPPORTED_TAG; INVALID_DATATYPE;
 * UNSUPPORTED_MEMORY_TYPE or INVALID_MEMORY_TYPE: not the CPU's; INVALID_SHAPE; UNSUPPORTED_SHAPE: too large;
 * INVALID_MEMORY_LOCATION: buffer NULL; NO_SYSTEM_MEMORY. */
typedef onnxStatus(ONNXIFI_ABI* onnxxCreateTensorFunction)(onnxBackend backend, const onnxTensorDescriptorV1* copyOf,
                                                           onnxxValue* value);
/* elemType: data type of the tensors in the items; of items that are maps, their keys'. INVALID_POINTER: value NULL, or
 * items NULL with count > 0; INVALID_BACKEND; INVALID_SIZE; INVALID_DATATYPE: unknown, or an item is of another type or
 * kind; INVALID_ID: an item. */
typedef onnxStatus(ONNXIFI_ABI* onnxxCreateSequenceFunction)(onnxBackend backend, onnxEnum elemType, uint64_t count,
                                                             const onnxxValue* items, onnxxValue* value);
/* item NULL: empty. Statuses as above. */
typedef onnxStatus(ONNXIFI_ABI* onnxxCreateOptionalFunction)(onnxBackend backend, onnxEnum elemType, onnxxValue item,
                                                             onnxxValue* value);
/* keys: a tensor of rank 1 of integers or strings. values: a tensor of rank 1, or a sequence, as long as the keys.
 * INVALID_POINTER; INVALID_BACKEND; INVALID_ID; INVALID_DATATYPE: kinds or types that do not fit; INVALID_SHAPE: ranks
 * or lengths; INVALID_NAME: a repeated key. */
typedef onnxStatus(ONNXIFI_ABI* onnxxCreateMapFunction)(onnxBackend backend, onnxxValue keys, onnxxValue values,
                                                        onnxxValue* value);

/* length: elements of a tensor, items of a sequence, 0 or 1 of an optional, pairs of a map. INVALID_POINTER: kind or
 * length NULL; INVALID_ID. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetKindFunction)(onnxxValue value, onnxxKind* kind, uint64_t* length);
/* Items of a sequence or optional; of a map 0 is the keys, 1 the values. INVALID_POINTER: item NULL; INVALID_ID;
 * INVALID_DATATYPE: the value is a tensor; INVALID_SIZE: index past the end. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetItemFunction)(onnxxValue value, uint64_t index, onnxxValue* item);
/* Describes a tensor: all members of view are stored, the name is NULL. Shape and buffer stay valid until this handle
 * is released, and must not be written to. INVALID_POINTER: view NULL; INVALID_ID; INVALID_DATATYPE: not a tensor. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetTensorFunction)(onnxxValue value, onnxTensorDescriptorV1* view);
/* The handle is dead at once. INVALID_ID. */
typedef onnxStatus(ONNXIFI_ABI* onnxxReleaseValueFunction)(onnxxValue value);

/* Runs any graph, whatever is bound to it, on the given inputs; all inputs and outputs must be named once. Stores
 * handles of the outputs, whose contents are there when the event that it stores in outputFence is signalled; input
 * handles may be released at once. Dims of inputs may be 0. INVALID_POINTER: outputs, outputFence, or another array
 * with a count > 0 is NULL; INVALID_GRAPH; UNSUPPORTED_TAG, INVALID_FENCE_TYPE, UNSUPPORTED_FENCE_TYPE: the fence;
 * INVALID_NAME: NULL, unknown or repeated; INVALID_ID, INVALID_STATE: an input; UNIDENTIFIED_NAME: one is missing;
 * MISMATCHING_DATATYPE: kind or data type; MISMATCHING_SHAPE; resources. */
typedef onnxStatus(ONNXIFI_ABI* onnxxRunValuesFunction)(onnxGraph graph, uint32_t inputsCount,
                                                        const char* const* inputNames, const onnxxValue* inputs,
                                                        uint32_t outputsCount, const char* const* outputNames,
                                                        onnxxValue* outputs, onnxMemoryFenceV1* outputFence);

/* ---- [onnxx_file] -------------------------------------------------------------------------------------------------
 */

/* onnxInitGraph for the model in a file: each weight is read into memory once, without the file's bytes around it.
 * Nobody may shorten the file meanwhile. External data still need ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR. Statuses of
 * onnxInitGraph; INVALID_POINTER: path NULL; INVALID_MODEL: no readable regular file; INVALID_SIZE: an empty one. */
typedef onnxStatus(ONNXIFI_ABI* onnxxInitGraphFromFileFunction)(onnxBackend backend, const uint64_t* auxPropertiesList,
                                                                const char* path, uint32_t weightsCount,
                                                                const onnxTensorDescriptorV1* weightDescriptors,
                                                                onnxGraph* graph);

/* ---- [onnxx_explain] ----------------------------------------------------------------------------------------------
 */

/* How the graph was compiled, as JSON: an array with one object per group of nodes, with the members name, nodes (array
 * of ONNX node names), primitives, device, candidate, reason, layout (texts), estimated_ns, transfer_bytes, flops,
 * bytes and steps (numbers). A copy between devices is an entry of its own: primitives "copy", candidate "cpu ->
 * opencl:0", and the bytes it moves. flops and bytes are the work of one execution: operations as the model says, a
 * multiply-add being two, and operands and results once, under the shapes that are bound, else of typical sizes; steps
 * is how many events it makes in a trace (ONNXX_BACKEND_PROPERTY_TRACE_FILE), which name it as their argument "group".
 * SUCCESS; FALLBACK; INVALID_GRAPH; INVALID_POINTER: size NULL. */
typedef onnxStatus(ONNXIFI_ABI* onnxxGetGraphReportFunction)(onnxGraph graph, char* json, size_t* size);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ONNXIFI_X_H */
