// Data movement: every element goes back to where it came from.
#include "compiler/expr/simplify.h"
#include "compiler/gradient/rules.h"

namespace sardonyx::gradient {

namespace {

using graph::PadMode;

// One axis of the adjoint of a slice with a step that is not 1: dim `axis` of y, whose elements came from
// start + i * step, becomes one of extent `dim` with zeros between them.
Value* spread(Builder& b, Value* y, int64_t axis, Expr start, int64_t step, const Expr& dim) {
  const size_t at = size_t(axis);
  const Expr count = y->type.dims[at];
  if (step < 0) {
    Exprs starts(y->type.dims.size(), Expr(0));
    Ints steps(y->type.dims.size(), 1);
    starts[at] = count - 1;
    steps[at] = -1;
    y = b.slice(y, starts, y->type.dims, steps);
    // Nothing is read by a slice of no elements, whatever its start.
    start = expr::max(Expr(0), start + (count - 1) * Expr(step));
    step = -step;
  }
  y = b.unsqueeze(y, {axis + 1});
  Exprs before(y->type.dims.size(), Expr(0)), after = before;
  after[at + 1] = step - 1;
  y = b.pad(y, before, after, PadMode::Constant);
  Exprs dims = y->type.dims;
  const Expr length = expr::simplify(count * Expr(step));
  dims[at] = length;
  dims.erase(dims.begin() + axis + 1);
  y = b.reshape(y, dims);
  // The zeros behind the last element may reach beyond the end.
  before.pop_back(), after.assign(before.size(), Expr(0));
  before[at] = start;
  after[at] = expr::max(Expr(0), dim - start - length);
  return b.slice_axis(b.pad(y, before, after, PadMode::Constant), axis, 0, dim);
}

}  // namespace

void differentiate_broadcast(Adjoints& a, const Node& node) {
  const Value* x = node.operand(0);
  a.add(x, sum_to(a.builder(), a.of(node.result()), x->type.dims));
}

void differentiate_reshape(Adjoints& a, const Node& node) {
  const Value* x = node.operand(0);
  a.add(x, a.builder().reshape(a.of(node.result()), x->type.dims));
}

void differentiate_transpose(Adjoints& a, const Node& node) {
  const Ints& perm = node.attrs<graph::TransposeAttrs>().perm;
  Ints inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) inverse[size_t(perm[i])] = int64_t(i);
  a.add(node.operand(0), a.builder().transpose(a.of(node.result()), inverse));
}

void differentiate_slice(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& slice = node.attrs<graph::SliceAttrs>();
  const Exprs& dims = node.operand(0)->type.dims;
  Value* y = a.of(node.result());
  if (expr::is_const(element_count(y->type), 0)) return;
  Exprs before = slice.starts, after;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (slice.steps[i] != 1) {
      y = spread(b, y, int64_t(i), slice.starts[i], slice.steps[i], dims[i]);
      before[i] = 0;
    }
    after.push_back(dims[i] - before[i] - y->type.dims[i]);
  }
  a.add(node.operand(0), b.pad(y, before, after, PadMode::Constant));
}

void differentiate_pad(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& pad = node.attrs<graph::PadAttrs>();
  const Value* x = node.operand(0);
  Value* y = a.of(node.result());
  const size_t rank = x->type.dims.size();
  if (pad.mode == PadMode::Constant) {
    Value* inner = b.slice(y, pad.before, x->type.dims, Ints(rank, 1));
    a.add(x, inner);
    if (!a.varies(node.operand(1))) return;
    a.add(node.operand(1), b.sub(sum_to(b, y, {}), sum_to(b, inner, {})));
    return;
  }
  // The other modes repeat positions of one axis, whatever those of the others: padding the positions says which.
  for (size_t i = 0; i < rank; ++i) {
    if (expr::is_const(pad.before[i], 0) && expr::is_const(pad.after[i], 0)) continue;
    Value* positions = b.pad(b.iota(DType::I64, {x->type.dims[i]}, 0), {pad.before[i]}, {pad.after[i]}, pad.mode);
    Ints to_front{int64_t(i)}, back;
    for (int64_t k = 0; k < int64_t(rank); ++k) {
      if (k != int64_t(i)) to_front.push_back(k);
      back.push_back(k == int64_t(i) ? 0 : k < int64_t(i) ? k + 1 : k);
    }
    Value* rows = b.transpose(y, to_front);
    Exprs dims = rows->type.dims;
    dims[0] = x->type.dims[i];
    y = b.transpose(add_rows(b, positions, rows, dims), back);
  }
  a.add(x, y);
}

void differentiate_concat(Adjoints& a, const Node& node) {
  const int64_t axis = node.attrs<graph::AxisAttrs>().axis;
  Expr start = 0;
  for (const Value* x : node.operands) {
    const Expr& extent = x->type.dims[size_t(axis)];
    if (a.varies(x)) a.add(x, a.builder().slice_axis(a.of(node.result()), axis, start, extent));
    start = start + extent;
  }
}

}  // namespace sardonyx::gradient
