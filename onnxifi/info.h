// onnxGetBackendInfo: one table row per information type, and the size negotiation that texts and arrays share.
#pragma once
#include <cstddef>
#include <string_view>

#include "backends/choices.h"
#include "onnx/onnxifi.h"

namespace sardonyx::onnxifi {

// Everything after the ID check. Figures are measured when one is first asked for. Throws InvalidPointer,
// UnsupportedAttribute; returns Success or Fallback.
Status backend_info(const backends::BackendChoice& choice, onnxBackendInfo type, void* value, size_t* size);

// Memory types of buffers that a host can bind, beside the CPU's.
onnxBitfield memory_types(const backends::DeviceInfo& device);

// Copies `bytes` when `value` is not NULL and *size is large enough; always stores the size. Success or Fallback.
Status negotiate(std::string_view bytes, void* value, size_t* size);
// The same for a text, with its terminating NUL.
Status negotiate_text(const std::string& text, void* value, size_t* size);

// The extension names reported by ONNXIFI_BACKEND_EXTENSIONS.
inline constexpr const char* extension_names =
    "onnx_extension_function onnxx_types onnxx_empty onnxx_error onnxx_wait onnxx_output_shapes onnxx_reflect "
    "onnxx_values onnxx_explain onnxx_figures onnxx_file";

}  // namespace sardonyx::onnxifi
