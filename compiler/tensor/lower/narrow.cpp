#include "compiler/tensor/lower/narrow.h"

#include "runtime/base/mini_float.h"

namespace sardonyx::tensor::narrow {

using expr::Function;

namespace {

Expr constant_like(int64_t value, const Expr& like) {
  return expr::broadcast(expr::int_imm(value, like->type.dtype), like->type.lanes);
}

// The algebra of runtime/base/mini_float.h over expressions of a number of lanes.
struct Expressions {
  using Int = Expr;
  using Float = Expr;
  int lanes;

  Int constant(int32_t value) const { return expr::broadcast(expr::int_imm(value, DType::I32), lanes); }
  Int bits(const Float& x) const { return expr::call(Function::Bits, {x}); }
  Float from_bits(const Int& bits) const { return expr::call(Function::Bits, {bits}); }
  Int add(const Int& x, const Int& y) const { return x + y; }
  Int subtract(const Int& x, const Int& y) const { return x - y; }
  Int shift_left(const Int& x, int n) const { return expr::call(Function::ShiftLeft, {x, constant(n)}); }
  Int shift_right(const Int& x, int n) const { return expr::call(Function::ShiftRight, {x, constant(n)}); }
  Int bit_and(const Int& x, const Int& y) const { return expr::call(Function::BitAnd, {x, y}); }
  Int bit_or(const Int& x, const Int& y) const { return expr::call(Function::BitOr, {x, y}); }
  Float add_floats(const Float& x, const Float& y) const { return x + y; }
  Float subtract_floats(const Float& x, const Float& y) const { return x - y; }
  Expr less(const Int& x, const Int& y) const { return x < y; }
  Expr equal(const Int& x, const Int& y) const { return x == y; }
  Expr both(const Expr& x, const Expr& y) const { return x && y; }
  Int select(const Expr& condition, const Int& x, const Int& y) const { return expr::select(condition, x, y); }
};

// f64_to_f32_odd.
Expr to_f32_odd(const Expr& x) {
  const Expressions a{x->type.lanes};
  const Expr nearest = expr::cast(x, DType::F32), back = expr::cast(nearest, DType::F64);
  const Expr larger = expr::call(Function::Abs, {x}) < expr::call(Function::Abs, {back});
  const Expr bits = a.bits(nearest);
  const Expr towards_zero = a.subtract(bits, a.select(larger, a.constant(1), a.constant(0)));
  // Of a NaN both comparisons are false, so it stays.
  const Expr inexact = back < x || x < back;
  return a.from_bits(a.select(inexact, a.bit_or(towards_zero, a.constant(1)), bits));
}

}  // namespace

bool is_narrow_float(DType dtype) { return is_float(dtype) && dtype != DType::F32 && dtype != DType::F64; }

bool is_small_integer(DType dtype) { return is_integer(dtype) && bits_of_element(dtype) < 8; }

DType storage_of(DType dtype) {
  if (is_mini_float(dtype)) return DType::U8;
  if (is_small_integer(dtype)) return is_signed(dtype) ? DType::I8 : DType::U8;
  return dtype;
}

Expr encode(const Expr& number, DType dtype) {
  const Expr single = number->type.dtype == DType::F64 ? to_f32_odd(number) : number;
  const MiniFloat* format = mini_float(dtype);
  if (!format) return expr::cast(single, dtype);
  const Expressions algebra{number->type.lanes};
  return expr::cast(encode_mini(algebra, *format, expr::cast(single, DType::F32)), DType::U8);
}

Expr decode(const Expr& storage, DType dtype) {
  const MiniFloat* format = mini_float(dtype);
  if (!format) return expr::cast(storage, DType::F32);
  return decode_mini(Expressions{storage->type.lanes}, *format, expr::cast(storage, DType::I32));
}

Expr extended(const Expr& value, DType dtype) {
  const int bits = bits_of_element(dtype);
  if (!is_signed(dtype)) return expr::call(Function::BitAnd, {value, constant_like((1 << bits) - 1, value)});
  const Expr unused = constant_like(8 - bits, value);
  return expr::call(Function::ShiftRight, {expr::call(Function::ShiftLeft, {value, unused}), unused});
}

Expr to_small_integer(const Expr& number, DType dtype) {
  Expr integer = number;
  if (is_float(number->type.dtype)) integer = expr::cast(expr::call(Function::Round, {number}), DType::I32);
  return extended(expr::cast(integer, storage_of(dtype)), dtype);
}

}  // namespace sardonyx::tensor::narrow
