// The Reduce* family: a map, a reduction, and a map.
#include <numeric>

#include "compiler/ops/onnx/reduce_run_time_axes.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;
using graph::UnaryFunction;

// What the attributes and the axes input say. No axes at all with noop_with_empty_axes; `run_time_axes` is set instead
// of `axes` when the axes input is not known.
struct Spec {
  std::vector<int64_t> axes;
  Value* run_time_axes = nullptr;
  bool keep_dims = true;
};

Spec spec_of(Lowering& in) {
  auto& b = in.builder();
  Spec spec;
  spec.keep_dims = in.attr_int("keepdims", 1) != 0;
  const int rank = in[0]->type.rank();
  Value* input = in.optional(1);
  const bool empty_input = input && expr::is_const(graph::element_count(input->type), 0);
  if (input && !empty_input && !b.static_ints(input)) {
    in.require(input->type.rank() == 1 && is_integer(input->type.dtype), Status::InvalidModel, "axes ",
               graph::to_string(input->type), " must be a list of integers");
    spec.run_time_axes = input;
    return spec;
  }
  if (auto axes = empty_input ? std::nullopt : in.ints_input_or_attr(1, "axes")) spec.axes = *axes;
  if (spec.axes.empty() && in.attr_int("noop_with_empty_axes", 0) == 0) {
    spec.axes.resize(size_t(rank));
    std::iota(spec.axes.begin(), spec.axes.end(), int64_t{0});
  }
  for (int64_t& axis : spec.axes) axis = in.axis(axis, rank);
  return spec;
}

Value* reduced(Lowering& in, ReduceFunction function, Value* x, const Spec& spec) {
  if (spec.run_time_axes) return reduce_run_time_axes(in, function, x, spec.run_time_axes, spec.keep_dims);
  return in.builder().reduce(function, x, spec.axes, spec.keep_dims);
}

Value* sum(Lowering& in, Value* x, const Spec& spec) { return reduced(in, ReduceFunction::Sum, x, spec); }

template <ReduceFunction function>
std::vector<Value*> plain(Lowering& in) {
  return {reduced(in, function, in[0], spec_of(in))};
}

std::vector<Value*> mean(Lowering& in) {
  auto& b = in.builder();
  const Spec spec = spec_of(in);
  if (!spec.run_time_axes) return {b.mean(in[0], spec.axes, spec.keep_dims)};
  Value* total = sum(in, in[0], spec);
  const Expr count = graph::element_count(in[0]->type) / graph::element_count(total->type);
  return {b.div(total, b.cast(b.dims_tensor({count}, {}), total->type.dtype))};
}

std::vector<Value*> l1(Lowering& in) {
  Value* x = in[0];
  return {sum(in, is_signed(x->type.dtype) ? in.builder().unary(UnaryFunction::Abs, x) : x, spec_of(in))};
}

// A function of floats applied to any numeric tensor.
Value* float_map(Builder& b, UnaryFunction function, Value* x) {
  if (is_float(x->type.dtype)) return b.unary(function, x);
  return b.cast(b.unary(function, b.cast(x, DType::F64)), x->type.dtype);
}

std::vector<Value*> l2(Lowering& in) {
  Value* squares = sum(in, in.builder().mul(in[0], in[0]), spec_of(in));
  return {float_map(in.builder(), UnaryFunction::Sqrt, squares)};
}

std::vector<Value*> sum_square(Lowering& in) { return {sum(in, in.builder().mul(in[0], in[0]), spec_of(in))}; }

std::vector<Value*> log_sum(Lowering& in) {
  return {float_map(in.builder(), UnaryFunction::Log, sum(in, in[0], spec_of(in)))};
}

// log(sum(exp(x - max))) + max; an infinite maximum is not subtracted, or the result would be NaN.
std::vector<Value*> log_sum_exp(Lowering& in) {
  auto& b = in.builder();
  const Spec spec = spec_of(in);
  const DType dtype = in[0]->type.dtype, working = is_float(dtype) ? dtype : DType::F64;
  Value* x = b.cast(in[0], working);
  if (spec.run_time_axes) return {b.cast(b.unary(UnaryFunction::Log, sum(in, b.exp(x), spec)), dtype)};
  Value* top = b.reduce(ReduceFunction::Max, x, spec.axes, true);
  top = b.select(b.unary(UnaryFunction::IsInf, top), b.scalar_like(top, 0), top);
  Value* logs = b.unary(UnaryFunction::Log, b.reduce(ReduceFunction::Sum, b.exp(b.sub(x, top)), spec.axes, true));
  Value* result = b.add(logs, top);
  if (!spec.keep_dims) result = b.squeeze(result, spec.axes);
  return {b.cast(result, dtype)};
}

const OnnxOp ops[] = {
    operator_row("ReduceL1", {1, 11, 13, 18}, l1, {1, 2}),
    operator_row("ReduceL2", {1, 11, 13, 18}, l2, {1, 2}),
    operator_row("ReduceLogSum", {1, 11, 13, 18}, log_sum, {1, 2}),
    operator_row("ReduceLogSumExp", {1, 11, 13, 18}, log_sum_exp, {1, 2}),
    operator_row("ReduceMax", {1, 11, 12, 13, 18, 20}, plain<ReduceFunction::Max>, {1, 2}),
    operator_row("ReduceMean", {1, 11, 13, 18}, mean, {1, 2}),
    operator_row("ReduceMin", {1, 11, 12, 13, 18, 20}, plain<ReduceFunction::Min>, {1, 2}),
    operator_row("ReduceProd", {1, 11, 13, 18}, plain<ReduceFunction::Product>, {1, 2}),
    operator_row("ReduceSum", {1, 11, 13}, plain<ReduceFunction::Sum>, {1, 2}),
    operator_row("ReduceSumSquare", {1, 11, 13, 18}, sum_square, {1, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
