// Products by constant weights as dot products of bf16, where the host asks for speed and the device has them: both F32
// operands are rounded to BF16, sums and results stay F32. The cast of an activation joins the group that computes it.
#include <map>

#include "compiler/passes/pass.h"
#include "runtime/base/compile_thread.h"

namespace sardonyx::passes {

using graph::Builder;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

// Images of more pixels than this take less time by Winograd's algorithm in F32, measured.
constexpr int64_t most_pixels_of_direct = 100;

bool served_by_winograd(const Node& conv, const std::vector<int64_t>& weights) {
  const auto& attributes = conv.attrs<graph::ConvAttrs>();
  const graph::Ints ones(2, 1);
  if (weights[2] != 3 || weights[3] != 3 || attributes.strides != ones || attributes.dilations != ones) return false;
  const auto height = expr::as_int(conv.result()->type.dims[2]), width = expr::as_int(conv.result()->type.dims[3]);
  return !height || !width || *height * *width > most_pixels_of_direct;
}

bool suits(const Node& node) {
  const auto weights = graph::static_dims(node.operand(1)->type);
  if (!node.operand(1)->constant() || !weights || node.operand(0)->constant()) return false;
  for (const Value* value : {node.operand(0), node.operand(1), node.result()})
    if (value->type.dtype != DType::F32) return false;
  if (node.op == Op::matmul) {
    const auto& matmul = node.attrs<graph::MatmulAttrs>();
    if (weights->size() != 2 || matmul.transpose_a) return false;
    const int64_t depth = (*weights)[matmul.transpose_b ? 1 : 0], columns = (*weights)[matmul.transpose_b ? 0 : 1];
    return depth > 0 && depth % 2 == 0 && columns >= least_channels;
  }
  if (weights->size() != 4 || node.attrs<graph::ConvAttrs>().groups != 1) return false;
  const bool blocks = (*weights)[0] >= least_channels && (*weights)[1] >= least_channels && (*weights)[1] % 2 == 0;
  return blocks && !served_by_winograd(node, *weights);
}

Tensor rounded(const Tensor& weights) {
  Tensor result(DType::BF16, weights.dims());
  const Unaligned<float>* from = weights.unaligned<float>();
  uint16_t* to = result.data<uint16_t>();
  parallel_ranges(weights.count(), 1 << 16, weights.bytes(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) to[k] = f32_to_bf16(from[k]);
  });
  return result;
}

}  // namespace

bool fast_math(graph::Graph& graph, PassContext& context) {
  if (!context.bf16_products) return false;
  bool changed = false;
  std::map<const Value*, Tensor> narrow;  // weights that several nodes share stay one constant
  for_each_node(graph, [&](Node& node) {
    if ((node.op != Op::matmul && node.op != Op::conv) || !suits(node)) return;
    Value* weights = node.operand(1);
    Tensor& codes = narrow[weights];
    if (!codes.raw()) codes = rounded(*weights->constant());
    Builder b = builder_before(node);
    Value* sums =
        b.create(node.op, node.attributes, {b.cast(node.operand(0), DType::BF16), b.constant(codes)})->result();
    graph.replace_all_uses(node.result(), sums);
    graph.erase(&node);
    if (weights->uses.empty()) {  // soon, so that few bytes are there twice
      narrow.erase(weights);
      graph.erase(weights->producer);
    }
    changed = true;
  });
  return changed;
}

}  // namespace sardonyx::passes
