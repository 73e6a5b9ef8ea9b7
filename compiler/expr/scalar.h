// Arithmetic on single values: what every dtype's operations mean. Constant folding, evaluate() and the tensor
// interpreter all compute with these, so that they cannot disagree.
//
// Integers of every dtype travel in an int64_t, sign- or zero-extended; U64 keeps its bit pattern. Floats travel in a
// double that is always exactly representable in their dtype. Example: integer(Kind::Add, 200, 100, DType::U8) is 44.
#pragma once
#include <cstdint>
#include <optional>

#include "compiler/expr/expr.h"

namespace sardonyx::expr {

// The value modulo 2^bits of `dtype`, extended to 64 bits; Bool gives 0 or 1.
int64_t wrap(int64_t value, DType dtype);
// The nearest value that `dtype` can represent, of F32's nearest one when `dtype` is smaller.
double round_to(double value, DType dtype);
// A cast: rounds once.
double float_to_float(double value, DType from, DType to);
// Truncates and saturates; NaN gives 0; Bool is value != 0. For integers of less than a byte ONNX rules differently:
// rounds half to even and keeps the low bits.
int64_t float_to_int(double value, DType dtype);
// Rounds once, also from the full range of U64.
double int_to_float(int64_t value, DType from, DType to);

constexpr int64_t floor_div(int64_t a, int64_t b) {
  if (b == -1) return int64_t(0 - uint64_t(a));
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}
constexpr int64_t floor_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;
  int64_t r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}

// Binary kinds on integers and Bool of `dtype` (the operands' type). Div, Mod, TruncDiv and TruncRem need b != 0.
int64_t integer(Kind kind, int64_t a, int64_t b, DType dtype);
// Add, Sub, Mul, Div, Min and Max on floats.
double floating(Kind kind, double a, double b, DType dtype);
// Eq, Ne, Lt and Le.
bool compare(Kind kind, double a, double b);

// Functions of integers; Fmod needs b != 0. Throws Error(InternalError) for functions that only floats have.
int64_t integer_function(Function function, int64_t a, int64_t b, int64_t c, DType dtype);
// Functions of floats whose result is a float. Throws Error(InternalError) for others.
double float_function(Function function, double a, double b, double c, DType dtype);
// The kinds of operands and results that a function has.
int function_arity(Function function);
bool is_horizontal(Function function);  // ReduceAdd ...
// A float that is known not to be NaN.
bool is_number(const Expr& e);
// The value of a float constant, or of one in every lane.
std::optional<double> float_number(const Expr& e);

}  // namespace sardonyx::expr
