// Slice: starts and ends count from the end when negative and are clamped to the dim, as in numpy. Everything is an
// expression, so that bounds, axes and steps may be known at run time only; constants fold away.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/run_time_axes.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Exporters write "to the end" as any huge number.
constexpr int64_t infinity = INT32_MAX;

// `at` counted from the start, clamped to [low, high].
Expr clamped(const Expr& at, const Expr& dim, const Expr& low, const Expr& high) {
  if (auto value = expr::as_int(at)) {
    if (*value >= infinity) return high;
    if (*value <= -infinity) return low;
  }
  Expr from_start = expr::simplify(expr::select(at < Expr(0), at + dim, at));
  return expr::simplify(expr::max(low, expr::min(from_start, high)));
}

struct Bounds {
  std::vector<Expr> starts, ends, axes, steps;
};

Bounds bounds_of(Lowering& in) {
  Bounds bounds;
  auto starts = exprs_input_or_attr(in, 1, "starts"), ends = exprs_input_or_attr(in, 2, "ends");
  in.require(starts && ends, Status::InvalidModel, "starts and ends are required");
  size_t count = starts->size();
  std::vector<Expr> all_axes;
  for (size_t i = 0; i < count; ++i) all_axes.emplace_back(int64_t(i));
  bounds.starts = *starts;
  bounds.ends = *ends;
  bounds.axes = exprs_input_or_attr(in, 3, "axes").value_or(all_axes);
  bounds.steps = exprs_input_or_attr(in, 4, "steps").value_or(std::vector<Expr>(count, Expr(1)));
  in.require(bounds.ends.size() == count && bounds.axes.size() == count && bounds.steps.size() == count,
             Status::InvalidModel, "got ", count, " starts, ", bounds.ends.size(), " ends, ", bounds.axes.size(),
             " axes and ", bounds.steps.size(), " steps");
  const int rank = in[0]->type.rank();
  for (const Expr& axis : bounds.axes) {
    if (auto value = expr::as_int(axis)) in.axis(*value, rank);
    in.builder().check(Expr(int64_t(-rank)) <= axis && axis < Expr(int64_t(rank)), Status::InvalidModel,
                       str("node '", in.node(), "' (Slice): an axis is out of range"));
  }
  for (size_t i = 0; i < count; ++i) {
    in.require(!expr::is_const(bounds.steps[i], 0), Status::InvalidModel, "step ", i, " is 0");
    in.builder().check(bounds.steps[i] != Expr(0), Status::InvalidModel,
                       str("node '", in.node(), "' (Slice): step ", i, " is 0"));
  }
  return bounds;
}

struct Piece {
  Expr start, length, step;
};

// What is read of one axis.
Piece piece_of(const Bounds& bounds, int64_t axis, int64_t rank, const Expr& dim) {
  Piece piece{0, dim, 1};
  Expr start = 0, end = infinity;
  for (size_t i = 0; i < bounds.axes.size(); ++i) {
    Expr named = names_axis({bounds.axes[i]}, axis, rank);
    if (expr::is_const(named, 0)) continue;
    start = expr::simplify(expr::select(named, bounds.starts[i], start));
    end = expr::simplify(expr::select(named, bounds.ends[i], end));
    piece.step = expr::simplify(expr::select(named, bounds.steps[i], piece.step));
  }
  // Larger steps take one element as well, and their negation does not overflow.
  constexpr int64_t largest_step = int64_t{1} << 48;
  piece.step = expr::simplify(expr::max(Expr(-largest_step), expr::min(piece.step, Expr(largest_step))));
  Expr forward = expr::simplify(Expr(0) < piece.step);
  Expr low = expr::simplify(expr::select(forward, 0, -1)), high = expr::simplify(expr::select(forward, dim, dim - 1));
  piece.start = clamped(start, dim, 0, high);
  end = clamped(end, dim, low, high);
  auto count = [](const Expr& length, const Expr& step) { return expr::ceil_div(length, expr::max(Expr(1), step)); };
  Expr length = expr::select(forward, count(end - piece.start, piece.step), count(piece.start - end, -piece.step));
  piece.length = expr::simplify(expr::max(Expr(0), length));
  return piece;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  Bounds bounds = bounds_of(in);
  int rank = x->type.rank();
  std::vector<Expr> starts, dims;
  std::vector<int64_t> steps;
  std::vector<std::pair<int64_t, Piece>> gathered;  // axes with a run-time step
  for (int64_t axis = 0; axis < rank; ++axis) {
    const Expr& dim = x->type.dims[size_t(axis)];
    Piece piece = piece_of(bounds, axis, rank, dim);
    auto step = expr::as_int(piece.step);
    if (!step) gathered.emplace_back(axis, piece);
    starts.push_back(step ? piece.start : Expr(0));
    dims.push_back(step ? piece.length : dim);
    steps.push_back(step.value_or(1));
  }
  x = b.slice(x, starts, dims, steps);
  for (const auto& [axis, piece] : gathered) {
    Value* offset = b.mul(b.iota(DType::I64, {piece.length}, 0), b.dims_tensor({piece.step}, {}));
    x = b.gather(x, b.add(offset, b.dims_tensor({piece.start}, {})), axis);
  }
  return {x};
}

const OnnxOp op{operator_row("Slice", {1, 10, 11, 13}, lower, {1, 5})};

}  // namespace
}  // namespace sardonyx::ops
