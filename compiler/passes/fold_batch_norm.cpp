// Scale and shift behind a convolution or matmul with constant weights go into the weights and one bias:
//   add(mul(conv(x, W), s), t)  ->  add(conv(x, W * s), t)      with s, t constant per output channel
// Behind sums of codes, cast from I32, they become one product and one add.
// Works on chains of mul/div/add/sub with per-channel constants, each used once. What remains is at most one add of a
// per-channel constant, which is the form that candidates take as bias.
#include <cstring>

#include "compiler/passes/pass.h"
#include "runtime/base/status.h"

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Builder;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

// The constant as `channels` floats along `axis` of a tensor of `rank`, when it varies only along that axis.
bool channel_constant(const Value* value, int axis, int rank, int64_t channels, std::vector<double>& out) {
  const Value* source = strip_broadcast(const_cast<Value*>(value));
  const Tensor* tensor = source->constant();
  if (!tensor || tensor->dtype() != DType::F32) return false;
  int offset = rank - tensor->rank();
  for (int i = 0; i < tensor->rank(); ++i) {
    int64_t dim = tensor->dims()[size_t(i)];
    if (dim != 1 && !(i + offset == axis && dim == channels)) return false;
  }
  int64_t count = tensor->count();
  if (count != 1 && count != channels) return false;
  out.resize(size_t(channels));
  for (int64_t c = 0; c < channels; ++c) out[size_t(c)] = tensor->as_double(count == 1 ? 0 : c);
  return true;
}

// Applies the chain behind `anchor` to scale and shift; returns its last node (null when nothing was absorbed).
Node* follow_chain(Node& anchor, int axis, int64_t channels, std::vector<double>& scale, std::vector<double>& shift,
                   bool& scaled, int& length) {
  Node* last = nullptr;
  Value* value = anchor.result();
  int rank = value->type.rank();
  while (value->uses.size() == 1) {
    Node* user = value->uses[0].user;
    if (user->op != Op::binary || user->result()->type.dtype != DType::F32) break;
    int side = value->uses[0].operand;
    std::vector<double> constant;
    if (!graph::same_dims(user->result()->type.dims, value->type.dims) ||
        !channel_constant(user->operand(1 - side), axis, rank, channels, constant))
      break;
    BinaryFunction function = user->attrs<graph::BinaryAttrs>().function;
    for (size_t c = 0; c < size_t(channels); ++c) {
      switch (function) {
        case BinaryFunction::Mul:
          scale[c] *= constant[c], shift[c] *= constant[c];
          break;
        case BinaryFunction::Add:
          shift[c] += constant[c];
          break;
        case BinaryFunction::Sub:
          if (side == 0)
            shift[c] -= constant[c];
          else
            scale[c] = -scale[c], shift[c] = constant[c] - shift[c];
          break;
        case BinaryFunction::Div:
          if (side != 0) return last;
          scale[c] /= constant[c], shift[c] /= constant[c];
          break;
        default:
          return last;
      }
    }
    scaled |= function == BinaryFunction::Mul || function == BinaryFunction::Div ||
              (function == BinaryFunction::Sub && side == 1);
    last = user;
    value = user->result();
    ++length;
  }
  return last;
}

// The integer contraction behind the cast of its sums; null when there is none.
const Node* contraction_of_codes(const Node& cast) {
  const Value* sums = cast.operand(0);
  if (cast.result()->type.dtype != DType::F32 || sums->type.dtype != DType::I32) return nullptr;
  Node* shifted = producer_if(sums, Op::binary);  // by the zero point
  const Value* plain = shifted ? shifted->operand(0) : sums;
  Node* conv = producer_if(plain, Op::conv);
  return conv ? conv : producer_if(plain, Op::matmul);
}

bool fold_scales(Node& cast) {
  const Node* anchor = contraction_of_codes(cast);
  if (!anchor) return false;
  const int rank = cast.result()->type.rank(), axis = anchor->op == Op::conv ? 1 : rank - 1;
  const auto channels = expr::as_int(cast.result()->type.dims[size_t(axis)]);
  if (!channels || *channels == 0) return false;
  std::vector<double> scale(size_t(*channels), 1.0), shift(size_t(*channels), 0.0);
  bool scaled = false;
  int length = 0;
  Node* last = follow_chain(cast, axis, *channels, scale, shift, scaled, length);
  const bool shifted = shift != std::vector<double>(shift.size(), 0.0);
  if (!last || length <= (shifted ? 2 : 1)) return false;
  Builder builder = builder_before(*last, {&cast});
  Value* result = builder.mul(cast.result(), per_channel(builder, DType::F32, scale, axis, rank));
  if (shifted) result = builder.add(result, per_channel(builder, DType::F32, shift, axis, rank));
  cast.parent->graph().replace_all_uses(last->result(), result);
  return true;
}

// Multiplies the weights along their output-channel axis: [outer, channels, inner] for any axis.
Tensor scale_weights(const Tensor& weights, int axis, const std::vector<double>& scale) {
  Tensor result(DType::F32, weights.dims());
  int64_t inner = 1, channels = weights.dims()[size_t(axis)];
  for (size_t i = size_t(axis) + 1; i < weights.dims().size(); ++i) inner *= weights.dims()[i];
  int64_t outer = weights.count() / std::max<int64_t>(1, inner * channels);
  const Unaligned<float>* source = weights.unaligned<float>();
  float* target = result.data<float>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t c = 0; c < channels; ++c) {
      float factor = float(scale[size_t(c)]);
      for (int64_t i = 0; i < inner; ++i) *target++ = *source++ * factor;
    }
  return result;
}

// Where the output channels are: axis of the result and of the weights. False when the anchor does not qualify.
bool channel_axes(const Node& anchor, int& result_axis, int& weight_axis) {
  if (anchor.op == Op::conv) {
    result_axis = 1, weight_axis = 0;
    return true;
  }
  if (anchor.op == Op::matmul && anchor.operand(1)->type.rank() == 2) {
    result_axis = anchor.result()->type.rank() - 1,
    weight_axis = anchor.attrs<graph::MatmulAttrs>().transpose_b ? 0 : 1;
    return true;
  }
  return false;
}

bool fold_into(Node& anchor) {
  int result_axis = 0, weight_axis = 0;
  if (!channel_axes(anchor, result_axis, weight_axis)) return false;
  const Tensor* weights = anchor.operand(1)->constant();
  if (!weights || weights->dtype() != DType::F32 || weights->count() == 0) return false;
  int64_t channels = weights->dims()[size_t(weight_axis)];
  std::vector<double> scale(size_t(channels), 1.0), shift(size_t(channels), 0.0);
  bool scaled = false;
  int length = 0;
  Node* last = follow_chain(anchor, result_axis, channels, scale, shift, scaled, length);
  if (!last || (!scaled && length < 2)) return false;

  graph::Graph& graph = anchor.parent->graph();
  Builder builder = builder_before(*last, {&anchor});
  Value* folded = builder.constant(scale_weights(*weights, weight_axis, scale));
  Value* replaced = builder.create(anchor.op, anchor.attributes, {anchor.operand(0), folded})->result();
  Value* bias = per_channel(builder, DType::F32, shift, result_axis, anchor.result()->type.rank());
  graph.replace_all_uses(last->result(), builder.add(replaced, bias));
  return true;
}

}  // namespace

bool fold_batch_norm(graph::Graph& graph, PassContext& context) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) { changed |= node.op == Op::cast ? fold_scales(node) : fold_into(node); });
  if (changed) eliminate_dead(graph, context);
  return changed;
}

}  // namespace sardonyx::passes
