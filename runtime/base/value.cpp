#include "runtime/base/value.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "runtime/base/status.h"

namespace sardonyx {

namespace {

std::shared_ptr<Value> new_value(ValueKind kind, DType dtype, std::vector<ValuePtr> items) {
  auto value = std::make_shared<Value>();
  value->kind = kind;
  value->dtype = dtype;
  for (const ValuePtr& item : items) value->depth = std::max(value->depth, item->depth + 1);
  require(value->depth <= max_value_depth, Status::InvalidSize, "more than ", max_value_depth,
          " containers inside each other");
  value->items = std::move(items);
  return value;
}

const char* kind_name(ValueKind kind) {
  static const char* const names[] = {"nothing", "tensor", "sequence", "optional", "map", "sparse tensor"};
  return names[int(kind)];
}

bool is_key(DType dtype) { return is_integer(dtype) || dtype == DType::String; }

bool repeats(const Tensor& keys) {
  const int64_t count = keys.count();
  if (keys.dtype() == DType::String) {
    std::set<std::string_view> seen;
    for (int64_t i = 0; i < count; ++i) seen.insert(keys.text(i));
    return int64_t(seen.size()) != count;
  }
  std::set<int64_t> seen;
  for (int64_t i = 0; i < count; ++i) seen.insert(keys.as_int(i));
  return int64_t(seen.size()) != count;
}

std::shared_ptr<ValueType> new_type(ValueKind kind, DType dtype, ValueTypePtr element) {
  auto type = std::make_shared<ValueType>();
  type->kind = kind;
  type->dtype = dtype;
  type->element = std::move(element);
  return type;
}

ValueTypePtr united_tensors(const ValueTypePtr& a, const ValueTypePtr& b) {
  if (a->dtype != b->dtype) return nullptr;
  if (a->vacant) return b;
  if (b->vacant) return a;
  if (!a->ranked || !b->ranked || a->dims.size() != b->dims.size()) return tensor_type(a->dtype);
  Dims dims = a->dims;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i] != b->dims[i]) dims[i] = -1;
  return tensor_type(a->dtype, std::move(dims));
}

std::string misfit_of_tensor(const Tensor& tensor, const ValueType& type) {
  if (tensor.dtype() != type.dtype)
    return str("a tensor of ", dtype_name(tensor.dtype()), " where ", to_string(type), " is expected");
  bool fits = !type.ranked || tensor.dims().size() == type.dims.size();
  for (size_t i = 0; fits && type.ranked && i < type.dims.size(); ++i)
    fits = type.dims[i] < 0 || type.dims[i] == tensor.dims()[i];
  if (fits) return {};
  return str("a tensor of shape [", join(tensor.dims(), ","), "] where ", to_string(type), " is expected");
}

std::string misfit_of_map(const Value& value, const ValueType& type) {
  if (value.dtype != type.dtype)
    return str("a map from ", dtype_name(value.dtype), " where ", to_string(type), " is expected");
  const Value& values = *value.items[1];
  if (type.element->kind == ValueKind::Tensor && values.kind == ValueKind::Tensor)
    return values.dtype == type.element->dtype
               ? std::string()
               : str("a map to ", dtype_name(values.dtype), " where ", to_string(type), " is expected");
  if (values.kind != ValueKind::Sequence) return str("a map to a tensor where ", to_string(type), " is expected");
  return misfit(values, *sequence_of(type.element));
}

}  // namespace

int64_t Value::length() const {
  switch (kind) {
    case ValueKind::Tensor:
      return tensor.count();
    case ValueKind::Map:
      return items[0]->length();
    default:
      return int64_t(items.size());
  }
}

ValuePtr make_tensor(Tensor tensor) {
  check(tensor.defined() && tensor.dtype() != DType::Object, "no tensor to make a value of");
  auto value = new_value(ValueKind::Tensor, tensor.dtype(), {});
  value->tensor = std::move(tensor);
  return value;
}

ValuePtr make_sequence(DType dtype, std::vector<ValuePtr> items) {
  for (const ValuePtr& item : items) {
    require(item->kind == items.front()->kind, Status::InvalidDatatype, "a sequence of a ",
            kind_name(items.front()->kind), " and a ", kind_name(item->kind));
    require(item->dtype == dtype, Status::InvalidDatatype, "a sequence of ", dtype_name(dtype), " with an item of ",
            dtype_name(item->dtype));
  }
  return new_value(ValueKind::Sequence, dtype, std::move(items));
}

ValuePtr make_optional(DType dtype, ValuePtr item) {
  require(!item || item->dtype == dtype, Status::InvalidDatatype, "an optional of ", dtype_name(dtype),
          " with an item of ", item ? dtype_name(item->dtype) : "");
  std::vector<ValuePtr> items;
  if (item) items.push_back(std::move(item));
  return new_value(ValueKind::Optional, dtype, std::move(items));
}

ValuePtr make_map(ValuePtr keys, ValuePtr values) {
  require(keys->kind == ValueKind::Tensor && is_key(keys->dtype), Status::InvalidDatatype, "the keys of a map are a ",
          kind_name(keys->kind), " of ", dtype_name(keys->dtype), ", not a tensor of integers or strings");
  require(keys->tensor.rank() == 1, Status::InvalidShape, "the keys of a map have rank ", keys->tensor.rank());
  require(values->kind == ValueKind::Sequence || values->kind == ValueKind::Tensor, Status::InvalidDatatype,
          "the values of a map are a ", kind_name(values->kind));
  require(values->kind == ValueKind::Sequence || values->tensor.rank() == 1, Status::InvalidShape,
          "the values of a map are a tensor of rank ", values->tensor.rank());
  require(values->length() == keys->length(), Status::InvalidShape, "a map of ", keys->length(), " keys and ",
          values->length(), " values");
  require(!repeats(keys->tensor), Status::InvalidName, "a key of a map is repeated");
  const DType dtype = keys->dtype;
  return new_value(ValueKind::Map, dtype, {std::move(keys), std::move(values)});
}

Tensor owned(const Tensor& tensor) { return tensor.storage().use_count() > 0 ? tensor : tensor.clone(); }

Tensor boxed(ValuePtr value) {
  check(value != nullptr, "no value to box");
  auto* address = reinterpret_cast<uint8_t*>(const_cast<Value*>(value.get()));
  return Tensor(DType::Object, {}, std::shared_ptr<uint8_t>(std::const_pointer_cast<Value>(std::move(value)), address));
}

ValuePtr unboxed(const Tensor& slot) {
  check(slot.dtype() == DType::Object && slot.raw() != nullptr, "a slot of ", dtype_name(slot.dtype()),
        " holds no container");
  return reinterpret_cast<const Value*>(slot.raw())->shared_from_this();
}

bool same_value(const Value& a, const Value& b) {
  if (a.kind != b.kind || a.dtype != b.dtype) return false;
  if (a.kind == ValueKind::Tensor) return same_bits(a.tensor, b.tensor);
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const ValuePtr& x, const ValuePtr& y) { return same_value(*x, *y); });
}

DType ValueType::element_dtype() const {
  return kind == ValueKind::Sequence || kind == ValueKind::Optional ? element->element_dtype() : dtype;
}

ValueTypePtr tensor_type(DType dtype) { return new_type(ValueKind::Tensor, dtype, nullptr); }

ValueTypePtr tensor_type(DType dtype, Dims dims) {
  auto type = new_type(ValueKind::Tensor, dtype, nullptr);
  type->ranked = true;
  type->dims = std::move(dims);
  return type;
}

ValueTypePtr vacant_type(const ValueTypePtr& type) {
  auto result = std::make_shared<ValueType>(*type);
  if (type->element)
    result->element = vacant_type(type->element);
  else
    *result = {type->kind, type->dtype, true, false, {}, nullptr};
  return result;
}

ValueTypePtr sequence_of(ValueTypePtr element) {
  return new_type(ValueKind::Sequence, DType::None, std::move(element));
}
ValueTypePtr optional_of(ValueTypePtr element) {
  return new_type(ValueKind::Optional, DType::None, std::move(element));
}
ValueTypePtr map_of(DType key, ValueTypePtr values) { return new_type(ValueKind::Map, key, std::move(values)); }

bool same_type(const ValueType& a, const ValueType& b) {
  if (a.kind != b.kind || a.dtype != b.dtype || a.vacant != b.vacant || a.ranked != b.ranked || a.dims != b.dims)
    return false;
  return a.element == b.element || (a.element && b.element && same_type(*a.element, *b.element));
}

ValueTypePtr united(const ValueTypePtr& a, const ValueTypePtr& b) {
  if (same_type(*a, *b)) return a;
  if (a->kind != b->kind || a->dtype != b->dtype) return nullptr;
  if (a->kind == ValueKind::Tensor) return united_tensors(a, b);
  ValueTypePtr element = united(a->element, b->element);
  return element ? new_type(a->kind, a->dtype, std::move(element)) : nullptr;
}

std::string to_string(const ValueType& type) {
  switch (type.kind) {
    case ValueKind::Tensor: {
      if (type.vacant) return str("nothing(", dtype_name(type.dtype), ")");
      if (!type.ranked) return str("tensor(", dtype_name(type.dtype), ")");
      std::vector<std::string> dims;
      for (int64_t dim : type.dims) dims.push_back(dim < 0 ? "?" : str(dim));
      return str(dtype_name(type.dtype), "[", join(dims, ","), "]");
    }
    case ValueKind::Sequence:
      return str("seq(", to_string(*type.element), ")");
    case ValueKind::Optional:
      return str("optional(", to_string(*type.element), ")");
    case ValueKind::Map:
      return str("map(", dtype_name(type.dtype), ",", to_string(*type.element), ")");
    default:
      return "sparse";
  }
}

std::string misfit(const Value& value, const ValueType& type) {
  if (value.kind != type.kind) return str("a ", kind_name(value.kind), " where ", to_string(type), " is expected");
  switch (type.kind) {
    case ValueKind::Tensor:
      return misfit_of_tensor(value.tensor, type);
    case ValueKind::Map:
      return misfit_of_map(value, type);
    default:
      break;
  }
  if (value.items.empty() && value.dtype != type.element_dtype())
    return str("an empty ", kind_name(value.kind), " of ", dtype_name(value.dtype), " where ", to_string(type),
               " is expected");
  for (const ValuePtr& item : value.items)
    if (std::string text = misfit(*item, *type.element); !text.empty()) return text;
  return {};
}

}  // namespace sardonyx
