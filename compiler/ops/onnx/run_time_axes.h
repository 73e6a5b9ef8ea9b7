// Axes and other integers that may be known at run time only: as dim expressions.
//
//   auto axes = *exprs_input_or_attr(in, 1, "axes");
//   Expr dim = expr::select(names_axis(axes, 2, rank), 1, x_dim);   // folds when the axes are constants
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// Input `index` when present (symbols when it is not constant), else the attribute, else nothing.
std::optional<std::vector<Expr>> exprs_input_or_attr(Lowering& in, int index, const std::string& name);

// Whether one of `axes`, which may count from the end, is `axis`; simplified.
Expr names_axis(const std::vector<Expr>& axes, int64_t axis, int64_t rank);

}  // namespace sardonyx::ops
