// StringConcat: element by element, with broadcasting.
#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Tensor> join_texts(const std::string&, std::span<const Tensor> operands) {
  std::vector<std::string> texts;
  for (int64_t i = 0; i < operands[0].count(); ++i)
    texts.push_back(std::string(operands[0].text(i)).append(operands[1].text(i)));
  return {Tensor::strings(operands[0].dims(), std::span<const std::string>(texts))};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  for (int i = 0; i < 2; ++i)
    in.require(in[i]->type.dtype == DType::String, Status::InvalidModel, "input ", i, " is ",
               graph::to_string(in[i]->type), ", expected strings");
  const auto dims = b.broadcast_dims(in[0]->type.dims, in[1]->type.dims);
  Value *left = b.broadcast(in[0], dims), *right = b.broadcast(in[1], dims);
  return b.value_call("join_texts", "", {left, right}, {{DType::String, dims, {}}});
}

const HostFunctionEntry entry{{.name = "join_texts", .run = join_texts}};
const OnnxOp op{operator_row("StringConcat", {20}, lower, {2, 2}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
