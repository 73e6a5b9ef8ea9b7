// Reshapes move to where they separate nothing that could be one group:
//  * behind element-wise nodes that follow a product: exporters flatten the rows of a product and restore them at once,
//    so that bias and activation would be parted from it;
//  * in front of a slice of the last axis that is then split, as joint projections of queries, keys and values are:
//    slice and transpose become neighbours, and the reshape is a view of the projection.
// Values do not change.
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::Builder;
using graph::Expr;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

constexpr size_t longest_epilogue = 64;

// Whether a value is a product, or made of one element by element.
bool follows_product(const Value* value) {
  std::vector<const Node*> nodes;
  const auto push = [&](const Value* from) {
    const bool same = graph::same_dims(from->type.dims, value->type.dims);
    if (same && from->producer && std::find(nodes.begin(), nodes.end(), from->producer) == nodes.end())
      nodes.push_back(from->producer);
  };
  push(value);
  for (size_t i = 0; i < nodes.size() && i < longest_epilogue; ++i) {
    const Node* node = nodes[i];
    if (node->op == Op::matmul) return true;
    if (has(*node, graph::Pointwise))
      for (const Value* operand : node->operands) push(operand);
  }
  return false;
}

// The operand in `dims`, whose elements are those of `from` in the same order, last axis included; null when it would
// have to be moved.
Value* in_dims(Builder& b, Value* operand, const std::vector<Expr>& from, const std::vector<Expr>& dims) {
  if (!producer_if(operand, Op::broadcast)) {
    while (const Node* reshape = producer_if(operand, Op::reshape)) operand = reshape->operand(0);
    return b.reshape(operand, dims);
  }
  Value* source = strip_broadcast(operand);
  const std::vector<Expr>& own = source->type.dims;
  for (size_t i = 0; i + 1 < own.size(); ++i)
    if (!expr::is_const(own[i], 1)) return nullptr;
  if (!own.empty()) {
    const Expr& last = own.back();
    if (!expr::is_const(last, 1) && !expr::prove_equal(last, from.back())) return nullptr;
    source = b.reshape(source, {last});
  }
  return b.broadcast(source, dims);
}

// node(reshape(x), ...) as reshape(node(x, ...)), or null.
Value* moved_behind(Node& node) {
  if (!has(node, graph::Pointwise) || node.results.size() != 1) return nullptr;
  const std::vector<Expr>& dims = node.result()->type.dims;
  const Node* reshape = nullptr;
  for (const Value* operand : node.operands) {
    const Node* candidate = producer_if(operand, Op::reshape);
    if (candidate && candidate->parent == node.parent && follows_product(candidate->operand(0))) reshape = candidate;
  }
  if (!reshape || dims.empty()) return nullptr;
  // Of products of higher rank a reshape may join or part the heads of attention (fuse_attention).
  const std::vector<Expr> product = reshape->operand(0)->type.dims;
  if (product.size() != 2 || !expr::prove_equal(product.back(), dims.back())) return nullptr;
  Builder b = builder_before(node);
  std::vector<Value*> operands;
  for (Value* operand : node.operands) {
    operands.push_back(in_dims(b, operand, dims, product));
    if (!operands.back()) return nullptr;
  }
  return b.reshape(b.create(node.op, node.attributes, operands)->result(), dims);
}

// reshape(slice(x)) as slice(reshape(x)), or null.
Value* moved_ahead(Node& reshape) {
  Node* slice = producer_if(reshape.operand(0), Op::slice);
  if (!slice || slice->parent != reshape.parent || slice->result()->uses.size() != 1) return nullptr;
  const auto& attrs = slice->attrs<graph::SliceAttrs>();
  const Value* x = slice->operand(0);
  const std::vector<Expr>&whole = x->type.dims, &to = reshape.result()->type.dims;
  const size_t rank = whole.size();
  if (rank == 0 || to.size() != rank + 1 || attrs.steps.back() != 1) return nullptr;
  for (size_t i = 0; i + 1 < rank; ++i)
    if (!expr::is_const(attrs.starts[i], 0) || attrs.steps[i] != 1 || !expr::prove_equal(whole[i], attrs.dims[i]) ||
        !expr::prove_equal(whole[i], to[i]))
      return nullptr;
  const auto start = expr::as_int(attrs.starts.back()), extent = expr::as_int(whole.back());
  const auto size = expr::as_int(to.back()), count = expr::as_int(to[rank - 1]);
  if (!start || !extent || !size || !count || *size <= 0 || *start % *size != 0 || *extent % *size != 0) return nullptr;
  Builder b = builder_before(reshape, {slice});
  std::vector<Expr> split = to;
  split[rank - 1] = *extent / *size;
  return b.slice_axis(b.reshape(slice->operand(0), split), int64_t(rank) - 1, *start / *size, *count);
}

}  // namespace

bool move_reshapes(graph::Graph& graph, PassContext& context) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) {
    if (node.results.size() != 1 || node.result()->uses.empty()) return;
    Value* moved = node.op == Op::reshape ? moved_ahead(node) : moved_behind(node);
    if (!moved) return;
    graph.replace_all_uses(node.result(), moved);
    graph.erase(&node);
    changed = true;
  });
  if (changed) eliminate_dead(graph, context);
  return changed;
}

}  // namespace sardonyx::passes
