#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto axis = in.builder().static_ints(in[1]);
  in.require(axis && axis->size() == 1, Status::UnsupportedShape, "the axis must be known at compile time");
  return {in.builder().cumulate(graph::ReduceFunction::Sum, in[0], in.axis((*axis)[0], in[0]->type.rank()),
                                in.attr_int("exclusive", 0) != 0, in.attr_int("reverse", 0) != 0)};
}

const OnnxOp op{operator_row("CumSum", {11, 14}, lower, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
