// Gather, GatherElements, GatherND.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_gather(Lowering& in) { return {in.builder().gather(in[0], in[1], in.attr_int("axis", 0))}; }

std::vector<Value*> lower_gather_elements(Lowering& in) {
  return {in.builder().gather_elements(in[0], in[1], in.attr_int("axis", 0))};
}

std::vector<Value*> lower_gather_nd(Lowering& in) {
  return {in.builder().gather_nd(in[0], in[1], in.attr_int("batch_dims", 0))};
}

const OnnxOp gather{operator_row("Gather", {1, 11, 13}, lower_gather, {2, 2})};
const OnnxOp gather_elements{operator_row("GatherElements", {11, 13}, lower_gather_elements, {2, 2})};
const OnnxOp gather_nd{operator_row("GatherND", {11, 12, 13}, lower_gather_nd, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
