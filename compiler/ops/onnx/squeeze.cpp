// Squeeze and Unsqueeze: axes are an attribute before opset 13, an input since.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_squeeze(Lowering& in) {
  Value* x = in[0];
  auto axes = in.ints_input_or_attr(1, "axes");
  if (!axes) {
    axes.emplace();
    for (int i = 0; i < x->type.rank(); ++i)
      if (expr::is_const(x->type.dims[size_t(i)], 1)) axes->push_back(i);
  }
  return {in.builder().squeeze(x, *axes)};
}

std::vector<Value*> lower_unsqueeze(Lowering& in) {
  auto axes = in.ints_input_or_attr(1, "axes");
  in.require(axes.has_value(), Status::InvalidModel, "axes are required");
  return {in.builder().unsqueeze(in[0], *axes)};
}

const OnnxOp squeeze{operator_row("Squeeze", {1, 11, 13, 21, 23}, lower_squeeze, {1, 2})};
const OnnxOp unsqueeze{operator_row("Unsqueeze", {1, 11, 13, 21, 23}, lower_unsqueeze, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
