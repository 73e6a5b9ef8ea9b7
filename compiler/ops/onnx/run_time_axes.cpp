#include "compiler/ops/onnx/run_time_axes.h"

#include "compiler/expr/simplify.h"

namespace sardonyx::ops {

std::optional<std::vector<Expr>> exprs_input_or_attr(Lowering& in, int index, const std::string& name) {
  if (Value* value = in.optional(index)) return in.builder().values_of(value);
  if (!in.has(name)) return std::nullopt;
  auto values = in.attr_ints(name);
  return std::vector<Expr>(values.begin(), values.end());
}

Expr names_axis(const std::vector<Expr>& axes, int64_t axis, int64_t rank) {
  Expr result = expr::bool_imm(false);
  for (const Expr& named : axes) result = result || named == Expr(axis) || named == Expr(axis - rank);
  return expr::simplify(result);
}

}  // namespace sardonyx::ops
