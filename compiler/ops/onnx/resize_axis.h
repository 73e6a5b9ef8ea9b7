// Resampling of one axis of a tensor, the part of Resize and Upsample that computes.
//
// Where a result element reads (indices and weights of its taps) is tensor arithmetic on iotas. When the lengths are
// static it is evaluated while lowering and becomes constants; else it stays in the graph.
#pragma once
#include <string>

#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// How a resize interpolates: the attributes of Resize, by their ONNX names and values.
struct ResizeSettings {
  std::string mode, coordinates, nearest;
  double cubic_a = -0.75, extrapolation = 0;
  bool exclude_outside = false, antialias = false;
};

// One axis: lengths, and F64 scalars: the scale and the region of tf_crop_and_resize.
struct ResizeAxis {
  int64_t axis = 0;
  Expr length, result_length;
  Value* scale = nullptr;  // null: result_length / length
  Value *begin = nullptr, *end = nullptr;
};

// x with `axis` resampled. `outside` (bool, broadcasts to the result) is set when elements of the axis take the
// extrapolation value. x is a float tensor unless the mode is nearest.
Value* resampled(Builder& builder, Value* x, const ResizeSettings& settings, const ResizeAxis& axis, Value** outside);

}  // namespace sardonyx::ops
