// Backend IDs: one per choice of devices, stable for the life of the process, counted by reference.
//
// Listing takes one reference on every ID; releasing drops one; an ID without references is not live until it is listed
// again (with the same value). Devices are probed by the first call that needs them.
#pragma once
#include "backends/choices.h"
#include "onnx/onnxifi.h"

namespace sardonyx::onnxifi {

// Settings of the environment, read once by the first call; sets the log level as well.
const Settings& environment();

// onnxGetBackendIDs after its pointer check: Success and all IDs, or Fallback and only the count.
Status list_ids(onnxBackendID* list, size_t* count);
// Throws Error(InvalidId) unless live.
void release_id(onnxBackendID id);
// What a live ID stands for; valid for ever. Throws Error(InvalidId).
const backends::BackendChoice& choice_of(onnxBackendID id);

}  // namespace sardonyx::onnxifi
