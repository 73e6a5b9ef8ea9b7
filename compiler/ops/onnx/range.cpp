#include <cmath>

#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// In F64: exact up to 2^53 elements, too many or none when there is no number.
Value* float_count(Builder& b, Value* start, Value* limit, Value* delta) {
  auto wide = [&](Value* value) { return b.cast(value, DType::F64); };
  Value* steps = b.unary(graph::UnaryFunction::Ceil, b.div(b.sub(wide(limit), wide(start)), wide(delta)));
  return b.cast(b.maximum(steps, b.scalar(DType::F64, 0)), DType::I64);
}

// Of I64 scalars. Distances take 64 bits without a sign; a count that takes as many is negative in the end.
Value* integer_count(Builder& b, Value* start, Value* limit, Value* delta) {
  const auto bits = [&](Value* value) { return b.cast(value, DType::U64); };
  Value* down = b.less(delta, b.scalar(DType::I64, 0));
  Value* none = b.select(down, b.less_equal(start, limit), b.less_equal(limit, start));
  Value* distance = b.select(down, b.sub(bits(start), bits(limit)), b.sub(bits(limit), bits(start)));
  Value* step = b.select(down, b.sub(b.scalar(DType::U64, 0), bits(delta)), bits(delta));
  Value* quotient = b.div(distance, step);
  Value* exact = b.equal(b.mul(quotient, step), distance);
  Value* count = b.select(exact, quotient, b.add(quotient, b.scalar(DType::U64, 1)));
  return b.select(none, b.scalar(DType::I64, 0), b.cast(count, DType::I64));
}

// Sums and differences of such values do not overflow.
bool is_moderate(const Expr& value) {
  const auto known = expr::as_int(value);
  return !known || std::abs(double(*known)) < 1e18;
}

// max(0, ceil((limit - start) / delta)): an expression when everything is known at compile time, else computed exactly
// for integers and in F64 for floats. A step of 0 fails the run for integers and gives no or too many elements else.
Expr count_of(Lowering& in, Value* start, Value* limit, Value* delta) {
  auto& b = in.builder();
  auto from = b.contents_of(start), to = b.contents_of(limit);
  auto step = b.static_ints(delta);
  in.require(!step || (*step)[0] != 0, Status::InvalidModel, "the step is 0");
  if (from && to && step && is_moderate((*from)[0]) && is_moderate((*to)[0]) && is_moderate((*step)[0])) {
    int64_t by = (*step)[0];
    Expr length = by > 0 ? (*to)[0] - (*from)[0] : (*from)[0] - (*to)[0];
    return expr::simplify(expr::max(Expr(0), expr::ceil_div(length, by > 0 ? by : -by)));
  }
  Value* count = nullptr;
  if (is_integer(start->type.dtype)) {
    delta = b.cast(delta, DType::I64);
    b.check(b.values_of(delta)[0] != Expr(0), Status::InvalidModel,
            str("node '", in.node(), "' (Range): the step is 0"));
    count = integer_count(b, b.cast(start, DType::I64), b.cast(limit, DType::I64), delta);
  } else {
    count = float_count(b, start, limit, delta);
  }
  return b.values_of(count, {0, INT64_MAX, 1})[0];
}

// The type that elements are computed in: version 27 says so for the narrow floats.
DType working_type(Lowering& in) {
  const DType dtype = in[0]->type.dtype;
  if (dtype != DType::F16 && dtype != DType::BF16) return dtype;
  const auto stash = DType(in.attr_int("stash_type", int64_t(DType::F32)));
  in.require(is_float(stash), Status::InvalidModel, "stash_type ", int(stash), " is no float type");
  return stash;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  const DType dtype = in[0]->type.dtype, working = working_type(in);
  in.require(is_float(dtype) || is_integer(dtype), Status::InvalidModel, "expected numbers, got ",
             graph::to_string(in[0]->type));
  Value* bounds[3];
  for (int i = 0; i < 3; ++i) {
    in.require(in[i]->type.dtype == dtype, Status::InvalidModel, "input ", i, " is ", graph::to_string(in[i]->type),
               ", expected ", dtype_name(dtype));
    bounds[i] = b.cast(b.reshape(in[i], {}), working);
  }
  Value* index = b.iota(working, {count_of(in, bounds[0], bounds[1], bounds[2])}, 0);
  return {b.cast(b.add(bounds[0], b.mul(index, bounds[2])), dtype)};
}

const OnnxOp op{operator_row("Range", {11, 27}, lower, {3, 3})};

}  // namespace
}  // namespace sardonyx::ops
