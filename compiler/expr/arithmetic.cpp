#include "compiler/expr/arithmetic.h"

#include <cmath>

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
      return value;
  }
}

int64_t floor_div(int64_t a, int64_t b) {
  if (b == -1) return int64_t(0 - uint64_t(a));
  int64_t q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

int64_t floor_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;
  int64_t r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}

namespace {

Expr fold_ints(Kind kind, int64_t a, int64_t b, DType dtype) {
  bool is_unsigned = dtype == DType::U64;
  auto less = [&](int64_t x, int64_t y) { return is_unsigned ? uint64_t(x) < uint64_t(y) : x < y; };
  switch (kind) {
    case Kind::Add:
      return int_imm(int64_t(uint64_t(a) + uint64_t(b)), dtype);
    case Kind::Sub:
      return int_imm(int64_t(uint64_t(a) - uint64_t(b)), dtype);
    case Kind::Mul:
      return int_imm(int64_t(uint64_t(a) * uint64_t(b)), dtype);
    case Kind::Div:
    case Kind::TruncDiv:
      if (b == 0) return {};
      if (is_unsigned) return int_imm(int64_t(uint64_t(a) / uint64_t(b)), dtype);
      if (kind == Kind::Div) return int_imm(floor_div(a, b), dtype);
      return int_imm(b == -1 ? int64_t(0 - uint64_t(a)) : a / b, dtype);
    case Kind::Mod:
    case Kind::TruncRem:
      if (b == 0) return {};
      if (is_unsigned) return int_imm(int64_t(uint64_t(a) % uint64_t(b)), dtype);
      if (kind == Kind::Mod) return int_imm(floor_mod(a, b), dtype);
      return int_imm(b == -1 ? 0 : a % b, dtype);
    case Kind::Min:
      return int_imm(less(b, a) ? b : a, dtype);
    case Kind::Max:
      return int_imm(less(a, b) ? b : a, dtype);
    case Kind::Eq:
      return bool_imm(a == b);
    case Kind::Ne:
      return bool_imm(a != b);
    case Kind::Lt:
      return bool_imm(less(a, b));
    case Kind::Le:
      return bool_imm(!less(b, a));
    case Kind::And:
      return bool_imm(a && b);
    case Kind::Or:
      return bool_imm(a || b);
    default:
      return {};
  }
}

Expr fold_floats(Kind kind, double a, double b, DType dtype) {
  bool nan = std::isnan(a) || std::isnan(b);
  switch (kind) {
    case Kind::Add:
      return float_imm(a + b, dtype);
    case Kind::Sub:
      return float_imm(a - b, dtype);
    case Kind::Mul:
      return float_imm(a * b, dtype);
    case Kind::Div:
      return float_imm(a / b, dtype);
    case Kind::Min:
      return float_imm(nan ? NAN : (b < a ? b : a), dtype);
    case Kind::Max:
      return float_imm(nan ? NAN : (a < b ? b : a), dtype);
    case Kind::Eq:
      return bool_imm(a == b);
    case Kind::Ne:
      return bool_imm(a != b);
    case Kind::Lt:
      return bool_imm(a < b);
    case Kind::Le:
      return bool_imm(a <= b);
    default:
      return {};
  }
}

}  // namespace

Expr fold_binary(Kind kind, const Expr& a, const Expr& b) {
  if (a->kind == Kind::IntImm && b->kind == Kind::IntImm)
    return fold_ints(kind, a->int_value, b->int_value, a->type.dtype);
  if (a->kind == Kind::FloatImm && b->kind == Kind::FloatImm)
    return fold_floats(kind, a->float_value, b->float_value, a->type.dtype);
  return {};
}

Expr fold_cast(const Expr& a, DType dtype) {
  if (a->kind == Kind::FloatImm) {
    double v = a->float_value;
    if (is_float(dtype)) return float_imm(v, dtype);
    if (dtype == DType::Bool) return bool_imm(v != 0);
    if (std::isnan(v)) return int_imm(0, dtype);
    // Saturates at the dtype's bounds.
    int bits = int(size_of(dtype)) * 8;
    double high = std::ldexp(1.0, is_signed(dtype) ? bits - 1 : bits), low = is_signed(dtype) ? -high : 0;
    double truncated = std::trunc(v);
    if (truncated < low) truncated = low;
    if (truncated >= high) {
      uint64_t most =
          bits == 64 && !is_signed(dtype) ? UINT64_MAX : (uint64_t{1} << (is_signed(dtype) ? bits - 1 : bits)) - 1;
      return int_imm(int64_t(most), dtype);
    }
    return int_imm(dtype == DType::U64 ? int64_t(uint64_t(truncated)) : int64_t(truncated), dtype);
  }
  if (is_float(dtype))
    return float_imm(a->type.dtype == DType::U64 ? double(uint64_t(a->int_value)) : double(a->int_value), dtype);
  return int_imm(a->int_value, dtype);
}

Expr fold_call(Function function, const Expr& a) {
  DType dtype = a->type.dtype;
  if (a->kind == Kind::IntImm) {
    int64_t v = a->int_value;
    switch (function) {
      case Function::Abs:
        return int_imm(v < 0 && is_signed(dtype) ? int64_t(0 - uint64_t(v)) : v, dtype);
      case Function::Sign:
        return int_imm(is_signed(dtype) ? (v > 0) - (v < 0) : v != 0, dtype);
      case Function::BitNot:
        return int_imm(~v, dtype);
      default:
        return {};
    }
  }
  double v = a->float_value;
  switch (function) {
    case Function::Abs:
      return float_imm(std::fabs(v), dtype);
    case Function::Floor:
      return float_imm(std::floor(v), dtype);
    case Function::Ceil:
      return float_imm(std::ceil(v), dtype);
    case Function::Trunc:
      return float_imm(std::trunc(v), dtype);
    case Function::Round:
      return float_imm(std::nearbyint(v), dtype);
    case Function::Sqrt:
      return float_imm(std::sqrt(v), dtype);
    case Function::IsNan:
      return bool_imm(std::isnan(v));
    case Function::IsInf:
      return bool_imm(std::isinf(v));
    default:
      return {};
  }
}

Type call_type(Function function, Type operand) {
  switch (function) {
    case Function::IsNan:
    case Function::IsInf:
      return {DType::Bool, operand.lanes};
    case Function::Bits:
      switch (operand.dtype) {
        case DType::F32:
          return {DType::I32, operand.lanes};
        case DType::I32:
          return {DType::F32, operand.lanes};
        case DType::F64:
          return {DType::I64, operand.lanes};
        default:
          return {DType::F64, operand.lanes};
      }
    case Function::ReduceAdd:
    case Function::ReduceMul:
    case Function::ReduceMin:
    case Function::ReduceMax:
      return {operand.dtype, 1};
    default:
      return operand;
  }
}

}  // namespace sardonyx::expr
