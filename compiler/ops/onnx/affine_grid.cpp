// AffineGrid: the positions of an image's pixels, from -1 to 1, under an affine map.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Positions along one axis of `length` pixels: their centres between -1 and 1, or the outer centres at -1 and 1.
Value* positions(Builder& b, const Expr& length, bool align_corners, DType dtype) {
  Value *index = b.iota(DType::F64, {length}, 0), *count = b.cast(b.dims_tensor({length}, {}), DType::F64);
  const auto number = [&](double value) { return b.scalar(DType::F64, value); };
  Value* result = nullptr;
  if (align_corners)
    result = b.sub(b.div(b.mul(index, number(2)), b.maximum(b.sub(count, number(1)), number(1))), number(1));
  else
    result = b.sub(b.div(b.add(b.mul(index, number(2)), number(1)), count), number(1));
  return b.cast(result, dtype);
}

// Refused before the positions along an axis, which may still fit into memory, are computed for nothing.
void check_size(Lowering& in, const std::vector<Expr>& size) {
  constexpr int64_t most_pixels = int64_t{1} << 40;
  Expr pixels = size[0];
  for (size_t i = 2; i < size.size(); ++i) {
    in.builder().check(pixels <= Expr(most_pixels) / expr::max(size[i], 1), Status::UnsupportedShape,
                       str("node '", in.node(), "' (AffineGrid): the size asks for more than 2^40 pixels"));
    pixels = expr::simplify(pixels * size[i]);
  }
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* theta = in[0];
  const std::vector<Expr> size = b.values_of(in[1], {0, INT64_MAX, 1});
  const auto spatial = int64_t(size.size()) - 2;
  in.require((spatial == 2 || spatial == 3) && theta->type.rank() == 3 && is_float(theta->type.dtype),
             Status::InvalidModel, "theta ", graph::to_string(theta->type), " for a size of ", size.size(), " dims");
  b.require_equal(theta->type.dims[0], size[0], str("the batch of theta of node '", in.node(), "'"));
  b.require_equal(theta->type.dims[1], spatial, str("the rows of theta of node '", in.node(), "'"));
  b.require_equal(theta->type.dims[2], spatial + 1, str("the columns of theta of node '", in.node(), "'"));
  check_size(in, size);
  const bool align_corners = in.attr_int("align_corners", 0) != 0;

  // Column j of theta, [batch, 1..., rows], times position j, [1, ..., length, ..., 1]; x is the last spatial axis.
  std::vector<Expr> column_dims(size_t(spatial) + 2, Expr(1));
  column_dims.front() = theta->type.dims[0];
  column_dims.back() = spatial;
  const auto column = [&](int64_t j) { return b.reshape(b.slice_axis(theta, 2, j, 1), column_dims); };
  Value* result = nullptr;
  for (int64_t j = 0; j < spatial; ++j) {
    const auto axis = size_t(spatial - j);
    std::vector<Expr> dims(size_t(spatial) + 2, Expr(1));
    dims[axis] = size[axis + 1];
    Value* term = b.mul(column(j), b.reshape(positions(b, size[axis + 1], align_corners, theta->type.dtype), dims));
    result = result ? b.add(result, term) : term;
  }
  return {b.add(result, column(spatial))};
}

const OnnxOp op{operator_row("AffineGrid", {20}, lower, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
