// Differentiation of scalar expressions: what `OpDef::express` says a point-wise primitive does to single elements.
#pragma once
#include <functional>

#include "compiler/expr/expr.h"

namespace sardonyx::gradient {

// Reverse mode: given the derivative `adjoint` by the value of `e`, hands every load of a float that it varies with to
// `load`, with the derivative by that load; one load may come several times. A maximum of equals is the second one, so
// the derivative of max(x, 0) at 0 is 0. Throws UnsupportedOperator for functions that have no derivative.
void differentiate(const expr::Expr& e, const expr::Expr& adjoint,
                   const std::function<void(const expr::Expr& load, const expr::Expr& adjoint)>& load);

}  // namespace sardonyx::gradient
