#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// max(0, ceil((limit - start) / delta)): an expression for integers with a static step, else computed in f64.
Expr count_of(Lowering& in, Value* start, Value* limit, Value* delta) {
  auto& b = in.builder();
  auto from = b.contents_of(start), to = b.contents_of(limit);
  auto step = b.static_ints(delta);
  if (from && to && step) {
    int64_t by = (*step)[0];
    in.require(by != 0, Status::InvalidModel, "the step is 0");
    Expr length = by > 0 ? (*to)[0] - (*from)[0] : (*from)[0] - (*to)[0];
    return expr::simplify(expr::max(Expr(0), expr::ceil_div(length, by > 0 ? by : -by)));
  }
  auto wide = [&](Value* value) { return b.cast(value, DType::F64); };
  Value* steps = b.unary(graph::UnaryFunction::Ceil, b.div(b.sub(wide(limit), wide(start)), wide(delta)));
  Value* count = b.cast(b.maximum(steps, b.scalar(DType::F64, 0)), DType::I64);
  return b.values_of(count, {0, INT64_MAX, 1})[0];
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *start = b.reshape(in[0], {}), *limit = b.reshape(in[1], {}), *delta = b.reshape(in[2], {});
  Value* index = b.iota(start->type.dtype, {count_of(in, start, limit, delta)}, 0);
  return {b.add(start, b.mul(index, delta))};
}

const OnnxOp op{operator_row("Range", {11, 27}, lower, {3, 3})};

}  // namespace
}  // namespace sardonyx::ops
