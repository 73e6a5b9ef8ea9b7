// Dropout outside training: the identity and a mask that keeps everything.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  if (Value* training = in.version() >= 12 ? in.optional(2) : nullptr) {
    auto known = b.static_ints(training);
    in.require(known && (*known)[0] == 0, Status::UnsupportedAttribute, "training mode is not supported");
  }
  if (in.outputs() < 2) return {x};
  DType mask = in.version() >= 10 ? DType::Bool : x->type.dtype;
  return {x, b.full(b.scalar(mask, 1), x->type.dims)};
}

const OnnxOp op{operator_row("Dropout", {1, 6, 7, 10, 12, 13, 22}, lower, {1, 3}, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
