// Declared types of values of any kind: what a TypeProto says.
#pragma once
#include "importer/onnx_model.pb.h"
#include "runtime/base/value.h"

namespace sardonyx::importer {

// Null for a type that is not given or not supported: sparse tensors, opaque types, element types this library does not
// compute with, and containers nested beyond max_value_depth. Symbolic dims are open.
ValueTypePtr value_type_of(const proto::TypeProto& type);

}  // namespace sardonyx::importer
