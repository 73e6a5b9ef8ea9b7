// Optional, OptionalHasElement, OptionalGetElement. From opset 18 the last two take what is no optional as a full one.
#include "compiler/ops/containers.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_optional(Lowering& in) {
  Value* item = in.optional(0);
  in.require(item || in.has("type"), Status::InvalidModel, "neither an input nor attribute 'type' is given");
  const ValueTypePtr declared = in.has("type") ? in.attr_type("type") : nullptr;
  ValueTypePtr element = declared;
  if (item) {
    in.require(!declared || united(declared, container_type(item)), Status::InvalidModel, "the input is ",
               graph::to_string(item->type), ", but attribute 'type' is ", declared ? to_string(*declared) : "");
    element = container_type(item);
  }
  in.require(element->kind == ValueKind::Tensor || element->kind == ValueKind::Sequence, Status::InvalidModel,
             "an optional of ", to_string(*element));
  if (item) return {optional_of_item(in.builder(), item)};
  return {container_call(in.builder(), "optional_construct", std::string(dtype_name(element->element_dtype())), {},
                         graph::object_type(optional_of(vacant_type(element))))};
}

std::vector<Value*> lower_has_element(Lowering& in) {
  auto& b = in.builder();
  Value* x = in.optional(0);
  in.require(x != nullptr || in.version() >= 18, Status::InvalidModel, "input 0 is required");
  if (x && is_optional(x)) return {container_call(b, "optional_has_element", "", {x}, {DType::Bool, {}, {}})};
  in.require(in.version() >= 18, Status::InvalidModel, "input 0 is ", x ? graph::to_string(x->type) : "",
             ", expected an optional");
  return {b.scalar(DType::Bool, x != nullptr)};
}

std::vector<Value*> lower_get_element(Lowering& in) {
  Value* x = in[0];
  if (is_optional(x)) return {optional_item(in.builder(), x)};
  in.require(in.version() >= 18, Status::InvalidModel, "input 0 is ", graph::to_string(x->type),
             ", expected an optional");
  return {x};
}

const OnnxOp ops[] = {
    container_row("Optional", {15}, lower_optional, {0, 1}),
    container_row("OptionalHasElement", {15, 18}, lower_has_element, {0, 1}),
    container_row("OptionalGetElement", {15, 18}, lower_get_element),
};

}  // namespace
}  // namespace sardonyx::ops
