// If and Loop.
#include "compiler/ops/containers.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_if(Lowering& in) {
  auto branch = [&](const char* name) {
    return [&subgraph = in.attr_graph(name)](Builder& builder) { return subgraph.build(builder, {}); };
  };
  in.require(in[0]->type.dtype == DType::Bool, Status::InvalidModel, "the condition is ",
             graph::to_string(in[0]->type));
  return in.builder().if_then_else(in[0], branch("then_branch"), branch("else_branch"));
}

std::vector<Value*> lower_loop(Lowering& in) {
  const Subgraph& subgraph = in.attr_graph("body");
  auto expect_scalar = [&](Value* value, DType dtype, const char* what) {
    in.require(!value || value->type.dtype == dtype, Status::InvalidModel, "the ", what, " is ",
               value ? graph::to_string(value->type) : "", ", expected ", dtype_name(dtype));
  };
  expect_scalar(in.optional(0), DType::I64, "trip count");
  expect_scalar(in.optional(1), DType::Bool, "condition");
  std::vector<Value*> carried;
  for (int i = 2; i < in.inputs(); ++i) carried.push_back(in[i]);
  in.require(subgraph.inputs.size() == carried.size() + 2, Status::InvalidModel, "the body has ",
             subgraph.inputs.size(), " inputs, expected ", carried.size() + 2);
  in.require(subgraph.outputs.size() > carried.size(), Status::InvalidModel, "the body has ", subgraph.outputs.size(),
             " outputs, expected at least ", carried.size() + 1);
  // A body may take an optional and give what it holds: that is carried as a full optional.
  std::vector<bool> filled(carried.size());
  std::vector<Value*> results =
      in.builder().loop(in.optional(0), in.optional(1), carried,
                        [&](Builder& builder, Value* iteration, Value* condition, std::vector<Value*> values) {
                          const std::vector<Value*> parameters = values;
                          values.insert(values.begin(), {iteration, condition});
                          values = subgraph.build(builder, values);
                          expect_scalar(values.at(0), DType::Bool, "body's condition");
                          for (size_t i = 0; i < parameters.size(); ++i) {
                            Value*& next = values.at(i + 1);
                            filled[i] = is_optional(parameters[i]) && !is_optional(next);
                            if (filled[i]) next = optional_of_item(builder, next);
                          }
                          return values;
                        });
  for (size_t i = 0; i < filled.size(); ++i)
    if (filled[i]) results[i] = optional_item(in.builder(), results[i]);
  return results;
}

const OnnxOp if_op{
    container_row("If", {1, 11, 13, 16, 19, 21, 23, 24, 25}, lower_if, {1, 1}, {1, -1}, Execution::Steps)};
const OnnxOp loop_op{
    container_row("Loop", {1, 11, 13, 16, 19, 21, 23, 24, 25}, lower_loop, {2, -1}, {1, -1}, Execution::Steps)};

}  // namespace
}  // namespace sardonyx::ops
