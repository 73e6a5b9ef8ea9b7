// unary: one scalar function of every element.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using expr::Function;
using graph::UnaryAttrs;
using graph::UnaryFunction;

// Functions of floats that are one call.
std::optional<Function> float_function(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::Floor:
      return Function::Floor;
    case UnaryFunction::Ceil:
      return Function::Ceil;
    case UnaryFunction::Round:
      return Function::Round;
    case UnaryFunction::Sqrt:
      return Function::Sqrt;
    case UnaryFunction::Exp:
      return Function::Exp;
    case UnaryFunction::Log:
      return Function::Log;
    case UnaryFunction::Sin:
      return Function::Sin;
    case UnaryFunction::Cos:
      return Function::Cos;
    case UnaryFunction::Tan:
      return Function::Tan;
    case UnaryFunction::Asin:
      return Function::Asin;
    case UnaryFunction::Acos:
      return Function::Acos;
    case UnaryFunction::Atan:
      return Function::Atan;
    case UnaryFunction::Sinh:
      return Function::Sinh;
    case UnaryFunction::Cosh:
      return Function::Cosh;
    case UnaryFunction::Tanh:
      return Function::Tanh;
    case UnaryFunction::Asinh:
      return Function::Asinh;
    case UnaryFunction::Acosh:
      return Function::Acosh;
    case UnaryFunction::Atanh:
      return Function::Atanh;
    case UnaryFunction::Erf:
      return Function::Erf;
    case UnaryFunction::Sigmoid:
      return Function::Sigmoid;
    case UnaryFunction::IsNan:
      return Function::IsNan;
    case UnaryFunction::IsInf:
      return Function::IsInf;
    default:
      return {};
  }
}

Expr apply(UnaryFunction function, const Expr& x) {
  if (auto call = float_function(function)) return expr::call(*call, {x});
  const DType dtype = x->type.dtype;
  const Expr zero = expr::imm(0, dtype);
  switch (function) {
    case UnaryFunction::Neg:
      return is_float(dtype) ? x * expr::imm(-1, dtype) : zero - x;
    case UnaryFunction::Abs:
      if (is_float(dtype)) return expr::call(Function::Abs, {x});
      return is_signed(dtype) ? expr::max(x, zero - x) : x;
    case UnaryFunction::Sign: {
      if (is_float(dtype)) return expr::call(Function::Sign, {x});
      const Expr positive = expr::select(zero < x, expr::imm(1, dtype), zero);
      return is_signed(dtype) ? expr::select(x < zero, expr::imm(-1, dtype), positive) : positive;
    }
    case UnaryFunction::Not:
      return dtype == DType::Bool ? !x : expr::call(Function::BitNot, {x});
    default:
      break;
  }
  fail(Status::InternalError, "unary function ", int(function), " has no expression");
}

bool accepts(UnaryFunction function, DType dtype) {
  if (function == UnaryFunction::Not) return dtype == DType::Bool || is_integer(dtype);
  if (function == UnaryFunction::Neg) return is_signed(dtype);
  if (function == UnaryFunction::Abs || function == UnaryFunction::Sign) return is_float(dtype) || is_integer(dtype);
  return is_float(dtype);
}

std::vector<TensorType> infer(const Attributes& attributes, Types operands) {
  expect_operands(Op::unary, operands, 1);
  const UnaryFunction function = as<UnaryAttrs>(attributes).function;
  require(accepts(function, operands[0].dtype), Status::InvalidModel, graph::unary_names[int(function)],
          " does not accept ", graph::to_string(operands[0]));
  TensorType result = operands[0];
  if (function == UnaryFunction::IsNan || function == UnaryFunction::IsInf) result.dtype = DType::Bool;
  return {result};
}

std::vector<Term> express(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const UnaryFunction function = as<UnaryAttrs>(attributes).function;
  return {map(operands[0], results[0].dtype, [function](const Expr& x) { return apply(function, x); })};
}

const RegisterOp registration{{.op = Op::unary, .traits = graph::Pointwise, .infer = infer, .express = express}};

}  // namespace
}  // namespace sardonyx::ops
