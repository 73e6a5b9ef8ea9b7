#include "importer/value_types.h"

#include "importer/tensor_data.h"

namespace sardonyx::importer {

namespace {

using proto::TypeProto;

ValueTypePtr tensor_type_of(const TypeProto::Tensor& tensor) {
  const DType dtype = supported_dtype(tensor.elem_type());
  if (dtype == DType::None) return nullptr;
  if (!tensor.has_shape()) return tensor_type(dtype);
  Dims dims;
  for (const auto& dim : tensor.shape().dim()) dims.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  return tensor_type(dtype, std::move(dims));
}

ValueTypePtr type_at(const TypeProto& type, int depth) {
  if (depth > max_value_depth) return nullptr;
  const auto wrapped = [&](const TypeProto& inner, auto&& make) -> ValueTypePtr {
    ValueTypePtr element = type_at(inner, depth + 1);
    return element ? make(std::move(element)) : nullptr;
  };
  switch (type.value_case()) {
    case TypeProto::kTensorType:
      return tensor_type_of(type.tensor_type());
    case TypeProto::kSequenceType:
      return wrapped(type.sequence_type().elem_type(), sequence_of);
    case TypeProto::kOptionalType:
      return wrapped(type.optional_type().elem_type(), optional_of);
    case TypeProto::kMapType: {
      const DType key = supported_dtype(type.map_type().key_type());
      if (!is_integer(key) && key != DType::String) return nullptr;
      return wrapped(type.map_type().value_type(), [&](ValueTypePtr values) { return map_of(key, std::move(values)); });
    }
    default:
      return nullptr;
  }
}

}  // namespace

ValueTypePtr value_type_of(const TypeProto& type) { return type_at(type, 1); }

}  // namespace sardonyx::importer
