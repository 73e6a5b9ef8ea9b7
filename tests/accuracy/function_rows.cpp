// Functions of one number, over ranges, against the long double functions of the C library.
#include <cmath>
#include <numbers>

#include "tests/accuracy/compare.h"

namespace sardonyx::accuracy {

namespace {

using graph::BinaryFunction;
using graph::UnaryFunction;

long double sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double gelu(long double x) { return x * std::erfc(-x / std::sqrt(2.0L)) / 2; }
long double gelu_tanh(long double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0L)) * (x + 0.044715L * x * x * x)));
}
long double silu(long double x) { return x / (1 + std::exp(-x)); }
long double softplus(long double x) { return std::log1p(std::exp(x)); }
template <int numerator, int denominator>
long double power(long double x) {
  return std::pow(x, (long double)numerator / denominator);
}
// The rounding of F32 would be that of the exponent alone: it is the same number here.
template <int numerator, int denominator>
Value* compiled_power(Builder& b, Value* x) {
  static_assert((denominator & (denominator - 1)) == 0);
  return b.binary(BinaryFunction::Pow, x, b.scalar_like(x, double(numerator) / denominator));
}

Value* compiled_gelu(Builder& b, Value* x) {
  Value* gate = b.add(b.unary(UnaryFunction::Erf, b.mul(x, b.scalar_like(x, std::sqrt(0.5)))), b.scalar_like(x, 1));
  return b.mul(b.mul(x, gate), b.scalar_like(x, 0.5));
}
Value* compiled_gelu_tanh(Builder& b, Value* x) {
  Value* cube = b.mul(b.mul(x, x), x);
  Value* inner =
      b.mul(b.add(x, b.mul(cube, b.scalar_like(x, 0.044715))), b.scalar_like(x, std::sqrt(2 / std::numbers::pi)));
  return b.mul(b.mul(x, b.scalar_like(x, 0.5)), b.add(b.unary(UnaryFunction::Tanh, inner), b.scalar_like(x, 1)));
}
Value* compiled_silu(Builder& b, Value* x) { return b.mul(x, b.unary(UnaryFunction::Sigmoid, x)); }
Value* compiled_softplus(Builder& b, Value* x) {
  return b.unary(UnaryFunction::Log, b.add(b.exp(x), b.scalar_like(x, 1)));
}

struct Unary {
  UnaryFunction function;
  long double (*exact)(long double);
  double low, high;
  double bound;
};
constexpr Unary unaries[] = {
    {UnaryFunction::Exp, std::exp, -87, 88, 1.5},         {UnaryFunction::Log, std::log, 1e-30, 2, 1.3},
    {UnaryFunction::Log, std::log, 2, 1e30, 1},           {UnaryFunction::Sigmoid, sigmoid, -80, 80, 3.3},
    {UnaryFunction::Tanh, std::tanh, -12, 12, 3.5},       {UnaryFunction::Erf, std::erf, -5, 5, 3.5},
    {UnaryFunction::Sin, std::sin, -100, 100, 1},         {UnaryFunction::Cos, std::cos, -100, 100, 1},
    {UnaryFunction::Tan, std::tan, -20, 20, 1},           {UnaryFunction::Asin, std::asin, -1, 1, 1},
    {UnaryFunction::Acos, std::acos, -1, 1, 1},           {UnaryFunction::Atan, std::atan, -50, 50, 1},
    {UnaryFunction::Sinh, std::sinh, -60, 60, 1},         {UnaryFunction::Cosh, std::cosh, -60, 60, 1},
    {UnaryFunction::Asinh, std::asinh, -100, 100, 1},     {UnaryFunction::Acosh, std::acosh, 1, 100, 1},
    {UnaryFunction::Atanh, std::atanh, -0.999, 0.999, 1}, {UnaryFunction::Sqrt, std::sqrt, 0, 1e10, 0.5},
};

struct Composite {
  const char* name;
  Value* (*compiled)(Builder& b, Value* x);
  long double (*exact)(long double);
  double low, high;
  Measure measure;
  double bound;
};
constexpr Composite composites[] = {
    {"pow(x, 2.5)", compiled_power<5, 2>, power<5, 2>, 1e-3, 1e6, Measure::Ulp, 1},
    {"pow(x, -0.75)", compiled_power<-3, 4>, power<-3, 4>, 1e-3, 1e6, Measure::Ulp, 1},
    {"GELU by erf", compiled_gelu, gelu, -2, 10, Measure::Ulp, 40},
    {"GELU by erf", compiled_gelu, gelu, -10, 10, Measure::Absolute, 7e-7},
    {"GELU by tanh", compiled_gelu_tanh, gelu_tanh, -10, 10, Measure::Absolute, 7e-7},
    {"SiLU", compiled_silu, silu, -80, 80, Measure::Ulp, 3.6},
    {"softplus, log(1 + exp(x))", compiled_softplus, softplus, -10, 10, Measure::Absolute, 8e-7},
};

std::string over(const std::string& name, double low, double high) {
  return str(name, ", x in [", low, ", ", high, "]");
}

}  // namespace

std::vector<Row> function_rows() {
  std::vector<Row> rows;
  for (const Unary& u : unaries) {
    const auto compiled = [f = u.function](Builder& b, Value* x) { return b.unary(f, x); };
    rows.push_back({"Functions", over(graph::unary_names[int(u.function)], u.low, u.high), Measure::Ulp, u.bound,
                    [=] { return function_error(compiled, u.exact, u.low, u.high); }});
  }
  for (const Composite& c : composites)
    rows.push_back({"Functions", over(c.name, c.low, c.high), c.measure, c.bound,
                    [=] { return function_error(c.compiled, c.exact, c.low, c.high, c.measure); }});
  return rows;
}

}  // namespace sardonyx::accuracy
