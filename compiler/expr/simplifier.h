// Inside of the simplifier: one instance per top-level call, memoised by node.
#pragma once
#include <unordered_map>

#include "compiler/expr/polynomial.h"
#include "compiler/expr/simplify.h"

namespace sardonyx::expr {

class Simplifier {
 public:
  explicit Simplifier(const Scope& scope) : scope_(scope) {}

  Expr run(const Expr& e);
  // Interval and multiple of an integer or Bool expression; multiple_of 0 stands for the constant 0.
  Facts facts(const Expr& e);
  Facts facts(const Polynomial& p);

 private:
  Expr rules(const Expr& e);  // `e` with simplified args
  Expr integer_rules(const Expr& e);
  Expr division(const Expr& a, const Expr& b);
  Expr modulo(const Expr& a, const Expr& b);
  Expr extremum(const Expr& e);
  Expr comparison(const Expr& e);
  Expr logic(const Expr& e);
  Expr vector_rules(const Expr& e);
  Expr narrow_rules(const Expr& e);
  Expr normalise(const Expr& e);  // sums and products
  void reassemble(Polynomial& p);
  Facts compute_facts(const Expr& e);

  const Scope& scope_;
  std::unordered_map<const Node*, Expr> memo_;
  std::unordered_map<const Node*, Facts> facts_memo_;
  std::vector<Expr> keep_;  // nodes whose addresses are memo keys stay alive
};

}  // namespace sardonyx::expr
