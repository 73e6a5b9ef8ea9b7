// Kinds that have no meaning as tensor expressions: control flow, symbol binding, checks, and host calls. Their
// evaluation is in interpret.cpp and in the run-time program.
#include "compiler/ops/host_functions.h"
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

std::vector<TensorType> infer_bind_dims(const Attributes& attributes, Types operands) {
  expect_operands(Op::bind_dims, operands, 1);
  const size_t count = as<graph::BindDimsAttrs>(attributes).symbols.size();
  const TensorType& x = operands[0];
  require(x.dtype == DType::I64 && x.rank() == 1 && !surely_differ(x.dims[0], Expr(int64_t(count))),
          Status::InvalidModel, "bind_dims of ", count, " symbols does not accept ", graph::to_string(x));
  return {};
}

std::vector<TensorType> infer_check(const Attributes&, Types operands) {
  expect_operands(Op::check, operands, 0);
  return {};
}

std::vector<Tensor> call_host(const Attributes& attributes, std::span<const Tensor> operands) {
  const auto& call = as<graph::HostCallAttrs>(attributes);
  const HostFunction* function = find_host_function(call.name);
  require(function != nullptr, Status::UnsupportedOperator, "unknown host function '", call.name, "'");
  return function->run(call.parameters, operands);
}

const RegisterOp if_registration{{.op = Op::if_, .traits = graph::Control}};
const RegisterOp loop_registration{{.op = Op::loop, .traits = graph::Control}};
const RegisterOp yield_registration{{.op = Op::yield, .traits = graph::Control}};
const RegisterOp fused_registration{{.op = Op::fused, .traits = graph::Control}};
const RegisterOp bind_dims_registration{{.op = Op::bind_dims, .traits = graph::SideEffect, .infer = infer_bind_dims}};
const RegisterOp check_registration{{.op = Op::check, .traits = graph::SideEffect, .infer = infer_check}};
const RegisterOp host_call_registration{{.op = Op::host_call, .traits = graph::Opaque, .reference = call_host}};

}  // namespace
}  // namespace sardonyx::ops
