// Host functions on sequences and optionals. Values are immutable: what changes one makes a new one that shares the
// items.
#include <algorithm>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/values.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

using Operands = std::span<const Tensor>;
using Results = std::vector<Tensor>;

constexpr int64_t most_parts = int64_t{1} << 24;  // of a split: each is a value of its own

Tensor integer(int64_t value) {
  Tensor result(DType::I64, {});
  result.set_int(0, value);
  return result;
}

Tensor truth(bool value) {
  Tensor result(DType::Bool, {});
  result.set_int(0, value);
  return result;
}

// The item as an operator gives it: a tensor, or a container. Where the rank was not known the executor gets it boxed.
Tensor item_of(const ValuePtr& item, bool as_object) {
  return item->kind == ValueKind::Tensor && !as_object ? item->tensor : boxed(item);
}

// Parameters: the element type.
Results sequence_construct(const std::string& parameters, Operands operands) {
  std::vector<ValuePtr> items;
  for (const Tensor& operand : operands) items.push_back(value_of(operand));
  return {boxed(make_sequence(dtype_from_name(parameters), std::move(items)))};
}

// Operands: sequence, position. Parameters: "object" when a tensor is wanted boxed.
Results sequence_at(const std::string& parameters, Operands operands) {
  const ValuePtr sequence = unboxed(operands[0]);
  const int64_t position = run_time_position(operands[1].as_int(0), sequence->length(), false);
  return {item_of(sequence->items[size_t(position)], parameters == "object")};
}

Results sequence_length(const std::string&, Operands operands) { return {integer(unboxed(operands[0])->length())}; }

// Operands: sequence, item, and perhaps the position.
Results sequence_insert(const std::string&, Operands operands) {
  const ValuePtr sequence = unboxed(operands[0]);
  const int64_t length = sequence->length();
  const int64_t position = operands.size() > 2 ? run_time_position(operands[2].as_int(0), length, true) : length;
  std::vector<ValuePtr> items = sequence->items;
  items.insert(items.begin() + position, value_of(operands[1]));
  return {boxed(make_sequence(sequence->dtype, std::move(items)))};
}

// Operands: sequence, and perhaps the position, else the last.
Results sequence_erase(const std::string&, Operands operands) {
  const ValuePtr sequence = unboxed(operands[0]);
  const int64_t given = operands.size() > 1 ? operands[1].as_int(0) : -1;
  const int64_t position = run_time_position(given, sequence->length(), false);
  std::vector<ValuePtr> items = sequence->items;
  items.erase(items.begin() + position);
  return {boxed(make_sequence(sequence->dtype, std::move(items)))};
}

// Parameters: "axis keep". Operands: tensor, lengths (rank 1), or the length of every part but the last (rank 0).
Results split_to_sequence(const std::string& parameters, Operands operands) {
  const std::vector<int64_t> numbers = numbers_in(parameters);
  const Tensor &x = operands[0], &split = operands[1];
  const auto axis = size_t(numbers[0]);
  const int64_t extent = x.dims()[axis];
  std::vector<int64_t> lengths;
  if (split.rank() == 0) {
    const int64_t length = split.as_int(0);
    require(length > 0, Status::InternalError, "a split into parts of ", length);
    require(extent / length < most_parts, Status::NoSystemMemory, "a split of ", extent, " into parts of ", length);
    for (int64_t rest = extent; rest > 0; rest -= length) lengths.push_back(std::min(rest, length));
  } else {
    int64_t rest = extent;
    for (int64_t i = 0; i < split.count(); ++i) {
      lengths.push_back(split.as_int(i));
      require(lengths.back() >= 0 && lengths.back() <= rest, Status::InternalError, "a split of ", extent,
              " into a part of ", lengths.back());
      rest -= lengths.back();
    }
    require(rest == 0, Status::InternalError, "a split of ", extent, " leaves ", rest, " over");
  }
  std::vector<ValuePtr> parts;
  int64_t start = 0;
  for (int64_t length : lengths) {
    Tensor part = slice_of(x, axis, start, length);
    if (numbers[1] == 0) {
      Dims dims = part.dims();
      dims.erase(dims.begin() + ptrdiff_t(axis));
      part = part.reshaped(std::move(dims));
    }
    parts.push_back(make_tensor(std::move(part)));
    start += length;
  }
  return {boxed(make_sequence(x.dtype(), std::move(parts)))};
}

// Parameters: "axis new". Result: a tensor, or with a third number an object.
Results concat_from_sequence(const std::string& parameters, Operands operands) {
  const std::vector<int64_t> numbers = numbers_in(parameters);
  const bool fresh = numbers[1] != 0;
  const ValuePtr sequence = unboxed(operands[0]);
  require(!sequence->items.empty(), Status::InternalError, "a concatenation of an empty sequence");
  std::vector<Tensor> parts;
  const size_t rank = sequence->items[0]->tensor.dims().size() + size_t(fresh);
  const size_t axis = run_time_axis(numbers[0], rank);
  for (const ValuePtr& item : sequence->items) {
    parts.push_back(item->tensor);
    if (!fresh) continue;
    Dims dims = item->tensor.dims();
    require(axis <= dims.size(), Status::MismatchingShape, "tensors of different rank are concatenated");
    dims.insert(dims.begin() + ptrdiff_t(axis), 1);
    parts.back() = parts.back().reshaped(std::move(dims));
  }
  Tensor result = concatenated(parts, axis);
  return {numbers.size() > 2 ? boxed(make_tensor(std::move(result))) : std::move(result)};
}

// Parameters: the element type. Operands: the item, or none.
Results optional_construct(const std::string& parameters, Operands operands) {
  ValuePtr item = operands.empty() ? nullptr : value_of(operands[0]);
  return {boxed(make_optional(dtype_from_name(parameters), std::move(item)))};
}

Results optional_has_element(const std::string&, Operands operands) {
  return {truth(unboxed(operands[0])->length() > 0)};
}

// Parameters: "object" when a tensor is wanted boxed.
Results optional_get_element(const std::string& parameters, Operands operands) {
  const ValuePtr optional = unboxed(operands[0]);
  require(!optional->items.empty(), Status::InternalError, "the optional has no element");
  return {item_of(optional->items[0], parameters == "object")};
}

Results unboxed_tensor(const std::string&, Operands operands) { return {unboxed(operands[0])->tensor}; }

const HostFunctionEntry entries[] = {
    HostFunctionEntry{{.name = "sequence_construct", .run = sequence_construct}},
    HostFunctionEntry{{.name = "sequence_at", .run = sequence_at}},
    HostFunctionEntry{{.name = "sequence_length", .run = sequence_length}},
    HostFunctionEntry{{.name = "sequence_insert", .run = sequence_insert}},
    HostFunctionEntry{{.name = "sequence_erase", .run = sequence_erase}},
    HostFunctionEntry{{.name = "split_to_sequence", .run = split_to_sequence}},
    HostFunctionEntry{{.name = "concat_from_sequence", .run = concat_from_sequence}},
    HostFunctionEntry{{.name = "optional_construct", .run = optional_construct}},
    HostFunctionEntry{{.name = "optional_has_element", .run = optional_has_element}},
    HostFunctionEntry{{.name = "optional_get_element", .run = optional_get_element}},
    HostFunctionEntry{{.name = "unboxed_tensor", .run = unboxed_tensor}},
};

}  // namespace
}  // namespace sardonyx::ops
