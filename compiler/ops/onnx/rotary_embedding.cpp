// RotaryEmbedding: rotates pairs of features by angles of their positions.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// The rows of `cache` for every position, with a dim of 1 for the heads: [batch, length, half] and `heads_axis`.
Value* angles(Lowering& in, int index, int64_t heads_axis, const Expr& half) {
  auto& b = in.builder();
  Value *cache = in[index], *positions = in.optional(3);
  const int rank = positions ? 2 : 3;
  in.require(cache->type.rank() == rank && cache->type.dtype == in[0]->type.dtype, Status::InvalidModel, "input ",
             index, " is ", graph::to_string(cache->type), ", expected rank ", rank, " and the type of ",
             graph::to_string(in[0]->type));
  in.require(!positions || positions->type.rank() == 2, Status::InvalidModel, "positions must be [batch, length]");
  b.require_equal(cache->type.dims.back(), half, str("the last dim of input ", index, " of node '", in.node(), "'"));
  if (positions) cache = b.gather(cache, positions, 0);
  return b.unsqueeze(cache, {heads_axis});
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const int rank = x->type.rank();
  const std::vector<Expr> dims = x->type.dims;
  in.require((rank == 3 || rank == 4) && is_float(x->type.dtype), Status::InvalidModel,
             "expected [batch, length, hidden] or [batch, heads, length, size] of floats, got ",
             graph::to_string(x->type));
  if (rank == 3) {
    const int64_t heads = in.attr_int("num_heads", 0);
    in.require(heads > 0 && expr::as_int(dims[2]).value_or(heads) % heads == 0, Status::InvalidModel, "num_heads ",
               heads, " does not divide the last dim of ", graph::to_string(x->type));
    x = b.reshape(x, {dims[0], dims[1], Expr(heads), expr::simplify(dims[2] / Expr(heads))});
  }
  const Expr size = x->type.dims[3];
  const int64_t partial = in.attr_int("rotary_embedding_dim", 0);
  const Expr rotated = partial == 0 ? size : Expr(partial);
  const auto known = expr::as_int(rotated), whole = expr::as_int(size);
  in.require(partial >= 0 && known.value_or(0) % 2 == 0 && (!known || !whole || *known <= *whole), Status::InvalidModel,
             "rotary_embedding_dim ", partial, " does not fit heads of ", graph::to_string(x->type));
  b.check(rotated <= size && rotated % Expr(2) == Expr(0), Status::MismatchingShape,
          str("node '", in.node(), "' (RotaryEmbedding): the rotated dims must be even and in the head"));
  const Expr half = expr::simplify(rotated / Expr(2));
  const int64_t heads_axis = rank == 4 ? 1 : 2;
  Value *cosine = angles(in, 1, heads_axis, half), *sine = angles(in, 2, heads_axis, half);

  const bool interleaved = in.attr_int("interleaved", 0) != 0;
  Value* turning = b.slice_axis(x, 3, 0, rotated);
  const std::vector<Expr> turning_dims = turning->type.dims;
  Value *first = nullptr, *second = nullptr;
  if (interleaved) {
    std::vector<Expr> pairs = turning_dims;
    pairs.back() = half;
    pairs.emplace_back(2);
    Value* paired = b.reshape(turning, pairs);
    first = b.squeeze(b.slice_axis(paired, 4, 0, 1), {4});
    second = b.squeeze(b.slice_axis(paired, 4, 1, 1), {4});
  } else {
    first = b.slice_axis(turning, 3, 0, half);
    second = b.slice_axis(turning, 3, half, half);
  }
  Value* real = b.sub(b.mul(cosine, first), b.mul(sine, second));
  Value* imaginary = b.add(b.mul(sine, first), b.mul(cosine, second));
  Value* result = interleaved
                      ? b.reshape(b.concat({b.unsqueeze(real, {4}), b.unsqueeze(imaginary, {4})}, 4), turning_dims)
                      : b.concat({real, imaginary}, 3);
  if (!expr::prove_equal(rotated, size))
    result = b.concat({result, b.slice_axis(x, 3, rotated, expr::simplify(size - rotated))}, 3);
  return {rank == 3 ? b.reshape(result, dims) : result};
}

const OnnxOp op{operator_row("RotaryEmbedding", {23}, lower, {3, 4})};

}  // namespace
}  // namespace sardonyx::ops
