// Gemm and MatMul.
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> gemm(Lowering& in) {
  auto& b = in.builder();
  in.require(in[0]->type.rank() == 2 && in[1]->type.rank() == 2, Status::InvalidModel, "A and B must be matrices, got ",
             graph::to_string(in[0]->type), " and ", graph::to_string(in[1]->type));
  const double alpha = in.attr_float("alpha", 1), beta = in.attr_float("beta", 1);
  Value* result = b.matmul(in[0], in[1], in.attr_int("transA", 0) != 0, in.attr_int("transB", 0) != 0);
  if (alpha != 1) result = b.mul(result, b.scalar_like(result, alpha));
  Value* c = in.optional(2);
  if (!c || beta == 0) return {result};
  if (beta != 1) c = b.mul(c, b.scalar_like(c, beta));
  return {b.add(result, b.broadcast(c, result->type.dims))};
}

// A vector on the left is a row, on the right a column; the dim that this adds is dropped from the result.
std::vector<Value*> matmul(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *y = in[1];
  in.require(x->type.rank() >= 1 && y->type.rank() >= 1, Status::InvalidModel,
             "scalars do not multiply: ", graph::to_string(x->type), " and ", graph::to_string(y->type));
  const bool row = x->type.rank() == 1, column = y->type.rank() == 1;
  if (row) x = b.unsqueeze(x, {0});
  if (column) y = b.unsqueeze(y, {1});
  Value* result = b.matmul(x, y);
  if (column) result = b.squeeze(result, {-1});
  if (row) result = b.squeeze(result, {column ? -1 : -2});
  return {result};
}

const OnnxOp ops[] = {
    operator_row("Gemm", {1, 6, 7, 9, 11, 13}, gemm, {2, 3}),
    operator_row("MatMul", {1, 9, 13}, matmul, {2, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
