// Property lists of onnxInitBackend and onnxInitGraph: key, value pairs that end with a zero key.
//
// The terminator is looked for in key position only, since 0 is a legal value. The list is walked from left to right
// and the first bad pair decides: a key that is not in the table is UnsupportedProperty, a value outside its row's
// range is InvalidProperty.
#pragma once
#include <cstdint>

#include "onnx/onnxifi.h"
#include "runtime/base/settings.h"

namespace sardonyx::onnxifi {

// `base` overridden by the list (which may be NULL). `log_level_given` tells whether the list names one.
Settings backend_settings(const Settings& base, const uint64_t* list, bool& log_level_given);

struct GraphOptions {
  bool allow_empty = false;  // symbolic dims may be bound to 0
};
GraphOptions graph_options(const uint64_t* list);
// Union of the vendor keys.
onnxBitfield vendor_backend_properties();

}  // namespace sardonyx::onnxifi
