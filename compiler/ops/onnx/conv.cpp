// Conv and ConvTranspose.
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> with_bias(Lowering& in, Value* result) {
  Value* bias = in.optional(2);
  if (!bias) return {result};
  in.require(bias->type.rank() == 1, Status::InvalidModel, "bias ", graph::to_string(bias->type), " must have rank 1");
  return {in.builder().add(result, per_channel(in.builder(), bias, result->type.rank() - 2))};
}

std::vector<Value*> conv(Lowering& in) {
  Value *x = in[0], *w = in[1];
  return with_bias(in, in.builder().conv(x, w, conv_attributes(in, x, w, x->type.dtype)));
}

// Output dims without padding: stride * (dim - 1) + output_padding + extent of the kernel.
std::vector<Value*> conv_transpose(Lowering& in) {
  Value *x = in[0], *w = in[1];
  const std::vector<int64_t> kernel = kernel_of_weights(in, w);
  const size_t rank = kernel.size();
  in.require(x->type.dims.size() == rank + 2, Status::InvalidModel, "input ", graph::to_string(x->type),
             " for weights ", graph::to_string(w->type));
  graph::ConvTransposeAttrs attributes;
  attributes.strides = spatial_ints(in, "strides", rank, 1);
  attributes.dilations = spatial_ints(in, "dilations", rank, 1);
  attributes.groups = in.attr_int("group", 1);
  const auto extra = in.attr_ints("output_padding", std::vector<int64_t>(rank, 0));
  const auto pads = in.attr_ints("pads", std::vector<int64_t>(2 * rank, 0));
  const std::string auto_pad = in.attr_string("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  in.require(extra.size() == rank && pads.size() == 2 * rank, Status::InvalidModel, "pads [", join(pads, ","),
             "] and output_padding [", join(extra, ","), "] for ", rank, " spatial dims");
  for (size_t i = 0; i < rank; ++i)
    in.require(extra[i] >= 0 && extra[i] <= largest_spatial && std::max(pads[i], pads[i + rank]) <= largest_spatial &&
                   kernel[i] <= largest_spatial,
               Status::InvalidModel, "pads [", join(pads, ","), "], output_padding [", join(extra, ","),
               "] or kernel [", join(kernel, ","), "] are out of range");
  auto wanted = in.attr_ints("output_shape", std::vector<int64_t>());
  if (wanted.size() == rank + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);  // with N and C, as some write it
  in.require(wanted.empty() || wanted.size() == rank, Status::InvalidModel, "output_shape [", join(wanted, ","),
             "] for ", rank, " spatial dims");
  attributes.pads.assign(2 * rank, Expr(0));
  for (size_t i = 0; i < rank; ++i) {
    const Expr dim = x->type.dims[i + 2], stride(attributes.strides[i]);
    const Expr full = (dim - 1) * stride + Expr(extra[i] + (kernel[i] - 1) * attributes.dilations[i] + 1);
    if (!wanted.empty() || same) {
      const Expr out = wanted.empty() ? dim * stride : Expr(wanted[i]);
      const Expr total = expr::max(Expr(0), full - out), half = total / 2;
      attributes.out_dims.push_back(expr::simplify(out));
      attributes.pads[i] = expr::simplify(auto_pad == "SAME_UPPER" ? half : total - half);
      attributes.pads[i + rank] = expr::simplify(auto_pad == "SAME_UPPER" ? total - half : half);
      continue;
    }
    const bool padded = auto_pad != "VALID";
    in.require(!padded || (pads[i] >= 0 && pads[i + rank] >= 0), Status::InvalidModel, "negative pads [",
               join(pads, ","), "]");
    if (padded) attributes.pads[i] = pads[i], attributes.pads[i + rank] = pads[i + rank];
    attributes.out_dims.push_back(expr::simplify(full - attributes.pads[i] - attributes.pads[i + rank]));
  }
  return with_bias(in, in.builder().conv_transpose(x, w, attributes));
}

const OnnxOp ops[] = {
    operator_row("Conv", {1, 11, 22}, conv, {2, 3}),
    operator_row("ConvTranspose", {1, 11, 22}, conv_transpose, {2, 3}),
};

}  // namespace
}  // namespace sardonyx::ops
