// exp, log and what follows from them, in F32 and F64.
#include <cmath>
#include <limits>

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

Expr polynomial(const Expr& x, std::initializer_list<double> coefficients) {
  const double* c = coefficients.begin();
  size_t n = coefficients.size();
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

// Adding 1.5 * 2^mantissa rounds to an integer. ln 2 is split so that n * high is exact without a fused multiply-add.
Exponential exponential_parts(const Expr& x) {
  bool f32 = single(x);
  double magic = f32 ? 12582912.0 : 6755399441055744.0;
  Expr shifted = fma(x, constant(1.4426950408889634, x), constant(magic, x));
  Expr n = shifted - constant(magic, x);
  Expr minus_n = -n;
  Expr r = fma(minus_n, constant(f32 ? 0.693115234375 : 0.6931471803691238, x), x);
  r = fma(minus_n, constant(f32 ? 3.1946184945309415e-05 : 1.9082149292705877e-10, x), r);
  Expr q = f32 ? polynomial(r, {0.50000000134802203, 0.16666666681639236, 0.041666464781338293, 0.0083333109094951285,
                                0.0013933665971142648, 0.00019891008564800321})
               : polynomial(r, {1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880,
                                1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800});
  return {fma(r * r, q, r), n};
}

Expr exp(const Expr& x) {
  bool f32 = single(x);
  // Beyond these bounds the result is 0 or infinity anyway; min and max keep a NaN.
  Expr clamped = expr::min(expr::max(x, constant(f32 ? -105.0 : -746.0, x)), constant(f32 ? 89.0 : 710.0, x));
  Exponential e = exponential_parts(clamped);
  return scale(constant(1, x) + e.p, e.n);
}

Expr expm1(const Expr& x) {
  bool f32 = single(x);
  Expr clamped = expr::min(expr::max(x, constant(f32 ? -20.0 : -40.0, x)), constant(f32 ? 89.0 : 710.0, x));
  Exponential e = exponential_parts(clamped);
  // s (1 + p) - 1 without cancellation; the tiny arguments keep their sign of zero through p.
  Expr one = constant(1, x);
  Expr power = scale(one, e.n);
  Expr small = fma(power, e.p, power - one);
  Expr large = scale(one + e.p, e.n) - one;
  Expr result = expr::select(clamped > constant(f32 ? 80.0 : 700.0, x), large, small);
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

Expr tanh(const Expr& x) {
  bool f32 = single(x);
  Expr a = expr::min(abs(x), constant(f32 ? 10.0 : 20.0, x));
  Expr e = expm1(a + a);
  return expr::select(is_nan(x), x, copy_sign(e / (e + constant(2, x)), x));
}

// |x| <= 1: x P(x^2). Beyond: 1 - exp(-g(|x|)) in F32, 1 - exp(-x^2) Q(t) with t = (|x| - 3) / (|x| + 3) in F64.
Expr erf(const Expr& x) {
  bool f32 = single(x);
  Expr one = constant(1, x);
  Expr a = expr::min(abs(x), constant(f32 ? 3.95 : 6.0, x));
  Expr square = a * a;
  Expr near, far;
  if (f32) {
    near = a * polynomial(square, {1.1283791658483509, -0.37612626666720334, 0.11283594715160218, -0.026854212010626412,
                                   0.0051890874234339739, -0.00080168642871658699, 7.8758750626854883e-05});
    Expr g = polynomial(
        a, {-0.00032864658196698988, 1.1302712242393529, 0.6317559743229314, 0.11015112892991177, -0.026464327661464924,
            0.0047757681168686169, -0.00060045843557074863, 4.6514451333164766e-05, -1.661370006290974e-06});
    Exponential e = exponential_parts(-g);
    far = one - scale(one + e.p, e.n);
  } else {
    near = a * polynomial(square, {1.1283791670955126, -0.37612638903183754, 0.11283791670955121, -0.02686617064512984,
                                   0.0052239776254232985, -0.00085483270219348297, 0.00012055332902888736,
                                   -1.4925647567519332e-05, 1.6462045441468418e-06, -1.6364642158167616e-07,
                                   1.4792401209404813e-08, -1.216456005728345e-09, 8.7090451290531062e-11,
                                   -4.2309458242953377e-12});
    Expr t = (a - constant(3, x)) / (a + constant(3, x));
    Expr q =
        polynomial(t, {0.17900115118138996, -0.32623356004303722, 0.2456038017123309, -0.15011593650077742,
                       0.071665837197973467, -0.024392499318655416, 0.0042691363331483021, 0.00070774643851773534,
                       -0.00059706195861583045, 4.5255298034073955e-05, 6.4056733422068437e-05, -1.2860318447907675e-05,
                       -7.9798177043487269e-06, 2.1169509641489688e-06, 1.2598817267482604e-06, -2.7269500546476834e-07,
                       -2.3893874634747922e-07, -2.5925894581233316e-08});
    far = one - q * exp(-square);
  }
  return copy_sign(expr::select(a <= one, near, far), x);  // a NaN takes the second
}

}  // namespace sardonyx::tensor::math
