// pool: maximum, average, sum, or position of the maximum of sliding windows.
#include "compiler/ops/primitive/window.h"

namespace sardonyx::ops {
namespace {

using graph::PoolAttrs;
using graph::PoolFunction;
using tensor::Reduce;

Window window_of(const PoolAttrs& pool) {
  return {pool.strides, pool.dilations, {pool.kernel.begin(), pool.kernel.end()}, pool.pads};
}

std::vector<TensorType> infer(const Attributes& attributes, Types operands) {
  const auto& pool = as<PoolAttrs>(attributes);
  expect_operands(Op::pool, operands, 1);
  const TensorType& x = operands[0];
  expect_rank_at_least(Op::pool, x, 3);
  expect_window(Op::pool, window_of(pool), x.dims.size() - 2, x);
  require(pool.out_dims.size() == x.dims.size() - 2, Status::InvalidModel, "pool: ", pool.out_dims.size(),
          " output dims for ", graph::to_string(x));
  const bool orders = pool.function == PoolFunction::Max || pool.function == PoolFunction::ArgMax;
  require(is_float(x.dtype) || (orders && is_integer(x.dtype)), Status::InvalidModel, "pool ",
          graph::pool_names[int(pool.function)], " does not accept ", graph::to_string(x));
  const bool index = pool.function == PoolFunction::ArgMax;
  TensorType result{index ? DType::I64 : x.dtype, {x.dims[0], x.dims[1]}, index ? graph::Layout{} : kept_layout(x)};
  for (const Expr& dim : pool.out_dims) result.dims.push_back(expr::simplify(dim));
  return {result};
}

// A reduction of `body(value position, inside conditions)` over the taps of each window.
Term reduce_taps(const char* name, Reduce kind, DType dtype, const Window& window, const Term& x, const Exprs& dims,
                 ProgramBuilder& program, const std::function<Expr(const Index& out, const Index& position)>& body) {
  return program.reduce(name, kind, dtype, dims, window.kernel, [=](const Index& out, const Index& in) {
    Index position{out[0], out[1]};
    std::vector<Expr> inside;
    for (size_t i = 0; i < window.rank(); ++i) {
      position.push_back(window_position(window, i, out[i + 2], in[i]));
      window_bounds(window, i, position.back(), x.dims[i + 2], dims[i + 2], inside);
    }
    const Expr value = body(out, position);
    return inside.empty() ? value : expr::select(all_of(inside), value, tensor::identity_of(kind, dtype));
  });
}

// How many taps of the window at `out` count: those on the input, or with include_pad those on the padded input (a
// window of ceil mode may reach beyond both).
Expr covered_taps(const PoolAttrs& pool, const Window& window, const Term& x, const Index& out, const Exprs& dims) {
  Expr count = 1;
  for (size_t i = 0; i < window.rank(); ++i) {
    const Expr dilation(window.dilations[i]), end_pad = pool.include_pad ? window.pads[i + window.rank()] : Expr(0);
    const Expr limit = expr::simplify(x.dims[i + 2] + end_pad);
    const Expr start = window_position(window, i, out[i + 2], 0);
    Expr taps = window.kernel[i];
    if (!expr::prove(window_position(window, i, dims[i + 2] - 1, window.kernel[i] - 1) < limit))
      taps = expr::min(taps, expr::ceil_div(limit - start, dilation));
    if (!pool.include_pad && !expr::is_const(window.pads[i], 0))
      taps = taps - expr::max(Expr(0), expr::ceil_div(-start, dilation));
    count = count * taps;
  }
  return expr::simplify(count);
}

// ONNX's flat index of a position in x; column_major counts the spatial dims in Fortran order.
Expr flat_position(const Term& x, const Index& position) { return flatten(position, x.dims); }

Expr to_column_major(const Term& x, const Expr& flat) {
  const Index position = unflatten(flat, x.dims);
  Expr spatial = 0;
  for (size_t i = position.size(); i-- > 2;) spatial = spatial * x.dims[i] + position[i];
  Expr size = 1;
  for (size_t i = 2; i < x.dims.size(); ++i) size = size * x.dims[i];
  return (position[0] * x.dims[1] + position[1]) * size + spatial;
}

std::vector<Term> express(const Attributes& attributes, Terms operands, Types results, ProgramBuilder& program) {
  const auto pool = as<PoolAttrs>(attributes);
  const Window window = window_of(pool);
  const Exprs dims = results[0].dims;
  const bool sums = pool.function == PoolFunction::Average || pool.function == PoolFunction::Sum;
  const Term x = sums ? cast_term(operands[0], accumulation_dtype(operands[0].dtype)) : operands[0];
  const auto value = [x](const Index&, const Index& position) { return x.at(position); };
  const Term reduced = reduce_taps("pool", sums ? Reduce::Sum : Reduce::Max, x.dtype, window, x, dims, program, value);
  if (pool.function == PoolFunction::Average) {
    const Term average{x.dtype, dims, [=](const Index& out) {
                         return reduced.at(out) / expr::cast(covered_taps(pool, window, x, out, dims), x.dtype);
                       }};
    return {cast_term(average, results[0].dtype)};
  }
  if (pool.function != PoolFunction::ArgMax) return {cast_term(reduced, results[0].dtype)};
  const auto hit = [=](const Index& out, const Index& position) {
    const Expr here = x.at(position);
    Expr same = here == reduced.at(out);
    if (is_float(x.dtype)) same = same || expr::call(expr::Function::IsNan, {here});
    return expr::select(same, flat_position(x, position), tensor::identity_of(Reduce::Min, DType::I64));
  };
  const Term first = reduce_taps("arg_pool", Reduce::Min, DType::I64, window, x, dims, program, hit);
  if (!pool.column_major) return {first};
  return {map(first, DType::I64, [x](const Expr& flat) { return to_column_major(x, flat); })};
}

const RegisterOp registration{{.op = Op::pool, .traits = graph::Window, .infer = infer, .express = express}};

}  // namespace
}  // namespace sardonyx::ops
