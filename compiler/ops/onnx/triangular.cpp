// EyeLike and Trilu: comparisons of row and column numbers.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// The number of a diagonal, moved to the nearest one that is beside the matrix, so that sums do not overflow.
Value* diagonal_of(Builder& b, Value* k, const std::vector<Expr>& matrix) {
  Value *rows = b.dims_tensor({matrix[0]}, {}), *columns = b.dims_tensor({matrix[1]}, {});
  return b.maximum(b.minimum(k, columns), b.neg(rows));
}

std::vector<Value*> lower_eye_like(Lowering& in) {
  auto& b = in.builder();
  const auto& type = in[0]->type;
  in.require(type.rank() == 2, Status::InvalidModel, "expected a matrix, got ", graph::to_string(type));
  auto dtype = DType(in.attr_int("dtype", int64_t(type.dtype)));
  in.require(is_known(dtype), Status::InvalidModel, "data type ", int(dtype), " is unknown");
  Value* row = b.iota(DType::I64, type.dims, 0);
  Value* column = b.iota(DType::I64, type.dims, 1);
  Value* diagonal = b.add(row, diagonal_of(b, b.reshape(b.ints({in.attr_int("k", 0)}), {}), type.dims));
  return {b.cast(b.equal(diagonal, column), dtype)};
}

std::vector<Value*> lower_trilu(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  int rank = x->type.rank();
  in.require(rank >= 2, Status::InvalidModel, "expected a matrix or batch of matrices, got ",
             graph::to_string(x->type));
  std::vector<Expr> matrix(x->type.dims.end() - 2, x->type.dims.end());
  Value* k = in.optional(1) ? b.reshape(b.cast(in[1], DType::I64), {}) : b.scalar(DType::I64, 0);
  Value* diagonal = b.add(b.iota(DType::I64, matrix, 0), diagonal_of(b, k, matrix));
  Value* column = b.iota(DType::I64, matrix, 1);
  bool upper = in.attr_int("upper", 1) != 0;
  Value* kept = upper ? b.less_equal(diagonal, column) : b.less_equal(column, diagonal);
  return {b.select(kept, x, b.scalar_like(x, 0))};
}

const OnnxOp eye_like{operator_row("EyeLike", {9, 22}, lower_eye_like)};
const OnnxOp trilu{operator_row("Trilu", {14}, lower_trilu, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
