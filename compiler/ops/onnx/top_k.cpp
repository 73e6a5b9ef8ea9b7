#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  int64_t axis = in.axis(in.attr_int("axis", -1), in[0]->type.rank());
  Expr k;
  if (in.version() < 10) {
    k = in.attr_int("k");
  } else {
    auto values = b.values_of(in[1], {0, INT64_MAX, 1});
    in.require(values.size() == 1, Status::InvalidModel, "k has ", values.size(), " elements, expected 1");
    k = values[0];
  }
  return b.topk(in[0], k, axis, in.attr_int("largest", 1) != 0, in.attr_int("sorted", 1) != 0);
}

const OnnxOp op{operator_row("TopK", {1, 10, 11, 24}, lower, {1, 2}, {2, 2}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
