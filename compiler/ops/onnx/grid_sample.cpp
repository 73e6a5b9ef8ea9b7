// GridSample: reads an image of any number of spatial dims at the positions of a grid, interpolating.
#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/image_sampler.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

Interpolation interpolation_of(Lowering& in) {
  const std::string mode = in.attr_string("mode", in.version() < 20 ? "bilinear" : "linear");
  if (mode == "nearest") return Interpolation::Nearest;
  if (mode == "linear" || mode == "bilinear") return Interpolation::Linear;
  in.require(mode == "cubic" || mode == "bicubic", Status::InvalidModel, "mode '", mode, "' is unknown");
  return Interpolation::Cubic;
}

ImagePadding padding_of(Lowering& in) {
  const std::string padding = in.attr_string("padding_mode", "zeros");
  if (padding == "zeros") return ImagePadding::Zeros;
  if (padding == "border") return ImagePadding::Border;
  in.require(padding == "reflection", Status::InvalidModel, "padding_mode '", padding, "' is unknown");
  return ImagePadding::Reflection;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *grid = in[1];
  const int spatial = x->type.rank() - 2;
  in.require(x->type.rank() == grid->type.rank() && spatial >= 1, Status::InvalidModel, "image ",
             graph::to_string(x->type), " and grid ", graph::to_string(grid->type), " do not fit");
  in.require(spatial <= 3, Status::UnsupportedShape, "an image of ", spatial, " spatial dims, at most 3 are supported");
  in.require(is_float(x->type.dtype), Status::UnsupportedDatatype, "images of ", dtype_name(x->type.dtype),
             " are not supported");
  const bool align = in.attr_int("align_corners", 0) != 0;
  const std::vector<Expr> shape = grid->type.dims;
  b.require_equal(shape.back(), spatial, "the last dim of the grid");
  const Expr batch = b.require_equal(x->type.dims[0], shape[0], "the batch dims of image and grid");
  std::vector<Expr> dims{batch, x->type.dims[1]};
  Expr points = 1;
  for (size_t i = 1; i + 1 < shape.size(); ++i) {
    points = points * shape[i];
    dims.push_back(shape[i]);
  }
  ImageSampler sampler(b, x, points, padding_of(in), !align);
  // The grid's last dim counts axes from the last; -1 and 1 are the outer pixels or, unaligned, their outer edges.
  std::vector<Value*> coordinates;
  for (int64_t i = 0; i < spatial; ++i) {
    Value* normalised = b.reshape(b.slice_axis(grid, spatial + 1, spatial - 1 - i, 1), {shape[0], 1, points});
    Value* shifted = b.add(b.cast(normalised, x->type.dtype), b.scalar_like(x, 1));
    Value *extent = sampler.extent(size_t(i)), *one = b.scalar_like(x, 1), *two = b.scalar_like(x, 2);
    coordinates.push_back(align ? b.mul(shifted, b.div(b.sub(extent, one), two))
                                : b.div(b.sub(b.mul(shifted, extent), one), two));
  }
  return {b.reshape(sampler.sampled(coordinates, interpolation_of(in)), dims)};
}

const OnnxOp op{operator_row("GridSample", {16, 20, 22}, lower, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
