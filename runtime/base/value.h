// Values that are no tensors: sequences, optionals and maps. Immutable, shared, of the host's memory.
//
// A Value is a tree whose leaves are tensors. Programs pass it around as a rank-0 tensor of DType::Object whose storage
// is the Value itself (boxed), so that everything that hands tensors on hands values on.
//
//   ValuePtr pair = make_sequence(DType::F32, {make_tensor(a), make_tensor(b)});
//   Tensor slot = boxed(pair);
//   unboxed(slot)->items[1]->tensor                                                      // b
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/tensor.h"

namespace sardonyx {

// Codes of the ABI's onnxxKind.
enum class ValueKind : int32_t { Tensor = 1, Sequence = 2, Optional = 3, Map = 4, Sparse = 5 };

class Value;
using ValuePtr = std::shared_ptr<const Value>;

class Value : public std::enable_shared_from_this<Value> {
 public:
  ValueKind kind = ValueKind::Tensor;
  // Element type of the tensors in it; of a map's keys. It says what an empty sequence or optional may hold.
  DType dtype = DType::None;
  Tensor tensor;                // of a Tensor; owns its memory
  std::vector<ValuePtr> items;  // of a Sequence; of an Optional: none or one; of a Map: keys and values
  int depth = 1;                // levels of containers, itself included

  // Elements of a tensor, items of a sequence, 0 or 1 of an optional, pairs of a map.
  int64_t length() const;
};

// Containers inside each other; more are refused, so that nothing recurses too deeply.
inline constexpr int max_value_depth = 16;

// The tensor must own its memory: see owned().
ValuePtr make_tensor(Tensor tensor);
// All items of one kind and element type, `dtype`. Throws Error(InvalidDatatype).
ValuePtr make_sequence(DType dtype, std::vector<ValuePtr> items);
// `item` null: empty.
ValuePtr make_optional(DType dtype, ValuePtr item);
// Keys: a tensor of rank 1 of integers or strings, all different. Values: a tensor of rank 1 or a sequence of the same
// length. Throws Error(InvalidDatatype, InvalidShape, InvalidName for a repeated key).
ValuePtr make_map(ValuePtr keys, ValuePtr values);

// The tensor itself when its storage is owned, else a copy.
Tensor owned(const Tensor& tensor);

Tensor boxed(ValuePtr value);
// Throws Error(InternalError) for a slot that holds nothing.
ValuePtr unboxed(const Tensor& slot);

// Equal kinds, element types, shapes and contents.
bool same_value(const Value& a, const Value& b);

// What is known of a value before it is there.
struct ValueType {
  ValueKind kind = ValueKind::Tensor;
  DType dtype = DType::None;  // of a Tensor's elements; of a Map's keys; else None
  // Of a Tensor. `vacant` is the element of a sequence or optional that surely has none: it fits every shape.
  bool vacant = false;
  bool ranked = false;
  Dims dims{};                                         // -1: known when it runs
  std::shared_ptr<const ValueType> element = nullptr;  // of Sequence, Optional, and of a Map's values

  // Of the tensors in it; a map's keys.
  DType element_dtype() const;
};
using ValueTypePtr = std::shared_ptr<const ValueType>;

ValueTypePtr tensor_type(DType dtype);  // of unknown rank
ValueTypePtr tensor_type(DType dtype, Dims dims);
ValueTypePtr vacant_type(const ValueTypePtr& type);  // the same with tensors of no shape at all
ValueTypePtr sequence_of(ValueTypePtr element);
ValueTypePtr optional_of(ValueTypePtr element);
ValueTypePtr map_of(DType key, ValueTypePtr values);

bool same_type(const ValueType& a, const ValueType& b);
// The type that both fit; null when they differ in more than shapes.
ValueTypePtr united(const ValueTypePtr& a, const ValueTypePtr& b);
// "seq(f32[?,3])", "optional(tensor(i64))", "map(string,f32)".
std::string to_string(const ValueType& type);
// Why a value is not of the type; "" when it is.
std::string misfit(const Value& value, const ValueType& type);

}  // namespace sardonyx
