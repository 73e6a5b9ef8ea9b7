// CausalConvWithState: a depthwise convolution over time that continues what earlier calls have seen.
#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *w = in[1], *bias = in.optional(2), *past = in.optional(3);
  in.require(x->type.rank() == 3 && w->type.rank() == 3 && is_float(x->type.dtype), Status::InvalidModel,
             "expected [batch, channels, length] and weights [channels, 1, k], got ", graph::to_string(x->type),
             " and ", graph::to_string(w->type));
  const int64_t kernel = kernel_of_weights(in, w)[0];
  const auto channels = expr::as_int(w->type.dims[0]);
  in.require(channels && *channels > 0 && kernel > 0, Status::UnsupportedShape, "weights ", graph::to_string(w->type));
  const std::string activation = in.attr_string("activation", "none");
  in.require(activation == "none" || activation == "silu" || activation == "swish", Status::InvalidModel,
             "activation '", activation, "' is unknown");
  const std::vector<Expr> state{x->type.dims[0], *channels, kernel - 1};
  if (!past) past = b.full(b.scalar_like(x, 0), state);
  in.require(past->type.rank() == 3 && past->type.dtype == x->type.dtype, Status::InvalidModel, "past_state is ",
             graph::to_string(past->type), " for ", graph::to_string(x->type));
  b.require_equal(past->type.dims[2], kernel - 1, str("the length of past_state of node '", in.node(), "'"));
  Value* whole = b.concat({past, x}, 2);

  graph::ConvAttrs attributes;
  attributes.strides = attributes.dilations = {1};
  attributes.pads = {Expr(0), Expr(0)};
  attributes.groups = *channels;
  attributes.dtype = x->type.dtype;
  Value* result = b.conv(whole, w, attributes);
  if (bias) result = b.add(result, per_channel(b, bias, 1));
  if (activation != "none") result = b.mul(result, b.unary(graph::UnaryFunction::Sigmoid, result));
  return {result, b.slice_axis(whole, 2, x->type.dims[2], kernel - 1)};
}

const OnnxOp op{operator_row("CausalConvWithState", {27}, lower, {2, 4}, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
