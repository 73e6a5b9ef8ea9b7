// Slice: starts and ends count from the end when negative and are clamped to the dim, as in numpy.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Exporters write "to the end" as any huge number.
constexpr int64_t infinity = INT32_MAX;

// `at` counted from the start, clamped to [low, dim + high].
Expr clamped(const Expr& at, const Expr& dim, int64_t low, int64_t high) {
  if (auto value = expr::as_int(at)) {
    if (*value >= infinity) return dim + high;
    if (*value <= -infinity) return low;
  }
  Expr from_start = expr::simplify(expr::select(at < Expr(0), at + dim, at));
  return expr::simplify(expr::max(Expr(low), expr::min(from_start, dim + high)));
}

struct Bounds {
  std::vector<Expr> starts, ends;
  std::vector<int64_t> axes, steps;
};

Bounds bounds_of(Lowering& in) {
  auto& b = in.builder();
  Bounds bounds;
  if (in.version() < 10) {
    auto starts = in.attr_ints("starts"), ends = in.attr_ints("ends");
    bounds.starts.assign(starts.begin(), starts.end());
    bounds.ends.assign(ends.begin(), ends.end());
  } else {
    bounds.starts = b.values_of(in[1]);
    bounds.ends = b.values_of(in[2]);
  }
  std::vector<int64_t> all_axes;
  for (size_t i = 0; i < bounds.starts.size(); ++i) all_axes.push_back(int64_t(i));
  bounds.axes = in.ints_input_or_attr(3, "axes").value_or(all_axes);
  bounds.steps = in.ints_input_or_attr(4, "steps").value_or(std::vector<int64_t>(bounds.starts.size(), 1));
  size_t count = bounds.starts.size();
  in.require(bounds.ends.size() == count && bounds.axes.size() == count && bounds.steps.size() == count,
             Status::InvalidModel, "got ", count, " starts, ", bounds.ends.size(), " ends, ", bounds.axes.size(),
             " axes and ", bounds.steps.size(), " steps");
  return bounds;
}

std::vector<Value*> lower(Lowering& in) {
  Value* x = in[0];
  Bounds bounds = bounds_of(in);
  size_t rank = x->type.dims.size();
  std::vector<Expr> starts(rank, Expr(0)), dims = x->type.dims;
  std::vector<int64_t> steps(rank, 1);
  for (size_t i = 0; i < bounds.axes.size(); ++i) {
    auto axis = size_t(in.axis(bounds.axes[i], int(rank)));
    int64_t step = bounds.steps[i];
    in.require(step != 0, Status::InvalidModel, "step ", i, " is 0");
    const Expr dim = x->type.dims[axis];
    bool forward = step > 0;
    Expr start = clamped(bounds.starts[i], dim, 0, forward ? 0 : -1);
    Expr end = clamped(bounds.ends[i], dim, forward ? 0 : -1, forward ? 0 : -1);
    Expr length = forward ? end - start : start - end;
    starts[axis] = start;
    steps[axis] = step;
    dims[axis] = expr::simplify(expr::max(Expr(0), expr::ceil_div(length, forward ? step : -step)));
  }
  return {in.builder().slice(x, starts, dims, steps)};
}

const OnnxOp op{operator_row("Slice", {1, 10, 11, 13}, lower, {1, 5})};

}  // namespace
}  // namespace sardonyx::ops
