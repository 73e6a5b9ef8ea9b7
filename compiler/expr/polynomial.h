// Integer polynomials with expression atoms: the normal form of sums and products of I64 expressions.
//
// A polynomial is a sum of coefficient * product of atoms, where an atom is any expression that is not itself a sum,
// difference, product or constant. Terms and factors are in a fixed structural order (never by address), so equal
// polynomials give equal expressions. Overflow of coefficients cannot happen for dims that importers accept.
#pragma once
#include <cstdint>
#include <vector>

#include "compiler/expr/expr.h"

namespace sardonyx::expr {

// Total preorder by structure; 0 only for expressions that print alike.
int compare(const Expr& a, const Expr& b);

struct Term {
  std::vector<Expr> atoms;  // sorted; empty for the constant term
  int64_t coefficient = 0;
};

class Polynomial {
 public:
  Polynomial() = default;
  explicit Polynomial(int64_t constant);
  // Takes `e` apart through Add, Sub and Mul; everything else becomes an atom.
  static Polynomial of(const Expr& e);

  void add(const Polynomial& other, int64_t factor = 1);
  void add_term(Term term);
  // False (and unchanged) when the product would have more than 64 terms.
  bool multiply(const Polynomial& other);

  const std::vector<Term>& terms() const { return terms_; }  // sorted, non-zero, constant term not included
  int64_t constant() const { return constant_; }
  void set_constant(int64_t value) { constant_ = value; }
  bool is_constant() const { return terms_.empty(); }
  Expr to_expr() const;

 private:
  std::vector<Term> terms_;
  int64_t constant_ = 0;
};

Expr to_expr(const Term& term);

}  // namespace sardonyx::expr
