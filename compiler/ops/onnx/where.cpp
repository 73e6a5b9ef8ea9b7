#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) { return {in.builder().select(in[0], in[1], in[2])}; }

const OnnxOp op{operator_row("Where", {9, 16}, lower, {3, 3})};

}  // namespace
}  // namespace sardonyx::ops
