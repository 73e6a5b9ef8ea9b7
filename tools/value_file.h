// Sequences, optionals, maps and strings in ONNX's own files (SequenceProto, OptionalProto, MapProto, TensorProto).
#pragma once
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "tools/compare.h"
#include "tools/tensor_file.h"

namespace sardonyx::tools {

// What a file holds is not written in it: `type` says. Throws UsageError.
ValuePtr read_value_file(const std::string& path, const ValueType& type);
// One file per binding, in their order.
std::vector<ValuePtr> read_values(const std::vector<std::string>& files, const std::vector<Binding>& bindings);

// A leaf as the tensors of the other commands, and the reverse.
HostTensor host_tensor(const Tensor& tensor, const std::string& name);
Tensor tensor_of(const HostTensor& tensor);

// As for tensors: empty when `actual` is as expected, else what differs and where.
std::string difference(const Value& expected, const Value& actual, const std::string& name, const Tolerance& tolerance);
// "seq of 3: f32[2] [1,2], ..." with at most `count` elements of each tensor.
std::string value_text(const Value& value, int64_t count);

}  // namespace sardonyx::tools
