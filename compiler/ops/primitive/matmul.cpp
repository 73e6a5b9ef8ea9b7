// matmul: batched matrix product with optional transposes of the last two dims.
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::MatmulAttrs;

std::vector<TensorType> infer(const Attributes& attributes, Types operands) {
  expect_operands(Op::matmul, operands, 2);
  const auto& matmul = as<MatmulAttrs>(attributes);
  const TensorType &a = operands[0], &b = operands[1];
  for (const TensorType& type : operands) {
    expect_rank_at_least(Op::matmul, type, 2);
    require(is_float(type.dtype) || is_integer(type.dtype), Status::InvalidModel, "matmul does not accept ",
            graph::to_string(type));
  }
  require(is_float(matmul.dtype) || is_integer(matmul.dtype), Status::InvalidModel, "matmul cannot accumulate in ",
          dtype_name(matmul.dtype));
  const auto last = [](const TensorType& type, size_t i) { return type.dims[type.dims.size() - 2 + i]; };
  const Expr rows = last(a, matmul.transpose_a ? 1 : 0), inner_a = last(a, matmul.transpose_a ? 0 : 1);
  const Expr inner_b = last(b, matmul.transpose_b ? 1 : 0), columns = last(b, matmul.transpose_b ? 0 : 1);
  require(!surely_differ(inner_a, inner_b), Status::InvalidModel, "matmul: inner dims ", expr::to_string(inner_a),
          " and ", expr::to_string(inner_b), " of ", graph::to_string(a), " and ", graph::to_string(b), " differ");
  TensorType result{
      matmul.dtype,
      broadcast_batch(Op::matmul, {a.dims.begin(), a.dims.end() - 2}, {b.dims.begin(), b.dims.end() - 2}, operands),
      {}};
  result.dims.push_back(rows);
  result.dims.push_back(columns);
  return {result};
}

std::vector<Term> express(const Attributes& attributes, Terms operands, Types results, ProgramBuilder& program) {
  const auto matmul = as<MatmulAttrs>(attributes);
  const DType working = accumulation_dtype(matmul.dtype);
  const Term a = cast_term(operands[0], working), b = cast_term(operands[1], working);
  const Exprs dims = results[0].dims, batch(dims.begin(), dims.end() - 2);
  const Expr inner = a.dims[a.dims.size() - (matmul.transpose_a ? 2 : 1)];
  const auto matrix_index = [=](const Term& term, const Index& out, const Expr& row, const Expr& column) {
    Index index = broadcast_index({term.dims.begin(), term.dims.end() - 2}, batch, {out.begin(), out.end() - 2});
    index.push_back(row);
    index.push_back(column);
    return index;
  };
  const Term result =
      program.reduce("matmul", tensor::Reduce::Sum, working, dims, {inner}, [=](const Index& out, const Index& in) {
        const Expr &row = out[out.size() - 2], &column = out.back(), &k = in[0];
        const Expr left = a.at(matmul.transpose_a ? matrix_index(a, out, k, row) : matrix_index(a, out, row, k));
        const Expr right = b.at(matmul.transpose_b ? matrix_index(b, out, column, k) : matrix_index(b, out, k, column));
        return left * right;
      });
  return {cast_term(result, matmul.dtype)};
}

const RegisterOp registration{{.op = Op::matmul, .traits = graph::Contraction, .infer = infer, .express = express}};

}  // namespace
}  // namespace sardonyx::ops
