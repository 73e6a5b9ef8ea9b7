// BitCast: the same bytes as another data type of equal width, on the host.
#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Parameters: the number of the data type.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const Tensor& x = operands[0];
  return {Tensor(DType(std::stoi(parameters)), x.dims(), x.storage())};
}

std::vector<Value*> lower(Lowering& in) {
  const auto from = in[0]->type.dtype, to = DType(in.attr_int("to"));
  const auto name = [](DType dtype) {
    return is_known(dtype) ? dtype_name(dtype) : std::string_view("an unknown type");
  };
  in.require(is_known(to) && size_of(to) != 0 && size_of(from) == size_of(to), Status::InvalidModel,
             "cannot take bits of ", name(from), " for ", name(to), " (", int(to), "): their widths differ");
  if (from == to) return {in[0]};
  return in.builder().host_call("bit_cast", std::to_string(int(to)), {in[0]}, {{to, in[0]->type.dims, {}}});
}

const HostFunctionEntry entry{{.name = "bit_cast", .run = run}};
const OnnxOp op{operator_row("BitCast", {26}, lower, {1, 1}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
