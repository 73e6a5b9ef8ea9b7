#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// max(0, ceil((limit - start) / delta)): an expression when everything is known at compile time, else computed exactly
// for integers and in F64 for floats. A step of 0 fails the run for integers and gives no or too many elements else.
Expr count_of(Lowering& in, Value* start, Value* limit, Value* delta) {
  auto& b = in.builder();
  auto from = b.contents_of(start), to = b.contents_of(limit);
  auto step = b.static_ints(delta);
  if (from && to && step) {
    int64_t by = (*step)[0];
    in.require(by != 0, Status::InvalidModel, "the step is 0");
    in.require(by != INT64_MIN, Status::InvalidModel, "the step is ", by);
    Expr length = by > 0 ? (*to)[0] - (*from)[0] : (*from)[0] - (*to)[0];
    return expr::simplify(expr::max(Expr(0), expr::ceil_div(length, by > 0 ? by : -by)));
  }
  Value* count = nullptr;
  if (is_integer(start->type.dtype)) {
    auto wide = [&](Value* value) { return b.cast(value, DType::I64); };
    Value* distance = b.sub(wide(limit), wide(start));
    Value* rounding = b.sub(wide(delta), b.unary(graph::UnaryFunction::Sign, wide(delta)));
    count = b.maximum(b.div(b.add(distance, rounding), wide(delta)), b.scalar(DType::I64, 0));
  } else {
    auto wide = [&](Value* value) { return b.cast(value, DType::F64); };
    Value* steps = b.unary(graph::UnaryFunction::Ceil, b.div(b.sub(wide(limit), wide(start)), wide(delta)));
    count = b.cast(b.maximum(steps, b.scalar(DType::F64, 0)), DType::I64);
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
