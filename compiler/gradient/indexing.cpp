// Elements chosen by index tensors: what was gathered is added where it came from, what was scattered is gathered.
#include "compiler/expr/simplify.h"
#include "compiler/gradient/rules.h"
#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

using graph::ScatterReduce;

// scatter_elements and scatter_nd, which differ only in how indices are read.
Value* gather_like(Builder& b, const Node& scatter, Value* from) {
  Value* indices = scatter.operand(1);
  if (scatter.op == Op::scatter_nd) return b.gather_nd(from, indices, 0);
  return b.gather_elements(from, indices, scatter.attrs<graph::ScatterAttrs>().axis);
}

Value* scatter_like(Builder& b, const Node& scatter, Value* into, Value* updates, ScatterReduce reduction) {
  Value* indices = scatter.operand(1);
  if (scatter.op == Op::scatter_nd) return b.scatter_nd(into, indices, updates, reduction);
  return b.scatter_elements(into, indices, updates, scatter.attrs<graph::ScatterAttrs>().axis, reduction);
}

Value* is_zero(Builder& b, Value* x) { return b.equal(x, b.scalar_like(x, 0)); }

// Every element of a result is the product of an element of the data and the updates that reach it. The product of the
// others is the product divided by the factor; without division where a factor is 0.
void differentiate_products(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  Value *data = node.operand(0), *updates = node.operand(2), *one = b.scalar_like(data, 1);
  const auto nonzero = [&](Value* x) { return b.select(is_zero(b, x), one, x); };
  const auto zero_count = [&](Value* x) { return b.cast(is_zero(b, x), x->type.dtype); };
  Value* products = scatter_like(b, node, nonzero(data), nonzero(updates), ScatterReduce::Mul);
  Value* zero_counts = scatter_like(b, node, zero_count(data), zero_count(updates), ScatterReduce::Add);
  // Other factors are 0 when there are more zeros than the factor itself.
  const auto adjoint = [&](Value* factor, Value* product, Value* zeros_there, Value* y) {
    Value* others = b.div(product, nonzero(factor));
    return b.select(b.equal(zeros_there, zero_count(factor)), b.mul(y, others), b.scalar_like(y, 0));
  };
  Value* y = a.of(node.result());
  if (a.varies(data)) a.add(data, adjoint(data, products, zero_counts, y));
  if (!a.varies(updates)) return;
  a.add(updates,
        adjoint(updates, gather_like(b, node, products), gather_like(b, node, zero_counts), gather_like(b, node, y)));
}

// The data and the updates that are the extreme value share the adjoint.
void differentiate_extremes(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  Value *data = node.operand(0), *updates = node.operand(2), *result = node.result();
  Value* data_hits = b.cast(b.equal(data, result), data->type.dtype);
  Value* update_hits = b.cast(b.equal(updates, gather_like(b, node, result)), updates->type.dtype);
  Value* share = b.div(a.of(result), scatter_like(b, node, data_hits, update_hits, ScatterReduce::Add));
  if (a.varies(data)) a.add(data, b.mul(data_hits, share));
  if (a.varies(updates)) a.add(updates, b.mul(update_hits, gather_like(b, node, share)));
}

}  // namespace

void differentiate_gather(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const int64_t axis = node.attrs<graph::AxisAttrs>().axis;
  const Value* x = node.operand(0);
  Value* indices = node.operand(1);
  const int64_t rank = x->type.rank(), width = indices->type.rank();
  // [before, indices, behind] -> [indices, before, behind]
  Ints to_front, back;
  for (int64_t i = 0; i < width; ++i) to_front.push_back(axis + i);
  for (int64_t i = 0; i < rank + width - 1; ++i)
    if (i < axis || i >= axis + width) to_front.push_back(i);
  Exprs dims{x->type.dims[size_t(axis)]};
  for (int64_t i = 0; i < rank; ++i) {
    if (i != axis) dims.push_back(x->type.dims[size_t(i)]);
    back.push_back(i == axis ? 0 : i < axis ? i + 1 : i);
  }
  Value* rows = b.transpose(a.of(node.result()), to_front);
  a.add(x, b.transpose(add_rows(b, indices, rows, dims), back));
}

void differentiate_gather_elements(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const Value* x = node.operand(0);
  a.add(x, b.scatter_elements(zeros(b, x->type.dtype, x->type.dims), node.operand(1), a.of(node.result()),
                              node.attrs<graph::AxisAttrs>().axis, ScatterReduce::Add));
}

void differentiate_gather_nd(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const Value* x = node.operand(0);
  Value* indices = node.operand(1);
  // Positions in the batch dims, which the tuples leave out, go in front of them.
  std::vector<Value*> parts;
  Exprs place = indices->type.dims;
  place.back() = 1;
  for (int64_t i = 0; i < node.attrs<graph::GatherNdAttrs>().batch_dims; ++i)
    parts.push_back(b.iota(indices->type.dtype, place, i));
  parts.push_back(indices);
  Value* tuples = b.concat(parts, -1);
  a.add(x, b.scatter_nd(zeros(b, x->type.dtype, x->type.dims), tuples, a.of(node.result()), ScatterReduce::Add));
}

void differentiate_scatter(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  Value *data = node.operand(0), *updates = node.operand(2), *y = a.of(node.result());
  switch (node.attrs<graph::ScatterAttrs>().reduction) {
    case ScatterReduce::None:
      // ONNX forbids several updates of one element here.
      if (a.varies(data))
        a.add(data, scatter_like(b, node, y, zeros(b, y->type.dtype, updates->type.dims), ScatterReduce::None));
      if (a.varies(updates)) a.add(updates, gather_like(b, node, y));
      return;
    case ScatterReduce::Add:
      a.add(data, y);
      if (a.varies(updates)) a.add(updates, gather_like(b, node, y));
      return;
    case ScatterReduce::Mul:
      return differentiate_products(a, node);
    case ScatterReduce::Min:
    case ScatterReduce::Max:
      return differentiate_extremes(a, node);
  }
}

void differentiate_topk(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const Value* x = node.operand(0);
  a.add(x, b.scatter_elements(zeros(b, x->type.dtype, x->type.dims), node.result(1), a.of(node.result()),
                              node.attrs<graph::TopkAttrs>().axis, ScatterReduce::Add));
}

}  // namespace sardonyx::gradient
