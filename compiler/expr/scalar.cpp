#include "compiler/expr/scalar.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/base/mini_float.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {

int64_t wrap(int64_t value, DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return value != 0;
    case DType::I8:
      return int8_t(value);
    case DType::I16:
      return int16_t(value);
    case DType::I32:
      return int32_t(value);
    case DType::U8:
      return uint8_t(value);
    case DType::U16:
      return uint16_t(value);
    case DType::U32:
      return uint32_t(value);
    case DType::U4:
    case DType::I4:
    case DType::U2:
    case DType::I2:
      return extend_element(value, dtype);
    default:
      return value;
  }
}

double round_to(double value, DType dtype) {
  switch (dtype) {
    case DType::F32:
      return float(value);
    case DType::F16:
      return f16_to_f32(f32_to_f16(float(value)));
    case DType::BF16:
      return bf16_to_f32(f32_to_bf16(float(value)));
    default:
      if (const MiniFloat* format = mini_float(dtype)) return decode_mini(*format, encode_mini(*format, float(value)));
      return value;
  }
}

namespace {

template <class T>
int64_t saturate(double value) {
  // The bounds as doubles: the lower is exact, the upper is exact or rounds up to the first value out of range.
  if (value <= double(std::numeric_limits<T>::min())) return int64_t(std::numeric_limits<T>::min());
  if (value >= double(std::numeric_limits<T>::max())) return int64_t(std::numeric_limits<T>::max());
  return int64_t(T(value));
}

bool is_unsigned64(DType dtype) { return dtype == DType::U64; }

int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, square = uint64_t(base);
  for (; exponent; exponent >>= 1, square *= square)
    if (exponent & 1) result *= square;
  return int64_t(result);
}

}  // namespace

int64_t float_to_int(double value, DType dtype) {
  if (dtype == DType::Bool) return value != 0;
  if (std::isnan(value)) return 0;
  switch (dtype) {
    case DType::I8:
      return saturate<int8_t>(value);
    case DType::I16:
      return saturate<int16_t>(value);
    case DType::I32:
      return saturate<int32_t>(value);
    case DType::U8:
      return saturate<uint8_t>(value);
    case DType::U16:
      return saturate<uint16_t>(value);
    case DType::U32:
      return saturate<uint32_t>(value);
    case DType::U64:
      return saturate<uint64_t>(value);
    case DType::U4:
    case DType::I4:
    case DType::U2:
    case DType::I2:
      return extend_element(saturate<int32_t>(std::nearbyint(value)), dtype);
    default:
      return saturate<int64_t>(value);
  }
}

double float_to_float(double value, DType from, DType to) {
  return round_to(from == DType::F64 && to != DType::F32 ? double(f64_to_f32_odd(value)) : value, to);
}

double int_to_float(int64_t value, DType from, DType to) {
  if (to == DType::F64) return is_unsigned64(from) ? double(uint64_t(value)) : double(value);
  float single = is_unsigned64(from) ? float(uint64_t(value)) : float(value);
  return round_to(single, to);
}

int64_t integer(Kind kind, int64_t a, int64_t b, DType dtype) {
  uint64_t ua = uint64_t(a), ub = uint64_t(b);
  bool wide = is_unsigned64(dtype);
  switch (kind) {
    case Kind::Add:
      return wrap(int64_t(ua + ub), dtype);
    case Kind::Sub:
      return wrap(int64_t(ua - ub), dtype);
    case Kind::Mul:
      return wrap(int64_t(ua * ub), dtype);
    case Kind::Div:
      return wide ? int64_t(ua / ub) : wrap(floor_div(a, b), dtype);
    case Kind::Mod:
      return wide ? int64_t(ua % ub) : floor_mod(a, b);
    case Kind::TruncDiv:
      return wide ? int64_t(ua / ub) : b == -1 ? wrap(int64_t(0 - ua), dtype) : a / b;
    case Kind::TruncRem:
      return wide ? int64_t(ua % ub) : b == -1 ? 0 : a % b;
    case Kind::Min:
      return (wide ? ua < ub : a < b) ? a : b;
    case Kind::Max:
      return (wide ? ua < ub : a < b) ? b : a;
    case Kind::Eq:
      return a == b;
    case Kind::Ne:
      return a != b;
    case Kind::Lt:
      return wide ? ua < ub : a < b;
    case Kind::Le:
      return wide ? ua <= ub : a <= b;
    case Kind::And:
      return a & b;
    case Kind::Or:
      return a | b;
    default:
      break;
  }
  fail(Status::InternalError, "internal error: not a binary kind: ", int(kind));
}

double floating(Kind kind, double a, double b, DType dtype) {
  // Rounding a double result to a format of at most 24 bits gives the correctly rounded result of + - * /.
  switch (kind) {
    case Kind::Add:
      return round_to(a + b, dtype);
    case Kind::Sub:
      return round_to(a - b, dtype);
    case Kind::Mul:
      return round_to(a * b, dtype);
    case Kind::Div:
      return round_to(a / b, dtype);
    case Kind::Min:
      return std::isnan(a) || std::isnan(b) ? a + b : b < a ? b : a;
    case Kind::Max:
      return std::isnan(a) || std::isnan(b) ? a + b : a < b ? b : a;
    default:
      break;
  }
  fail(Status::InternalError, "internal error: not a float operation: ", int(kind));
}

bool compare(Kind kind, double a, double b) {
  switch (kind) {
    case Kind::Eq:
      return a == b;
    case Kind::Ne:
      return a != b;
    case Kind::Lt:
      return a < b;
    case Kind::Le:
      return a <= b;
    default:
      break;
  }
  fail(Status::InternalError, "internal error: not a comparison: ", int(kind));
}

int64_t integer_function(Function function, int64_t a, int64_t b, int64_t c, DType dtype) {
  bool narrow_shift = uint64_t(b) < uint64_t(bits_of_element(dtype));
  switch (function) {
    case Function::Abs:
      return is_signed(dtype) && a < 0 ? wrap(int64_t(0 - uint64_t(a)), dtype) : a;
    case Function::Sign:
      return is_signed(dtype) ? (a > 0) - (a < 0) : a != 0;
    case Function::Floor:
    case Function::Ceil:
    case Function::Round:
    case Function::Trunc:
      return a;
    case Function::Pow:
      return wrap(integer_power(a, b), dtype);
    case Function::Fmod:
      return integer(Kind::TruncRem, a, b, dtype);
    case Function::Fma:
      return integer(Kind::Add, integer(Kind::Mul, a, b, dtype), c, dtype);
    case Function::IsNan:
    case Function::IsInf:
      return 0;
    case Function::BitAnd:
      return a & b;
    case Function::BitOr:
      return a | b;
    case Function::BitXor:
      return a ^ b;
    case Function::BitNot:
      return dtype == DType::Bool ? !a : wrap(~a, dtype);
    case Function::ShiftLeft:
      return narrow_shift ? wrap(int64_t(uint64_t(a) << b), dtype) : 0;
    case Function::ShiftRight:
      if (is_signed(dtype)) return a >> (narrow_shift ? b : 63);
      return narrow_shift ? int64_t(uint64_t(a) >> b) : 0;
    case Function::Checked:
      return a;
    case Function::Dot4:
      for (int byte = 0; byte < 4; ++byte) a += int64_t{uint8_t(b >> (8 * byte))} * int8_t(c >> (8 * byte));
      return wrap(a, dtype);
    default:
      break;
  }
  fail(Status::InternalError, "internal error: ", function_name(function), " of ", dtype_name(dtype), " operands");
}

double float_function(Function function, double a, double b, double c, DType dtype) {
  auto of = [&]() -> double {
    switch (function) {
      case Function::Abs:
        return std::fabs(a);
      case Function::Sign:
        return std::isnan(a) ? a : double((a > 0) - (a < 0));
      case Function::Floor:
        return std::floor(a);
      case Function::Ceil:
        return std::ceil(a);
      case Function::Round:
        return std::nearbyint(a);
      case Function::Trunc:
        return std::trunc(a);
      case Function::Sqrt:
        return std::sqrt(a);
      case Function::Exp:
        return std::exp(a);
      case Function::Log:
        return std::log(a);
      case Function::Log1p:
        return std::log1p(a);
      case Function::Expm1:
        return std::expm1(a);
      case Function::Sin:
        return std::sin(a);
      case Function::Cos:
        return std::cos(a);
      case Function::Tan:
        return std::tan(a);
      case Function::Asin:
        return std::asin(a);
      case Function::Acos:
        return std::acos(a);
      case Function::Atan:
        return std::atan(a);
      case Function::Sinh:
        return std::sinh(a);
      case Function::Cosh:
        return std::cosh(a);
      case Function::Tanh:
        return std::tanh(a);
      case Function::Asinh:
        return std::asinh(a);
      case Function::Acosh:
        return std::acosh(a);
      case Function::Atanh:
        return std::atanh(a);
      case Function::Erf:
        return std::erf(a);
      case Function::Sigmoid:
        return 1.0 / (1.0 + std::exp(-a));
      case Function::Pow:
        return std::pow(a, b);
      case Function::Fmod:
        return std::fmod(a, b);
      case Function::Scale:
        return std::isnan(b) ? b : std::ldexp(a, int(std::clamp(b, -4096.0, 4096.0)));
      case Function::Fma:
        return dtype == DType::F64 ? std::fma(a, b, c) : std::fma(float(a), float(b), float(c));
      case Function::Dot2: {
        const auto x = std::bit_cast<uint32_t>(float(b)), y = std::bit_cast<uint32_t>(float(c));
        const auto product = [](uint32_t p, uint32_t q) {
          return double(std::bit_cast<float>(p)) * std::bit_cast<float>(q);
        };
        return a + product(x << 16, y << 16) + product(x & 0xffff0000, y & 0xffff0000);
      }
      default:
        break;
    }
    fail(Status::InternalError, "internal error: ", function_name(function), " of ", dtype_name(dtype), " operands");
  };
  return round_to(of(), dtype);
}

int function_arity(Function function) {
  switch (function) {
    case Function::Pow:
    case Function::Fmod:
    case Function::Scale:
    case Function::BitAnd:
    case Function::BitOr:
    case Function::BitXor:
    case Function::ShiftLeft:
    case Function::ShiftRight:
      return 2;
    case Function::Fma:
    case Function::Dot4:
    case Function::Dot2:
      return 3;
    default:
      return 1;
  }
}

bool is_horizontal(Function function) { return function >= Function::ReduceAdd; }

bool is_number(const Expr& e) {
  if (e->kind == Kind::Broadcast) return is_number(e->args[0]);
  if (e->kind == Kind::Load) return e->buffer->number;
  return e->kind == Kind::FloatImm && e->float_value == e->float_value;
}

std::optional<double> float_number(const Expr& e) {
  if (e->kind == Kind::Broadcast) return float_number(e->args[0]);
  return e->kind == Kind::FloatImm ? std::optional(e->float_value) : std::nullopt;
}

}  // namespace sardonyx::expr
