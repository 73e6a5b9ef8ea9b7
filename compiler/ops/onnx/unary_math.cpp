// Element-wise functions of one tensor.
#include <cmath>

#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::UnaryFunction;

template <UnaryFunction function>
std::vector<Value*> map(Lowering& in) {
  return {in.builder().unary(function, in[0])};
}

// Of integers too, by the schema: a whole number that is 0 or 1 with a sign.
std::vector<Value*> erf(Lowering& in) {
  auto& b = in.builder();
  const DType dtype = in[0]->type.dtype;
  if (is_float(dtype)) return {b.unary(UnaryFunction::Erf, in[0])};
  return {b.cast(b.unary(UnaryFunction::Erf, b.cast(in[0], DType::F64)), dtype)};
}

std::vector<Value*> reciprocal(Lowering& in) {
  auto& b = in.builder();
  return {b.div(b.scalar_like(in[0], 1), in[0])};
}

std::vector<Value*> is_inf(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *result = b.unary(UnaryFunction::IsInf, x);
  const bool negative = in.attr_int("detect_negative", 1) != 0, positive = in.attr_int("detect_positive", 1) != 0;
  if (negative && positive) return {result};
  if (!negative && !positive) return {b.full(b.scalar(DType::Bool, 0), x->type.dims)};
  Value* zero = b.scalar_like(x, 0);
  Value* sign = positive ? b.less(zero, x) : b.less(x, zero);
  return {b.binary(graph::BinaryFunction::And, result, sign)};
}

const OnnxOp ops[] = {
    operator_row("Abs", {1, 6, 13}, map<UnaryFunction::Abs>),
    operator_row("Acos", {7, 22}, map<UnaryFunction::Acos>),
    operator_row("Acosh", {9, 22}, map<UnaryFunction::Acosh>),
    operator_row("Asin", {7, 22}, map<UnaryFunction::Asin>),
    operator_row("Asinh", {9, 22}, map<UnaryFunction::Asinh>),
    operator_row("Atan", {7, 22}, map<UnaryFunction::Atan>),
    operator_row("Atanh", {9, 22}, map<UnaryFunction::Atanh>),
    operator_row("BitwiseNot", {18}, map<UnaryFunction::Not>),
    operator_row("Ceil", {1, 6, 13}, map<UnaryFunction::Ceil>),
    operator_row("Cos", {7, 22}, map<UnaryFunction::Cos>),
    operator_row("Cosh", {9, 22}, map<UnaryFunction::Cosh>),
    operator_row("Erf", {9, 13}, erf),
    operator_row("Exp", {1, 6, 13}, map<UnaryFunction::Exp>),
    operator_row("Floor", {1, 6, 13}, map<UnaryFunction::Floor>),
    operator_row("IsInf", {10, 20}, is_inf),
    operator_row("IsNaN", {9, 13, 20}, map<UnaryFunction::IsNan>),
    operator_row("Log", {1, 6, 13}, map<UnaryFunction::Log>),
    operator_row("Neg", {1, 6, 13}, map<UnaryFunction::Neg>),
    operator_row("Not", {1}, map<UnaryFunction::Not>),
    operator_row("Reciprocal", {1, 6, 13}, reciprocal),
    operator_row("Round", {11, 22}, map<UnaryFunction::Round>),
    operator_row("Sigmoid", {1, 6, 13}, map<UnaryFunction::Sigmoid>),
    operator_row("Sign", {9, 13}, map<UnaryFunction::Sign>),
    operator_row("Sin", {7, 22}, map<UnaryFunction::Sin>),
    operator_row("Sinh", {9, 22}, map<UnaryFunction::Sinh>),
    operator_row("Sqrt", {1, 6, 13}, map<UnaryFunction::Sqrt>),
    operator_row("Tan", {7, 22}, map<UnaryFunction::Tan>),
    operator_row("Tanh", {1, 6, 13}, map<UnaryFunction::Tanh>),
};

}  // namespace
}  // namespace sardonyx::ops
