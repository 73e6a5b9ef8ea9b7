// Reads an image between its pixels: the part that GridSample and DeformConv share.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// What lies outside an image: zeros, its border pixels, or its mirror image.
enum class ImagePadding { Zeros, Border, Reflection };
enum class Interpolation { Nearest, Linear, Cubic };

// An image [batch, channels, spatial...] of floats, read at `points` positions per batch entry. Coordinates are one
// tensor [batch, 1, points] per spatial axis, in pixels, of the image's type.
class ImageSampler {
 public:
  // `mirror_at_edges`: Reflection mirrors at the outer edges of the border pixels instead of at their centres.
  ImageSampler(Builder& builder, Value* image, Expr points, ImagePadding padding, bool mirror_at_edges);

  // [batch, channels, points].
  Value* sampled(std::vector<Value*> coordinates, Interpolation interpolation);
  // The length of a spatial axis as a float scalar.
  Value* extent(size_t axis) const { return axes_[axis].extent; }

 private:
  struct Axis {
    Value *length, *extent;  // as an integer and as a float
  };
  // A pixel on either side of a position, as an offset from its floor, and its weight.
  struct Tap {
    double offset;
    Value* weight;
  };

  Value* number(double value) { return b_.scalar_like(image_, value); }
  std::vector<Tap> taps(Value* fraction, bool cubic);
  Value* folded(Value* x, const Axis& axis);
  Value* reflected(Value* x, const Axis& axis);
  Value* index_of(Value* x, const Axis& axis, Value*& inside);
  Value* pixels(const std::vector<Value*>& coordinates);

  Builder& b_;
  ImagePadding padding_;
  bool mirror_at_edges_;
  Value *image_, *flat_ = nullptr;
  Expr points_;
  std::vector<Axis> axes_;
};

}  // namespace sardonyx::ops
