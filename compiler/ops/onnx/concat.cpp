#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  std::vector<Value*> parts;
  for (int i = 0; i < in.inputs(); ++i) parts.push_back(in[i]);
  auto axis = in.version() < 4 ? in.attr_int("axis", 1) : in.attr_int("axis");
  return {in.builder().concat(std::move(parts), axis)};
}

const OnnxOp op{operator_row("Concat", {1, 4, 11, 13}, lower, {1, -1})};

}  // namespace
}  // namespace sardonyx::ops
