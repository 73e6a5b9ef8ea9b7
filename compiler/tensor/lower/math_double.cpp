// Trigonometric, hyperbolic and power functions in F64.
#include <limits>

#include "compiler/tensor/lower/math.h"

namespace sardonyx::tensor::math {

using expr::Function;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double half_pi = 1.5707963267948966, pi = 3.141592653589793;
constexpr double ln2 = 0.69314718055994531;

// x = n pi/2 + r, |r| <= pi/4, with pi/2 in four parts of 33 bits. Accurate up to |x| of about 10^9.
struct Quadrant {
  Expr r, n;
};

Quadrant reduce(const Expr& x) {
  double magic = 6755399441055744.0;
  Expr shifted = fma(x, constant(0.63661977236758138, x), constant(magic, x));
  Expr minus_n = constant(magic, x) - shifted;
  Expr r = fma(minus_n, constant(1.5707963267341256, x), x);
  r = fma(minus_n, constant(6.077100506303966e-11, x), r);
  r = fma(minus_n, constant(2.0222662487111665e-21, x), r);
  r = fma(minus_n, constant(8.4784276603689e-32, x), r);
  return {r, expr::call(Function::Bits, {shifted})};
}

Expr sine_of(const Expr& r) {
  Expr z = r * r;
  Expr tail = polynomial(z, {-1.0 / 6, 1.0 / 120, -1.0 / 5040, 1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800.0,
                             -1.0 / 1307674368000.0, 1.0 / 355687428096000.0});
  return fma(r * z, tail, r);
}

Expr cosine_of(const Expr& r) {
  Expr z = r * r;
  Expr tail = polynomial(z, {-0.5, 1.0 / 24, -1.0 / 720, 1.0 / 40320, -1.0 / 3628800, 1.0 / 479001600.0,
                             -1.0 / 87178291200.0, 1.0 / 20922789888000.0, -1.0 / 6402373705728000.0});
  return fma(z, tail, constant(1, r));
}

Expr bit_set(const Expr& n, int64_t bit) {
  Expr mask = int_constant(bit, n);
  return expr::call(Function::BitAnd, {n, mask}) != int_constant(0, n);
}

Expr sqrt(const Expr& x) { return expr::call(Function::Sqrt, {x}); }

// asin on [-1/2, 1/2].
Expr small_asin(const Expr& x) {
  Expr z = x * x;
  Expr p = polynomial(
      z, {0.16666666666666666, 0.075000000000001177, 0.044642857142551895, 0.03038194447553234, 0.022372157443507221,
          0.017352816540325496, 0.01396378001220357, 0.011566459612121669, 0.0096218429701002816, 0.0093195607947674456,
          0.0030448799094556773, 0.019554513336123378, -0.019241671746743041, 0.029612011264955121});
  return fma(x * z, p, x);
}

// atan on [-0.4143, 0.4143].
Expr small_atan(const Expr& x) {
  Expr z = x * x;
  Expr p = polynomial(
      z, {-0.33333333333333331, 0.19999999999999993, -0.14285714285711518, 0.11111111110754596, -0.090909090670019649,
          0.076923067357183864, -0.066666420138028232, 0.058819251621305094, -0.052580406718134826,
          0.047193893943800497, -0.041044134902075015, 0.030635176368556082, -0.013917695219310572});
  return fma(x * z, p, x);
}

}  // namespace

Expr sin(const Expr& x) {
  Quadrant q = reduce(x);
  Expr value = expr::select(bit_set(q.n, 1), cosine_of(q.r), sine_of(q.r));
  value = expr::select(bit_set(q.n, 2), -value, value);
  return expr::select(x == constant(0, x), x, value);
}

Expr cos(const Expr& x) {
  Quadrant q = reduce(x);
  Expr value = expr::select(bit_set(q.n, 1), sine_of(q.r), cosine_of(q.r));
  Expr flip = expr::call(Function::BitXor, {q.n, expr::call(Function::ShiftLeft, {q.n, int_constant(1, q.n)})});
  return expr::select(bit_set(flip, 2), -value, value);
}

Expr tan(const Expr& x) {
  Quadrant q = reduce(x);
  Expr s = sine_of(q.r), c = cosine_of(q.r);
  return expr::select(x == constant(0, x), x, expr::select(bit_set(q.n, 1), -(c / s), s / c));
}

Expr asin(const Expr& x) {
  Expr a = abs(x);
  Expr half = constant(0.5, x);
  Expr far = fma(constant(-2, x), small_asin(sqrt((constant(1, x) - a) * half)), constant(half_pi, x));
  return copy_sign(expr::select(a <= half, small_asin(a), far), x);
}

Expr acos(const Expr& x) {
  Expr a = abs(x);
  Expr half = constant(0.5, x);
  Expr far = constant(2, x) * small_asin(sqrt((constant(1, x) - a) * half));
  Expr reflected = expr::select(x < constant(0, x), constant(pi, x) - far, far);
  return expr::select(a <= half, constant(half_pi, x) - small_asin(x), reflected);
}

Expr atan(const Expr& x) {
  Expr a = abs(x);
  Expr one = constant(1, x);
  Expr big = a > one;
  Expr z = expr::select(big, one / a, a);
  Expr middle = z > constant(0.41421356237309503, x);
  Expr y = expr::select(middle, (z - one) / (z + one), z);
  Expr inner = small_atan(y) + expr::select(middle, constant(half_pi / 2, x), constant(0, x));
  return expr::select(is_nan(x), x, copy_sign(expr::select(big, constant(half_pi, x) - inner, inner), x));
}

Expr sinh(const Expr& x) {
  Expr a = abs(x);
  Expr e = expm1(a);
  Expr half = constant(0.5, x);
  Expr near = half * (e + e / (e + constant(1, x)));
  Expr root = exp(half * a);
  Expr result = expr::select(a < constant(40, x), near, (half * root) * root);
  return expr::select(is_nan(x), x, copy_sign(result, x));
}

Expr cosh(const Expr& x) {
  Expr a = abs(x);
  Expr half = constant(0.5, x);
  Expr e = exp(a);
  Expr root = exp(half * a);
  return expr::select(a < constant(40, x), half * e + half / e, (half * root) * root);
}

Expr asinh(const Expr& x) {
  Expr a = abs(x);
  Expr one = constant(1, x);
  Expr square = a * a;
  Expr near = log1p(a + square / (one + sqrt(one + square)));
  Expr far = log(a) + constant(ln2, x);
  Expr result = expr::select(a < constant(1e8, x), near, far);
  return expr::select(is_nan(x), x, copy_sign(result, x));
}

Expr acosh(const Expr& x) {
  Expr one = constant(1, x);
  Expr t = x - one;
  Expr near = log1p(t + sqrt(t + t + t * t));
  Expr far = log(x) + constant(ln2, x);
  return expr::select(x < constant(1e8, x), near, far);
}

Expr atanh(const Expr& x) {
  Expr a = abs(x);
  Expr one = constant(1, x);
  Expr result = constant(0.5, x) * log1p((a + a) / (one - a));
  Expr outside = one < a;
  result = expr::select(outside, constant(std::numeric_limits<double>::quiet_NaN(), x), result);
  return expr::select(is_nan(x), x, copy_sign(result, x));
}

namespace {

// log(x) for positive finite normal x as high + low, about 2^-62 relative.
struct Extended {
  Expr high, low;
};

Extended extended_log(const Expr& x) {
  auto bits = [](const Expr& v) { return expr::call(Function::Bits, {v}); };
  Expr denormal = x < constant(2.2250738585072014e-308, x);
  Expr scaled = expr::select(denormal, x * constant(4503599627370496.0, x), x);
  Expr base = bits(constant(0.70710678118654752, x));
  Expr offset = bits(scaled) - base;
  Expr k = expr::call(Function::ShiftRight, {offset, int_constant(52, x)});
  Expr reduced = bits(expr::call(Function::BitAnd, {offset, int_constant((int64_t{1} << 52) - 1, x)}) + base);
  Expr exponent = expr::cast(k, DType::F64) - expr::select(denormal, constant(52, x), constant(0, x));
  Expr one = constant(1, x), two = constant(2, x);
  Expr f = reduced - one;
  Expr d = f + two;
  Expr d_low = f - (d - two);
  Expr s = f / d;
  Expr s_low = fma(-s, d_low, fma(-s, d, f)) / d;
  Expr z = s * s;
  Expr series =
      polynomial(z, {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21});
  Expr main = exponent * constant(0.6931471803691238, x);
  Expr twice = s + s;
  Expr high = main + twice;
  Expr lost = expr::select(abs(main) < abs(twice), (twice - high) + main, (main - high) + twice);
  Expr low = fma(exponent, constant(1.9082149292705877e-10, x), fma(s * z, series, s_low + s_low)) + lost;
  Expr total = high + low;
  return {total, low - (total - high)};
}

}  // namespace

Expr pow(const Expr& x, const Expr& y) {
  Expr zero = constant(0, x), one = constant(1, x), inf = constant(infinity, x);
  Expr a = abs(x);
  Extended logarithm = extended_log(a);
  Expr product = y * logarithm.high;
  Expr rest = fma(y, logarithm.high, -product) + y * logarithm.low;
  Expr tame = abs(rest) < one;
  Expr power = exp(product);
  power = expr::select(tame && power < inf, fma(power, rest, power), power);
  Expr y_positive = zero < y;
  power = expr::select(a == zero, expr::select(y_positive, zero, inf), power);
  power = expr::select(a == inf, expr::select(y_positive, inf, zero), power);
  // |y| infinite: decided by |x| against one.
  Expr y_infinite = abs(y) == inf;
  power = expr::select(y_infinite, expr::select((one < a) == y_positive, inf, zero), power);
  power = expr::select(y_infinite && a == one, one, power);
  // Sign of a negative base.
  Expr floor_y = expr::call(Function::Floor, {y});
  Expr half_y = y * constant(0.5, x);
  Expr integer = floor_y == y;
  Expr odd = integer && expr::call(Function::Floor, {half_y}) != half_y;
  power = expr::select(sign_bit_of(x) && odd, -power, power);
  Expr nan = constant(std::numeric_limits<double>::quiet_NaN(), x);
  power = expr::select(x < zero && a < inf && !integer, nan, power);
  power = expr::select(is_nan(x) || is_nan(y), nan, power);
  return expr::select(y == zero || x == one, one, power);
}

// x - trunc(x / y) y, with quotients up to 2^96 taken in steps that stay exact.
Expr fmod(const Expr& x, const Expr& y) {
  Expr a = abs(x), b = abs(y);
  Expr zero = constant(0, x), inf = constant(infinity, x);
  Expr r = a;
  for (double scale :
       {5.444517870735016e+39 /* 2^132 */, 7.737125245533627e+25 /* 2^86 */, 1099511627776.0 /* 2^40 */, 1.0}) {
    Expr step = b * constant(scale, x);
    Expr q = expr::call(Function::Trunc, {r / step});
    Expr next = fma(-q, step, r);
    next = expr::select(next < zero, next + step, next);
    next = expr::select(step <= next, next - step, next);
    r = scale == 1.0 ? next : expr::select(step < r, next, r);
  }
  Expr result = copy_sign(abs(r), x);
  result = expr::select(b == inf, x, result);
  Expr nan = constant(std::numeric_limits<double>::quiet_NaN(), x);
  Expr invalid = is_nan(x) || is_nan(y) || a == inf || b == zero;
  return expr::select(invalid, nan, result);
}

}  // namespace sardonyx::tensor::math
