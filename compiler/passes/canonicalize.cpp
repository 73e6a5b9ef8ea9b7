// One form for equal things, so that later passes and schedule families have one pattern to match:
//  * a transpose of the last two dims that only feeds matmuls becomes a flag of the matmul;
//  * a constant-zero pad of spatial dims becomes padding of the convolution behind it;
//  * commutative binaries have their constant operand second;
//  * what is broadcast has the dims of the result where the run checks that they are equal: addresses stay plain.
#include "compiler/expr/simplify.h"
#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Builder;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

bool swaps_last_two(const Node& transpose) {
  const graph::Ints& perm = transpose.attrs<graph::TransposeAttrs>().perm;
  size_t rank = perm.size();
  if (rank < 2) return false;
  for (size_t i = 0; i + 2 < rank; ++i)
    if (perm[i] != int64_t(i)) return false;
  return perm[rank - 1] == int64_t(rank) - 2;
}

bool absorb_transposes(Node& matmul) {
  bool changed = false;
  for (int operand = 0; operand < 2; ++operand) {
    Node* transpose = producer_if(matmul.operand(operand), Op::transpose);
    if (!transpose || !swaps_last_two(*transpose)) continue;
    auto attrs = std::make_shared<graph::MatmulAttrs>(matmul.attrs<graph::MatmulAttrs>());
    bool& flag = operand == 0 ? attrs->transpose_a : attrs->transpose_b;
    flag = !flag;
    matmul.attributes = attrs;
    matmul.parent->graph().set_operand(&matmul, operand, transpose->operand(0));
    changed = true;
  }
  return changed;
}

bool absorb_pad(Node& conv) {
  Node* pad = producer_if(conv.operand(0), Op::pad);
  if (!pad) return false;
  const auto& attrs = pad->attrs<graph::PadAttrs>();
  if (attrs.mode != graph::PadMode::Constant || uniform_value(pad->operand(1)) != 0.0) return false;
  for (size_t i = 0; i < 2; ++i)
    if (!expr::is_const(attrs.before[i], 0) || !expr::is_const(attrs.after[i], 0)) return false;
  auto merged = std::make_shared<graph::ConvAttrs>(conv.attrs<graph::ConvAttrs>());
  size_t spatial = merged->strides.size();
  for (size_t i = 0; i < spatial; ++i) {
    merged->pads[i] = merged->pads[i] + attrs.before[i + 2];
    merged->pads[i + spatial] = merged->pads[i + spatial] + attrs.after[i + 2];
  }
  conv.attributes = merged;
  conv.parent->graph().set_operand(&conv, 0, pad->operand(0));
  return true;
}

bool constant_second(Node& binary) {
  BinaryFunction function = binary.attrs<graph::BinaryAttrs>().function;
  bool commutative = function == BinaryFunction::Add || function == BinaryFunction::Mul ||
                     function == BinaryFunction::Min || function == BinaryFunction::Max ||
                     function == BinaryFunction::Eq;
  if (!commutative || !strip_broadcast(binary.operand(0))->constant() || strip_broadcast(binary.operand(1))->constant())
    return false;
  graph::Graph& graph = binary.parent->graph();
  Value *first = binary.operand(0), *second = binary.operand(1);
  graph.set_operand(&binary, 0, second);
  graph.set_operand(&binary, 1, first);
  return true;
}

bool unify_dims(Node& broadcast) {
  graph::Graph& graph = broadcast.parent->graph();
  Value* x = broadcast.operand(0);
  const std::vector<graph::Expr>& to = broadcast.result()->type.dims;
  std::vector<graph::Expr> dims = x->type.dims;
  bool differ = false;
  for (size_t i = 0, offset = to.size() - dims.size(); i < dims.size(); ++i) {
    if (expr::is_const(dims[i], 1) || expr::prove_equal(dims[i], to[offset + i])) continue;
    if (!graph.has_equality(dims[i], to[offset + i])) return false;
    dims[i] = to[offset + i];
    differ = true;
  }
  if (!differ) return false;
  graph.set_operand(&broadcast, 0, builder_before(broadcast).reshape(x, dims));
  return true;
}

}  // namespace

bool canonicalize(graph::Graph& graph, PassContext&) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) {
    switch (node.op) {
      case Op::matmul:
        changed |= absorb_transposes(node);
        break;
      case Op::conv:
        changed |= absorb_pad(node);
        break;
      case Op::binary:
        changed |= constant_second(node);
        break;
      case Op::broadcast:
        changed |= unify_dims(node);
        break;
      default:
        break;
    }
  });
  return changed;
}

}  // namespace sardonyx::passes
