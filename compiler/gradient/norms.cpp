// softmax and layer_norm.
#include "compiler/gradient/rules.h"

namespace sardonyx::gradient {

namespace {

using graph::ReduceFunction;

}  // namespace

void differentiate_softmax(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& softmax = node.attrs<graph::SoftmaxAttrs>();
  Value *result = node.result(), *y = a.of(result);
  const auto total = [&](Value* terms) { return b.reduce(ReduceFunction::Sum, terms, {softmax.axis}, true); };
  Value* adjoint =
      softmax.log ? b.sub(y, b.mul(b.exp(result), total(y))) : b.mul(result, b.sub(y, total(b.mul(y, result))));
  a.add(node.operand(0), adjoint);
}

// With n = (x - mean) / deviation and g = dy * scale: dx = (g - mean(g) - n * mean(g * n)) / deviation.
void differentiate_layer_norm(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& norm = node.attrs<graph::LayerNormAttrs>();
  const Value *x = node.operand(0), *scale = node.operand(1), *bias = node.operand(2);
  const DType working = working_dtype(x->type.dtype);
  const auto wide = [&](Value* value) { return b.cast(value, working); };
  const auto add = [&](const Value* operand, Value* adjoint) { a.add(operand, b.cast(adjoint, operand->type.dtype)); };
  const int64_t first = norm.axis < 0 ? norm.axis + x->type.rank() : norm.axis;
  Ints axes;
  for (int64_t i = first; i < x->type.rank(); ++i) axes.push_back(i);
  const auto mean = [&](Value* terms) { return b.mean(terms, axes, true); };

  Value* y = wide(a.of(node.result()));
  if (a.varies(bias)) add(bias, sum_to(b, y, bias->type.dims));
  Value* centred = b.sub(wide(node.operand(0)), mean(wide(node.operand(0))));
  Value* variance = mean(b.mul(centred, centred));
  Value* deviation = b.sqrt(b.add(variance, b.scalar_like(variance, norm.epsilon)));
  Value* normal = b.div(centred, deviation);
  if (a.varies(scale)) add(scale, sum_to(b, b.mul(y, normal), scale->type.dims));
  if (!a.varies(x)) return;
  Value* g = b.mul(y, wide(node.operand(1)));
  add(x, b.div(b.sub(b.sub(g, mean(g)), b.mul(normal, mean(b.mul(g, normal)))), deviation));
}

}  // namespace sardonyx::gradient
