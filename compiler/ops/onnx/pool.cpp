// MaxPool, AveragePool, LpPool and the global pools.
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::PoolAttrs;
using graph::PoolFunction;
using graph::ReduceFunction;
using graph::UnaryFunction;

PoolAttrs pool_of(Lowering& in, PoolFunction function) {
  const Spatial spatial = resolve_spatial(in, in[0], in.attr_ints("kernel_shape"), in.attr_int("ceil_mode", 0) != 0);
  PoolAttrs pool;
  pool.function = function;
  pool.kernel = spatial.kernel;
  pool.strides = spatial.strides;
  pool.dilations = spatial.dilations;
  pool.pads = spatial.pads;
  pool.out_dims = spatial.out_dims;
  return pool;
}

std::vector<Value*> max_pool(Lowering& in) {
  PoolAttrs pool = pool_of(in, PoolFunction::Max);
  std::vector<Value*> results{in.builder().pool(in[0], pool)};
  if (in.outputs() < 2) return results;
  pool.function = PoolFunction::ArgMax;
  pool.column_major = in.attr_int("storage_order", 0) != 0;
  results.push_back(in.builder().pool(in[0], pool));
  return results;
}

std::vector<Value*> average_pool(Lowering& in) {
  PoolAttrs pool = pool_of(in, PoolFunction::Average);
  pool.include_pad = in.attr_int("count_include_pad", 0) != 0;
  return {in.builder().pool(in[0], pool)};
}

// sum(|x|^p)^(1/p) by any summation of a map of x.
template <class Sum>
Value* lp_norm(Lowering& in, Value* x, Sum sum) {
  auto& b = in.builder();
  // p is a float in the first version of the operators.
  const double p = in.version() < 2 ? in.attr_float("p", 2) : double(in.attr_int("p", 2));
  in.require(p > 0, Status::InvalidModel, "p = ", p, " must be positive");
  if (p == 1) return sum(b.unary(UnaryFunction::Abs, x));
  if (p == 2) return b.sqrt(sum(b.mul(x, x)));
  Value* powers = sum(b.binary(BinaryFunction::Pow, b.unary(UnaryFunction::Abs, x), b.scalar_like(x, p)));
  return b.binary(BinaryFunction::Pow, powers, b.scalar_like(x, 1 / p));
}

std::vector<Value*> lp_pool(Lowering& in) {
  const PoolAttrs pool = pool_of(in, PoolFunction::Sum);
  return {lp_norm(in, in[0], [&](Value* powers) { return in.builder().pool(powers, pool); })};
}

std::vector<int64_t> spatial_axes(Lowering& in) {
  in.require(in[0]->type.rank() >= 3, Status::InvalidModel, "rank 3 or more expected, got ",
             graph::to_string(in[0]->type));
  return axes_from(2, in[0]->type.rank());
}

std::vector<Value*> global_average_pool(Lowering& in) { return {in.builder().mean(in[0], spatial_axes(in), true)}; }

std::vector<Value*> global_max_pool(Lowering& in) {
  return {in.builder().reduce(ReduceFunction::Max, in[0], spatial_axes(in), true)};
}

std::vector<Value*> global_lp_pool(Lowering& in) {
  return {lp_norm(in, in[0], [&](Value* powers) {
    return in.builder().reduce(ReduceFunction::Sum, powers, spatial_axes(in), true);
  })};
}

std::vector<Value*> lp_normalization(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const int64_t axis = in.axis(in.attr_int("axis", -1), x->type.rank()), p = in.attr_int("p", 2);
  in.require(p == 1 || p == 2, Status::InvalidModel, "p = ", p, " must be 1 or 2");
  Value* powers = p == 1 ? b.unary(UnaryFunction::Abs, x) : b.mul(x, x);
  Value* norm = b.reduce(ReduceFunction::Sum, powers, {axis}, true);
  return {b.div(x, p == 1 ? norm : b.sqrt(norm))};
}

const OnnxOp ops[] = {
    operator_row("AveragePool", {1, 7, 10, 11, 19, 22}, average_pool),
    operator_row("GlobalAveragePool", {1, 22}, global_average_pool),
    operator_row("GlobalLpPool", {1, 2, 22}, global_lp_pool),
    operator_row("GlobalMaxPool", {1, 22}, global_max_pool),
    operator_row("LpNormalization", {1, 22}, lp_normalization),
    operator_row("LpPool", {1, 2, 11, 18, 22}, lp_pool),
    operator_row("MaxPool", {1, 8, 10, 11, 12, 22}, max_pool, {1, 1}, {1, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
