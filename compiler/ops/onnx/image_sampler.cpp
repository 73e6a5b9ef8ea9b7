#include "compiler/ops/onnx/image_sampler.h"

namespace sardonyx::ops {

using graph::BinaryFunction;
using graph::UnaryFunction;

ImageSampler::ImageSampler(Builder& builder, Value* image, Expr points, ImagePadding padding, bool mirror_at_edges)
    : b_(builder), padding_(padding), mirror_at_edges_(mirror_at_edges), image_(image), points_(std::move(points)) {
  const std::vector<Expr>& dims = image->type.dims;
  Expr pixels = 1;
  for (size_t i = 2; i < dims.size(); ++i) {
    pixels = pixels * dims[i];
    Value* length = b_.dims_tensor({dims[i]}, {});
    axes_.push_back({length, b_.cast(length, image->type.dtype)});
  }
  flat_ = b_.reshape(image, {dims[0], dims[1], pixels});
}

// The two (linear) or four (cubic) taps at a fraction in [0, 1).
std::vector<ImageSampler::Tap> ImageSampler::taps(Value* fraction, bool cubic) {
  Value* one = number(1);
  if (!cubic) return {{0, b_.sub(one, fraction)}, {1, fraction}};
  constexpr double a = -0.75;
  // ((c3 d + c2) d + c1) d + c0 of the distance d of each tap.
  const auto polynomial = [&](Value* d, double c3, double c2, double c1, double c0) {
    Value* value = b_.add(b_.mul(d, number(c3)), number(c2));
    value = b_.add(b_.mul(value, d), number(c1));
    return b_.add(b_.mul(value, d), number(c0));
  };
  const auto near = [&](Value* d) { return polynomial(d, a + 2, -(a + 3), 0, 1); };
  const auto far = [&](Value* d) { return polynomial(d, a, -5 * a, 8 * a, -4 * a); };
  Value* rest = b_.sub(one, fraction);
  return {{-1, far(b_.add(fraction, one))}, {0, near(fraction)}, {1, near(rest)}, {2, far(b_.add(rest, one))}};
}

// Brings coordinates into the image as the padding mode says.
Value* ImageSampler::folded(Value* x, const Axis& axis) {
  if (padding_ == ImagePadding::Zeros) return x;
  if (padding_ == ImagePadding::Reflection) x = reflected(x, axis);
  return b_.minimum(b_.maximum(x, number(0)), b_.sub(axis.extent, number(1)));
}

Value* ImageSampler::reflected(Value* x, const Axis& axis) {
  Value* low = number(mirror_at_edges_ ? -0.5 : 0);
  Value* range = b_.maximum(b_.sub(axis.extent, number(mirror_at_edges_ ? 0 : 1)), number(1e-6));
  Value* period = b_.mul(range, number(2));
  Value* t = b_.binary(BinaryFunction::Rem, b_.unary(UnaryFunction::Abs, b_.sub(x, low)), period);
  return b_.add(low, b_.minimum(t, b_.sub(period, t)));
}

// In-bounds integer index; `inside` narrows to where the coordinate was in bounds.
Value* ImageSampler::index_of(Value* x, const Axis& axis, Value*& inside) {
  Value *index = b_.cast(x, DType::I64), *zero = b_.scalar(DType::I64, 0);
  Value* last = b_.sub(axis.length, b_.scalar(DType::I64, 1));
  Value* here = b_.binary(BinaryFunction::And, b_.less_equal(zero, index), b_.less_equal(index, last));
  inside = inside ? b_.binary(BinaryFunction::And, inside, here) : here;
  return b_.maximum(b_.minimum(index, last), zero);
}

// The pixels at whole coordinates, of every channel.
Value* ImageSampler::pixels(const std::vector<Value*>& coordinates) {
  Value *inside = nullptr, *position = nullptr;
  for (size_t i = 0; i < axes_.size(); ++i) {
    Value* index = index_of(folded(coordinates[i], axes_[i]), axes_[i], inside);
    position = position ? b_.add(b_.mul(position, axes_[i].length), index) : index;
  }
  position = b_.broadcast(position, {image_->type.dims[0], image_->type.dims[1], points_});
  Value* result = b_.gather_elements(flat_, position, 2);
  return padding_ == ImagePadding::Zeros ? b_.select(inside, result, number(0)) : result;
}

Value* ImageSampler::sampled(std::vector<Value*> coordinates, Interpolation interpolation) {
  for (size_t i = 0; i < axes_.size(); ++i) {
    if (interpolation == Interpolation::Nearest) coordinates[i] = b_.unary(UnaryFunction::Round, coordinates[i]);
    coordinates[i] = folded(coordinates[i], axes_[i]);
  }
  if (interpolation == Interpolation::Nearest) return pixels(coordinates);
  std::vector<Value*> floors;
  std::vector<std::vector<Tap>> per_axis;
  for (Value* x : coordinates) {
    floors.push_back(b_.unary(UnaryFunction::Floor, x));
    per_axis.push_back(taps(b_.sub(x, floors.back()), interpolation == Interpolation::Cubic));
  }
  // Every combination of one tap per axis, the last axis fastest.
  Value* result = nullptr;
  std::vector<size_t> chosen(axes_.size(), 0);
  while (true) {
    std::vector<Value*> at;
    Value* weight = nullptr;
    for (size_t i = 0; i < axes_.size(); ++i) {
      const Tap& tap = per_axis[i][chosen[i]];
      at.push_back(b_.add(floors[i], number(tap.offset)));
      weight = weight ? b_.mul(weight, tap.weight) : tap.weight;
    }
    Value* term = b_.mul(pixels(at), weight);
    result = result ? b_.add(result, term) : term;
    size_t axis = axes_.size();
    while (axis > 0 && ++chosen[axis - 1] == per_axis[axis - 1].size()) chosen[--axis] = 0;
    if (axis == 0) return result;
  }
}

}  // namespace sardonyx::ops
