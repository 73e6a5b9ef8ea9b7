// Scatter (opset 9, 10), ScatterElements, ScatterND.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

graph::ScatterReduce reduction(Lowering& in) {
  std::string name = in.attr_string("reduction", "none");
  for (int i = 0; graph::scatter_reduce_names[i]; ++i)
    if (name == graph::scatter_reduce_names[i]) return graph::ScatterReduce(i);
  in.fail(Status::InvalidModel, "reduction '", name, "' is unknown");
}

std::vector<Value*> lower_elements(Lowering& in) {
  return {in.builder().scatter_elements(in[0], in[1], in[2], in.attr_int("axis", 0), reduction(in))};
}

std::vector<Value*> lower_nd(Lowering& in) { return {in.builder().scatter_nd(in[0], in[1], in[2], reduction(in))}; }

const OnnxOp scatter{operator_row("Scatter", {9, 11}, lower_elements, {3, 3}, {1, 1}, Execution::Host)};
const OnnxOp scatter_elements{
    operator_row("ScatterElements", {11, 13, 16, 18}, lower_elements, {3, 3}, {1, 1}, Execution::Host)};
const OnnxOp scatter_nd{operator_row("ScatterND", {11, 13, 16, 18}, lower_nd, {3, 3}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
