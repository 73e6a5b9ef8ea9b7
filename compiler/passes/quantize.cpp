// Contractions of dequantized operands become contractions of the codes themselves, accumulated in I32:
//   conv((x - zx) * sx, (w - zw) * sw)  ->  cast<F32>(conv(x, w - zw) - zx * sum(w - zw)) * (sx * sw)
// with one zero point and scale of x, and those of w per output channel. ConvInteger and its like, whose operands are
// centered and not scaled, become the same without scales; both are exact up to the rounding of F32. x is unsigned and
// w signed behind it, the form that dot products of bytes take: signed codes of x move by 128 with their zero point.
// Padding is with the zero point, so it becomes a pad of its own unless that is 0.
//
// Codes that are only moved stay codes: reshapes, transposes and maximum pools of dequantized values move in front of
// the dequantization, and quantizing them again with equal parameters disappears.
#include <cmath>

#include "compiler/passes/quantized.h"
#include "runtime/base/status.h"

namespace sardonyx::passes {

using graph::Builder;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

// Sums of so many products of codes fit I32.
constexpr int64_t most_products = (int64_t{1} << 31) / (255 * 128) - 1;

// Where the output channels of a contraction are, and how many products make a sum. Nothing when no kernel for bytes
// suits: they take four products at once, of neighbours, and images in blocks of channels.
struct Shape {
  int result_axis = 0, weight_axis = 0;
  int64_t channels = 0, products = 0;
};

std::optional<Shape> shape_of(const Node& node) {
  const auto weights = graph::static_dims(node.operand(1)->type);
  if (!weights) return std::nullopt;
  Shape shape;
  if (node.op == Op::conv) {
    const int64_t groups = node.attrs<graph::ConvAttrs>().groups, inputs = (*weights)[1];
    const bool depthwise = groups > 1 && inputs == 1 && (*weights)[0] == groups;
    if (weights->size() != 4 || (*weights)[0] < least_channels) return std::nullopt;
    if (!depthwise && (groups != 1 || (inputs % 4 != 0 && inputs > 4))) return std::nullopt;
    shape.result_axis = 1, shape.weight_axis = 0;
  } else if (node.op == Op::matmul && weights->size() == 2) {
    const auto& matmul = node.attrs<graph::MatmulAttrs>();
    shape.result_axis = node.result()->type.rank() - 1, shape.weight_axis = matmul.transpose_b ? 0 : 1;
    if (matmul.transpose_a || (*weights)[size_t(1 - shape.weight_axis)] % 4 != 0) return std::nullopt;
  } else {
    return std::nullopt;
  }
  shape.channels = (*weights)[size_t(shape.weight_axis)];
  if (shape.channels == 0) return std::nullopt;
  shape.products = sardonyx::element_count(*weights) / shape.channels;
  if (shape.products == 0 || shape.products > most_products) return std::nullopt;
  return shape;
}

// The weights without their zero points, when those are numbers of 8 bits, and their sums per output channel.
struct Weights {
  Tensor codes;
  std::vector<double> sums;
};

std::optional<Weights> centered_weights(const Centered& weights, const Shape& shape) {
  const Tensor* codes = weights.codes->constant();
  if (!codes) return std::nullopt;
  const int rank = codes->rank();
  std::vector<double> zeros(size_t(shape.channels), 0.0);
  if (weights.zero) {
    const auto known = parameter_along(weights.zero, shape.weight_axis, rank, shape.channels);
    if (!known) return std::nullopt;
    zeros = *known;
  }
  const bool plain = codes->dtype() == DType::I8 && zeros == std::vector<double>(zeros.size(), 0.0);
  Weights result{plain ? *codes : Tensor(DType::I8, codes->dims()), std::vector<double>(zeros.size(), 0.0)};
  int64_t inner = 1;
  for (int i = shape.weight_axis + 1; i < rank; ++i) inner *= codes->dims()[size_t(i)];
  const int64_t count = codes->count();
  const bool negative = codes->dtype() == DType::I8;
  const uint8_t* from = codes->raw();
  for (int64_t at = 0, channel = 0; at < count; channel = channel + 1 == shape.channels ? 0 : channel + 1) {
    const int zero = int(zeros[size_t(channel)]);
    int64_t sum = 0;
    for (const int64_t end = at + inner; at < end; ++at) {
      const int code = (negative ? int{int8_t(from[at])} : int{from[at]}) - zero;
      if (code < -128 || code > 127) return std::nullopt;
      if (!plain) result.codes.raw()[at] = uint8_t(code);
      sum += code;
    }
    result.sums[size_t(channel)] += double(sum);
  }
  return result;
}

bool pads(const Node& node) {
  if (node.op != Op::conv) return false;
  for (const graph::Expr& pad : node.attrs<graph::ConvAttrs>().pads)
    if (!expr::is_const(pad, 0)) return true;
  return false;
}

// One zero point for the whole tensor.
bool is_uniform(const Centered& x) {
  return !x.zero || expr::is_const(graph::element_count(x.zero->type), 1) || scalar_parameter(x.zero);
}

// Its zero point as a scalar.
Value* scalar_zero(Builder& b, const Centered& x) {
  const auto number = x.zero ? scalar_parameter(x.zero) : std::optional(0.0);
  return number ? b.scalar(DType::I32, *number) : b.reshape(x.zero, {});
}

// The contraction of codes, centered, in I32.
Value* contract_codes(Node& node, const Centered& x, const Weights& weights, const Shape& shape) {
  Builder b = builder_before(node);
  const int rank = node.result()->type.rank();
  Value *codes = x.codes, *zero = scalar_zero(b, x);
  if (codes->type.dtype == DType::I8) {
    codes = b.cast(codes, DType::U8);
    codes = b.add(codes, b.scalar_like(codes, 128));
    zero = b.add(zero, b.scalar_like(zero, 128));
  }
  const bool unshifted = uniform_value(zero) == 0.0;
  graph::AttributesPtr attributes;
  if (node.op == Op::conv) {
    auto conv = std::make_shared<graph::ConvAttrs>(node.attrs<graph::ConvAttrs>());
    conv->dtype = DType::I32;
    if (pads(node) && !unshifted) {
      const size_t spatial = conv->strides.size();
      std::vector<graph::Expr> before(2, 0), after(2, 0);
      before.insert(before.end(), conv->pads.begin(), conv->pads.begin() + long(spatial));
      after.insert(after.end(), conv->pads.begin() + long(spatial), conv->pads.end());
      codes = b.pad(codes, before, after, graph::PadMode::Constant, b.cast(zero, DType::U8));
      conv->pads.assign(2 * spatial, 0);
    }
    attributes = conv;
  } else {
    auto matmul = std::make_shared<graph::MatmulAttrs>(node.attrs<graph::MatmulAttrs>());
    matmul->dtype = DType::I32;
    attributes = matmul;
  }
  Value* sums = b.create(node.op, attributes, {codes, b.constant(weights.codes)})->result();
  if (unshifted) return sums;
  if (const auto number = uniform_value(zero)) {
    std::vector<double> shift = weights.sums;
    for (double& each : shift) each *= -*number;
    return b.add(sums, per_channel(b, DType::I32, shift, shape.result_axis, rank));
  }
  return b.sub(sums, b.mul(per_channel(b, DType::I32, weights.sums, shape.result_axis, rank), zero));
}

Value* contract(Node& node) {
  const auto shape = shape_of(node);
  if (!shape) return nullptr;
  if (node.result()->type.dtype == DType::I32) {
    const auto x = match_centered(node.operand(0)), w = match_centered(node.operand(1));
    if (!x || !w || !is_uniform(*x)) return nullptr;
    const auto weights = centered_weights(*w, *shape);
    return weights ? contract_codes(node, *x, *weights, *shape) : nullptr;
  }
  if (node.result()->type.dtype != DType::F32) return nullptr;
  const auto x = match_dequantized(node.operand(0)), w = match_dequantized(node.operand(1));
  if (!x || !w || !is_uniform(x->centered)) return nullptr;
  const auto x_scale = scalar_parameter(x->scale);
  auto scales = parameter_along(w->scale, shape->weight_axis, node.operand(1)->type.rank(), shape->channels);
  if (!x_scale || !scales) return nullptr;
  const auto weights = centered_weights(w->centered, *shape);
  if (!weights) return nullptr;
  for (double& each : *scales) each *= *x_scale;
  Value* sums = contract_codes(node, x->centered, *weights, *shape);
  Builder b = builder_before(node);
  return b.mul(b.cast(sums, DType::F32),
               per_channel(b, DType::F32, *scales, shape->result_axis, node.result()->type.rank()));
}

bool moves_codes(const Node& node) {
  if (node.op != Op::pool) return node.op == Op::reshape || node.op == Op::transpose;
  return node.attrs<graph::PoolAttrs>().function == graph::PoolFunction::Max;
}

// A move of dequantized values: the codes move instead.
Value* move_codes(Node& node) {
  const auto x = moves_codes(node) ? match_dequantized(node.operand(0)) : std::nullopt;
  if (!x || !is_uniform(x->centered)) return nullptr;
  const auto scale = scalar_parameter(x->scale);
  if (!scale || !(*scale > 0)) return nullptr;  // a maximum stays one
  Builder b = builder_before(node);
  Value* value = b.create(node.op, node.attributes, {x->centered.codes})->result();
  value = b.cast(value, DType::I32);
  if (x->centered.zero) value = b.sub(value, scalar_zero(b, x->centered));
  return b.mul(b.cast(value, DType::F32), b.scalar(DType::F32, *scale));
}

std::optional<double> zero_number(const Value* zero) { return zero ? scalar_parameter(zero) : std::optional(0.0); }

// Codes of the same parameters that were dequantized and quantized.
Value* quantize_again(Node& node) {
  const auto to = match_quantized(node.result());
  const auto from = to ? match_dequantized(to->source) : std::nullopt;
  if (!from || !is_uniform(from->centered) || from->centered.codes->type.dtype != node.result()->type.dtype)
    return nullptr;
  const auto scale = scalar_parameter(to->scale);
  const auto zero = zero_number(to->zero);
  const bool same = scale && *scale > 0 && std::isnormal(float(*scale)) && scalar_parameter(from->scale) == scale &&
                    zero && zero_number(from->centered.zero) == zero;
  return same ? from->centered.codes : nullptr;
}

// x / scale. Of what the graph computed a product with the reciprocal, which may round ties otherwise.
Value* quotient(const Quantized& to) {
  const auto scale = to.source->producer ? scalar_parameter(to.scale) : std::nullopt;
  if (!scale || !std::isnormal(float(1 / *scale))) return to.division->result();
  Builder b = builder_before(*to.division);
  return b.mul(to.source, b.scalar(DType::F32, 1 / *scale));
}

// Codes that nothing but their dequantization reads are never stored: round(y) + zero between the bounds, less zero, is
// round(y) between the bounds less zero.
Value* requantize(Node& node) {
  const auto from = match_dequantized(node.result());
  if (!from || from->centered.codes->uses.size() != 1) return nullptr;
  const auto to = match_quantized(from->centered.codes);
  const auto zero = to ? zero_number(to->zero) : std::nullopt;
  if (!zero || zero_number(from->centered.zero) != zero) return nullptr;
  const double low = from->centered.codes->type.dtype == DType::I8 ? -128 : 0;
  Value* exact = quotient(*to);
  Builder b = builder_before(node);
  Value* steps = b.unary(graph::UnaryFunction::Round, exact);
  steps = b.minimum(b.maximum(steps, b.scalar_like(steps, low - *zero)), b.scalar_like(steps, low + 255 - *zero));
  return b.mul(steps, from->scale);
}

bool rewrite(graph::Graph& graph, PassContext& context, Value* (*rule)(Node&)) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) {
    Value* replacement = node.results.size() == 1 && !node.result()->uses.empty() ? rule(node) : nullptr;
    if (!replacement || replacement == node.result()) return;
    graph.replace_all_uses(node.result(), replacement);
    changed = true;
  });
  if (changed) eliminate_dead(graph, context);
  return changed;
}

Value* contract_or_move(Node& node) {
  if (node.op == Op::conv || node.op == Op::matmul) return contract(node);
  return node.op == Op::cast ? quantize_again(node) : move_codes(node);
}

}  // namespace

bool quantize(graph::Graph& graph, PassContext& context) {
  if (!context.byte_products) return false;
  bool changed = rewrite(graph, context, contract_or_move);
  changed |= rewrite(graph, context, requantize);  // when it is known who reads codes
  for_each_node(graph, [&](Node& node) {
    const auto to = node.op == Op::cast ? match_quantized(node.result()) : std::nullopt;
    if (!to) return;
    if (Node* sum = to->shifted; sum && zero_number(to->zero) == 0.0) {
      graph.replace_all_uses(sum->result(), sum->operand(0));  // the sign of a zero has no code
      changed = true;
    }
    Value* replacement = quotient(*to);
    if (replacement == to->division->result()) return;
    graph.replace_all_uses(to->division->result(), replacement);
    changed = true;
  });
  if (changed) eliminate_dead(graph, context);
  return changed;
}

}  // namespace sardonyx::passes
