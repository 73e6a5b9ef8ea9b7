// Squeeze and Unsqueeze: axes are an attribute before opset 13, an input since. Axes that only the run knows move the
// dims by selection.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/run_time_axes.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Selections grow with the square of the rank.
constexpr size_t most_run_time_rank = 12;

bool run_time(Lowering& in) { return in.optional(1) && !in.builder().static_ints(in[1]); }

std::vector<Expr> run_time_axes(Lowering& in) {
  auto axes = in.builder().values_of(in[1]);
  in.require(in[0]->type.dims.size() + axes.size() <= most_run_time_rank, Status::UnsupportedShape, axes.size(),
             " axes that only the run knows for ", graph::to_string(in[0]->type));
  return axes;
}

// Result dim k is the k-th dim that is not named by an axis.
std::vector<Expr> squeezed(const std::vector<Expr>& dims, const std::vector<Expr>& axes) {
  auto rank = int64_t(dims.size());
  std::vector<Expr> result(dims.size() - axes.size(), Expr(1));
  Expr position = 0;
  for (int64_t i = 0; i < rank; ++i) {
    Expr gone = names_axis(axes, i, rank);
    for (size_t k = 0; k < result.size(); ++k)
      result[k] = expr::select(!gone && position == Expr(int64_t(k)), dims[size_t(i)], result[k]);
    position = expr::simplify(position + expr::select(gone, 0, 1));
  }
  return result;
}

// Result dim i is 1 when an axis names it, else the next dim of the input.
std::vector<Expr> unsqueezed(Lowering& in, const std::vector<Expr>& axes) {
  const std::vector<Expr>& dims = in[0]->type.dims;
  auto rank = int64_t(dims.size() + axes.size());
  std::vector<Expr> result;
  Expr position = 0;
  for (int64_t i = 0; i < rank; ++i) {
    Expr inserted = names_axis(axes, i, rank);
    Expr next = 1;
    for (size_t k = dims.size(); k-- > 0;) next = expr::select(position == Expr(int64_t(k)), dims[k], next);
    result.push_back(expr::select(inserted, 1, next));
    position = expr::simplify(position + expr::select(inserted, 0, 1));
  }
  in.builder().check(position == Expr(int64_t(dims.size())), Status::MismatchingShape,
                     str("node '", in.node(), "' (Unsqueeze): an axis is out of range or repeated"));
  return result;
}

std::vector<Value*> lower_squeeze(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  if (run_time(in)) {
    auto axes = run_time_axes(in);
    in.require(axes.size() <= x->type.dims.size(), Status::InvalidModel, axes.size(), " axes for ",
               graph::to_string(x->type));
    return {b.reshape(x, squeezed(x->type.dims, axes))};
  }
  auto axes = in.ints_input_or_attr(1, "axes");
  if (!axes) {
    axes.emplace();
    for (int i = 0; i < x->type.rank(); ++i)
      if (expr::is_const(x->type.dims[size_t(i)], 1)) axes->push_back(i);
  }
  return {b.squeeze(x, *axes)};
}

std::vector<Value*> lower_unsqueeze(Lowering& in) {
  auto& b = in.builder();
  if (run_time(in)) return {b.reshape(in[0], unsqueezed(in, run_time_axes(in)))};
  auto axes = in.ints_input_or_attr(1, "axes");
  in.require(axes.has_value(), Status::InvalidModel, "axes are required");
  return {b.unsqueeze(in[0], *axes)};
}

const OnnxOp squeeze{operator_row("Squeeze", {1, 11, 13, 21, 23, 24, 25}, lower_squeeze, {1, 2})};
const OnnxOp unsqueeze{operator_row("Unsqueeze", {1, 11, 13, 21, 23, 24, 25}, lower_unsqueeze, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
