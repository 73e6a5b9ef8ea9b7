// Windows that slide over the spatial dims of [N, C, spatial...]: shared by pool and convolutions.
//
//   out[.., o, ..] reads in[.., o * stride - pad + k * dilation, ..] for k in [0, kernel)
//
// Positions outside [0, dim) are padding. Bounds are only tested on sides that can be left.
#pragma once
#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {

struct Window {
  graph::Ints strides, dilations;
  Exprs kernel, pads;  // pads: [begin..., end...]
  size_t rank() const { return kernel.size(); }
};

// Throws InvalidModel unless strides, dilations and pads fit `spatial` dims and are positive (pads: not negative).
void expect_window(Op op, const Window& window, size_t spatial, const TensorType& type);
// (dim + pads - dilation * (kernel - 1) - 1) / stride + 1, simplified; throws when it is surely not positive.
Expr window_out_dim(Op op, const Window& window, size_t axis, const TensorType& type);
// Input position of tap k of output o, simplified.
Expr window_position(const Window& window, size_t axis, const Expr& out, const Expr& tap);
// Appends the tests that `position` of an input with `dim` elements is no padding.
void window_bounds(const Window& window, size_t axis, const Expr& position, const Expr& dim, const Expr& out_dim,
                   std::vector<Expr>& conditions);
// The layout that a window or contraction over [N, C, spatial...] keeps: blocks on channels survive.
graph::Layout kept_layout(const TensorType& type);

}  // namespace sardonyx::ops
