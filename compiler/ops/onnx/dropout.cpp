// Dropout: the identity, or in training (since version 12) random zeros.
#include "compiler/ops/onnx/random_numbers.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// A scalar input as rank 0.
Value* scalar_input(Lowering& in, int index) {
  Value* value = in[index];
  in.require(graph::same_dims({graph::element_count(value->type)}, {Expr(1)}), Status::InvalidModel, "input ", index,
             " is ", graph::to_string(value->type), ", expected a scalar");
  return in.builder().reshape(value, {});
}

std::vector<Value*> train(Lowering& in, Value* training) {
  auto& b = in.builder();
  Value* x = in[0];
  const DType wide = x->type.dtype == DType::F64 ? DType::F64 : DType::F32;
  Value* ratio = in.optional(1) ? b.cast(scalar_input(in, 1), wide) : b.scalar(wide, 0.5);
  Value* kept = b.less_equal(ratio, random_uniform(b, random_key(in, true), x->type.dims, wide));
  kept = b.binary(graph::BinaryFunction::Or, b.logical_not(training), kept);
  Value* scale = b.cast(b.div(b.scalar(wide, 1), b.sub(b.scalar(wide, 1), ratio)), x->type.dtype);
  scale = b.select(training, scale, b.scalar_like(x, 1));
  return {b.select(kept, b.mul(x, scale), b.scalar_like(x, 0)), kept};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  if (in.version() >= 12 && in.optional(2)) {
    Value* training = scalar_input(in, 2);
    in.require(training->type.dtype == DType::Bool && is_float(x->type.dtype), Status::InvalidModel, "training_mode ",
               graph::to_string(training->type), " for ", graph::to_string(x->type));
    const auto known = b.static_ints(training);
    if (!known || known->at(0) != 0) return train(in, training);
  }
  if (in.outputs() < 2) return {x};
  DType mask = in.version() >= 10 ? DType::Bool : x->type.dtype;
  return {x, b.full(b.scalar(mask, 1), x->type.dims)};
}

const OnnxOp op{operator_row("Dropout", {1, 6, 7, 10, 12, 13, 22}, lower, {1, 3}, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
