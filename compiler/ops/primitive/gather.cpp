// gather, gather_elements and gather_nd: elements chosen by index tensors. Negative indices count from the end; an
// index out of range is a run-time error that whoever evaluates the loads reports.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::AxisAttrs;
using graph::GatherNdAttrs;

void expect_indices(Op op, const TensorType& indices) {
  require(indices.dtype == DType::I32 || indices.dtype == DType::I64, Status::InvalidModel, graph::op_name(op),
          " expects i32 or i64 indices, got ", graph::to_string(indices));
}

void expect_axis(Op op, int64_t axis, const TensorType& type) {
  require(axis >= 0 && axis < type.rank(), Status::InvalidModel, graph::op_name(op), ": axis ", axis,
          " is out of range for ", graph::to_string(type));
}

std::vector<TensorType> infer_gather(const Attributes& attributes, Types operands) {
  expect_operands(Op::gather, operands, 2);
  const int64_t axis = as<AxisAttrs>(attributes).axis;
  const TensorType &x = operands[0], &indices = operands[1];
  expect_indices(Op::gather, indices);
  expect_axis(Op::gather, axis, x);
  TensorType result{x.dtype, {x.dims.begin(), x.dims.begin() + axis}, {}};
  result.dims.insert(result.dims.end(), indices.dims.begin(), indices.dims.end());
  result.dims.insert(result.dims.end(), x.dims.begin() + axis + 1, x.dims.end());
  return {result};
}

std::vector<Term> express_gather(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const int64_t axis = as<AxisAttrs>(attributes).axis;
  const Term x = operands[0], indices = operands[1];
  return {{x.dtype, results[0].dims, [=](const Index& index) {
             const auto split = index.begin() + axis, rest = split + long(indices.dims.size());
             Index source(index.begin(), split);
             source.push_back(wrap_negative(indices.at(Index(split, rest)), x.dims[size_t(axis)]));
             source.insert(source.end(), rest, index.end());
             return x.at(source);
           }}};
}

std::vector<TensorType> infer_gather_elements(const Attributes& attributes, Types operands) {
  expect_operands(Op::gather_elements, operands, 2);
  const TensorType &x = operands[0], &indices = operands[1];
  expect_indices(Op::gather_elements, indices);
  expect_axis(Op::gather_elements, as<AxisAttrs>(attributes).axis, x);
  require(x.rank() == indices.rank(), Status::InvalidModel, "gather_elements: ranks differ in ", type_list(operands));
  for (int64_t i = 0; i < x.rank(); ++i)
    require(i == as<AxisAttrs>(attributes).axis || !expr::prove(x.dims[size_t(i)] < indices.dims[size_t(i)]),
            Status::InvalidModel, "gather_elements: the indices exceed dim ", i, " in ", type_list(operands));
  return {{x.dtype, indices.dims, {}}};
}

std::vector<Term> express_gather_elements(const Attributes& attributes, Terms operands, Types results,
                                          ProgramBuilder&) {
  const size_t axis = size_t(as<AxisAttrs>(attributes).axis);
  const Term x = operands[0], indices = operands[1];
  return {{x.dtype, results[0].dims, [=](const Index& index) {
             Index source = index;
             for (size_t i = 0; i < source.size(); ++i)
               source[i] = checked(index[i], i == axis ? expr::bool_imm(true) : indices.dims[i] <= x.dims[i]);
             source[axis] = wrap_negative(indices.at(index), x.dims[axis]);
             return x.at(source);
           }}};
}

// The length of the index tuples: the last dim of the indices.
int64_t tuple_length(Types operands, int64_t batch_dims) {
  const TensorType &x = operands[0], &indices = operands[1];
  require(batch_dims >= 0 && indices.rank() > batch_dims && x.rank() > batch_dims, Status::InvalidModel,
          "gather_nd: batch_dims ", batch_dims, " does not fit the ranks of ", type_list(operands));
  const auto length = expr::as_int(indices.dims.back());
  require(length.has_value(), Status::UnsupportedShape, "gather_nd needs a static last dim of the indices, got ",
          graph::to_string(indices));
  require(*length >= 1 && *length <= x.rank() - batch_dims, Status::InvalidModel, "gather_nd: index tuples of ",
          *length, " do not fit ", type_list(operands), " with batch_dims ", batch_dims);
  return *length;
}

std::vector<TensorType> infer_gather_nd(const Attributes& attributes, Types operands) {
  expect_operands(Op::gather_nd, operands, 2);
  const int64_t batch = as<GatherNdAttrs>(attributes).batch_dims;
  const TensorType &x = operands[0], &indices = operands[1];
  expect_indices(Op::gather_nd, indices);
  const int64_t length = tuple_length(operands, batch);
  TensorType result{x.dtype, {indices.dims.begin(), indices.dims.end() - 1}, {}};
  for (int64_t i = 0; i < batch; ++i)
    result.dims[size_t(i)] = unify(Op::gather_nd, x.dims[size_t(i)], indices.dims[size_t(i)], x, indices);
  result.dims.insert(result.dims.end(), x.dims.begin() + batch + length, x.dims.end());
  return {result};
}

std::vector<Term> express_gather_nd(const Attributes& attributes, Terms operands, Types results, ProgramBuilder&) {
  const int64_t batch = as<GatherNdAttrs>(attributes).batch_dims;
  const Term x = operands[0], indices = operands[1];
  const int64_t length = *expr::as_int(indices.dims.back());
  return {{x.dtype, results[0].dims, [=](const Index& index) {
             const auto outer = index.begin() + long(indices.dims.size()) - 1;
             Index source(index.begin(), index.begin() + batch);
             for (int64_t k = 0; k < length; ++k) {
               Index tuple(index.begin(), outer);
               tuple.push_back(Expr(k));
               source.push_back(wrap_negative(indices.at(tuple), x.dims[size_t(batch + k)]));
             }
             source.insert(source.end(), outer, index.end());
             return x.at(source);
           }}};
}

const RegisterOp gather_registration{
    {.op = Op::gather, .traits = graph::Injective, .infer = infer_gather, .express = express_gather}};
const RegisterOp gather_elements_registration{{.op = Op::gather_elements,
                                               .traits = graph::Injective,
                                               .infer = infer_gather_elements,
                                               .express = express_gather_elements}};
const RegisterOp gather_nd_registration{
    {.op = Op::gather_nd, .traits = graph::Injective, .infer = infer_gather_nd, .express = express_gather_nd}};

}  // namespace
}  // namespace sardonyx::ops
