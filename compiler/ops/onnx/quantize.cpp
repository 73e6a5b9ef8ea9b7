// Quantized operators, decomposed exactly: zero points subtracted in I32, products accumulated in I32, results scaled
// in float, rounded half to even, and saturated. Mini floats are scaled in F32.
#include <cmath>

#include "compiler/ops/onnx/mini_float_casts.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;
using graph::UnaryFunction;

// A scale or zero point [C] of `axis` as dims that broadcast to `rank`; scalars and one-element vectors as scalars.
Value* along(Lowering& in, Value* parameter, int64_t axis, int rank) {
  auto& b = in.builder();
  if (expr::is_const(graph::element_count(parameter->type), 1)) return b.reshape(parameter, {});
  in.require(parameter->type.rank() == 1 && axis < rank, Status::UnsupportedShape, "parameter ",
             graph::to_string(parameter->type), " for rank ", rank, " and axis ", axis, " is not supported");
  std::vector<Expr> dims(size_t(rank - axis), Expr(1));
  dims[0] = parameter->type.dims[0];
  return b.reshape(parameter, dims);
}

// The axis of per-axis and blocked quantization. ONNX's default, 1, may be beyond a vector, whose axis does not matter
// then.
int64_t axis_of(Lowering& in, int rank) {
  return rank == 0 ? 0 : in.axis(in.attr_int("axis", std::min(1, rank - 1)), rank);
}

// A scale or zero point as dims that broadcast to x's: per tensor, per index of the axis, or per block along it.
Value* spread(Lowering& in, Value* parameter, Value* x) {
  auto& b = in.builder();
  const int rank = x->type.rank();
  const int64_t axis = axis_of(in, rank), block = in.attr_int("block_size", 0);
  in.require(block >= 0, Status::InvalidModel, "block_size is ", block);
  if (block == 0 || parameter->type.rank() == 0) return along(in, parameter, axis, rank);
  in.require(parameter->type.rank() == rank, Status::InvalidModel, "blocks of ", block, " along axis ", axis, " of ",
             graph::to_string(x->type), " have parameters of the same rank, got ", graph::to_string(parameter->type));
  const Expr extent = x->type.dims[size_t(axis)];
  b.require_equal(parameter->type.dims[size_t(axis)], expr::ceil_div(extent, block), "blocks of the quantized axis");
  Value* number = b.iota(DType::I64, {extent}, 0);
  return b.gather(parameter, b.div(number, b.ints({block})), axis);
}

// quotient + zero in integer type `dtype`, rounded half to even and saturated; as float type without zero point, which
// must be 0 there.
Value* quantized(Lowering& in, Value* quotient, Value* zero, DType dtype) {
  auto& b = in.builder();
  if (is_mini_float(dtype) && dtype != DType::F8E8M0)
    return cast_to_mini_float(b, quotient, dtype, in.attr_int("saturate", 1) != 0, PowerOfTwo::Up);
  in.require(is_integer(dtype) && bits_of_element(dtype) <= 16, Status::UnsupportedDatatype, "quantized type ",
             dtype_name(dtype), " is not supported");
  Value* value = b.unary(UnaryFunction::Round, b.cast(quotient, DType::F32));
  if (zero) value = b.add(value, b.cast(zero, DType::F32));
  const int bits = bits_of_element(dtype);
  const double low = is_signed(dtype) ? -std::ldexp(1, bits - 1) : 0;
  value = b.minimum(b.maximum(value, b.scalar_like(value, low)), b.scalar_like(value, low + std::ldexp(1, bits) - 1));
  return b.cast(value, dtype);
}

// x / scale, computed in `dtype` and rounded to it.
Value* quotient_in(Builder& b, Value* x, Value* scale, DType dtype) {
  x = b.cast(x, dtype), scale = b.cast(scale, dtype);
  const DType working = dtype == DType::F64 ? dtype : DType::F32;
  return b.cast(b.div(b.cast(x, working), b.cast(scale, working)), dtype);
}

DType dtype_attribute(Lowering& in, const char* name, DType fallback) {
  const int64_t code = in.attr_int(name, 0);
  in.require(code == 0 || (code > 0 && code <= 0xff && is_known(DType(code))), Status::InvalidModel, "attribute ", name,
             ": data type ", code, " is unknown");
  return code == 0 ? fallback : DType(code);
}

std::vector<Value*> quantize_linear(Lowering& in) {
  Value *x = in[0], *scale = in[1], *zero = in.optional(2);
  const DType declared = dtype_attribute(in, "output_dtype", zero ? zero->type.dtype : DType::U8);
  in.require(!zero || zero->type.dtype == declared, Status::InvalidModel, "output_dtype is ", dtype_name(declared),
             ", the zero point ", zero ? dtype_name(zero->type.dtype) : "");
  // A power of two scales in the type of what it scales.
  const DType wide = is_float(x->type.dtype) ? x->type.dtype : DType::F32;
  const DType natural = scale->type.dtype == DType::F8E8M0 ? wide : scale->type.dtype;
  const DType precision = dtype_attribute(in, "precision", natural);
  in.require(is_float(precision), Status::InvalidModel, "precision is ", dtype_name(precision));
  Value* quotient = quotient_in(in.builder(), x, spread(in, scale, x), precision);
  return {quantized(in, quotient, zero ? spread(in, zero, x) : nullptr, declared)};
}

std::vector<Value*> dequantize_linear(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *scale = in[1], *zero = in.optional(2);
  const DType dtype = dtype_attribute(in, "output_dtype", scale->type.dtype);
  in.require(is_float(dtype) && !is_mini_float(dtype), Status::InvalidModel, "output_dtype is ", dtype_name(dtype));
  const bool number = is_float(x->type.dtype);  // whose zero point is 0
  Value* value = b.cast(x, number ? DType::F32 : DType::I32);
  if (zero && !number) value = b.sub(value, b.cast(spread(in, zero, x), DType::I32));
  return {b.cast(b.mul(b.cast(value, DType::F32), b.cast(spread(in, scale, x), DType::F32)), dtype)};
}

// The range of x widened to hold 0, mapped to 0..255.
std::vector<Value*> dynamic_quantize_linear(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *zero = b.scalar_like(x, 0), *steps = b.scalar_like(x, 255);
  const std::vector<int64_t> axes = axes_from(0, x->type.rank());
  Value* high = b.maximum(b.reduce(ReduceFunction::Max, x, axes, false), zero);
  Value* low = b.minimum(b.reduce(ReduceFunction::Min, x, axes, false), zero);
  Value* scale = b.div(b.sub(high, low), steps);
  Value* point = b.unary(UnaryFunction::Round, b.div(b.sub(zero, low), scale));
  Value* zero_point = b.cast(b.minimum(b.maximum(point, zero), steps), DType::U8);
  return {quantized(in, b.div(x, scale), zero_point, DType::U8), scale, zero_point};
}

// x as I32 with its zero point (any shape that broadcasts) taken off; mini floats, whose zero point is 0, as F32.
Value* centered(Builder& b, Value* x, Value* zero) {
  if (is_mini_float(x->type.dtype)) return b.cast(x, DType::F32);
  Value* wide = b.cast(x, DType::I32);
  return zero ? b.sub(wide, b.cast(zero, DType::I32)) : wide;
}

// Parameters of A are per row, of B per column, when they are vectors; higher ranks broadcast as they are.
Value* per_row(Lowering& in, Value* parameter) {
  if (!parameter || parameter->type.rank() != 1) return parameter;
  auto& b = in.builder();
  if (expr::is_const(parameter->type.dims[0], 1)) return b.reshape(parameter, {});
  return b.unsqueeze(parameter, {1});
}

Value* matmul_centered(Lowering& in, Value* a, Value* a_zero, Value* w, Value* w_zero) {
  auto& b = in.builder();
  in.require(a->type.rank() >= 1 && w->type.rank() >= 1, Status::InvalidModel, "scalars do not multiply");
  const bool row = a->type.rank() == 1, column = w->type.rank() == 1;
  Value* left = centered(b, a, row && a_zero ? b.reshape(a_zero, {}) : per_row(in, a_zero));
  Value* right = centered(b, w, w_zero);
  if (row) left = b.unsqueeze(left, {0});
  if (column) right = b.unsqueeze(right, {1});
  in.require(left->type.dtype == right->type.dtype, Status::InvalidModel, "operands are ", dtype_name(a->type.dtype),
             " and ", dtype_name(w->type.dtype));
  Value* result = b.matmul(left, right, false, false, left->type.dtype);
  if (column) result = b.squeeze(result, {-1});
  if (row) result = b.squeeze(result, {column ? -1 : -2});
  return result;
}

std::vector<Value*> matmul_integer(Lowering& in) {
  return {matmul_centered(in, in[0], in.optional(2), in[1], in.optional(3))};
}

// Inputs a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero.
std::vector<Value*> qlinear_matmul(Lowering& in) {
  auto& b = in.builder();
  Value* sums = matmul_centered(in, in[0], in[2], in[3], in[5]);
  const DType working = in[1]->type.dtype;
  Value* scale = b.div(b.mul(per_row(in, in[1]), in[4]), per_row(in, in[6]));
  Value* scaled = b.mul(b.cast(sums, working), scale);
  return {quantized(in, scaled, per_row(in, in[7]), in[7]->type.dtype)};
}

Value* conv_i32(Lowering& in, Value* x, Value* x_zero, Value* w, Value* w_zero) {
  auto& b = in.builder();
  const graph::ConvAttrs attributes = conv_attributes(in, x, w, DType::I32);
  if (x_zero) x_zero = b.reshape(x_zero, {});
  if (w_zero) w_zero = along(in, w_zero, 0, w->type.rank());
  return b.conv(centered(b, x, x_zero), centered(b, w, w_zero), attributes);
}

std::vector<Value*> conv_integer(Lowering& in) { return {conv_i32(in, in[0], in.optional(2), in[1], in.optional(3))}; }

// Inputs x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (I32 in units of x_scale * w_scale).
std::vector<Value*> qlinear_conv(Lowering& in) {
  auto& b = in.builder();
  const int rank = in[0]->type.rank();
  Value* sums = conv_i32(in, in[0], in[2], in[3], in[5]);
  if (Value* bias = in.optional(8)) sums = b.add(sums, per_channel(b, bias, rank - 2));
  Value* w_scale = along(in, in[4], 1, rank);
  Value* scale = b.div(b.mul(b.reshape(in[1], {}), w_scale), b.reshape(in[6], {}));
  Value* scaled = b.mul(b.cast(sums, DType::F32), scale);
  return {quantized(in, scaled, b.reshape(in[7], {}), in[7]->type.dtype)};
}

const OnnxOp ops[] = {
    operator_row("ConvInteger", {10}, conv_integer, {2, 4}),
    operator_row("DequantizeLinear", {10, 13, 19, 21, 23, 24, 25}, dequantize_linear, {2, 3}),
    operator_row("DynamicQuantizeLinear", {11}, dynamic_quantize_linear, {1, 1}, {3, 3}),
    operator_row("MatMulInteger", {10}, matmul_integer, {2, 4}),
    operator_row("QLinearConv", {10}, qlinear_conv, {8, 9}),
    operator_row("QLinearMatMul", {10, 21}, qlinear_matmul, {8, 8}),
    operator_row("QuantizeLinear", {10, 13, 19, 21, 23, 24, 25}, quantize_linear, {2, 3}),
};

}  // namespace
}  // namespace sardonyx::ops
