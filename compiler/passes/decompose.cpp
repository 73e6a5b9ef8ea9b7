// Composites without a good kernel of their own become primitives that have one.
//
// conv_transpose whose kernel equals its stride (no overlap, no padding; up-sampling in U-Nets) is a 1x1 convolution
// with kernel-size times as many outputs, followed by a pixel shuffle.
#include "compiler/expr/simplify.h"
#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::Builder;
using graph::Expr;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

bool without_overlap(const Node& node) {
  const auto& attrs = node.attrs<graph::ConvTransposeAttrs>();
  const Value *x = node.operand(0), *w = node.operand(1);
  if (attrs.groups != 1 || !w->constant()) return false;
  for (size_t i = 0; i < attrs.strides.size(); ++i) {
    if (!expr::is_const(w->type.dims[i + 2], attrs.strides[i]) || attrs.dilations[i] != 1) return false;
    if (!expr::is_const(attrs.pads[i], 0) || !expr::is_const(attrs.pads[i + attrs.strides.size()], 0)) return false;
    Expr out = x->type.dims[i + 2] * attrs.strides[i];
    if (!expr::prove_equal(out, attrs.out_dims[i])) return false;
  }
  return true;
}

// [C, M, k...] -> [M * prod(k), C, 1...]
Tensor shuffle_weights(const Tensor& w) {
  int64_t channels = w.dims()[0], outputs = w.count() / std::max<int64_t>(channels, 1);
  Dims dims(w.dims().size(), 1);
  dims[0] = outputs, dims[1] = channels;
  Tensor result(w.dtype(), dims);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t o = 0; o < outputs; ++o) result.data<float>()[o * channels + c] = w.data<float>()[c * outputs + o];
  return result;
}

Value* as_convolution(Node& node) {
  Builder b = builder_before(node);
  Value* x = node.operand(0);
  const Tensor& w = *node.operand(1)->constant();
  size_t spatial = w.dims().size() - 2;
  graph::ConvAttrs attrs;
  attrs.strides.assign(spatial, 1);
  attrs.dilations.assign(spatial, 1);
  attrs.pads.assign(2 * spatial, Expr(0));
  Value* y = b.conv(x, b.constant(shuffle_weights(w)), attrs);
  std::vector<Expr> split = {x->type.dims[0], w.dims()[1]}, merged = split;
  std::vector<int64_t> perm = {0, 1};
  for (size_t i = 0; i < spatial; ++i) split.push_back(w.dims()[i + 2]);
  for (size_t i = 0; i < spatial; ++i) {
    split.push_back(x->type.dims[i + 2]);
    merged.push_back(x->type.dims[i + 2] * w.dims()[i + 2]);
    perm.push_back(int64_t(2 + spatial + i));
    perm.push_back(int64_t(2 + i));
  }
  return b.reshape(b.transpose(b.reshape(y, split), perm), merged);
}

}  // namespace

bool decompose(graph::Graph& graph, PassContext&) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) {
    if (node.op != Op::conv_transpose || node.result()->type.dtype != DType::F32 || !without_overlap(node)) return;
    graph.replace_all_uses(node.result(), as_convolution(node));
    graph.erase(&node);
    changed = true;
  });
  return changed;
}

}  // namespace sardonyx::passes
