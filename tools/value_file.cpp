#include "tools/value_file.h"

#include <cstring>

#include "runtime/base/status.h"
#include "runtime/base/strings.h"
#include "tools/text.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

// Field numbers of ONNX's schema.
namespace sequence_field {
enum { tensor_values = 3, sequence_values = 5, map_values = 6, optional_values = 7 };
}
namespace map_field {
enum { key_type = 2, keys = 3, string_keys = 4, values = 5 };
}

ValuePtr parse_value(Bytes data, const ValueType& type, const std::string& source);

// Items of a SequenceProto or OptionalProto, whose fields have the same numbers.
std::vector<ValuePtr> parse_items(Bytes data, const ValueType& element, const std::string& source) {
  const uint32_t number = element.kind == ValueKind::Tensor     ? sequence_field::tensor_values
                          : element.kind == ValueKind::Sequence ? sequence_field::sequence_values
                          : element.kind == ValueKind::Map      ? sequence_field::map_values
                                                                : sequence_field::optional_values;
  std::vector<ValuePtr> items;
  Field field;
  for (Reader reader(data, source); reader.next(field);)
    if (field.number == number && field.wire == 2) items.push_back(parse_value(field.bytes, element, source));
  return items;
}

ValuePtr parse_map(Bytes data, const ValueType& type, const std::string& source) {
  std::vector<int64_t> numbers;
  std::vector<std::string> texts;
  ValuePtr values = make_sequence(type.element->element_dtype(), {});
  Field field;
  for (Reader reader(data, source); reader.next(field);) {
    if (field.number == map_field::string_keys) texts.push_back(as_text(field.bytes));
    if (field.number == map_field::values) values = parse_value(field.bytes, *sequence_of(type.element), source);
    if (field.number != map_field::keys) continue;
    if (field.wire == 0) numbers.push_back(int64_t(field.varint));
    if (field.wire == 2)
      for (Reader packed(field.bytes, source); !packed.empty();) numbers.push_back(int64_t(packed.varint()));
  }
  if (type.dtype == DType::String)
    return make_map(make_tensor(Tensor::strings({int64_t(texts.size())}, std::span<const std::string>(texts))), values);
  Tensor keys(type.dtype, {int64_t(numbers.size())});
  for (size_t i = 0; i < numbers.size(); ++i) keys.set_int(int64_t(i), numbers[i]);
  return make_map(make_tensor(keys), values);
}

ValuePtr parse_value(Bytes data, const ValueType& type, const std::string& source) {
  switch (type.kind) {
    case ValueKind::Tensor:
      return make_tensor(tensor_of(parse_tensor(data, source)));
    case ValueKind::Map:
      return parse_map(data, type, source);
    case ValueKind::Optional: {
      std::vector<ValuePtr> items = parse_items(data, *type.element, source);
      return make_optional(type.element_dtype(), items.empty() ? nullptr : items.front());
    }
    default:
      return make_sequence(type.element_dtype(), parse_items(data, *type.element, source));
  }
}

const char* kind_text(ValueKind kind) {
  static const char* const names[] = {"?", "tensor", "seq", "optional", "map", "sparse"};
  return names[int(kind)];
}

}  // namespace

HostTensor host_tensor(const Tensor& tensor, const std::string& name) {
  HostTensor result{name, tensor.dtype(), tensor.dims(), {}};
  if (tensor.dtype() == DType::String) {
    for (int64_t i = 0; i < tensor.count(); ++i) result.texts.emplace_back(tensor.text(i));
  } else {
    result.bytes.resize(result.byte_size());
    if (is_packed(tensor.dtype()))
      pack(tensor.dtype(), tensor.raw(), tensor.count(), result.bytes.data());
    else if (!result.bytes.empty())
      std::memcpy(result.bytes.data(), tensor.raw(), result.bytes.size());
  }
  return result;
}

Tensor tensor_of(const HostTensor& tensor) {
  if (tensor.dtype == DType::String) return Tensor::strings(tensor.dims, std::span(tensor.texts));
  Tensor result(tensor.dtype, tensor.dims);
  if (is_packed(tensor.dtype))
    unpack(tensor.dtype, tensor.bytes.data(), result.count(), result.raw());
  else if (result.bytes() > 0)
    std::memcpy(result.raw(), tensor.bytes.data(), size_t(result.bytes()));
  return result;
}

ValuePtr read_value_file(const std::string& path, const ValueType& type) {
  const MappedFile file(path);
  try {
    return parse_value(file.bytes(), type, path);
  } catch (const Error& error) {
    throw UsageError(str(path, ": ", error.text()));
  }
}

std::vector<ValuePtr> read_values(const std::vector<std::string>& files, const std::vector<Binding>& bindings) {
  if (files.size() != bindings.size()) throw UsageError(str(files.size(), " files for ", bindings.size(), " values"));
  std::vector<ValuePtr> values;
  for (size_t i = 0; i < files.size(); ++i) {
    const Binding& binding = bindings[i];
    values.push_back(read_value_file(files[i], binding.container ? *binding.container : *tensor_type(binding.dtype)));
  }
  return values;
}

std::string difference(const Value& expected, const Value& actual, const std::string& name,
                       const Tolerance& tolerance) {
  if (expected.kind != actual.kind)
    return str("output '", name, "' is a ", kind_text(actual.kind), ", expected a ", kind_text(expected.kind));
  if (expected.kind == ValueKind::Tensor)
    return difference(host_tensor(expected.tensor, name), host_tensor(actual.tensor, name), tolerance);
  if (expected.items.size() != actual.items.size())
    return str("output '", name, "' has ", actual.items.size(), " items, expected ", expected.items.size());
  for (size_t i = 0; i < expected.items.size(); ++i) {
    const std::string text = difference(*expected.items[i], *actual.items[i], str(name, '[', i, ']'), tolerance);
    if (!text.empty()) return text;
  }
  return "";
}

std::string value_text(const Value& value, int64_t count) {
  if (value.kind == ValueKind::Tensor) {
    const HostTensor tensor = host_tensor(value.tensor, "");
    return str(type_text(tensor), ' ', values_text(tensor, count));
  }
  std::vector<std::string> items;
  for (const ValuePtr& item : value.items) items.push_back(value_text(*item, count));
  return str(kind_text(value.kind), " of ", value.length(), ": ", join(items, ", "));
}

}  // namespace sardonyx::tools
