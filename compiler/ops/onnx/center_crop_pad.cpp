// CenterCropPad: cuts or pads with zeros on both sides until axes have given lengths; odd elements go to the end.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const auto rank = size_t(x->type.rank());
  const std::vector<Expr> target = b.values_of(in[1], {0, INT64_MAX, 1});
  std::vector<int64_t> axes;
  for (size_t i = 0; i < rank; ++i) axes.push_back(int64_t(i));
  axes = in.attr_ints("axes", axes);
  in.require(target.size() == axes.size(), Status::InvalidModel, "a shape of ", target.size(), " dims for ",
             axes.size(), " axes of ", graph::to_string(x->type));
  std::vector<Expr> starts(rank, Expr(0)), kept = x->type.dims, before(rank, Expr(0)), after(rank, Expr(0));
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = size_t(in.axis(axes[i], int(rank)));
    in.require(!seen[axis], Status::InvalidModel, "axis ", axes[i], " is named twice");
    seen[axis] = true;
    const Expr dim = x->type.dims[axis];
    const Expr missing = expr::simplify(expr::max(Expr(0), target[i] - dim));
    kept[axis] = expr::simplify(expr::min(dim, target[i]));
    starts[axis] = expr::simplify((dim - kept[axis]) / Expr(2));
    before[axis] = expr::simplify(missing / Expr(2));
    after[axis] = expr::simplify(missing - before[axis]);
  }
  x = b.slice(x, starts, kept, std::vector<int64_t>(rank, 1));
  return {b.pad(x, before, after, graph::PadMode::Constant)};
}

const OnnxOp op{operator_row("CenterCropPad", {18}, lower, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
