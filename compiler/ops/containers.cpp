#include "compiler/ops/containers.h"

#include "runtime/base/status.h"

namespace sardonyx::ops {

namespace {

bool is_kind(const Value* value, ValueKind kind) {
  return value->type.container && value->type.container->kind == kind;
}

}  // namespace

bool is_sequence(const Value* value) { return is_kind(value, ValueKind::Sequence); }
bool is_optional(const Value* value) { return is_kind(value, ValueKind::Optional); }
bool is_map(const Value* value) { return is_kind(value, ValueKind::Map); }

ValueTypePtr container_type(const Value* value) {
  if (value->type.container) return value->type.container;
  Dims dims;
  for (const graph::Expr& dim : value->type.dims) dims.push_back(expr::as_int(dim).value_or(-1));
  return tensor_type(value->type.dtype, std::move(dims));
}

graph::TensorType graph_type(Builder& b, const ValueTypePtr& type) {
  if (type->kind != ValueKind::Tensor || !type->ranked) return graph::object_type(type);
  graph::TensorType result{type->dtype, {}, {}};
  for (int64_t dim : type->dims) result.dims.push_back(dim < 0 ? b.graph().fresh_symbol("item") : graph::Expr(dim));
  return result;
}

Value* tensor_from(Builder& b, Value* object, const Dims& dims) {
  check(is_kind(object, ValueKind::Tensor), "no tensor in ", graph::to_string(object->type));
  return container_call(b, "unboxed_tensor", "", {object},
                        graph_type(b, tensor_type(object->type.container->dtype, dims)));
}

Value* container_call(Builder& b, const char* name, const std::string& parameters, std::vector<Value*> operands,
                      graph::TensorType type) {
  return b.value_call(name, parameters, std::move(operands), {std::move(type)})[0];
}

Value* item_call(Builder& b, const char* name, std::vector<Value*> operands, const ValueTypePtr& item) {
  graph::TensorType type = graph_type(b, item);
  const bool object = type.container != nullptr;
  return container_call(b, name, object ? "object" : "", std::move(operands), std::move(type));
}

Value* empty_sequence(Builder& b, const ValueTypePtr& element) {
  const std::string dtype(dtype_name(element->element_dtype()));
  return container_call(b, "sequence_construct", dtype, {}, graph::object_type(sequence_of(vacant_type(element))));
}

Value* sequence_at(Builder& b, Value* sequence, Value* position) {
  return item_call(b, "sequence_at", {sequence, position}, sequence->type.container->element);
}

Value* sequence_length(Builder& b, Value* sequence) {
  return container_call(b, "sequence_length", "", {sequence}, {DType::I64, {}, {}});
}

Value* sequence_insert(Builder& b, Value* sequence, Value* item, Value* position) {
  const ValueTypePtr of = sequence->type.container->element, element = united(of, container_type(item));
  require(element != nullptr, Status::InvalidModel, "an item of type ", graph::to_string(item->type), " for a ",
          graph::to_string(sequence->type));
  std::vector<Value*> operands{sequence, item};
  if (position) operands.push_back(position);
  return container_call(b, "sequence_insert", "", std::move(operands), graph::object_type(sequence_of(element)));
}

Value* optional_of_item(Builder& b, Value* item) {
  const ValueTypePtr element = container_type(item);
  return container_call(b, "optional_construct", std::string(dtype_name(element->element_dtype())), {item},
                        graph::object_type(optional_of(element)));
}

Value* optional_item(Builder& b, Value* optional) {
  return item_call(b, "optional_get_element", {optional}, optional->type.container->element);
}

}  // namespace sardonyx::ops
