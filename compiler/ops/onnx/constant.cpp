// Constant, ConstantOfShape, Identity.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

template <class T>
Tensor vector_of(DType dtype, const std::vector<T>& values) {
  Tensor tensor(dtype, {int64_t(values.size())});
  for (size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_integral_v<T>)
      tensor.set_int(int64_t(i), values[i]);
    else
      tensor.set_double(int64_t(i), values[i]);
  }
  return tensor;
}

Tensor texts(const std::vector<std::string>& values) {
  return Tensor::strings({int64_t(values.size())}, std::span(values));
}

std::vector<Value*> lower_constant(Lowering& in) {
  auto& b = in.builder();
  if (in.has("value")) return {b.constant(in.attr_tensor("value"))};
  if (in.has("value_int")) return {b.constant(vector_of<int64_t>(DType::I64, {in.attr_int("value_int")}).reshaped({}))};
  if (in.has("value_ints")) return {b.constant(vector_of(DType::I64, in.attr_ints("value_ints")))};
  if (in.has("value_float")) return {b.scalar(DType::F32, in.attr_float("value_float"))};
  if (in.has("value_floats")) return {b.constant(vector_of(DType::F32, in.attr_floats("value_floats")))};
  if (in.has("value_string")) return {b.constant(texts({in.attr_string("value_string")}).reshaped({}))};
  if (in.has("value_strings")) return {b.constant(texts(in.attr_strings("value_strings")))};
  if (in.has("sparse_value")) return {b.constant(in.attr_tensor("sparse_value"))};  // dense by now
  in.fail(Status::InvalidModel, "none of the value attributes is given");
}

std::vector<Value*> lower_constant_of_shape(Lowering& in) {
  auto& b = in.builder();
  Tensor value = in.has("value") ? in.attr_tensor("value") : Tensor::scalar(DType::F32, 0);
  in.require(value.count() == 1, Status::InvalidModel, "the value has ", value.count(), " elements, expected 1");
  return {b.full(b.constant(value.reshaped({})), b.values_of(in[0], {0, INT64_MAX, 1}))};
}

std::vector<Value*> lower_identity(Lowering& in) { return {in[0]}; }

const OnnxOp constant{operator_row("Constant", {1, 9, 11, 12, 13, 19, 21, 23, 24, 25}, lower_constant, {0, 0})};
const OnnxOp constant_of_shape{operator_row("ConstantOfShape", {9, 20, 21, 23, 24, 25}, lower_constant_of_shape)};
const OnnxOp identity{
    container_row("Identity", {1, 13, 14, 16, 19, 21, 23, 24, 25}, lower_identity, {1, 1}, {1, 1}, Execution::Kernels)};

}  // namespace
}  // namespace sardonyx::ops
