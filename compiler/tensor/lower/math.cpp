// Replaces calls of transcendental functions by their expansions.
#include "compiler/tensor/lower/math.h"

#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

namespace {

using expr::Function;
using expr::Kind;

using Unary = Expr (*)(const Expr&);

// Functions that exist in F32 and F64.
Unary native(Function f) {
  switch (f) {
    case Function::Exp:
      return math::exp;
    case Function::Expm1:
      return math::expm1;
    case Function::Log:
      return math::log;
    case Function::Log1p:
      return math::log1p;
    case Function::Sigmoid:
      return math::sigmoid;
    case Function::Tanh:
      return math::tanh;
    case Function::Erf:
      return math::erf;
    default:
      return nullptr;
  }
}

// Functions that F32 takes through F64.
Unary through_double(Function f) {
  switch (f) {
    case Function::Sin:
      return math::sin;
    case Function::Cos:
      return math::cos;
    case Function::Tan:
      return math::tan;
    case Function::Asin:
      return math::asin;
    case Function::Acos:
      return math::acos;
    case Function::Atan:
      return math::atan;
    case Function::Sinh:
      return math::sinh;
    case Function::Cosh:
      return math::cosh;
    case Function::Asinh:
      return math::asinh;
    case Function::Acosh:
      return math::acosh;
    case Function::Atanh:
      return math::atanh;
    default:
      return nullptr;
  }
}

Expr zero_like(double value, const Expr& x) {
  Expr scalar = expr::imm(value, x->type.dtype);
  return x->type.lanes == 1 ? scalar : expr::broadcast(scalar, x->type.lanes);
}

Expr sign(const Expr& x) {
  Expr zero = zero_like(0, x), one = zero_like(1, x);
  Expr positive = expr::select(zero < x, one, is_float(x->type.dtype) ? x : zero);
  return is_signed(x->type.dtype) ? expr::select(x < zero, zero_like(-1, x), positive) : positive;
}

// Integer powers: x * x * x, by squaring over the bits of y; negative exponents give 0 but for |x| = 1. Of exponents
// beyond 63 only these bits count, with which powers of odd numbers that fit no type differ from those that wrap;
// squaring on would double the expression each time.
Expr integer_pow(const Expr& x, const Expr& y) {
  Expr zero = zero_like(0, x), one = zero_like(1, x);
  Expr result = one, square = x;
  constexpr int bits = 6;
  auto shifted = [&](int n) { return expr::call(Function::ShiftRight, {y, zero_like(n, y)}); };
  for (int i = 0; i < bits; ++i) {
    Expr bit = expr::call(Function::BitAnd, {shifted(i), one});
    result = expr::select(bit != zero, result * square, result);
    square = square * square;
  }
  const Expr even = expr::call(Function::BitAnd, {x, one}) == zero;
  result = expr::select(zero_like((1 << bits) - 1, y) < y && even, zero, result);
  if (!is_signed(x->type.dtype)) return result;
  Expr odd = expr::call(Function::BitAnd, {y, one}) != zero;
  Expr minus_one = zero_like(-1, x);
  Expr unit = expr::select(x == minus_one, expr::select(odd, minus_one, one), expr::select(x == one, one, zero));
  return expr::select(y < zero || x == minus_one || x == one, unit, result);
}

Expr binary(Function f, const Expr& a, const Expr& b) {
  if (f == Function::Pow && is_integer(a->type.dtype)) return integer_pow(a, b);
  Expr (*expand)(const Expr&, const Expr&) = f == Function::Pow ? math::pow : math::fmod;
  if (a->type.dtype == DType::F64) return expand(a, b);
  return expr::cast(expand(expr::cast(a, DType::F64), expr::cast(b, DType::F64)), DType::F32);
}

}  // namespace

Expr expand_math(const Expr& e) {
  if (e->kind != Kind::Call) return e;
  const Expr& x = e->args[0];
  if (e->function == Function::Sign) return sign(x);
  if (e->function == Function::Pow || e->function == Function::Fmod) return binary(e->function, x, e->args[1]);
  if (Unary f = native(e->function)) return f(x);
  if (Unary f = through_double(e->function)) {
    if (x->type.dtype == DType::F64) return f(x);
    check(x->type.dtype == DType::F32, "math function of ", dtype_name(x->type.dtype));
    return expr::cast(f(expr::cast(x, DType::F64)), DType::F32);
  }
  return e;
}

Stmt expand_math(const Stmt& stmt) {
  return mutate_exprs(stmt,
                      [](const Expr& e) { return mutate_shared(e, [](const Expr& x) { return expand_math(x); }); });
}

}  // namespace sardonyx::tensor
