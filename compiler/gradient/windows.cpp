// pool and lrn: sums and maxima of neighbourhoods.
#include "compiler/expr/simplify.h"
#include "compiler/gradient/rules.h"
#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

using graph::BinaryFunction;
using graph::PoolAttrs;
using graph::PoolFunction;

// The adjoint of sums over windows of x: every element gets the sum of the windows that it lies in.
Value* spread_windows(Builder& b, Value* y, const PoolAttrs& pool, const Exprs& x_dims) {
  graph::ConvTransposeAttrs attrs;
  attrs.strides = pool.strides;
  attrs.dilations = pool.dilations;
  attrs.pads = pool.pads;
  attrs.out_dims.assign(x_dims.begin() + 2, x_dims.end());
  Exprs flat{y->type.dims[0] * y->type.dims[1], 1};
  flat.insert(flat.end(), y->type.dims.begin() + 2, y->type.dims.end());
  Dims kernel{1, 1};
  kernel.insert(kernel.end(), pool.kernel.begin(), pool.kernel.end());
  Tensor ones(y->type.dtype, kernel);
  for (int64_t i = 0; i < ones.count(); ++i) ones.set_double(i, 1);
  return b.reshape(b.conv_transpose(b.reshape(y, flat), b.constant(std::move(ones)), attrs), x_dims);
}

// How many elements each window averages: its sum over ones, where padding counts as the pool says.
Value* window_sizes(Builder& b, PoolAttrs pool, const Exprs& x_dims, DType dtype) {
  const size_t rank = pool.kernel.size();
  Exprs dims{1, 1};
  for (size_t i = 0; i < rank; ++i)
    dims.push_back(pool.include_pad ? x_dims[i + 2] + pool.pads[i] + pool.pads[i + rank] : x_dims[i + 2]);
  if (pool.include_pad) pool.pads.assign(2 * rank, Expr(0));
  pool.function = PoolFunction::Sum;
  return b.pool(b.full(b.scalar(dtype, 1), dims), pool);
}

Value* max_adjoint(Builder& b, Value* x, Value* y, PoolAttrs pool) {
  pool.function = PoolFunction::ArgMax;
  pool.column_major = false;
  const Expr count = element_count(x->type);
  const Exprs flat{element_count(y->type)};
  Value* places = b.reshape(b.pool(x, pool), flat);
  // A window that lies on padding alone has no maximum.
  Value* found = b.less(places, b.reshape(b.dims_tensor({count}, {}), {}));
  places = b.select(found, places, b.scalar(DType::I64, 0));
  Value* values = b.select(found, b.reshape(y, flat), b.scalar_like(y, 0));
  return b.reshape(add_rows(b, places, values, {count}), x->type.dims);
}

}  // namespace

void differentiate_pool(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& pool = node.attrs<PoolAttrs>();
  Value *x = node.operand(0), *y = a.of(node.result());
  switch (pool.function) {
    case PoolFunction::Sum:
      return a.add(x, spread_windows(b, y, pool, x->type.dims));
    case PoolFunction::Average:
      y = b.div(y, window_sizes(b, pool, x->type.dims, y->type.dtype));
      return a.add(x, spread_windows(b, y, pool, x->type.dims));
    case PoolFunction::Max:
      return a.add(x, max_adjoint(b, x, y, pool));
    case PoolFunction::ArgMax:
      fail(Status::InternalError, "positions do not vary");
  }
}

// y = x * base^-beta, base = bias + alpha / size * sum of squares around, so
// dx = dy * base^-beta - 2 * beta * alpha / size * x * sum around of dy * x * base^(-beta - 1).
void differentiate_lrn(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& lrn = node.attrs<graph::LrnAttrs>();
  const DType working = working_dtype(node.operand(0)->type.dtype);
  Value *x = b.cast(node.operand(0), working), *y = b.cast(a.of(node.result()), working);
  const Expr& channels = x->type.dims[1];
  const Exprs planes{x->type.dims[0], 1, channels,
                     expr::simplify(element_count(x->type) / (x->type.dims[0] * channels))};
  const int64_t below = (lrn.size - 1) / 2, above = lrn.size - 1 - below;
  // Sums over `size` channels, of which `begin` are below the one in question.
  const auto around = [&](Value* terms, int64_t begin) {
    PoolAttrs pool;
    pool.function = PoolFunction::Sum;
    pool.kernel = {lrn.size, 1};
    pool.strides = pool.dilations = {1, 1};
    pool.pads = {begin, 0, lrn.size - 1 - begin, 0};
    pool.out_dims = {channels, planes[3]};
    return b.reshape(b.pool(b.reshape(terms, planes), pool), x->type.dims);
  };
  const auto scaled = [&](Value* value, double factor) { return b.mul(value, b.scalar_like(value, factor)); };
  const double factor = lrn.alpha / double(lrn.size);
  Value* base = b.add(scaled(around(b.mul(x, x), below), factor), b.scalar_like(x, lrn.bias));
  Value* scaled_y = b.mul(y, b.binary(BinaryFunction::Pow, base, b.scalar_like(x, -lrn.beta)));
  Value* sums = around(b.div(b.mul(scaled_y, x), base), above);
  Value* result = b.sub(scaled_y, b.mul(scaled(x, 2 * lrn.beta * factor), sums));
  a.add(node.operand(0), b.cast(result, node.operand(0)->type.dtype));
}

}  // namespace sardonyx::gradient
