// GridSample: reads an image at the positions of a grid, interpolating, as gathers with computed weights.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::UnaryFunction;

enum class Padding { Zeros, Border, Reflection };

// A spatial axis of the image: its length as an integer and as a float scalar.
struct Axis {
  Value *length, *extent;
};

class Sampler {
 public:
  Sampler(Lowering& in, Padding padding, bool align_corners)
      : b_(in.builder()), padding_(padding), align_(align_corners), image_(in[0]) {
    const std::vector<Expr>& dims = image_->type.dims;
    const std::vector<Expr>& grid = in[1]->type.dims;
    batch_ = b_.require_equal(dims[0], grid[0], "the batch dims of image and grid");
    channels_ = dims[1];
    points_ = grid[1] * grid[2];
    flat_ = b_.reshape(image_, {batch_, channels_, dims[2] * dims[3]});
    rows_ = axis_of(dims[2]);
    columns_ = axis_of(dims[3]);
  }
  const Axis& rows() const { return rows_; }
  const Axis& columns() const { return columns_; }

  Value* number(double value) { return b_.scalar_like(image_, value); }
  Value* integer(double value) { return b_.scalar(DType::I64, value); }
  Value* floor(Value* x) { return b_.unary(UnaryFunction::Floor, x); }

  // Pixel coordinates of normalised ones; for nearest, rounded.
  Value* denormalised(Value* normalised, const Axis& axis) {
    Value* shifted = b_.add(normalised, number(1));
    if (align_) return b_.mul(shifted, b_.div(b_.sub(axis.extent, number(1)), number(2)));
    return b_.div(b_.sub(b_.mul(shifted, axis.extent), number(1)), number(2));
  }
  // Brings coordinates into the image as the padding mode says.
  Value* folded(Value* x, const Axis& axis) {
    if (padding_ == Padding::Zeros) return x;
    if (padding_ == Padding::Reflection) x = reflected(x, axis);
    return b_.minimum(b_.maximum(x, number(0)), b_.sub(axis.extent, number(1)));
  }
  // The pixels at whole coordinates [batch, 1, points], of every channel.
  Value* pixels(Value* row, Value* column) {
    Value* inside = nullptr;
    Value* y = index_of(folded(row, rows_), rows_, inside);
    Value* x = index_of(folded(column, columns_), columns_, inside);
    Value* position = b_.add(b_.mul(y, columns_.length), x);
    position = b_.broadcast(position, {batch_, channels_, points_});
    Value* result = b_.gather_elements(flat_, position, 2);
    return padding_ == Padding::Zeros ? b_.select(inside, result, number(0)) : result;
  }

 private:
  Axis axis_of(const Expr& dim) {
    Value* length = b_.dims_tensor({dim}, {});
    return {length, b_.cast(length, image_->type.dtype)};
  }
  // Mirrors at the centres of the border pixels, or at their outer edges.
  Value* reflected(Value* x, const Axis& axis) {
    Value* low = number(align_ ? 0 : -0.5);
    Value* range = b_.maximum(b_.sub(axis.extent, number(align_ ? 1 : 0)), number(1e-6));
    Value* period = b_.mul(range, number(2));
    Value* t = b_.binary(BinaryFunction::Rem, b_.unary(UnaryFunction::Abs, b_.sub(x, low)), period);
    return b_.add(low, b_.minimum(t, b_.sub(period, t)));
  }
  // In-bounds integer index; `inside` narrows to where the coordinate was in bounds.
  Value* index_of(Value* x, const Axis& axis, Value*& inside) {
    Value* index = b_.cast(x, DType::I64);
    Value* last = b_.sub(axis.length, integer(1));
    Value* here = b_.binary(BinaryFunction::And, b_.less_equal(integer(0), index), b_.less_equal(index, last));
    inside = inside ? b_.binary(BinaryFunction::And, inside, here) : here;
    return b_.maximum(b_.minimum(index, last), integer(0));
  }

  Builder& b_;
  Padding padding_;
  bool align_;
  Value *image_, *flat_ = nullptr;
  Expr batch_, channels_, points_;
  Axis rows_{}, columns_{};
};

// Weights of the two (linear) or four (cubic) taps at a fraction in [0, 1).
std::vector<Value*> weights(Builder& b, Sampler& s, Value* fraction, bool cubic) {
  Value* one = s.number(1);
  if (!cubic) return {b.sub(one, fraction), fraction};
  constexpr double a = -0.75;
  // ((c3 d + c2) d + c1) d + c0 of the distance d of each tap.
  auto polynomial = [&](Value* d, double c3, double c2, double c1, double c0) {
    Value* value = b.add(b.mul(d, s.number(c3)), s.number(c2));
    value = b.add(b.mul(value, d), s.number(c1));
    return b.add(b.mul(value, d), s.number(c0));
  };
  auto near = [&](Value* d) { return polynomial(d, a + 2, -(a + 3), 0, 1); };
  auto far = [&](Value* d) { return polynomial(d, a, -5 * a, 8 * a, -4 * a); };
  Value* rest = b.sub(one, fraction);
  return {far(b.add(fraction, one)), near(fraction), near(rest), far(b.add(rest, one))};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *grid = in[1];
  in.require(x->type.rank() == grid->type.rank() && x->type.rank() >= 3, Status::InvalidModel, "image ",
             graph::to_string(x->type), " and grid ", graph::to_string(grid->type), " do not fit");
  in.require(x->type.rank() == 4, Status::UnsupportedShape, "only two spatial dims are supported");
  in.require(is_float(x->type.dtype), Status::UnsupportedDatatype, "images of ", dtype_name(x->type.dtype),
             " are not supported");
  std::string mode = in.attr_string("mode", in.version() < 20 ? "bilinear" : "linear");
  std::string padding = in.attr_string("padding_mode", "zeros");
  bool nearest = mode == "nearest", cubic = mode == "cubic" || mode == "bicubic";
  in.require(nearest || cubic || mode == "linear" || mode == "bilinear", Status::InvalidModel, "mode '", mode,
             "' is unknown");
  in.require(padding == "zeros" || padding == "border" || padding == "reflection", Status::InvalidModel,
             "padding_mode '", padding, "' is unknown");
  Sampler s(in,
            padding == "zeros"    ? Padding::Zeros
            : padding == "border" ? Padding::Border
                                  : Padding::Reflection,
            in.attr_int("align_corners", 0) != 0);

  const std::vector<Expr> shape = grid->type.dims;
  b.require_equal(shape[3], 2, "the last dim of the grid");
  std::vector<Expr> points{shape[0], 1, shape[1] * shape[2]};
  auto coordinate = [&](int64_t index, const Axis& axis) {
    Value* normalised = b.reshape(b.slice_axis(grid, 3, index, 1), points);
    Value* pixel = s.denormalised(b.cast(normalised, x->type.dtype), axis);
    return nearest ? b.unary(UnaryFunction::Round, pixel) : pixel;
  };
  Value* column = s.folded(coordinate(0, s.columns()), s.columns());
  Value* row = s.folded(coordinate(1, s.rows()), s.rows());
  Value* result = nullptr;
  if (nearest) {
    result = s.pixels(row, column);
  } else {
    Value *top = s.floor(row), *left = s.floor(column);
    std::vector<Value*> vertical = weights(b, s, b.sub(row, top), cubic);
    std::vector<Value*> horizontal = weights(b, s, b.sub(column, left), cubic);
    int first = cubic ? -1 : 0;
    for (size_t i = 0; i < vertical.size(); ++i)
      for (size_t j = 0; j < horizontal.size(); ++j) {
        Value* tap = s.pixels(b.add(top, s.number(double(i) + first)), b.add(left, s.number(double(j) + first)));
        tap = b.mul(tap, b.mul(vertical[i], horizontal[j]));
        result = result ? b.add(result, tap) : tap;
      }
  }
  return {b.reshape(result, {shape[0], x->type.dims[1], shape[1], shape[2]})};
}

const OnnxOp op{operator_row("GridSample", {16, 20, 22}, lower, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
