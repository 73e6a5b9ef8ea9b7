// Vector-friendly approximations as expressions. Each function takes and gives expressions of one type (F32 or F64 as
// named, any number of lanes), is exact at infinities, zeros and NaN, and uses only arithmetic, comparisons, Select,
// Fma, Scale and Bits.
#pragma once
#include <vector>

#include "compiler/expr/expr.h"

namespace sardonyx::tensor::math {

using expr::Expr;

// A constant with the type of `like`.
Expr constant(double value, const Expr& like);
Expr int_constant(int64_t value, const Expr& like);  // I32 beside F32, I64 beside F64
// c[0] + c[1] x + c[2] x^2 + ...
Expr polynomial(const Expr& x, const std::vector<double>& coefficients);
Expr fma(const Expr& a, const Expr& b, const Expr& c);
Expr abs(const Expr& x);
Expr is_nan(const Expr& x);
Expr sign_bit_of(const Expr& x);                          // Bool: negative or -0
Expr copy_sign(const Expr& magnitude, const Expr& sign);  // magnitude must be non-negative
// e^x of F32 for x <= 0 or NaN, in fewer steps than exp: within 2 + |x| / 20 ulp.
Expr exp_below(const Expr& x);
// Both in F32 and F64.
Expr exp(const Expr& x);
Expr expm1(const Expr& x);
Expr log(const Expr& x);
Expr log1p(const Expr& x);
Expr sigmoid(const Expr& x);
Expr tanh(const Expr& x);
Expr erf(const Expr& x);
// F64 only; F32 goes through F64.
Expr sin(const Expr& x);
Expr cos(const Expr& x);
Expr tan(const Expr& x);
Expr asin(const Expr& x);
Expr acos(const Expr& x);
Expr atan(const Expr& x);
Expr sinh(const Expr& x);
Expr cosh(const Expr& x);
Expr asinh(const Expr& x);
Expr acosh(const Expr& x);
Expr atanh(const Expr& x);
Expr pow(const Expr& x, const Expr& y);
Expr fmod(const Expr& x, const Expr& y);

}  // namespace sardonyx::tensor::math
