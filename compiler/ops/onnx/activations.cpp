// Activation functions.
#include <cmath>

#include "compiler/ops/onnx/legacy_broadcast.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::UnaryFunction;

std::vector<Value*> relu(Lowering& in) {
  auto& b = in.builder();
  return {b.maximum(in[0], b.scalar_like(in[0], 0))};
}

// x where x >= 0, else `below`.
Value* negative_part(Builder& b, Value* x, Value* below) { return b.select(b.less(x, b.scalar_like(x, 0)), below, x); }

std::vector<Value*> leaky_relu(Lowering& in) {
  auto& b = in.builder();
  return {negative_part(b, in[0], b.mul(in[0], b.scalar_like(in[0], in.attr_float("alpha", 0.01))))};
}

// The slope is broadcast to x; before version 7 a slope of one dim may also be per channel.
std::vector<Value*> prelu(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *slope = in[1];
  const int rank = x->type.rank();
  const auto count = expr::as_int(graph::element_count(slope->type));
  if (in.version() < 7 && slope->type.rank() == 1 && count != 1 && rank > 2) slope = trailing_ones(b, slope, rank - 2);
  return {negative_part(b, x, b.mul(x, slope))};
}

// alpha * (exp(x) - 1)
Value* exponential(Builder& b, Value* x, double alpha) {
  return b.mul(b.scalar_like(x, alpha), b.sub(b.exp(x), b.scalar_like(x, 1)));
}

std::vector<Value*> elu(Lowering& in) {
  auto& b = in.builder();
  return {negative_part(b, in[0], exponential(b, in[0], in.attr_float("alpha", 1)))};
}

std::vector<Value*> celu(Lowering& in) {
  auto& b = in.builder();
  const double alpha = in.attr_float("alpha", 1);
  Value* scaled = b.div(in[0], b.scalar_like(in[0], alpha));
  return {negative_part(b, in[0], exponential(b, scaled, alpha))};
}

std::vector<Value*> selu(Lowering& in) {
  auto& b = in.builder();
  const bool first = in.version() < 6;
  const double alpha = in.attr_float("alpha", first ? 1.6732 : 1.67326319217681884765625);
  const double gamma = in.attr_float("gamma", first ? 1.0507 : 1.05070102214813232421875);
  return {b.mul(b.scalar_like(in[0], gamma), negative_part(b, in[0], exponential(b, in[0], alpha)))};
}

std::vector<Value*> thresholded_relu(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  return {b.select(b.less(b.scalar_like(x, in.attr_float("alpha", 1)), x), x, b.scalar_like(x, 0))};
}

Value* clamp01(Builder& b, Value* x) { return b.minimum(b.maximum(x, b.scalar_like(x, 0)), b.scalar_like(x, 1)); }

Value* linear_clamped(Builder& b, Value* x, double alpha, double beta) {
  return clamp01(b, b.add(b.mul(x, b.scalar_like(x, alpha)), b.scalar_like(x, beta)));
}

std::vector<Value*> hard_sigmoid(Lowering& in) {
  return {linear_clamped(in.builder(), in[0], in.attr_float("alpha", 0.2), in.attr_float("beta", 0.5))};
}

std::vector<Value*> hard_swish(Lowering& in) {
  auto& b = in.builder();
  return {b.mul(in[0], linear_clamped(b, in[0], 1.0 / 6, 0.5))};
}

// log(1 + exp(x)) that does not overflow. At 0 the maximum has the derivative 0 and the minimum that of x, 1, so that
// the sum has the right one; -|x| would have 0 too.
Value* softplus_of(Builder& b, Value* x) {
  Value* tail = b.unary(UnaryFunction::Log, b.add(b.exp(b.minimum(b.neg(x), x)), b.scalar_like(x, 1)));
  return b.add(b.maximum(x, b.scalar_like(x, 0)), tail);
}

std::vector<Value*> softplus(Lowering& in) { return {softplus_of(in.builder(), in[0])}; }

std::vector<Value*> softsign(Lowering& in) {
  auto& b = in.builder();
  return {b.div(in[0], b.add(b.unary(UnaryFunction::Abs, in[0]), b.scalar_like(in[0], 1)))};
}

std::vector<Value*> mish(Lowering& in) {
  auto& b = in.builder();
  return {b.mul(in[0], b.unary(UnaryFunction::Tanh, softplus_of(b, in[0])))};
}

std::vector<Value*> gelu(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *one = b.scalar_like(x, 1);
  const std::string approximate = in.attr_string("approximate", "none");
  in.require(approximate == "none" || approximate == "tanh", Status::InvalidModel, "unknown approximation '",
             approximate, "'");
  Value* bell = nullptr;
  if (approximate == "none") {
    bell = b.unary(UnaryFunction::Erf, b.mul(x, b.scalar_like(x, std::sqrt(0.5))));
  } else {
    Value* cubic = b.add(x, b.mul(b.mul(b.mul(x, x), x), b.scalar_like(x, 0.044715)));
    bell = b.unary(UnaryFunction::Tanh, b.mul(cubic, b.scalar_like(x, std::sqrt(2 / M_PI))));
  }
  return {b.mul(b.mul(x, b.scalar_like(x, 0.5)), b.add(bell, one))};
}

std::vector<Value*> swish(Lowering& in) {
  auto& b = in.builder();
  const double alpha = in.attr_float("alpha", 1);
  Value* scaled = alpha == 1 ? in[0] : b.mul(in[0], b.scalar_like(in[0], alpha));
  return {b.mul(in[0], b.unary(UnaryFunction::Sigmoid, scaled))};
}

std::vector<Value*> shrink(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const double lambd = in.attr_float("lambd", 0.5), bias = in.attr_float("bias", 0);
  const DType wide = is_float(x->type.dtype) ? x->type.dtype : DType::F64;
  Value* value = b.cast(x, wide);
  Value* above = b.select(b.less(b.scalar(wide, lambd), value), b.sub(value, b.scalar(wide, bias)), b.scalar(wide, 0));
  Value* result = b.select(b.less(value, b.scalar(wide, -lambd)), b.add(value, b.scalar(wide, bias)), above);
  return {b.cast(result, x->type.dtype)};
}

// Bounds are attributes before version 11 and optional inputs since; the upper bound wins when they cross.
std::vector<Value*> clip(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *low = nullptr, *high = nullptr;
  if (in.version() < 11) {
    if (in.has("min")) low = b.scalar_like(x, in.attr_float("min"));
    if (in.has("max")) high = b.scalar_like(x, in.attr_float("max"));
  } else {
    for (auto [index, bound] : {std::pair{1, &low}, std::pair{2, &high}}) {
      Value* value = in.optional(index);
      if (!value) continue;
      in.require(value->type.dtype == x->type.dtype, Status::InvalidModel, "bound ", graph::to_string(value->type),
                 " for ", graph::to_string(x->type));
      *bound = b.reshape(value, {});
    }
  }
  if (low) x = b.maximum(x, low);
  if (high) x = b.minimum(x, high);
  return {x};
}

const OnnxOp ops[] = {
    operator_row("Celu", {12}, celu),
    operator_row("Clip", {1, 6, 11, 12, 13}, clip, {1, 3}),
    operator_row("Elu", {1, 6, 22}, elu),
    operator_row("Gelu", {20}, gelu),
    operator_row("HardSigmoid", {1, 6, 22}, hard_sigmoid),
    operator_row("HardSwish", {14, 22}, hard_swish),
    operator_row("LeakyRelu", {1, 6, 16}, leaky_relu),
    operator_row("Mish", {18, 22}, mish),
    operator_row("PRelu", {1, 6, 7, 9, 16}, prelu, {2, 2}),
    operator_row("Relu", {1, 6, 13, 14}, relu),
    operator_row("Selu", {1, 6, 22}, selu),
    operator_row("Shrink", {9}, shrink),
    operator_row("Softplus", {1, 22}, softplus),
    operator_row("Softsign", {1, 22}, softsign),
    operator_row("Swish", {24}, swish),
    operator_row("ThresholdedRelu", {10, 22}, thresholded_relu),
};

}  // namespace
}  // namespace sardonyx::ops
