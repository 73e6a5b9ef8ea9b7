#include "compiler/ops/onnx/resize_axis.h"

#include "compiler/expr/simplify.h"

namespace sardonyx::ops {
namespace {

using graph::UnaryFunction;

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
Value* coordinates(Builder& b, const ResizeSettings& settings, const ResizeAxis& axis) {
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

Value* nearest(Builder& b, const ResizeSettings& settings, const ResizeAxis& axis, Value* x) {
  Math m(b);
  if (settings.nearest == "floor") return m.floor(x);
  if (settings.nearest == "ceil") return m.ceil(x);
  if (settings.nearest == "round_prefer_ceil") return m.floor(m.plus(x, 0.5));
  if (settings.nearest == "round_prefer_floor") return m.ceil(m.plus(x, -0.5));
  check(settings.nearest == "simple", "nearest mode ", settings.nearest);  // before opset 11
  Value* scale = axis.scale ? axis.scale : b.div(m.dim(axis.result_length), m.dim(axis.length));
  return b.select(b.less(scale, m.number(1)), m.ceil(x), m.floor(x));
}

Taps taps_of(Builder& b, const ResizeSettings& settings, const ResizeAxis& axis) {
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
Taps evaluated(Builder& b, const ResizeSettings& settings, const ResizeAxis& axis) {
  constexpr int64_t most_taps = 1 << 16;
  bool known = expr::as_int(axis.length) && expr::as_int(axis.result_length).value_or(most_taps + 1) <= most_taps;
  for (Value* scalar : {axis.scale, axis.begin, axis.end}) known &= !scalar || scalar->constant();
  if (!known) return taps_of(b, settings, axis);
  graph::Graph scratch;
  Builder inner(scratch);
  ResizeAxis copy = axis;
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
std::optional<int64_t> repeats(const Taps& taps, const ResizeAxis& axis) {
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

Value* gathered(Builder& b, Value* x, const Taps& taps, const ResizeAxis& axis) {
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

// The weight of a source element at a distance, of a filter that is `1 / shrink` times as wide as that for enlarging.
Value* filter(Builder& b, const ResizeSettings& settings, Value* distance) {
  Math m(b);
  Value* d = b.unary(UnaryFunction::Abs, distance);
  if (settings.mode == "linear") return b.maximum(b.sub(m.number(1), d), m.number(0));
  const double a = settings.cubic_a;
  Value* outer = b.select(b.less(d, m.number(2)), m.cubic(d, a, -5 * a, 8 * a, -4 * a), m.number(0));
  return b.select(b.less_equal(d, m.number(1)), m.cubic(d, a + 2, -(a + 3), 0, 1), outer);
}

// Antialiasing: the number of taps depends on the scale, so the axis is multiplied by a matrix of weights. Beyond the
// borders elements repeat, as often as the filter is wide.
Value* antialiased(Builder& b, Value* x, const ResizeSettings& settings, const ResizeAxis& axis) {
  Math m(b);
  Value* scale = axis.scale ? axis.scale : b.div(m.dim(axis.result_length), m.dim(axis.length));
  Value* shrink = b.minimum(scale, m.number(1));
  Value* width = m.plus(m.ceil(b.div(m.number(settings.mode == "linear" ? 1 : 2), shrink)), 1);
  const Expr border = settings.exclude_outside ? Expr(0) : b.values_of(b.cast(width, DType::I64), {0, INT64_MAX, 1})[0];
  const Expr extended = expr::simplify(axis.length + border * Expr(2));
  Value* at = b.sub(b.iota(DType::F64, {1, extended}, 1), m.dim(border));
  Value* centre = b.unsqueeze(coordinates(b, settings, axis), {1});
  Value* weights = filter(b, settings, b.mul(b.sub(at, centre), shrink));
  weights = b.div(weights, b.reduce(graph::ReduceFunction::Sum, weights, {1}, true));

  std::vector<Expr> pads(size_t(x->type.rank()), Expr(0));
  pads[size_t(axis.axis)] = border;
  x = b.pad(x, pads, pads, graph::PadMode::Edge);
  const int64_t last = x->type.rank() - 1;
  std::vector<int64_t> perm;
  for (int64_t i = 0; i <= last; ++i) perm.push_back(i);
  std::swap(perm[size_t(axis.axis)], perm.back());
  x = b.matmul(b.transpose(x, perm), b.cast(weights, x->type.dtype), false, true, x->type.dtype);
  return b.transpose(x, perm);
}

}  // namespace

Value* resampled(Builder& builder, Value* x, const ResizeSettings& settings, const ResizeAxis& axis, Value** outside) {
  if (settings.antialias && settings.mode != "nearest") return antialiased(builder, x, settings, axis);
  const Taps taps = evaluated(builder, settings, axis);
  if (taps.outside) *outside = along_axis(builder, taps.outside, axis.axis, x->type.rank());
  return gathered(builder, x, taps, axis);
}

}  // namespace sardonyx::ops
