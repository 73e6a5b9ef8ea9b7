// binary: one scalar function of two tensors of equal dims (the builder broadcasts).
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using expr::Function;
using expr::Kind;
using graph::BinaryAttrs;
using graph::BinaryFunction;

Expr divisor(const Expr& b) { return is_integer(b->type.dtype) ? checked(b, b != expr::int_imm(0, b->type.dtype)) : b; }

Expr apply(BinaryFunction function, const Expr& a, const Expr& b) {
  const DType dtype = a->type.dtype;
  const bool logic = dtype == DType::Bool;
  switch (function) {
    case BinaryFunction::Add:
      return a + b;
    case BinaryFunction::Sub:
      return a - b;
    case BinaryFunction::Mul:
      return a * b;
    case BinaryFunction::Div:
      return is_float(dtype) ? a / b : expr::make(Kind::TruncDiv, a, divisor(b));
    case BinaryFunction::Rem:
      return is_float(dtype) ? expr::call(Function::Fmod, {a, b}) : expr::make(Kind::TruncRem, a, divisor(b));
    case BinaryFunction::Mod:
      return a % divisor(b);
    case BinaryFunction::Pow:
      return expr::call(Function::Pow, {a, b});
    case BinaryFunction::Min:
      return expr::min(a, b);
    case BinaryFunction::Max:
      return expr::max(a, b);
    case BinaryFunction::ShiftLeft:
      return expr::call(Function::ShiftLeft, {a, b});
    case BinaryFunction::ShiftRight:
      return expr::call(Function::ShiftRight, {a, b});
    case BinaryFunction::And:
      return logic ? a && b : expr::call(Function::BitAnd, {a, b});
    case BinaryFunction::Or:
      return logic ? a || b : expr::call(Function::BitOr, {a, b});
    case BinaryFunction::Xor:
      return logic ? a != b : expr::call(Function::BitXor, {a, b});
    case BinaryFunction::Eq:
      return a == b;
    case BinaryFunction::Lt:
      return a < b;
    case BinaryFunction::Le:
      return a <= b;
  }
  fail(Status::InternalError, "binary function ", int(function), " has no expression");
}

bool compares(BinaryFunction function) {
  return function == BinaryFunction::Eq || function == BinaryFunction::Lt || function == BinaryFunction::Le;
}

bool accepts(BinaryFunction function, DType dtype) {
  switch (function) {
    case BinaryFunction::Mod:
    case BinaryFunction::ShiftLeft:
    case BinaryFunction::ShiftRight:
      return is_integer(dtype);
    case BinaryFunction::And:
    case BinaryFunction::Or:
    case BinaryFunction::Xor:
      return dtype == DType::Bool || is_integer(dtype);
    case BinaryFunction::Eq:
      return is_float(dtype) || is_integer(dtype) || dtype == DType::Bool;
    default:
      return is_float(dtype) || is_integer(dtype);
  }
}

std::vector<TensorType> infer(const Attributes& attributes, Types operands) {
  expect_operands(Op::binary, operands, 2);
  const BinaryFunction function = as<BinaryAttrs>(attributes).function;
  const TensorType &a = operands[0], &b = operands[1];
  require(a.dtype == b.dtype && a.rank() == b.rank() && accepts(function, a.dtype), Status::InvalidModel,
          graph::binary_names[int(function)], " does not accept ", type_list(operands));
  TensorType result = a;
  for (size_t i = 0; i < a.dims.size(); ++i) result.dims[i] = unify(Op::binary, a.dims[i], b.dims[i], a, b);
  if (compares(function)) result.dtype = DType::Bool;
  return {result};
}

std::vector<Term> express(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const BinaryFunction function = as<BinaryAttrs>(attributes).function;
  const Term a = operands[0], b = operands[1];
  return {{results[0].dtype, results[0].dims,
           [=](const Index& index) { return apply(function, a.at(index), b.at(index)); }}};
}

const RegisterOp registration{{.op = Op::binary, .traits = graph::Pointwise, .infer = infer, .express = express}};

}  // namespace
}  // namespace sardonyx::ops
