// select: where(condition, a, b), and cast.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

std::vector<TensorType> infer_select(const Attributes&, Types operands) {
  expect_operands(Op::select, operands, 3);
  require(operands[0].dtype == DType::Bool, Status::InvalidModel, "select expects a bool condition, got ",
          graph::to_string(operands[0]));
  expect_same_dtype(Op::select, operands[1], operands[2]);
  TensorType result = operands[1];
  for (const TensorType& other : {operands[2], operands[0]}) {
    require(other.rank() == result.rank(), Status::InvalidModel, "select: ranks differ in ", type_list(operands));
    for (size_t i = 0; i < result.dims.size(); ++i)
      result.dims[i] = unify(Op::select, result.dims[i], other.dims[i], result, other);
  }
  return {result};
}

std::vector<Term> express_select(const Attributes&, Terms operands, Types results, ProgramBuilder&) {
  const Term condition = operands[0], a = operands[1], b = operands[2];
  return {{results[0].dtype, results[0].dims,
           [=](const Index& i) { return expr::select(condition.at(i), a.at(i), b.at(i)); }}};
}

std::vector<TensorType> infer_cast(const Attributes& attributes, Types operands) {
  expect_operands(Op::cast, operands, 1);
  TensorType result = operands[0];
  result.dtype = as<graph::CastAttrs>(attributes).dtype;
  for (DType dtype : {operands[0].dtype, result.dtype})
    require(is_float(dtype) || is_integer(dtype) || dtype == DType::Bool, Status::UnsupportedDatatype, "cast of ",
            graph::to_string(operands[0]), " to ", dtype_name(result.dtype), " is not supported");
  return {result};
}

std::vector<Term> express_cast(const Attributes&, Terms operands, Types results, ProgramBuilder&) {
  return {cast_term(operands[0], results[0].dtype)};
}

const RegisterOp select_registration{
    {.op = Op::select, .traits = graph::Pointwise, .infer = infer_select, .express = express_select}};
const RegisterOp cast_registration{
    {.op = Op::cast, .traits = graph::Pointwise, .infer = infer_cast, .express = express_cast}};

}  // namespace
}  // namespace sardonyx::ops
