// Property lists of onnxInitBackend and onnxInitGraph: key, value pairs that end with a zero key.
//
// The terminator is looked for in key position only, since 0 is a legal value. The list is walked from left to right
// and the first bad pair decides: a key that is not in the table is UnsupportedProperty, a value outside its row's
// range is InvalidProperty.
#pragma once
#include <cstdint>

#include "backends/choices.h"
#include "onnx/onnxifi.h"

namespace sardonyx::onnxifi {

struct BackendOptions {
  backends::OpenOptions open;  // with `base` overridden by the list
  bool log_level_given = false;
};
// The list may be NULL.
BackendOptions backend_options(const Settings& base, const uint64_t* list, const backends::BackendChoice& choice);

struct GraphOptions {
  bool allow_empty = false;  // symbolic dims may be bound to 0
  bool values = false;       // inputs and outputs may be other values than tensors
};
GraphOptions graph_options(const uint64_t* list);
// Union of the keys.
onnxBitfield graph_properties();
// Union of the vendor keys.
onnxBitfield vendor_backend_properties();

}  // namespace sardonyx::onnxifi
