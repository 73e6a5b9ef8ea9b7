// The simplifier's insides, shared by the simplify_*.cpp files (one per family of rules).
//
// Scalar I64 expressions are brought into a normal form: a Sum of coefficient * atom. An atom is anything that is not
// a sum itself (variable, load, quotient, min ...) or a product of such factors in a fixed order. Rules either decide
// (a comparison, a min) from bounds or replace a Sum by one with fewer divisions or fewer terms, which is why
// simplification ends. One Simplifier serves one call; it remembers results by node.
//
//   (n * 16 + i) / 16  ->  quotient_of({16 n + 1 i}, 16)  ->  {1 n} + floor({1 i} / 16)  ->  {1 n}   as 0 <= i < 16
#pragma once
#include <unordered_map>
#include <vector>

#include "compiler/expr/simplify.h"

namespace sardonyx::expr {

struct Term {
  int64_t coefficient;
  Expr atom;
};

// sum of coefficient * atom + constant; no coefficient is 0 and no two atoms are equal.
struct Sum {
  std::vector<Term> terms;
  int64_t constant = 0;

  bool is_constant() const { return terms.empty(); }
  const Term* find(const Expr& atom) const;
  void add(int64_t coefficient, const Expr& atom);
  void add(const Sum& other, int64_t factor = 1);
  void remove(size_t index) { terms.erase(terms.begin() + int64_t(index)); }
};
Sum operator-(const Sum& a, const Sum& b);
Sum scaled(const Sum& sum, int64_t factor);
// The greatest common divisor of the coefficients, 0 when there are none.
int64_t common_factor(const Sum& sum);

// A deterministic order of expressions (never by address): negative, 0 or positive. Distinct variables of one name tie.
int compare_order(const Expr& a, const Expr& b);

inline bool is_index(const Expr& e) { return e->type == Type{}; }  // scalar I64
bool is_unbounded(int64_t bound);
Facts type_range(DType dtype);
Facts scaled(const Facts& facts, int64_t factor);
Facts added(const Facts& a, const Facts& b);

class Simplifier {
 public:
  explicit Simplifier(const Scope& scope) : scope_(scope) {}

  Expr simplify(const Expr& e);

  // ---- sums (simplify_sum.cpp); arguments are simplified ----
  const Sum& sum_of(const Expr& e);
  Sum product(const Sum& a, const Sum& b);
  // Applies the rules across terms: x - (x / c) * c -> x % c and the like. True if any did.
  bool normalize(Sum& sum);
  Expr build(Sum sum);

  // ---- division (simplify_division.cpp) ----
  Sum quotient(const Sum& dividend, const Expr& divisor);
  Sum remainder(const Sum& dividend, const Expr& divisor);

  // ---- facts (simplify_facts.cpp). Here multiple_of is 0 for the constant 0. ----
  Facts facts(const Expr& e);
  Facts facts(const Sum& sum);
  // sum >= bound for all values. Looks through min, max, select and quotients.
  bool at_least(const Sum& sum, int64_t bound);

 private:
  struct Remembered {
    Expr key, value;  // the key keeps its address from being used again
  };

  // Adds factor * e to `sum`: a chain of + and - becomes one sum without its partial sums being built. `budget` bounds
  // the walk, as shared sub-chains are walked more than once.
  void accumulate(const Expr& e, int64_t factor, Sum& sum, int& budget);
  Expr simplify_node(const Expr& e);
  Expr simplify_args(const Expr& e);
  Expr simplify_variable(const Expr& e);
  Expr simplify_index_arithmetic(const Expr& e);
  Expr simplify_generic_arithmetic(const Expr& e);
  Expr simplify_cast(const Expr& e);
  Expr simplify_call(const Expr& e);
  Expr simplify_vector(const Expr& e);

  // ---- simplify_logic.cpp ----
  Expr simplify_min_max(const Expr& e);
  Expr simplify_comparison(const Expr& e);
  Expr ordering_of(Kind kind, Sum difference);
  Expr equality_of(Kind kind, Sum difference);
  Expr simplify_logic(const Expr& e);
  Expr simplify_not(const Expr& e);
  Expr simplify_select(const Expr& e);
  // For an I64 comparison by < or <=: the sum that is at least 1 exactly when it holds.
  std::optional<Sum> margin_of(const Expr& condition);

  bool reassemble(Sum& sum);
  bool merge_remainder(Sum& sum, size_t index);
  bool merge_quotient(Sum& sum, size_t index);

  // sum = g * major + minor with 0 <= minor - k * g < g, where g > 1 divides the divisor: minor does not count in
  // sum / divisor = (major + k) / (divisor / g).
  struct Units {
    int64_t g, k;
    Sum major, minor;
  };
  std::optional<Units> split_by_unit(const Sum& sum, int64_t divisor);

  Sum quotient_by_constant(Sum dividend, int64_t divisor);
  Sum remainder_by_constant(Sum dividend, int64_t divisor);
  Sum quotient_of_atom(const Expr& atom, int64_t offset, int64_t divisor);
  bool divisible_term(const Term& term, int64_t divisor);
  Facts compute_facts(const Expr& e);
  Facts division_facts(const Expr& e);
  bool bounded_below(const Sum& sum, int64_t bound, int depth);

  const Scope& scope_;
  std::unordered_map<const Node*, Remembered> done_;
  std::unordered_map<const Node*, Sum> sums_;
  std::unordered_map<const Node*, Facts> facts_;
  std::vector<Expr> kept_;  // keys of sums_ and facts_
};

// The factors of a product atom, in order; an atom that is no product is its own only factor.
std::vector<Expr> factors_of(const Expr& atom);
Expr product_of(std::vector<Expr> factors);

}  // namespace sardonyx::expr
