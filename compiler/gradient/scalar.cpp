#include "compiler/gradient/scalar.h"

#include <cmath>

#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

using expr::Expr;
using expr::Function;
using expr::Kind;
using Visit = std::function<void(const Expr& load, const Expr& adjoint)>;

// The derivative by the argument of f(x) with value y, times the adjoint g; undefined where it is zero.
Expr unary_adjoint(Function function, const Expr& x, const Expr& y, const Expr& g) {
  const auto number = [&](double value) { return expr::imm(value, x->type.dtype); };
  const auto call = [](Function f, const Expr& argument) { return expr::call(f, {argument}); };
  const Expr one = number(1);
  switch (function) {
    case Function::Sign:
    case Function::Floor:
    case Function::Ceil:
    case Function::Round:
    case Function::Trunc:
      return {};
    case Function::Abs:
      return g * call(Function::Sign, x);
    case Function::Sqrt:
      return g * number(0.5) / y;
    case Function::Exp:
      return g * y;
    case Function::Log:
      return g / x;
    case Function::Sin:
      return g * call(Function::Cos, x);
    case Function::Cos:
      return g * call(Function::Sin, x) * number(-1);
    case Function::Tan:
      return g * (one + y * y);
    case Function::Asin:
      return g / call(Function::Sqrt, one - x * x);
    case Function::Acos:
      return g * number(-1) / call(Function::Sqrt, one - x * x);
    case Function::Atan:
      return g / (one + x * x);
    case Function::Sinh:
      return g * call(Function::Cosh, x);
    case Function::Cosh:
      return g * call(Function::Sinh, x);
    case Function::Tanh:
      return g * (one - y * y);
    case Function::Asinh:
      return g / call(Function::Sqrt, x * x + one);
    case Function::Acosh:
      return g / call(Function::Sqrt, x * x - one);
    case Function::Atanh:
      return g / (one - x * x);
    case Function::Erf:
      return g * number(2 / std::sqrt(M_PI)) * call(Function::Exp, x * x * number(-1));
    case Function::Sigmoid:
      return g * y * (one - y);
    default:
      fail(Status::UnsupportedOperator, "the function ", expr::function_name(function), " is not differentiated");
  }
}

void call_adjoint(const Expr& e, const Expr& g, const Visit& load) {
  const Expr& a = e->args[0];
  if (e->function == Function::Fmod) {  // a - b * trunc(a / b)
    differentiate(a, g, load);
    differentiate(e->args[1], (e - a) / e->args[1] * g, load);
  } else if (e->function == Function::Pow) {
    const Expr& b = e->args[1];
    const Expr zero = expr::imm(0, a->type.dtype), one = expr::imm(1, a->type.dtype);
    // x^0 is constant, at 0 too, and so is 0^x.
    differentiate(a, expr::select(b == zero, zero, g * b * expr::call(Function::Pow, {a, b - one})), load);
    differentiate(b, expr::select(a == zero, zero, g * e * expr::call(Function::Log, {a})), load);
  } else if (const Expr term = unary_adjoint(e->function, a, e, g); term.defined()) {
    differentiate(a, term, load);
  }
}

}  // namespace

void differentiate(const Expr& e, const Expr& g, const Visit& load) {
  if (!is_float(e->type.dtype)) return;
  const auto zero = [&] { return expr::imm(0, e->type.dtype); };
  const auto argument = [&](size_t i) -> const Expr& { return e->args[i]; };
  switch (e->kind) {
    case Kind::FloatImm:
      return;
    case Kind::Load:
      return load(e, g);
    case Kind::Cast:
      return differentiate(argument(0), is_float(argument(0)->type.dtype) ? expr::cast(g, argument(0)->type.dtype) : g,
                           load);
    case Kind::Add:
      differentiate(argument(0), g, load);
      return differentiate(argument(1), g, load);
    case Kind::Sub:
      differentiate(argument(0), g, load);
      return differentiate(argument(1), g * expr::imm(-1, e->type.dtype), load);
    case Kind::Mul:
      differentiate(argument(0), g * argument(1), load);
      return differentiate(argument(1), g * argument(0), load);
    case Kind::Div:
      differentiate(argument(0), g / argument(1), load);
      return differentiate(argument(1), g * expr::imm(-1, e->type.dtype) * e / argument(1), load);
    case Kind::Min:
    case Kind::Max: {
      const Expr first = e->kind == Kind::Max ? argument(1) < argument(0) : argument(0) < argument(1);
      differentiate(argument(0), expr::select(first, g, zero()), load);
      return differentiate(argument(1), expr::select(first, zero(), g), load);
    }
    case Kind::Select:
      differentiate(argument(1), expr::select(argument(0), g, zero()), load);
      return differentiate(argument(2), expr::select(argument(0), zero(), g), load);
    case Kind::Call:
      return call_adjoint(e, g, load);
    default:
      fail(Status::InternalError, "expressions of kind ", int(e->kind), " are not differentiated");
  }
}

}  // namespace sardonyx::gradient
