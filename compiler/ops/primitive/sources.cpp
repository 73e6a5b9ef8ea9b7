// constant, iota and dims_tensor: values that come from attributes alone.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::ConstantAttrs;
using graph::DimsTensorAttrs;
using graph::IotaAttrs;

std::vector<TensorType> infer_constant(const Attributes& attributes, Types operands) {
  expect_operands(Op::constant, operands, 0);
  const Tensor& value = as<ConstantAttrs>(attributes).value;
  return {{value.dtype(), Exprs(value.dims().begin(), value.dims().end()), {}}};
}

std::vector<TensorType> infer_iota(const Attributes& attributes, Types operands) {
  expect_operands(Op::iota, operands, 0);
  const auto& iota = as<IotaAttrs>(attributes);
  require(iota.axis >= 0 && iota.axis < int64_t(iota.dims.size()), Status::InvalidModel, "iota: axis ", iota.axis,
          " is out of range for rank ", iota.dims.size());
  return {{iota.dtype, simplified(iota.dims), {}}};
}

std::vector<Term> express_iota(const Attributes& attributes, Terms, Types results, ProgramBuilder&) {
  const auto& iota = as<IotaAttrs>(attributes);
  const size_t axis = size_t(iota.axis);
  const DType dtype = iota.dtype;
  return {{dtype, results[0].dims, [=](const Index& index) { return expr::cast(index[axis], dtype); }}};
}

std::vector<TensorType> infer_dims_tensor(const Attributes& attributes, Types operands) {
  expect_operands(Op::dims_tensor, operands, 0);
  const auto& tensor = as<DimsTensorAttrs>(attributes);
  const int64_t count = element_count(tensor.dims);
  require(count == int64_t(tensor.values.size()), Status::InvalidModel, "dims_tensor: ", tensor.values.size(),
          " values for shape [", join(tensor.dims, ","), "]");
  return {{tensor.dtype, Exprs(tensor.dims.begin(), tensor.dims.end()), {}}};
}

std::vector<Term> express_dims_tensor(const Attributes& attributes, Terms, Types results, ProgramBuilder&) {
  const auto& tensor = as<DimsTensorAttrs>(attributes);
  const DType dtype = tensor.dtype;
  const Exprs dims = results[0].dims, values = tensor.values;
  return {{dtype, dims, [=](const Index& index) {
             if (values.empty()) return expr::imm(0, dtype);
             const Expr position = expr::simplify(flatten(index, dims));
             Expr result = expr::cast(values.back(), dtype);
             for (size_t i = values.size() - 1; i-- > 0;)
               result = expr::select(position == Expr(int64_t(i)), expr::cast(values[i], dtype), result);
             return result;
           }}};
}

const RegisterOp constant_registration{{.op = Op::constant, .infer = infer_constant}};
const RegisterOp iota_registration{
    {.op = Op::iota, .traits = graph::Injective, .infer = infer_iota, .express = express_iota}};
const RegisterOp dims_tensor_registration{
    {.op = Op::dims_tensor, .traits = graph::Injective, .infer = infer_dims_tensor, .express = express_dims_tensor}};

}  // namespace
}  // namespace sardonyx::ops
