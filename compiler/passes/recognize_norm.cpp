// Layer normalisation written out in primitives becomes the composite `layer_norm`, which has a row kernel of its own:
//   d = x - mean(x);  y = d / sqrt(mean(d * d) + epsilon)  [* scale] [+ bias]
// mean(z) is reduce sum times or divided by the count. d * d may also be pow(d, 2) before `simplify`.
#include <cmath>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Builder;
using graph::Expr;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

// Skips the reshapes and broadcasts that keep_dims reductions leave between a mean and its use.
Value* strip_shape(Value* value) {
  for (;;) {
    if (Node* node = producer_if(value, Op::broadcast))
      value = node->operand(0);
    else if (Node* other = producer_if(value, Op::reshape))
      value = other->operand(0);
    else
      return value;
  }
}

// If `value` is the mean of some x over its last axis, returns x.
Value* mean_of_last_axis(Value* value) {
  value = strip_shape(value);
  Node* scaled = producer_if(value, Op::binary);
  if (!scaled) return nullptr;
  BinaryFunction function = scaled->attrs<graph::BinaryAttrs>().function;
  auto factor = uniform_value(scaled->operand(1));
  if (!factor || (function != BinaryFunction::Mul && function != BinaryFunction::Div)) return nullptr;
  Node* reduce = producer_if(strip_shape(scaled->operand(0)), Op::reduce);
  if (!reduce || reduce->attrs<graph::ReduceAttrs>().function != graph::ReduceFunction::Sum) return nullptr;
  Value* x = reduce->operand(0);
  const graph::Ints& axes = reduce->attrs<graph::ReduceAttrs>().axes;
  if (axes.size() != 1 || axes[0] != x->type.rank() - 1) return nullptr;
  auto extent = expr::as_int(x->type.dims.back());
  if (!extent || *extent == 0) return nullptr;
  double expected = function == BinaryFunction::Mul ? 1.0 / double(*extent) : double(*extent);
  return std::fabs(*factor - expected) <= 1e-6 * expected ? x : nullptr;
}

Value* square_of(Value* value) {
  if (Node* mul = binary_if(value, BinaryFunction::Mul))
    return mul->operand(0) == mul->operand(1) ? mul->operand(0) : nullptr;
  if (Node* pow = binary_if(value, BinaryFunction::Pow))
    return uniform_value(pow->operand(1)) == 2.0 ? pow->operand(0) : nullptr;
  return nullptr;
}

// A vector along the last axis: a value of dims [n] behind broadcasts (or all ones in front of n).
Value* last_axis_vector(Builder& b, Value* value, const Expr& extent) {
  Value* source = strip_broadcast(value);
  if (source->type.rank() < 1 || !expr::equal(source->type.dims.back(), extent)) return nullptr;
  for (int i = 0; i + 1 < source->type.rank(); ++i)
    if (!expr::is_const(source->type.dims[size_t(i)], 1)) return nullptr;
  return source->type.rank() == 1 ? source : b.reshape(source, {extent});
}

struct Match {
  Value* x = nullptr;
  double epsilon = 0;
};

// `div` is d / sqrt(mean(d * d) + epsilon).
std::optional<Match> match_normalised(Node& div) {
  Node* deviation = binary_if(div.operand(0), BinaryFunction::Sub);
  if (!deviation) return {};
  Value* x = deviation->operand(0);
  if (mean_of_last_axis(deviation->operand(1)) != x) return {};
  Node* root = producer_if(strip_shape(div.operand(1)), Op::unary);
  if (!root || root->attrs<graph::UnaryAttrs>().function != graph::UnaryFunction::Sqrt) return {};
  Node* sum = binary_if(root->operand(0), BinaryFunction::Add);
  if (!sum) return {};
  auto epsilon = uniform_value(sum->operand(1));
  Value* squared = epsilon ? mean_of_last_axis(sum->operand(0)) : nullptr;
  if (!squared || square_of(squared) != deviation->result()) return {};
  return Match{x, *epsilon};
}

Node* single_user(Value* value, BinaryFunction function) {
  if (value->uses.size() != 1) return nullptr;
  Node* user = value->uses[0].user;
  bool fits = user->op == Op::binary && user->attrs<graph::BinaryAttrs>().function == function;
  return fits && graph::same_dims(user->result()->type.dims, value->type.dims) ? user : nullptr;
}

bool rewrite(Node& div) {
  auto match = match_normalised(div);
  if (!match || match->x->type.dtype != DType::F32) return false;
  Expr extent = match->x->type.dims.back();
  Value *scale = nullptr, *bias = nullptr, *end = div.result();
  if (Node* mul = single_user(end, BinaryFunction::Mul)) {
    Builder b = builder_before(*mul, {&div});
    if ((scale = last_axis_vector(b, mul->operand(mul->operand(0) == end ? 1 : 0), extent))) {
      end = mul->result();
      if (Node* add = single_user(end, BinaryFunction::Add)) {
        Builder c = builder_before(*add, {&div});
        if ((bias = last_axis_vector(c, add->operand(add->operand(0) == end ? 1 : 0), extent))) end = add->result();
      }
    }
  }
  Builder b = builder_before(*end->producer, {&div});
  if (!scale) scale = b.broadcast(b.scalar(DType::F32, 1), {extent});
  if (!bias) bias = b.broadcast(b.scalar(DType::F32, 0), {extent});
  Value* norm = b.layer_norm(match->x, scale, bias, match->x->type.rank() - 1, match->epsilon);
  end->producer->parent->graph().replace_all_uses(end, norm);
  return true;
}

}  // namespace

bool recognize_norm(graph::Graph& graph, PassContext& context) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) {
    if (node.op == Op::binary && node.attrs<graph::BinaryAttrs>().function == BinaryFunction::Div)
      changed |= rewrite(node);
  });
  if (changed) eliminate_dead(graph, context);
  return changed;
}

}  // namespace sardonyx::passes
