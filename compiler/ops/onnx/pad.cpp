// Pad: negative pads crop.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/run_time_axes.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

graph::PadMode mode_of(Lowering& in) {
  std::string name = in.attr_string("mode", "constant");
  for (int i = 0; graph::pad_mode_names[i]; ++i)
    if (name == graph::pad_mode_names[i]) return graph::PadMode(i);
  in.fail(Status::InvalidModel, "mode '", name, "' is unknown");
}

// Pads of all axes: [begin..., end...].
std::vector<Expr> pads_of(Lowering& in) {
  std::vector<Expr> pads;
  if (in.version() < 11) {
    auto values = in.attr_ints(in.version() < 2 ? "paddings" : "pads");
    pads.assign(values.begin(), values.end());
  } else {
    pads = in.builder().values_of(in[1]);
  }
  const auto rank = size_t(in[0]->type.rank());
  const auto axes = exprs_input_or_attr(in, 3, "axes");
  const size_t count = axes ? axes->size() : rank;
  in.require(pads.size() == 2 * count, Status::InvalidModel, pads.size(), " pads for ", count, " axes");
  if (!axes) return pads;
  std::vector<Expr> all(2 * rank, Expr(0));
  for (size_t i = 0; i < count; ++i) {
    if (auto axis = expr::as_int((*axes)[i])) in.axis(*axis, int(rank));
    const Expr bound = int64_t(rank);
    in.builder().check(Expr(-int64_t(rank)) <= (*axes)[i] && (*axes)[i] < bound, Status::InvalidModel,
                       str("node '", in.node(), "' (Pad): axis ", i, " is out of range"));
    for (size_t axis = 0; axis < rank; ++axis) {
      const Expr named = names_axis({(*axes)[i]}, int64_t(axis), int64_t(rank));
      all[axis] = expr::simplify(expr::select(named, pads[i], all[axis]));
      all[rank + axis] = expr::simplify(expr::select(named, pads[count + i], all[rank + axis]));
    }
  }
  return all;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  auto rank = size_t(x->type.rank());
  auto pads = pads_of(in);
  // Beyond the size of any tensor; so sums with dims do not overflow.
  constexpr int64_t largest_pad = int64_t{1} << 48;
  for (const Expr& pad : pads) {
    const auto known = expr::as_int(pad);
    in.require(!known || (*known >= -largest_pad && *known <= largest_pad), Status::InvalidModel, "a pad of ",
               known.value_or(0));
    b.check(Expr(-largest_pad) <= pad && pad <= Expr(largest_pad), Status::InvalidModel,
            str("node '", in.node(), "' (Pad): a pad is out of range"));
  }
  const graph::PadMode mode = mode_of(in);
  std::vector<Expr> before, after, starts, dims;
  for (size_t i = 0; i < rank; ++i) {
    before.push_back(expr::simplify(expr::max(Expr(0), pads[i])));
    after.push_back(expr::simplify(expr::max(Expr(0), pads[rank + i])));
    starts.push_back(expr::simplify(expr::max(Expr(0), -pads[i])));
    dims.push_back(expr::simplify(x->type.dims[i] - starts[i] - expr::max(Expr(0), -pads[rank + i])));
    if (!expr::as_int(dims.back()))
      b.check(Expr(0) <= dims.back(), Status::MismatchingShape,
              str("node '", in.node(), "' (Pad): negative pads cut away more than dim ", i, " has"));
    if (mode != graph::PadMode::Constant)
      b.check(Expr(0) < dims.back() || (before.back() == Expr(0) && after.back() == Expr(0)), Status::MismatchingShape,
              str("node '", in.node(), "' (Pad): dim ", i, " has no elements to pad with"));
  }
  x = b.slice(x, starts, dims, std::vector<int64_t>(rank, 1));
  Value* fill = in.version() >= 11 ? in.optional(2) : b.scalar_like(x, in.attr_float("value", 0));
  return {b.pad(x, before, after, mode, fill)};
}

const OnnxOp op{operator_row("Pad", {1, 2, 11, 13, 18, 19, 21, 23, 24, 25}, lower, {1, 4})};

}  // namespace
}  // namespace sardonyx::ops
