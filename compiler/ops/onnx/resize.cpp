// Resize and Upsample: separable interpolation, one axis after the other, as gathers with computed weights.
//
// Where a result element reads (indices and weights of its taps) is tensor arithmetic on iotas. When the lengths are
// static it is evaluated here and becomes constants; else it stays in the graph.
#include <cmath>

#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::UnaryFunction;

struct Settings {
  std::string mode, coordinates, nearest;
  double cubic_a = -0.75, extrapolation = 0;
  bool exclude_outside = false;
};

// One axis: lengths, and F64 scalars: the scale and the region of tf_crop_and_resize.
struct Axis {
  int64_t axis = 0;
  Expr length, result_length;
  Value* scale = nullptr;  // null: result_length / length
  Value *begin = nullptr, *end = nullptr;
};

// Where the elements of a result axis read: every member is a vector over the result.
struct Taps {
  std::vector<Value*> indices;  // I64, in range
  std::vector<Value*> weights;  // F64; none for nearest
  Value* outside = nullptr;     // bool: takes the extrapolation value
};

// F64 arithmetic in a builder.
class Math {
 public:
  explicit Math(Builder& builder) : b_(builder) {}
  Value* number(double value) { return b_.scalar(DType::F64, value); }
  Value* dim(const Expr& e) { return b_.cast(b_.dims_tensor({e}, {}), DType::F64); }
  Value* floor(Value* x) { return b_.unary(UnaryFunction::Floor, x); }
  Value* ceil(Value* x) { return b_.unary(UnaryFunction::Ceil, x); }
  Value* plus(Value* x, double y) { return y == 0 ? x : b_.add(x, number(y)); }
  Value* times(Value* x, double y) { return b_.mul(x, number(y)); }
  // ((c3 * x + c2) * x + c1) * x + c0
  Value* cubic(Value* x, double c3, double c2, double c1, double c0) {
    return plus(b_.mul(plus(b_.mul(plus(times(x, c3), c2), x), c1), x), c0);
  }

 private:
  Builder& b_;
};

// Source coordinate (F64) of every result position.
Value* coordinates(Builder& b, const Settings& settings, const Axis& axis) {
  Math m(b);
  const std::string& mode = settings.coordinates;
  Value* x = b.iota(DType::F64, {axis.result_length}, 0);
  Value* length = m.dim(axis.length);
  // The standard's result length is not rounded when scales are given.
  Value* result_length = axis.scale ? b.mul(length, axis.scale) : m.dim(axis.result_length);
  Value* scale = axis.scale ? axis.scale : b.div(result_length, length);
  Value* single = b.less_equal(result_length, m.number(1));
  Value* last = m.plus(length, -1);
  auto half_pixel = [&] { return m.plus(b.div(m.plus(x, 0.5), scale), -0.5); };
  auto per_step = [&](Value* extent) { return b.div(extent, b.maximum(m.plus(result_length, -1), m.number(1))); };
  if (mode == "half_pixel") return half_pixel();
  if (mode == "pytorch_half_pixel") return b.select(single, m.number(0), half_pixel());
  if (mode == "asymmetric") return b.div(x, scale);
  if (mode == "tf_half_pixel_for_nn") return b.div(m.plus(x, 0.5), scale);
  if (mode == "align_corners") return b.mul(x, per_step(last));
  if (mode == "half_pixel_symmetric") {
    Value* adjustment = b.div(m.dim(axis.result_length), result_length);
    Value* offset = b.mul(m.times(length, 0.5), b.sub(m.number(1), adjustment));
    return b.add(offset, half_pixel());
  }
  check(mode == "tf_crop_and_resize", "coordinate mode ", mode);
  Value* extent = b.mul(last, b.sub(axis.end, axis.begin));
  Value* spread = b.add(b.mul(last, axis.begin), b.mul(x, per_step(extent)));
  return b.select(single, b.mul(last, m.times(b.add(axis.begin, axis.end), 0.5)), spread);
}

Value* nearest(Builder& b, const Settings& settings, const Axis& axis, Value* x) {
  Math m(b);
  if (settings.nearest == "floor") return m.floor(x);
  if (settings.nearest == "ceil") return m.ceil(x);
  if (settings.nearest == "round_prefer_ceil") return m.floor(m.plus(x, 0.5));
  if (settings.nearest == "round_prefer_floor") return m.ceil(m.plus(x, -0.5));
  check(settings.nearest == "simple", "nearest mode ", settings.nearest);  // before opset 11
  Value* scale = axis.scale ? axis.scale : b.div(m.dim(axis.result_length), m.dim(axis.length));
  return b.select(b.less(scale, m.number(1)), m.ceil(x), m.floor(x));
}

Taps taps_of(Builder& b, const Settings& settings, const Axis& axis) {
  Math m(b);
  Value* x = coordinates(b, settings, axis);
  Value* last = m.plus(m.dim(axis.length), -1);
  auto inside = [&](Value* at) { return b.cast(b.minimum(b.maximum(at, m.number(0)), last), DType::I64); };
  Taps taps;
  if (settings.coordinates == "tf_crop_and_resize")
    taps.outside = b.binary(graph::BinaryFunction::Or, b.less(x, m.number(0)), b.less(last, x));
  if (settings.mode == "nearest") {
    taps.indices = {inside(nearest(b, settings, axis, x))};
    return taps;
  }
  Value* base = m.floor(x);
  Value* t = b.sub(x, base);
  if (settings.mode == "linear") {
    taps.indices = {inside(base), inside(m.plus(base, 1))};
    taps.weights = {b.sub(m.number(1), t), t};
    return taps;
  }
  const double a = settings.cubic_a;
  Value* distances[] = {m.plus(t, 1), t, b.sub(m.number(1), t), b.sub(m.number(2), t)};
  Value* sum = nullptr;
  for (int k = 0; k < 4; ++k) {
    bool inner = k == 1 || k == 2;
    Value* weight =
        inner ? m.cubic(distances[k], a + 2, -(a + 3), 0, 1) : m.cubic(distances[k], a, -5 * a, 8 * a, -4 * a);
    Value* at = m.plus(base, k - 1);
    if (settings.exclude_outside) {
      Value* out = b.binary(graph::BinaryFunction::Or, b.less(at, m.number(0)), b.less(last, at));
      weight = b.select(out, m.number(0), weight);
    }
    sum = sum ? b.add(sum, weight) : weight;
    taps.indices.push_back(inside(at));
    taps.weights.push_back(weight);
  }
  if (settings.exclude_outside)
    for (Value*& weight : taps.weights) weight = b.div(weight, sum);
  return taps;
}

// The taps as constants when the lengths are static and not absurd: computed in a graph of their own.
Taps evaluated(Builder& b, const Settings& settings, const Axis& axis) {
  constexpr int64_t most_taps = 1 << 16;
  bool known = expr::as_int(axis.length) && expr::as_int(axis.result_length).value_or(most_taps + 1) <= most_taps;
  for (Value* scalar : {axis.scale, axis.begin, axis.end}) known &= !scalar || scalar->constant();
  if (!known) return taps_of(b, settings, axis);
  graph::Graph scratch;
  Builder inner(scratch);
  Axis copy = axis;
  for (Value** scalar : {&copy.scale, &copy.begin, &copy.end})
    if (*scalar) *scalar = inner.constant(*(*scalar)->constant());
  Taps symbolic = taps_of(inner, settings, copy);
  std::vector<Value*> values = symbolic.indices;
  values.insert(values.end(), symbolic.weights.begin(), symbolic.weights.end());
  if (symbolic.outside) values.push_back(symbolic.outside);
  scratch.set_outputs(values, std::vector<std::string>(values.size()));
  auto tensors = graph::interpret(scratch, {});
  Taps taps;
  size_t next = 0;
  for (size_t i = 0; i < symbolic.indices.size(); ++i) taps.indices.push_back(b.constant(tensors[next++]));
  for (size_t i = 0; i < symbolic.weights.size(); ++i) taps.weights.push_back(b.constant(tensors[next++]));
  if (symbolic.outside) taps.outside = b.constant(tensors[next]);
  return taps;
}

// k when the indices are 0,0,..0,1,1,..1,2.. with every source element k times.
std::optional<int64_t> repeats(const Taps& taps, const Axis& axis) {
  const Tensor* indices = taps.indices[0]->constant();
  auto length = expr::as_int(axis.length);
  if (!indices || !length || taps.indices.size() != 1 || *length == 0 || indices->count() % *length)
    return std::nullopt;
  int64_t times = indices->count() / *length;
  for (int64_t i = 0; i < indices->count(); ++i)
    if (indices->as_int(i) != i / times) return std::nullopt;
  return times;
}

Value* along_axis(Builder& b, Value* vector, int64_t axis, int rank) {
  std::vector<Expr> dims(size_t(rank), Expr(1));
  dims[size_t(axis)] = vector->type.dims[0];
  return b.reshape(vector, dims);
}

Value* resampled(Builder& b, Value* x, const Taps& taps, const Axis& axis) {
  int rank = x->type.rank();
  if (auto times = repeats(taps, axis)) {
    std::vector<Expr> split = x->type.dims, wide, dims = x->type.dims;
    split.insert(split.begin() + axis.axis + 1, Expr(1));
    wide = split;
    wide[size_t(axis.axis) + 1] = *times;
    dims[size_t(axis.axis)] = axis.result_length;
    return b.reshape(b.broadcast(b.reshape(x, split), wide), dims);
  }
  if (taps.weights.empty()) return b.gather(x, taps.indices[0], axis.axis);
  Value* sum = nullptr;
  for (size_t k = 0; k < taps.indices.size(); ++k) {
    Value* weight = along_axis(b, b.cast(taps.weights[k], x->type.dtype), axis.axis, rank);
    Value* term = b.mul(b.gather(x, taps.indices[k], axis.axis), weight);
    sum = sum ? b.add(sum, term) : term;
  }
  return sum;
}

Value* resize(Builder& b, Value* x, const Settings& settings, const std::vector<Axis>& axes) {
  DType dtype = x->type.dtype;
  int rank = x->type.rank();
  if (settings.mode != "nearest" && !is_float(dtype)) x = b.cast(x, DType::F32);
  std::vector<Value*> outside;
  for (const Axis& axis : axes) {
    Taps taps = evaluated(b, settings, axis);
    x = resampled(b, x, taps, axis);
    if (taps.outside) outside.push_back(along_axis(b, taps.outside, axis.axis, rank));
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
  return b.values_of(b.cast(b.unary(UnaryFunction::Floor, product), DType::I64), {0, INT64_MAX, 1})[0];
}

Value* element(Builder& b, Value* vector, int64_t at) {
  return b.cast(b.reshape(b.slice_axis(vector, 0, at, 1), {}), DType::F64);
}

bool is_empty(const Value* value) { return !value || expr::is_const(graph::element_count(value->type), 0); }

std::vector<Axis> axes_from_scales(Lowering& in, Value* scales, const std::vector<int64_t>& which) {
  in.require(graph::same_dims(scales->type.dims, {Expr(int64_t(which.size()))}), Status::InvalidModel, "scales ",
             graph::to_string(scales->type), " for ", which.size(), " axes");
  std::vector<Axis> axes;
  for (size_t i = 0; i < which.size(); ++i) {
    const Expr& length = in[0]->type.dims[size_t(which[i])];
    Value* scale = element(in.builder(), scales, int64_t(i));
    bool one = scale->constant() && scale->constant()->as_double(0) == 1;
    axes.push_back({which[i], length, one ? length : scaled(in, length, scale), scale});
  }
  return axes;
}

std::vector<Axis> axes_from_sizes(Lowering& in, const std::vector<Expr>& sizes, const std::vector<int64_t>& which) {
  in.require(sizes.size() == which.size(), Status::InvalidModel, sizes.size(), " sizes for ", which.size(), " axes");
  std::vector<Axis> axes;
  for (size_t i = 0; i < which.size(); ++i) axes.push_back({which[i], in[0]->type.dims[size_t(which[i])], sizes[i]});
  std::string policy = in.attr_string("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return axes;
  in.require(policy == "not_larger" || policy == "not_smaller", Status::InvalidModel, "keep_aspect_ratio_policy '",
             policy, "' is unknown");
  std::optional<double> scale;
  for (const Axis& axis : axes) {
    auto from = expr::as_int(axis.length), to = expr::as_int(axis.result_length);
    in.require(from && to, Status::UnsupportedShape, "keep_aspect_ratio_policy needs static dims");
    double ratio = double(*to) / double(*from);
    scale = !scale ? ratio : policy == "not_larger" ? std::min(*scale, ratio) : std::max(*scale, ratio);
  }
  for (Axis& axis : axes) {
    axis.scale = in.builder().scalar(DType::F64, *scale);
    axis.result_length = int64_t(std::floor(double(*expr::as_int(axis.length)) * *scale + 0.5));
  }
  return axes;
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

void read_region(Lowering& in, std::vector<Axis>* axes) {
  auto count = int64_t(axes->size());
  Value* region = in[1];
  in.require(graph::same_dims(region->type.dims, {Expr(2 * count)}), Status::InvalidModel, "region ",
             graph::to_string(region->type), " for ", count, " axes");
  for (int64_t i = 0; i < count; ++i) {
    (*axes)[size_t(i)].begin = element(in.builder(), region, i);
    (*axes)[size_t(i)].end = element(in.builder(), region, count + i);
  }
}

Settings settings_of(Lowering& in) {
  Settings settings;
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
  in.require(in.attr_int("antialias", 0) == 0, Status::UnsupportedAttribute, "antialias is not supported");
  return settings;
}

bool unchanged(const Axis& axis) {
  if (!axis.scale) return expr::prove_equal(axis.length, axis.result_length);
  return axis.scale->constant() && axis.scale->constant()->as_double(0) == 1;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Settings settings = settings_of(in);
  auto which = axes_of(in);
  std::vector<Axis> axes;
  bool modern = in.op() == "Resize" && in.version() >= 11;
  Value* sizes = modern ? in.optional(3) : nullptr;
  if (!is_empty(sizes)) {
    axes = axes_from_sizes(in, b.values_of(sizes, {1, INT64_MAX, 1}), which);
  } else {
    Value* scales = nullptr;
    if (in.has("scales")) {
      auto values = in.attr_floats("scales");
      scales = b.constant(
          Tensor::of<float>(DType::F32, {int64_t(values.size())}, std::vector<float>(values.begin(), values.end())));
    } else {
      scales = in[modern ? 2 : 1];
    }
    axes = axes_from_scales(in, scales, which);
  }
  if (settings.coordinates == "tf_crop_and_resize")
    read_region(in, &axes);
  else
    std::erase_if(axes, [](const Axis& axis) { return unchanged(axis); });
  return {resize(b, in[0], settings, axes)};
}

const OnnxOp resize_op{operator_row("Resize", {10, 11, 13, 18, 19}, lower, {1, 4})};
const OnnxOp upsample{operator_row("Upsample", {7, 9}, lower, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
