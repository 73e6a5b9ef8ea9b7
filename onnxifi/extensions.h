// Extension functions (onnxifi_x.h) by name.
#pragma once
#include "onnx/onnxifi_ext.h"

namespace sardonyx::onnxifi {

// Null when there is none of that name; names are exact.
onnxExtensionFunctionPointer find_extension(const char* name);

}  // namespace sardonyx::onnxifi
