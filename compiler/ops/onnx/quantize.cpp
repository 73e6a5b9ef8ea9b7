// Quantized operators, decomposed exactly: zero points subtracted in I32, products accumulated in I32, results scaled
// in float, rounded half to even, and saturated.
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;
using graph::UnaryFunction;

struct Range {
  double low, high;
};
Range range_of(Lowering& in, DType dtype) {
  switch (dtype) {
    case DType::U8:
      return {0, 255};
    case DType::I8:
      return {-128, 127};
    case DType::U16:
      return {0, 65535};
    case DType::I16:
      return {-32768, 32767};
    default:
      in.fail(Status::UnsupportedDatatype, "quantized type ", dtype_name(dtype), " is not supported");
  }
}

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

// round(x / scale) + zero, saturated to `dtype`. `x` is a float tensor.
Value* quantized(Lowering& in, Value* x, Value* scale, Value* zero, DType dtype) {
  auto& b = in.builder();
  const Range range = range_of(in, dtype);
  Value* value = b.unary(UnaryFunction::Round, b.div(x, scale));
  if (zero) value = b.add(value, b.cast(zero, value->type.dtype));
  value = b.minimum(b.maximum(value, b.scalar_like(value, range.low)), b.scalar_like(value, range.high));
  return b.cast(value, dtype);
}

void refuse_blocks(Lowering& in) {
  in.require(in.attr_int("block_size", 0) == 0, Status::UnsupportedAttribute, "block_size is not supported");
}

std::vector<Value*> quantize_linear(Lowering& in) {
  auto& b = in.builder();
  refuse_blocks(in);
  Value *x = in[0], *scale = in[1], *zero = in.optional(2);
  const int rank = x->type.rank();
  const int64_t axis = rank == 0 ? 0 : in.axis(in.attr_int("axis", std::min(1, rank - 1)), rank);
  const int64_t declared = in.attr_int("output_dtype", 0);
  const DType dtype = zero ? zero->type.dtype : declared ? DType(declared) : DType::U8;
  scale = along(in, scale, axis, rank);
  if (zero) zero = along(in, zero, axis, rank);
  return {quantized(in, b.cast(x, scale->type.dtype), scale, zero, dtype)};
}

std::vector<Value*> dequantize_linear(Lowering& in) {
  auto& b = in.builder();
  refuse_blocks(in);
  Value *x = in[0], *scale = in[1], *zero = in.optional(2);
  const int rank = x->type.rank();
  const int64_t axis = rank == 0 ? 0 : in.axis(in.attr_int("axis", std::min(1, rank - 1)), rank);
  scale = along(in, scale, axis, rank);
  Value* value = b.cast(x, DType::I32);
  if (zero) value = b.sub(value, b.cast(along(in, zero, axis, rank), DType::I32));
  return {b.mul(b.cast(value, scale->type.dtype), scale)};
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
  return {quantized(in, x, scale, zero_point, DType::U8), scale, zero_point};
}

// x as I32 with its zero point (any shape that broadcasts) taken off.
Value* centered(Builder& b, Value* x, Value* zero) {
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

Value* matmul_i32(Lowering& in, Value* a, Value* a_zero, Value* w, Value* w_zero) {
  auto& b = in.builder();
  in.require(a->type.rank() >= 1 && w->type.rank() >= 1, Status::InvalidModel, "scalars do not multiply");
  const bool row = a->type.rank() == 1, column = w->type.rank() == 1;
  Value* left = centered(b, a, row && a_zero ? b.reshape(a_zero, {}) : per_row(in, a_zero));
  Value* right = centered(b, w, w_zero);
  if (row) left = b.unsqueeze(left, {0});
  if (column) right = b.unsqueeze(right, {1});
  Value* result = b.matmul(left, right, false, false, DType::I32);
  if (column) result = b.squeeze(result, {-1});
  if (row) result = b.squeeze(result, {column ? -1 : -2});
  return result;
}

std::vector<Value*> matmul_integer(Lowering& in) {
  return {matmul_i32(in, in[0], in.optional(2), in[1], in.optional(3))};
}

// Inputs a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero.
std::vector<Value*> qlinear_matmul(Lowering& in) {
  auto& b = in.builder();
  Value* sums = matmul_i32(in, in[0], in[2], in[3], in[5]);
  const DType working = in[1]->type.dtype;
  Value* scale = b.div(b.mul(per_row(in, in[1]), in[4]), per_row(in, in[6]));
  Value* scaled = b.mul(b.cast(sums, working), scale);
  return {quantized(in, scaled, b.scalar(working, 1), per_row(in, in[7]), in[7]->type.dtype)};
}

Value* conv_i32(Lowering& in, Value* x, Value* x_zero, Value* w, Value* w_zero) {
  auto& b = in.builder();
  const Spatial spatial = resolve_spatial(in, x, kernel_of_weights(in, w));
  graph::ConvAttrs attributes;
  attributes.strides = spatial.strides;
  attributes.dilations = spatial.dilations;
  attributes.pads = spatial.pads;
  attributes.groups = in.attr_int("group", 1);
  attributes.dtype = DType::I32;
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
  return {quantized(in, scaled, b.scalar(DType::F32, 1), b.reshape(in[7], {}), in[7]->type.dtype)};
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
