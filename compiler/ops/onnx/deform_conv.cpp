// DeformConv: a convolution whose taps are read at offset positions, as samples of the image times the weights.
#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/image_sampler.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

struct DeformedWindow {
  Spatial spatial;
  int64_t taps = 1, groups = 1, offset_groups = 1;
  Expr outputs = 1;  // spatial positions of the result
};

DeformedWindow window_of(Lowering& in) {
  const Value *x = in[0], *w = in[1];
  DeformedWindow window;
  window.spatial = resolve_spatial(in, x, kernel_of_weights(in, w));
  window.groups = in.attr_int("group", 1);
  window.offset_groups = in.attr_int("offset_group", 1);
  for (int64_t extent : window.spatial.kernel)
    in.require(!__builtin_mul_overflow(window.taps, extent, &window.taps) && window.taps <= largest_spatial,
               Status::InvalidModel, "a kernel [", join(window.spatial.kernel, ","), "]");
  for (const Expr& dim : window.spatial.out_dims) window.outputs = window.outputs * dim;
  const auto channels = expr::as_int(x->type.dims[1]), results = expr::as_int(w->type.dims[0]);
  in.require(channels && results, Status::UnsupportedShape, "channels must be static, got ", graph::to_string(x->type),
             " and ", graph::to_string(w->type));
  in.require(window.groups > 0 && window.offset_groups > 0 && *channels % window.groups == 0 &&
                 *results % window.groups == 0 && *channels % window.offset_groups == 0,
             Status::InvalidModel, "group ", window.groups, " and offset_group ", window.offset_groups, " for ",
             graph::to_string(x->type), " and weights ", graph::to_string(w->type));
  in.builder().require_equal(w->type.dims[1], *channels / window.groups,
                             str("channels of the weights of node '", in.node(), "'"));
  return window;
}

// `x` [batch, entries..., out...] as [batch * offset groups, entries of a group, outputs].
Value* per_offset_group(Lowering& in, Value* x, const DeformedWindow& window, int64_t entries) {
  const auto& dims = x->type.dims;
  in.require(dims.size() == window.spatial.kernel.size() + 2, Status::InvalidModel, "offset or mask is ",
             graph::to_string(x->type));
  for (size_t i = 0; i + 2 < dims.size(); ++i)
    in.builder().require_equal(dims[i + 2], window.spatial.out_dims[i],
                               str("output dims and offsets of node '", in.node(), "'"));
  in.builder().require_equal(dims[1], window.offset_groups * entries,
                             str("channels of offsets of node '", in.node(), "'"));
  return in.builder().reshape(x, {expr::simplify(dims[0] * window.offset_groups), Expr(entries), window.outputs});
}

// Where tap and output positions read without an offset along one axis: [1, taps * outputs].
Value* regular_positions(Builder& b, const DeformedWindow& window, size_t axis, DType dtype) {
  const Spatial& s = window.spatial;
  std::vector<Expr> dims(s.kernel.begin(), s.kernel.end());
  dims.insert(dims.end(), s.out_dims.begin(), s.out_dims.end());
  const auto scaled = [&](size_t at, int64_t factor) {
    return b.mul(b.iota(DType::I64, dims, int64_t(at)), b.scalar(DType::I64, double(factor)));
  };
  Value* position = b.add(scaled(axis, s.dilations[axis]), scaled(s.kernel.size() + axis, s.strides[axis]));
  position = b.sub(position, b.dims_tensor({s.pads[axis]}, {}));
  return b.cast(b.reshape(position, {1, window.taps * window.outputs}), dtype);
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *w = in[1], *bias = in.optional(3), *mask = in.optional(4);
  in.require(is_float(x->type.dtype), Status::InvalidModel, "expected floats, got ", graph::to_string(x->type));
  const DeformedWindow window = window_of(in);
  const auto rank = int64_t(window.spatial.kernel.size());
  const Expr batch = x->type.dims[0], points = expr::simplify(window.taps * window.outputs);
  const Expr samples = expr::simplify(batch * window.offset_groups);
  const int64_t channels = *expr::as_int(x->type.dims[1]), results = *expr::as_int(w->type.dims[0]);

  // Offsets are ordered by tap, then by axis.
  Value* offsets = per_offset_group(in, in[2], window, window.taps * rank);
  offsets = b.reshape(offsets, {samples, window.taps, rank, window.outputs});
  std::vector<Value*> coordinates;
  for (int64_t axis = 0; axis < rank; ++axis) {
    Value* offset = b.reshape(b.slice_axis(offsets, 2, axis, 1), {samples, 1, points});
    coordinates.push_back(b.add(offset, regular_positions(b, window, size_t(axis), x->type.dtype)));
  }
  std::vector<Expr> image_dims = x->type.dims;
  image_dims[0] = samples;
  image_dims[1] = channels / window.offset_groups;
  ImageSampler sampler(b, b.reshape(x, image_dims), points, ImagePadding::Zeros, false);
  Value* columns = sampler.sampled(coordinates, Interpolation::Linear);
  if (mask) columns = b.mul(columns, b.reshape(per_offset_group(in, mask, window, window.taps), {samples, 1, points}));

  const int64_t groups = window.groups, depth = channels / groups * window.taps;
  columns = b.reshape(columns, {batch, groups, depth, window.outputs});
  Value* weights = b.reshape(w, {groups, results / groups, depth});
  std::vector<Expr> result_dims{batch, results};
  result_dims.insert(result_dims.end(), window.spatial.out_dims.begin(), window.spatial.out_dims.end());
  Value* result = b.reshape(b.matmul(weights, columns, false, false, x->type.dtype), result_dims);
  return {bias ? b.add(result, per_channel(b, bias, int(rank))) : result};
}

const OnnxOp op{operator_row("DeformConv", {19, 22}, lower, {3, 5})};

}  // namespace
}  // namespace sardonyx::ops
