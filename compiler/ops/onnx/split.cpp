// Split: sizes from an attribute or input, else equal parts (opset 18: num_outputs, the last part may be smaller).
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Expr> part_sizes(Lowering& in, const Expr& dim) {
  auto& b = in.builder();
  if (Value* sizes = in.optional(1)) return b.values_of(sizes, {0, INT64_MAX, 1});
  if (in.has("split")) {
    auto sizes = in.attr_ints("split");
    return {sizes.begin(), sizes.end()};
  }
  int64_t count = in.attr_int("num_outputs", in.outputs());
  constexpr int64_t most_parts = 1 << 16;
  in.require(count >= 1 && count <= most_parts, Status::InvalidModel, "num_outputs is ", count);
  bool may_be_smaller = in.version() >= 18;
  Expr size = expr::simplify(may_be_smaller ? expr::ceil_div(dim, count) : dim / count);
  std::vector<Expr> sizes(size_t(count), size);
  if (may_be_smaller) sizes.back() = dim - size * (count - 1);
  return sizes;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  int64_t axis = in.axis(in.attr_int("axis", 0), x->type.rank());
  const Expr dim = x->type.dims[size_t(axis)];
  auto sizes = part_sizes(in, dim);
  in.require(int(sizes.size()) >= in.outputs(), Status::InvalidModel, sizes.size(), " parts for ", in.outputs(),
             " outputs");
  std::vector<Value*> parts;
  Expr start = 0;
  for (const Expr& size : sizes) {
    if (int(parts.size()) < in.outputs()) parts.push_back(b.slice_axis(x, axis, start, size));
    start = expr::simplify(start + size);
  }
  b.require_equal(start, dim, str("sum of the parts of node '", in.node(), "' (Split) and the dim"));
  return parts;
}

const OnnxOp op{operator_row("Split", {1, 2, 11, 13, 18}, lower, {1, 2}, {1, -1})};

}  // namespace
}  // namespace sardonyx::ops
