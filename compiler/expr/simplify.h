// Simplification, proofs and evaluation of integer expressions.
//
// simplify() applies rewrite rules whose right sides are strictly smaller in a fixed reduction order, so it terminates
// and is idempotent. Facts of variables (bounds, multiples) flow through as intervals and moduli. Float sub-trees are
// left as they are except for IEEE-exact identities and constant folding.
#pragma once
#include <functional>
#include <span>
#include <unordered_map>

#include "compiler/expr/expr.h"

namespace sardonyx::expr {

// Additional facts that hold in a scope, beside those that variables carry.
using Scope = std::unordered_map<const Variable*, Facts>;

Expr simplify(const Expr& e, const Scope& scope = {});

// The simplified product of factors, 1 when there are none.
Expr product(std::span<const Expr> factors);

// True only if the Bool expression (or a <= b, a == b ...) holds for all values of the variables.
bool prove(const Expr& condition, const Scope& scope = {});
bool prove_equal(const Expr& a, const Expr& b, const Scope& scope = {});
bool prove_divisible(const Expr& e, int64_t divisor, const Scope& scope = {});

// Inclusive interval; INT64_MIN / INT64_MAX mean unknown. multiple_of: e is 0 modulo it.
Facts facts_of(const Expr& e, const Scope& scope = {});

using Substitution = std::unordered_map<const Variable*, Expr>;
Expr substitute(const Expr& e, const Substitution& substitution);

// If e == coefficient * var + rest with both independent of var, returns {coefficient, rest}.
struct Linear {
  Expr coefficient, rest;
};
std::optional<Linear> linear_in(const Expr& e, const VarPtr& var);

// Calls `f` on every distinct node once, parents first; returning false skips the children.
void visit(const Expr& e, const std::function<bool(const Expr&)>& f);
// Bottom-up rewrite: `f` gets each node with already rewritten args and returns it or a replacement.
Expr mutate(const Expr& e, const std::function<Expr(const Expr&)>& f);

// Value of a scalar integer/Bool expression without Loads. Throws Error(InternalError) for unbound variables and
// Error(InvalidShape-class statuses are the caller's business) MismatchingShape on division by zero.
int64_t evaluate(const Expr& e, const std::unordered_map<const Variable*, int64_t>& values);

}  // namespace sardonyx::expr
