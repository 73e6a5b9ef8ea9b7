#include "compiler/ops/primitive/window.h"

namespace sardonyx::ops {

void expect_window(Op op, const Window& window, size_t spatial, const TensorType& type) {
  const auto name = graph::op_name(op);
  require(spatial >= 1 && window.kernel.size() == spatial && window.strides.size() == spatial &&
              window.dilations.size() == spatial && window.pads.size() == 2 * spatial,
          Status::InvalidModel, name, " over ", graph::to_string(type), " got ", window.kernel.size(), " kernel dims, ",
          window.strides.size(), " strides, ", window.dilations.size(), " dilations, ", window.pads.size(), " pads");
  for (size_t i = 0; i < spatial; ++i) {
    require(window.strides[i] > 0 && window.dilations[i] > 0, Status::InvalidModel, name, ": stride ",
            window.strides[i], " and dilation ", window.dilations[i], " of axis ", i, " must be positive");
    const auto taps = expr::as_int(window.kernel[i]);
    require(!taps || *taps > 0, Status::InvalidModel, name, ": kernel size ", *taps, " of axis ", i,
            " must be positive");
  }
  for (const Expr& pad : window.pads)
    require(expr::as_int(pad).value_or(0) >= 0, Status::InvalidModel, name, ": negative pad ", expr::to_string(pad));
}

Expr window_out_dim(Op op, const Window& window, size_t axis, const TensorType& type) {
  const Expr covered = Expr(window.dilations[axis]) * (window.kernel[axis] - 1) + 1;
  const Expr room =
      expr::simplify(type.dims[axis + 2] + window.pads[axis] + window.pads[axis + window.rank()] - covered);
  require(expr::as_int(room).value_or(0) >= 0, Status::InvalidModel, graph::op_name(op), ": the kernel is larger than ",
          graph::to_string(type), " with its pads on axis ", axis);
  return expr::simplify(room / Expr(window.strides[axis]) + 1);
}

Expr window_position(const Window& window, size_t axis, const Expr& out, const Expr& tap) {
  return expr::simplify(out * Expr(window.strides[axis]) - window.pads[axis] + tap * Expr(window.dilations[axis]));
}

void window_bounds(const Window& window, size_t axis, const Expr& position, const Expr& dim, const Expr& out_dim,
                   std::vector<Expr>& conditions) {
  if (!expr::is_const(window.pads[axis], 0)) conditions.push_back(position >= Expr(0));
  const Expr last = window_position(window, axis, out_dim - 1, window.kernel[axis] - 1);
  if (!expr::prove(last < dim)) conditions.push_back(position < dim);
}

graph::Layout kept_layout(const TensorType& type) {
  for (const auto& block : type.layout.blocks)
    if (block.axis != 1) return {};
  return type.layout;
}

}  // namespace sardonyx::ops
