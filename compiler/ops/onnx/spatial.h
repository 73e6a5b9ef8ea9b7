// The attributes that ONNX's convolutions and pools share, resolved for an input [N, C, spatial...] of static or
// symbolic dims: strides, dilations, explicit pads (auto_pad computed) and output dims.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// Larger strides, dilations, pads and kernels are refused, so that arithmetic on them does not overflow.
inline constexpr int64_t largest_spatial = int64_t{1} << 31;

struct Spatial {
  std::vector<int64_t> kernel, strides, dilations;
  std::vector<Expr> pads;      // [begin..., end...]
  std::vector<Expr> out_dims;  // spatial
};

// `kernel` of the spatial dims; dilations default to 1. With `ceil_mode` the output may have a window that begins on
// the input and ends beyond its pads.
Spatial resolve_spatial(Lowering& in, const Value* x, std::vector<int64_t> kernel, bool ceil_mode = false);
// Attribute `name` with one positive element per spatial dim, all `fallback` when absent.
std::vector<int64_t> spatial_ints(Lowering& in, const char* name, size_t rank, int64_t fallback);
// kernel_shape: the attribute, which must agree with the weights' dims, or those dims.
std::vector<int64_t> kernel_of_weights(Lowering& in, const Value* weights);
// The attributes of a convolution of `x` by `weights` into `dtype`.
graph::ConvAttrs conv_attributes(Lowering& in, const Value* x, const Value* weights, DType dtype);
// values [C] as [C, 1, ...] to add to [N, C, spatial...].
Value* per_channel(Builder& builder, Value* values, int spatial_rank);
// All axes from `first` on.
std::vector<int64_t> axes_from(int64_t first, int rank);

}  // namespace sardonyx::ops
