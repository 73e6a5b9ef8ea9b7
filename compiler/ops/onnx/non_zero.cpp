// NonZero and Compress: results whose length depends on values.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_non_zero(Lowering& in) { return {in.builder().nonzero(in[0])}; }

std::vector<Value*> lower_compress(Lowering& in) {
  auto& b = in.builder();
  const auto [x, axis] = in.on_axis_or_flat();
  in.require(in[1]->type.rank() == 1 && in[1]->type.dtype == DType::Bool, Status::InvalidModel,
             "the condition must be a vector of bool, but is ", graph::to_string(in[1]->type));
  return {b.gather(x, b.squeeze(b.nonzero(in[1]), {0}), axis)};
}

const OnnxOp non_zero{operator_row("NonZero", {9, 13}, lower_non_zero, {1, 1}, {1, 1}, Execution::Host)};
const OnnxOp compress{operator_row("Compress", {9, 11}, lower_compress, {2, 2}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
