// Resize and Upsample: separable interpolation, one axis after the other.
#include <cmath>

#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/resize_axis.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::UnaryFunction;

Value* resize(Builder& b, Value* x, const ResizeSettings& settings, const std::vector<ResizeAxis>& axes) {
  DType dtype = x->type.dtype;
  if (settings.mode != "nearest" && !is_float(dtype)) x = b.cast(x, DType::F32);
  std::vector<Value*> outside;
  for (const ResizeAxis& axis : axes) {
    Value* mask = nullptr;
    x = resampled(b, x, settings, axis, &mask);
    if (mask) outside.push_back(mask);
  }
  for (Value* mask : outside) x = b.select(mask, b.scalar_like(x, settings.extrapolation), x);
  return b.cast(x, dtype);
}

// floor(length * scale) in single precision, as exporters compute it.
Expr scaled(Lowering& in, const Expr& length, Value* scale) {
  const Tensor* known = scale->constant();
  double factor = known ? known->as_double(0) : 0;
  in.require(!known || factor > 0, Status::InvalidModel, "a scale is ", factor);
  if (auto value = expr::as_int(length); value && known) return int64_t(std::floor(float(*value) * float(factor)));
  constexpr int64_t denominator = 256;
  double numerator = factor * double(denominator);
  if (known && numerator == std::floor(numerator) && numerator < 1e6)
    return expr::simplify(length * Expr(int64_t(numerator)) / Expr(denominator));
  auto& b = in.builder();
  Value* product = b.mul(b.cast(b.dims_tensor({length}, {1}), DType::F32), b.cast(scale, DType::F32));
  Value* positive = b.less(b.scalar(DType::F32, 0), b.cast(scale, DType::F32));  // no number is not
  Value* size = b.select(positive, b.unary(UnaryFunction::Floor, product), b.scalar(DType::F32, -1));
  return b.values_of(b.cast(size, DType::I64), {0, INT64_MAX, 1})[0];
}

Value* element(Builder& b, Value* vector, int64_t at) {
  return b.cast(b.reshape(b.slice_axis(vector, 0, at, 1), {}), DType::F64);
}

bool is_empty(const Value* value) { return !value || expr::is_const(graph::element_count(value->type), 0); }

std::vector<ResizeAxis> axes_from_scales(Lowering& in, Value* scales, const std::vector<int64_t>& which) {
  in.require(graph::same_dims(scales->type.dims, {Expr(int64_t(which.size()))}), Status::InvalidModel, "scales ",
             graph::to_string(scales->type), " for ", which.size(), " axes");
  std::vector<ResizeAxis> axes;
  for (size_t i = 0; i < which.size(); ++i) {
    const Expr& length = in[0]->type.dims[size_t(which[i])];
    Value* scale = element(in.builder(), scales, int64_t(i));
    bool one = scale->constant() && scale->constant()->as_double(0) == 1;
    axes.push_back({which[i], length, one ? length : scaled(in, length, scale), scale});
  }
  return axes;
}

std::vector<ResizeAxis> axes_from_sizes(Lowering& in, const std::vector<Expr>& sizes,
                                        const std::vector<int64_t>& which) {
  in.require(sizes.size() == which.size(), Status::InvalidModel, sizes.size(), " sizes for ", which.size(), " axes");
  std::vector<ResizeAxis> axes;
  for (size_t i = 0; i < which.size(); ++i) axes.push_back({which[i], in[0]->type.dims[size_t(which[i])], sizes[i]});
  std::string policy = in.attr_string("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return axes;
  in.require(policy == "not_larger" || policy == "not_smaller", Status::InvalidModel, "keep_aspect_ratio_policy '",
             policy, "' is unknown");
  // One scale for all axes; lengths are rounded, half up.
  auto& b = in.builder();
  const auto dim = [&](const Expr& e) { return b.cast(b.dims_tensor({e}, {}), DType::F64); };
  Value* scale = nullptr;
  for (const ResizeAxis& axis : axes) {
    Value* ratio = b.div(dim(axis.result_length), dim(axis.length));
    scale = !scale ? ratio : policy == "not_larger" ? b.minimum(scale, ratio) : b.maximum(scale, ratio);
  }
  for (ResizeAxis& axis : axes) {
    axis.scale = scale;
    Value* length = b.add(b.mul(dim(axis.length), scale), b.scalar(DType::F64, 0.5));
    length = b.cast(b.unary(UnaryFunction::Floor, length), DType::I64);
    axis.result_length = b.values_of(length, {0, INT64_MAX, 1})[0];
  }
  return axes;
}

// Upsample before it got its scales as an input.
Value* scale_attributes(Lowering& in) {
  std::vector<double> scales;
  if (in.version() < 7)
    scales = {1, 1, in.attr_float("height_scale"), in.attr_float("width_scale")};
  else
    scales = in.attr_floats("scales");
  const std::vector<float> narrow(scales.begin(), scales.end());
  return in.builder().constant(Tensor::of<float>(DType::F32, {int64_t(narrow.size())}, std::span(narrow)));
}

std::vector<int64_t> axes_of(Lowering& in) {
  int rank = in[0]->type.rank();
  std::vector<int64_t> axes;
  for (int i = 0; i < rank; ++i) axes.push_back(i);
  if (!in.has("axes")) return axes;
  axes = in.attr_ints("axes");
  for (int64_t& axis : axes) axis = in.axis(axis, rank);
  return axes;
}

void read_region(Lowering& in, std::vector<ResizeAxis>* axes) {
  auto count = int64_t(axes->size());
  Value* region = in[1];
  in.require(graph::same_dims(region->type.dims, {Expr(2 * count)}), Status::InvalidModel, "region ",
             graph::to_string(region->type), " for ", count, " axes");
  for (int64_t i = 0; i < count; ++i) {
    (*axes)[size_t(i)].begin = element(in.builder(), region, i);
    (*axes)[size_t(i)].end = element(in.builder(), region, count + i);
  }
}

ResizeSettings settings_of(Lowering& in) {
  ResizeSettings settings;
  settings.mode = in.attr_string("mode", "nearest");
  if (settings.mode == "bilinear") settings.mode = "linear";  // Upsample's first version
  in.require(settings.mode == "nearest" || settings.mode == "linear" || settings.mode == "cubic", Status::InvalidModel,
             "mode '", settings.mode, "' is unknown");
  bool modern = in.op() == "Resize" && in.version() >= 11;
  settings.coordinates = modern ? in.attr_string("coordinate_transformation_mode", "half_pixel") : "asymmetric";
  settings.nearest = modern ? in.attr_string("nearest_mode", "round_prefer_floor") : "simple";
  settings.cubic_a = in.attr_float("cubic_coeff_a", -0.75);
  settings.extrapolation = in.attr_float("extrapolation_value", 0);
  settings.exclude_outside = in.attr_int("exclude_outside", 0) != 0;
  auto known = [&](const std::string& name, std::initializer_list<const char*> names) {
    for (const char* candidate : names)
      if (name == candidate) return;
    in.fail(Status::InvalidModel, "'", name, "' is unknown");
  };
  known(settings.coordinates, {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                               "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"});
  known(settings.nearest, {"simple", "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"});
  settings.antialias = in.attr_int("antialias", 0) != 0;
  return settings;
}

bool unchanged(const ResizeAxis& axis) {
  if (!axis.scale) return expr::prove_equal(axis.length, axis.result_length);
  return axis.scale->constant() && axis.scale->constant()->as_double(0) == 1;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  ResizeSettings settings = settings_of(in);
  auto which = axes_of(in);
  std::vector<ResizeAxis> axes;
  bool modern = in.op() == "Resize" && in.version() >= 11;
  Value* sizes = modern ? in.optional(3) : nullptr;
  if (!is_empty(sizes)) {
    axes = axes_from_sizes(in, b.values_of(sizes, {1, INT64_MAX, 1}), which);
  } else {
    Value* scales = nullptr;
    if (in.op() == "Upsample" && in.version() < 9)
      scales = scale_attributes(in);
    else
      scales = in[modern ? 2 : 1];
    axes = axes_from_scales(in, scales, which);
  }
  if (settings.coordinates == "tf_crop_and_resize")
    read_region(in, &axes);
  else
    std::erase_if(axes, [](const ResizeAxis& axis) { return unchanged(axis); });
  return {resize(b, in[0], settings, axes)};
}

const OnnxOp resize_op{operator_row("Resize", {10, 11, 13, 18, 19}, lower, {1, 4})};
const OnnxOp upsample{operator_row("Upsample", {1, 7, 9}, lower, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
