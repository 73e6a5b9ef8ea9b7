// Exact scalar arithmetic on immediates, shared by construction-time folding, the simplifier and evaluation.
#pragma once
#include <cstdint>

#include "compiler/expr/expr.h"

namespace sardonyx::expr {

// Two's complement wrap to the width of an integer dtype; Bool gives 0 or 1.
int64_t wrap(int64_t value, DType dtype);
// Rounds to the precision of a float dtype.
double round_to(double value, DType dtype);

int64_t floor_div(int64_t a, int64_t b);  // b != 0
int64_t floor_mod(int64_t a, int64_t b);  // b != 0; sign of b

// Results of operations on immediates; an undefined Expr when they must not fold (division by zero).
Expr fold_binary(Kind kind, const Expr& a, const Expr& b);
Expr fold_cast(const Expr& a, DType dtype);
Expr fold_call(Function function, const Expr& a);  // the few exact ones: abs, neg-free rounding, sign, bit_not

// Result type of a call on operands of type `operand`.
Type call_type(Function function, Type operand);

}  // namespace sardonyx::expr
