// reduce and cumulate.
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/gradient/rules.h"
#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

using graph::ReduceFunction;

// The product of all others along the last axis, without division: of those before and those behind.
Value* products_of_others(Builder& b, Value* x) {
  return b.mul(b.cumulate(ReduceFunction::Product, x, -1, true, false),
               b.cumulate(ReduceFunction::Product, x, -1, true, true));
}

// Of the product over `axes`; `spread` is the result's adjoint broadcast to x.
Value* product_adjoint(Builder& b, Value* x, const Ints& axes, Value* spread) {
  Ints perm, inverse(x->type.dims.size());
  Exprs merged;
  Expr count = 1;
  for (int64_t i = 0; i < x->type.rank(); ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i)) perm.push_back(i), merged.push_back(x->type.dims[size_t(i)]);
  for (int64_t axis : axes) perm.push_back(axis), count = count * x->type.dims[size_t(axis)];
  merged.push_back(count);
  for (size_t i = 0; i < perm.size(); ++i) inverse[size_t(perm[i])] = int64_t(i);
  Value* rows = b.transpose(x, perm);
  Value* others = b.reshape(products_of_others(b, b.reshape(rows, merged)), rows->type.dims);
  return b.mul(spread, b.transpose(others, inverse));
}

// d/dx[k] = sum over i >= k of dy[i] * product of x[j] over j <= i but k. The products are those of rows in which the
// factor k is 1: quadratic in the extent, but without a division that zeros would spoil.
Value* running_product_adjoint(Builder& b, const graph::CumulateAttrs& attrs, Value* x, Value* y) {
  const int64_t rank = x->type.rank(), axis = attrs.axis;
  const Expr extent = x->type.dims[size_t(axis)];
  Exprs dims = x->type.dims;  // [..., extent, ..., k]
  dims.push_back(extent);
  Value *place = b.iota(DType::I64, dims, axis), *factor = b.iota(DType::I64, dims, rank);
  Value* others = b.select(b.equal(place, factor), b.scalar_like(x, 1), b.unsqueeze(x, {rank}));
  Value* products = b.cumulate(ReduceFunction::Product, others, axis, attrs.exclusive, attrs.reverse);
  // Which results the factor is in.
  Value *first = attrs.reverse ? place : factor, *last = attrs.reverse ? factor : place;
  Value* taken = attrs.exclusive ? b.less(first, last) : b.less_equal(first, last);
  Value* terms = b.select(taken, b.mul(products, b.unsqueeze(y, {rank})), b.scalar_like(x, 0));
  // [..., k] with the axis gone; k goes to its place.
  Ints perm;
  for (int64_t i = 0; i + 1 < rank; ++i) perm.push_back(i);
  perm.insert(perm.begin() + axis, rank - 1);
  return b.transpose(b.reduce(ReduceFunction::Sum, terms, {axis}, false), perm);
}

}  // namespace

void differentiate_reduce(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& reduce = node.attrs<graph::ReduceAttrs>();
  Value* x = node.operand(0);
  Exprs kept = x->type.dims;
  for (int64_t axis : reduce.axes) kept[size_t(axis)] = 1;
  const auto spread = [&](Value* value) { return b.broadcast(b.reshape(value, kept), x->type.dims); };
  Value* y = a.of(node.result());
  switch (reduce.function) {
    case ReduceFunction::Sum:
      return a.add(x, spread(y));
    case ReduceFunction::Product:
      return a.add(x, product_adjoint(b, x, reduce.axes, spread(y)));
    case ReduceFunction::Max:
    case ReduceFunction::Min: {
      // All elements that are the extreme value share the adjoint.
      Value* hits = b.cast(b.equal(x, spread(node.result())), x->type.dtype);
      Value* share = b.div(y, b.reduce(ReduceFunction::Sum, hits, reduce.axes, false));
      return a.add(x, b.mul(hits, spread(share)));
    }
  }
}

void differentiate_cumulate(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& attrs = node.attrs<graph::CumulateAttrs>();
  Value *x = node.operand(0), *y = a.of(node.result());
  switch (attrs.function) {
    case ReduceFunction::Sum:
      return a.add(x, b.cumulate(ReduceFunction::Sum, y, attrs.axis, attrs.exclusive, !attrs.reverse));
    case ReduceFunction::Product:
      return a.add(x, running_product_adjoint(b, attrs, x, y));
    case ReduceFunction::Max:
    case ReduceFunction::Min:
      fail(Status::UnsupportedOperator, "running extremes are not differentiated");
  }
}

}  // namespace sardonyx::gradient
