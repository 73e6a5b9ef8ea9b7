// Dropout outside training: the identity and a mask that keeps everything.
#include "compiler/ops/lowering.h"

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

const OnnxOp op{{.name = "Dropout",
                 .since = {{1, lower}, {6, lower}, {7, lower}, {10, lower}, {12, lower}, {13, lower}, {22, lower}},
                 .inputs = {1, 3},
                 .outputs = {1, 2}}};

}  // namespace
}  // namespace sardonyx::ops
