// exp, log and what follows from them, in F32 and F64.
#include <cmath>
#include <limits>

#include "compiler/expr/scalar.h"
#include "compiler/tensor/lower/math.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor::math {

using expr::Function;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool single(const Expr& x) { return x->type.dtype == DType::F32; }

Expr with_lanes(const Expr& scalar, const Expr& like) {
  return like->type.lanes == 1 ? scalar : expr::broadcast(scalar, like->type.lanes);
}

Expr bits(const Expr& x) { return expr::call(Function::Bits, {x}); }

int mantissa_bits(const Expr& x) { return single(x) ? 23 : 52; }
Expr scale(const Expr& x, const Expr& n) { return expr::call(Function::Scale, {x, n}); }

Expr shift_right(const Expr& i, int64_t n) {
  return expr::call(Function::ShiftRight, {i, with_lanes(expr::int_imm(n, i->type.dtype), i)});
}

}  // namespace

Expr constant(double value, const Expr& like) { return with_lanes(expr::float_imm(value, like->type.dtype), like); }

Expr int_constant(int64_t value, const Expr& like) {
  bool narrow = like->type.dtype == DType::F32 || like->type.dtype == DType::I32;
  return with_lanes(expr::int_imm(value, narrow ? DType::I32 : DType::I64), like);
}

Expr fma(const Expr& a, const Expr& b, const Expr& c) { return expr::call(Function::Fma, {a, b, c}); }

Expr polynomial(const Expr& x, const std::vector<double>& c) {
  const size_t n = c.size();
  Expr result = constant(c[n - 1], x);
  for (size_t i = n - 1; i-- > 0;) result = fma(result, x, constant(c[i], x));
  return result;
}

Expr abs(const Expr& x) { return expr::call(Function::Abs, {x}); }
Expr is_nan(const Expr& x) { return expr::call(Function::IsNan, {x}); }
Expr sign_bit_of(const Expr& x) { return bits(x) < int_constant(0, x); }

Expr copy_sign(const Expr& magnitude, const Expr& sign) {
  int64_t top = single(sign) ? int64_t{INT32_MIN} : INT64_MIN;
  Expr sign_bits = expr::call(Function::BitAnd, {bits(sign), int_constant(top, sign)});
  return bits(expr::call(Function::BitOr, {bits(magnitude), sign_bits}));
}

namespace {

// x = n ln 2 + r for an integral float n and a small r.
struct Reduced {
  Expr r, n;
};

// Adding 1.5 * 2^mantissa rounds to an integer.
Expr nearest_power(const Expr& x) {
  const Expr magic = constant(single(x) ? 12582912.0 : 6755399441055744.0, x);
  return fma(x, constant(1.4426950408889634, x), magic) - magic;
}

// ln 2 is split so that n * high is exact without a fused multiply-add.
Reduced reduced(const Expr& x) {
  const bool f32 = single(x);
  const Expr n = nearest_power(x);
  const Expr r = fma(-n, constant(f32 ? 0.693115234375 : 0.6931471803691238, x), x);
  return {fma(-n, constant(f32 ? 3.1946184945309415e-05 : 1.9082149292705877e-10, x), r), n};
}

// (e^r - 1 - r) / r^2
Expr exp_series(const Expr& r) {
  if (single(r))
    return polynomial(
        r, {0.4999999341247782, 0.16666520107702978, 0.04166839421573844, 0.008368780421977579, 0.001381446682162354});
  return polynomial(r, {1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880,
                        1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800});
}

}  // namespace

Expr exp(const Expr& x) {
  const bool f32 = single(x);
  // Beyond these bounds the result is 0 or infinity anyway; min and max keep a NaN.
  const Expr clamped = expr::min(expr::max(x, constant(f32 ? -105.0 : -746.0, x)), constant(f32 ? 89.0 : 710.0, x));
  const Reduced e = reduced(clamped);
  const Expr one = constant(1, x);
  return scale(fma(fma(exp_series(e.r), e.r, one), e.r, one), e.n);
}

Expr exp_below(const Expr& x) {
  const Expr clamped = expr::max(x, constant(-105.0, x)), n = nearest_power(clamped);
  // The rounding of ln 2 counts n times, but a product and a sum are one operation.
  const Expr r = fma(-n, constant(0.6931471805599453, x), clamped);
  return scale(polynomial(r, {1, 0.9999997019767761, 0.4999914765357971, 0.1666763871908188, 0.04189816117286682,
                              0.008290272206068039}),
               n);
}

Expr expm1(const Expr& x) {
  const bool f32 = single(x);
  const Expr clamped = expr::min(expr::max(x, constant(f32 ? -20.0 : -40.0, x)), constant(f32 ? 89.0 : 710.0, x));
  const Reduced e = reduced(clamped);
  const Expr one = constant(1, x), p = fma(e.r * e.r, exp_series(e.r), e.r), power = scale(one, e.n);
  // s (1 + p) - 1 without cancellation; the tiny arguments keep their sign of zero through p.
  const Expr small = fma(power, p, power - one), large = scale(one + p, e.n) - one;
  const Expr result = expr::select(clamped > constant(f32 ? 80.0 : 700.0, x), large, small);
  return expr::select(x == constant(0, x), x, result);
}

// x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)), s = f / (2 + f).
Expr log(const Expr& x) {
  bool f32 = single(x);
  int m = mantissa_bits(x);
  double smallest_normal = f32 ? 1.1754943508222875e-38 : 2.2250738585072014e-308;
  Expr denormal = x < constant(smallest_normal, x);
  Expr scaled = expr::select(denormal, x * constant(f32 ? 8388608.0 : 4503599627370496.0, x), x);
  Expr sqrt_half_bits = bits(constant(0.70710678118654752, x));
  Expr offset = bits(scaled) - sqrt_half_bits;
  Expr k = shift_right(offset, m);
  Expr mantissa_mask = int_constant((int64_t{1} << m) - 1, x);
  Expr reduced = bits(expr::call(Function::BitAnd, {offset, mantissa_mask}) + sqrt_half_bits);
  Expr exponent = expr::cast(k, x->type.dtype) - expr::select(denormal, constant(m, x), constant(0, x));
  Expr f = reduced - constant(1, x);
  Expr s = f / (f + constant(2, x));
  Expr z = s * s;
  Expr series = f32 ? polynomial(z, {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9})
                    : polynomial(z, {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17,
                                     2.0 / 19, 2.0 / 21});
  Expr half_square = f * f * constant(0.5, x);
  Expr ln2_high = constant(f32 ? 0.693115234375 : 0.6931471803691238, x);
  Expr ln2_low = constant(f32 ? 3.1946184945309415e-05 : 1.9082149292705877e-10, x);
  Expr correction = fma(s, half_square + z * series, exponent * ln2_low);
  Expr result = exponent * ln2_high - ((half_square - correction) - f);
  // log(+inf) = +inf, log(0) = -inf, negative and NaN give NaN.
  Expr nan = constant(std::numeric_limits<double>::quiet_NaN(), x);
  result = expr::select(x == constant(infinity, x), x, result);
  result = expr::select(x == constant(0, x), constant(-infinity, x), result);
  return expr::select(constant(0, x) <= x, result, nan);
}

Expr log1p(const Expr& x) {
  Expr one = constant(1, x);
  Expr u = one + x;
  // What the rounding of 1 + x lost comes back divided by u.
  Expr result = log(u) + (x - (u - one)) / u;
  result = expr::select(expr::call(Function::IsInf, {u}), log(u), result);
  result = expr::select(u == constant(0, x), constant(-infinity, x), result);
  return expr::select(x == constant(0, x), x, result);
}

Expr sigmoid(const Expr& x) {
  Expr one = constant(1, x);
  return one / (one + exp(-x));
}

namespace {

// x as a number times an expression; the number is 1 where there is none, or none of moderate size.
struct Scaled {
  double factor;
  Expr rest;
};

Scaled scaled(const Expr& x) {
  if (x->kind != expr::Kind::Mul) return {1, x};
  for (size_t side = 0; side < 2; ++side) {
    const std::optional<double> number = expr::float_number(x->args[side]);
    if (number && *number >= 1.0 / 16 && *number <= 16) return {*number, x->args[1 - side]};
  }
  return {1, x};
}

// x (c + P(x^2) / Q(x^2)) for an odd function that has become constant at +-limit. What is added to the quotient keeps
// that small where the result is near 1: else every rounding of P, Q and the quotient would count fully there. A factor
// of x, as in GELU, goes into the coefficients.
Expr odd_rational(const Expr& x, double limit, double c, std::vector<double> p, std::vector<double> q) {
  const auto [factor, rest] = scaled(x);
  double power = 1;
  for (size_t i = 0; i < q.size(); ++i, power *= factor * factor) {
    if (i < p.size()) p[i] *= factor * power;
    q[i] *= power;
  }
  limit /= factor;
  const Expr a = expr::min(expr::max(rest, constant(-limit, x)), constant(limit, x)), square = a * a;
  return a * (constant(c * factor, x) + polynomial(square, p) / polynomial(square, q));
}

}  // namespace

// F32: P and Q are a minimax fit, its last bits chosen for the least error of what is computed.
Expr tanh(const Expr& x) {
  if (single(x))
    return odd_rational(x, 9.05, 0.1,
                        {0.8999999761581421, 0.08706660568714142, 0.0009054930415004492, -1.224770130647812e-05,
                         -6.413772268842877e-08},
                        {1.0, 0.46711084246635437, 0.02586226537823677, 0.00032793066930025816, 7.740394494248903e-07});
  const Expr a = expr::min(abs(x), constant(20.0, x)), e = expm1(a + a);
  return expr::select(is_nan(x), x, copy_sign(e / (e + constant(2, x)), x));
}

// F32: P and Q are a minimax fit. F64: x P(x^2) for |x| <= 1, beyond it 1 - exp(-x^2) Q(t) with t = (|x| - 3) / (|x| +
// 3).
Expr erf(const Expr& x) {
  if (single(x))
    return odd_rational(x, 3.92, 0.25,
                        {0.8783791661262512, 0.06488549709320068, 0.024221375584602356, 2.326095818716567e-05,
                         -5.746966508013429e-06, -7.472855031664949e-06},
                        {1.0, 0.5020738840103149, 0.11410807818174362, 0.014969004318118095, 0.0011625110637396574,
                         3.809186091530137e-05});
  const Expr one = constant(1, x), a = expr::min(abs(x), constant(6.0, x)), square = a * a;
  const Expr near = a * polynomial(square, {1.1283791670955126, -0.37612638903183754, 0.11283791670955121,
                                            -0.02686617064512984, 0.0052239776254232985, -0.00085483270219348297,
                                            0.00012055332902888736, -1.4925647567519332e-05, 1.6462045441468418e-06,
                                            -1.6364642158167616e-07, 1.4792401209404813e-08, -1.216456005728345e-09,
                                            8.7090451290531062e-11, -4.2309458242953377e-12});
  const Expr t = (a - constant(3, x)) / (a + constant(3, x));
  const Expr q =
      polynomial(t, {0.17900115118138996, -0.32623356004303722, 0.2456038017123309, -0.15011593650077742,
                     0.071665837197973467, -0.024392499318655416, 0.0042691363331483021, 0.00070774643851773534,
                     -0.00059706195861583045, 4.5255298034073955e-05, 6.4056733422068437e-05, -1.2860318447907675e-05,
                     -7.9798177043487269e-06, 2.1169509641489688e-06, 1.2598817267482604e-06, -2.7269500546476834e-07,
                     -2.3893874634747922e-07, -2.5925894581233316e-08});
  const Expr far = one - q * exp(-square);
  return copy_sign(expr::select(a <= one, near, far), x);  // a NaN takes the second
}

}  // namespace sardonyx::tensor::math
