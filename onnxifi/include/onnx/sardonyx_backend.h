/*
 * External backends of Sardonyx (plug-ins), version 1 of the contract.
 *
 * A plug-in is a shared object that exports
 *
 *   const sardonyxBackend* sardonyx_backend_v1(void);
 *
 * and is named, with its absolute path, in the environment variable SARDONYX_PLUGINS (several are separated by colons).
 * It says which devices it has, which groups of primitives it runs on them at what cost, compiles the groups that it
 * gets, and runs them on one in-order queue per device. Sardonyx does the rest: fusion, placement, memory planning,
 * copies between devices, and the host's kernels for every group that a plug-in declines.
 *
 * Rules for all entries
 *  - Entries of one plug-in may be called from any thread, several at once. They do not call into Sardonyx, but for the
 *    callbacks that they are given.
 *  - What an entry is given stays valid until it returns, unless its comment says otherwise.
 *  - Entries that return a status give ONNXIFI_STATUS_SUCCESS or the failure, and may write a NUL-terminated text of at
 *    most `error_size` bytes, NUL included, to `error`. The text names what is wrong and what can be done about it.
 *  - Nothing may be thrown or longjmp'ed out of an entry, nothing is printed on stdout, signal handlers stay alone, and
 *    threads of the plug-in block all signals.
 *  - The plug-in stays loaded until the process ends.
 *
 * examples/plugin in Sardonyx's sources is a whole plug-in.
 */
#ifndef SARDONYX_BACKEND_H
#define SARDONYX_BACKEND_H 1

#include <stddef.h>
#include <stdint.h>

#include "onnx/onnxifi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SARDONYX_BACKEND_VERSION 1

/* Every object that a plug-in hands out begins with this. Sardonyx calls `release` once, from any thread, when it is
 * done with the object: after the points at which commands use it, and after whatever was made from it. It must not
 * block, as it may be called from a `done` callback, except for a device: that is released last, outside callbacks. */
typedef struct sardonyxObject {
  void (*release)(struct sardonyxObject* self);
} sardonyxObject;

/* ---- Devices ----------------------------------------------------------------------------------------------------- */

typedef struct sardonyxDevice {
  const char* name;      /* what a host shows to people, "Example accelerator" */
  const char* device;    /* which one it is; different for every device of the plug-in: "example 0" */
  uint64_t type;         /* ONNXIFI_DEVICE_TYPE_*, not heterogeneous */
  uint64_t memory_bytes; /* 0: unknown, as below */
  /* Estimates: Sardonyx measures both when they count, with a map and a product of f32 if the device takes them. */
  uint64_t memory_bandwidth; /* bytes/s */
  uint64_t macs_fp32;        /* multiply-adds/s */
} sardonyxDevice;

typedef struct sardonyxSettings {
  int32_t num_threads;  /* of the host that the plug-in may use; 0: as it likes */
  int32_t optimization; /* ONNXIFI_OPTIMIZATION_* */
} sardonyxSettings;

/* ---- Groups: what is to be compiled ------------------------------------------------------------------------ */

/* A group is a list of primitive nodes over numbered values and numbered dims. Primitives and attributes are those of
 * Sardonyx's textual graphs (`sardonyx opt` prints them; compiler/graph/attributes.h explains each). */

/* An extent or another integer of the group. When a group is launched the values of all its dims are known. */
typedef struct sardonyxDim {
  const char* text; /* "64", "n" (a symbol), "floordiv(n + 1, 2)" */
  int64_t min, max; /* inclusive; equal: the dim is static */
  int64_t multiple_of;
} sardonyxDim;

typedef struct sardonyxValue {
  int32_t dtype;       /* TensorProto.DataType; bool is one byte, 0 or 1 */
  int32_t rank;        /* 0: a scalar */
  const int32_t* dims; /* numbers of dims, outermost first */
  /* Inputs and outputs: how the elements lie in memory. "" is row-major without gaps; "abcd16b" has axes in the order
   * of their letters with blocks of 16 of axis b innermost, zero beyond the extent. Other values: "". */
  const char* layout;
  /* 1: an input that is the same at every launch. It is an operand of the launch like others. */
  int32_t constant;
  /* Elements of such an input, row-major, when it has at most 16. These may become part of the compiled code. */
  const void* data;
} sardonyxValue;

typedef struct sardonyxNode {
  const char* primitive;   /* "binary" */
  const char* attributes;  /* all of them, "{fn=add}"; "" when there are none. Texts of dims occur inside. */
  const int32_t* operands; /* numbers of values, all defined before */
  int32_t operand_count;
  const int32_t* results; /* numbers of values */
  int32_t result_count;
} sardonyxNode;

typedef struct sardonyxGroup {
  const char* name;        /* for messages: what it was made from */
  const sardonyxDim* dims; /* each once; first the symbols */
  int32_t dim_count, symbol_count;
  const sardonyxValue* values; /* first the inputs */
  int32_t value_count, input_count;
  const int32_t* outputs; /* numbers of values */
  int32_t output_count;
  const sardonyxNode* nodes; /* in order */
  int32_t node_count;
} sardonyxGroup;

/* One way to run a group. */
typedef struct sardonyxCandidate {
  const char* family; /* "matmul"; Sardonyx puts the plug-in's name in front */
  const char* point;  /* its knobs, "rows=4 columns=2", or "" */
  double cost_ns;     /* estimate of one run on the whole device; symbols count as some typical value. >= 0. Where
                       * devices are compared, costs are corrected by what was measured. */
  /* Layouts that it reads and writes, one text per input / output; NULL: all row-major. */
  const char* const* input_layouts;
  const char* const* output_layouts;
} sardonyxCandidate;

/* A group with the candidate that was chosen; layouts of the group's inputs and outputs are the candidate's. */
typedef struct sardonyxChosen {
  const sardonyxGroup* group;
  const char* family;
  const char* point;
} sardonyxChosen;

/* ---- Commands ---------------------------------------------------------------------------------------------------- */

#define SARDONYX_COMMAND_LAUNCH 0   /* runs `kernel` over operands: the group's inputs, then its outputs */
#define SARDONYX_COMMAND_UPLOAD 1   /* `bytes` at `host` -> operands[0] */
#define SARDONYX_COMMAND_DOWNLOAD 2 /* operands[0] -> `bytes` at `host` */
#define SARDONYX_COMMAND_COPY 3     /* `bytes` of operands[0] -> operands[1] */

/* Memory of the device from an offset in bytes on. */
typedef struct sardonyxRange {
  sardonyxObject* memory;
  int64_t offset;
} sardonyxRange;

typedef struct sardonyxCommand {
  int32_t command;        /* SARDONYX_COMMAND_* */
  int32_t operand_count;  /* 1 for uploads and downloads, 2 for copies */
  sardonyxObject* kernel; /* launches */
  const int64_t* dims;    /* launches: the value of every dim of the group, in order */
  const sardonyxRange* operands;
  void* host;        /* uploads and downloads */
  int64_t bytes;     /* uploads, downloads, copies; 0 for launches */
  const char* label; /* names the command in messages */
} sardonyxCommand;

/* ---- Entries ----------------------------------------------------------------------------------------------------- */

typedef struct sardonyxBackend {
  uint32_t version; /* SARDONYX_BACKEND_VERSION */
  uint32_t size;    /* sizeof(sardonyxBackend) */

  /* 1. Lower-case letters, digits and '_'. Users name the devices by it (SARDONYX_DEVICES). No two backends share one.
   */
  const char* name;

  /* 2. Calls `found` for every device at hand. Quiet and quick when there is none. Called once per process. */
  onnxStatus (*discover)(void (*found)(void* context, const sardonyxDevice* device), void* context, char* error,
                         size_t error_size);

  /* 3. Opens a device: its memory and its queue. A device may be opened several times. */
  onnxStatus (*open)(const char* device, const sardonyxSettings* settings, sardonyxObject** opened, char* error,
                     size_t error_size);

  /* 4. Calls `add` for every way to run the group on the device, and `decline` with the reason for each that does not
   * fit: "matmul: f64". A group without candidates runs on the host. Needs no open device, and answers alike whenever
   * it is asked. */
  onnxStatus (*candidates)(const char* device, const sardonyxGroup* group,
                           void (*add)(void* context, const sardonyxCandidate* candidate),
                           void (*decline)(void* context, const char* reason), void* context, char* error,
                           size_t error_size);

  /* 5. Compiles groups: codes[i] from batch[i]. What was offered compiles for every value of the symbols within their
   * facts. A code serves every group of the same shape, so it depends on constants through `data` alone. Objects in
   * `codes` (NULL on entry) are released by Sardonyx, also after a failure. */
  onnxStatus (*compile)(const char* device, const sardonyxChosen* batch, size_t count, const sardonyxSettings* settings,
                        sardonyxObject** codes, char* error, size_t error_size);

  /* 6. Memory of an open device, contents undefined; 0 bytes are allowed. NO_DEVICE_MEMORY when there is too little. */
  onnxStatus (*allocate)(sardonyxObject* device, int64_t bytes, sardonyxObject** memory, char* error,
                         size_t error_size);

  /* 7. Makes codes ready for an open device: kernels[i] from codes[i]. Objects in `kernels` (NULL on entry) are
   * released by Sardonyx, also after a failure. A code may be released before the kernels made from it. */
  onnxStatus (*load)(sardonyxObject* device, sardonyxObject* const* codes, size_t count, sardonyxObject** kernels,
                     char* error, size_t error_size);

  /* 8. Puts commands behind all that was submitted before, and returns at once with their point: 1 for the first
   * submission to the open device, and one more with each. Commands run in order, each when those before it are done.
   * All that the commands name stays valid until the point is reached. Never called by two threads at once for one
   * device. What goes wrong, now or later, is how the point ends. A failure ends its own submission; later submissions
   * with the same `run` do nothing and end with the same failure; others are not concerned. */
  uint64_t (*submit)(sardonyxObject* device, const sardonyxCommand* commands, size_t count, uint64_t run);

  /* 9. `done` NULL: returns, when the point is reached, the status that its submission ended with, text in `error`.
   * Else returns SUCCESS at once and calls `done` once with status and text (never NULL) when the point is reached, on
   * any thread, possibly this one and before it returns. It may call any entry but a wait that blocks. Points are
   * reached in order. Once `done` has been called the plug-in no longer touches what the submission named. */
  onnxStatus (*wait)(sardonyxObject* device, uint64_t point,
                     void (*done)(void* context, onnxStatus status, const char* text), void* context, char* error,
                     size_t error_size);
} sardonyxBackend;

/* Type of the exported function. NULL: the plug-in cannot work in this process. */
typedef const sardonyxBackend* (*sardonyxBackendFunction)(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SARDONYX_BACKEND_H */
