// Floor quotients and remainders of sums.
#include <algorithm>
#include <numeric>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify_internal.h"

namespace sardonyx::expr {

namespace {

Sum atom_sum(const Expr& atom) {
  Sum sum;
  sum.terms.push_back({1, atom});
  return sum;
}

Sum constant_sum(int64_t value) {
  Sum sum;
  sum.constant = value;
  return sum;
}

std::optional<int64_t> checked_product(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

// The k with k * step <= value < (k + 1) * step for every value in the bounds, if there is one.
std::optional<int64_t> constant_quotient(const Facts& bounds, int64_t step) {
  if (is_unbounded(bounds.min) || is_unbounded(bounds.max)) return std::nullopt;
  int64_t k = floor_div(bounds.min, step);
  if (floor_div(bounds.max, step) != k) return std::nullopt;
  return k;
}

// Divides every coefficient; all are divisible.
Sum divided(const Sum& sum, int64_t divisor) {
  Sum result = sum;
  for (Term& term : result.terms) term.coefficient /= divisor;
  result.constant /= divisor;
  return result;
}

// Removes each of `part` from `factors`; false unless all are there.
bool remove_factors(std::vector<Expr>& factors, const std::vector<Expr>& part) {
  for (const Expr& factor : part) {
    auto found = std::find_if(factors.begin(), factors.end(), [&](const Expr& e) { return equal(e, factor); });
    if (found == factors.end()) return false;
    factors.erase(found);
  }
  return true;
}

struct Split {
  Sum whole;  // the part that the divisor divides, divided
  Sum rest;
};

// Splits off the terms that are multiples of `divisor`, which is one term or a sum of which `dividend` has a multiple.
Split split_by(const Sum& dividend, const Sum& divisor) {
  Split split;
  if (divisor.terms.size() == 1 && divisor.constant == 0) {
    const Term& unit = divisor.terms[0];
    const std::vector<Expr> unit_factors = factors_of(unit.atom);
    for (const Term& term : dividend.terms) {
      std::vector<Expr> factors = factors_of(term.atom);
      if (term.coefficient % unit.coefficient != 0 || !remove_factors(factors, unit_factors))
        split.rest.add(term.coefficient, term.atom);
      else if (factors.empty())
        split.whole.constant += term.coefficient / unit.coefficient;
      else
        split.whole.add(term.coefficient / unit.coefficient, product_of(factors));
    }
    split.rest.constant = dividend.constant;
    return split;
  }
  const Term* found = divisor.terms.empty() ? nullptr : dividend.find(divisor.terms[0].atom);
  int64_t times = found && found->coefficient % divisor.terms[0].coefficient == 0
                      ? found->coefficient / divisor.terms[0].coefficient
                      : 0;
  Sum rest = dividend;
  rest.add(divisor, -times);
  if (rest.terms.size() + divisor.terms.size() > dividend.terms.size()) return {{}, dividend};
  return {constant_sum(times), rest};
}

int64_t common_divisor(const Sum& a, const Sum& b) {
  return std::gcd(std::gcd(common_factor(a), a.constant), std::gcd(common_factor(b), b.constant));
}

}  // namespace

Sum Simplifier::quotient(const Sum& dividend, const Expr& divisor) {
  if (auto constant = as_int(divisor); constant && *constant != 0 && *constant != INT64_MIN)
    return quotient_by_constant(dividend, *constant);
  const Sum unit = sum_of(divisor);
  if (unit.is_constant()) return atom_sum(build(dividend) / divisor);
  if (int64_t g = common_divisor(dividend, unit); g > 1) return quotient(divided(dividend, g), build(divided(unit, g)));
  Split split = split_by(dividend, unit);
  normalize(split.rest);
  if (split.rest.is_constant() && split.rest.constant == 0) return split.whole;
  Facts rest = facts(split.rest), divisor_facts = facts(unit);
  if (divisor_facts.min >= 1) {
    if (rest.min >= 0 && rest.max < divisor_facts.min) return split.whole;
    if (rest.max < 0 && !is_unbounded(rest.min) && rest.min >= -divisor_facts.min) {
      split.whole.constant -= 1;
      return split.whole;
    }
  }
  split.whole.add(1, build(split.rest) / divisor);
  return split.whole;
}

Sum Simplifier::remainder(const Sum& dividend, const Expr& divisor) {
  if (auto constant = as_int(divisor); constant && *constant != 0 && *constant != INT64_MIN)
    return remainder_by_constant(dividend, *constant);
  const Sum unit = sum_of(divisor);
  if (unit.is_constant()) return atom_sum(build(dividend) % divisor);
  if (int64_t g = common_divisor(dividend, unit); g > 1)
    return scaled(remainder(divided(dividend, g), build(divided(unit, g))), g);
  Split split = split_by(dividend, unit);
  normalize(split.rest);
  if (split.rest.is_constant() && split.rest.constant == 0) return {};
  Facts rest = facts(split.rest), divisor_facts = facts(unit);
  if (divisor_facts.min >= 1 && rest.min >= 0 && rest.max < divisor_facts.min) return split.rest;
  return atom_sum(build(split.rest) % divisor);
}

bool Simplifier::divisible_term(const Term& term, int64_t divisor) {
  if (term.coefficient % divisor == 0) return true;
  int64_t needed = divisor / std::gcd(term.coefficient, divisor);
  return facts(term.atom).multiple_of % needed == 0;
}

std::optional<Simplifier::Units> Simplifier::split_by_unit(const Sum& sum, int64_t divisor) {
  std::vector<int64_t> units;
  for (const Term& term : sum.terms) units.push_back(std::gcd(term.coefficient, divisor));
  std::sort(units.rbegin(), units.rend());
  for (int64_t g : units) {
    if (g == 1) break;
    Sum major, minor;
    for (const Term& term : sum.terms) (term.coefficient % g == 0 ? major : minor).add(term.coefficient, term.atom);
    minor.constant = sum.constant;
    if (auto k = constant_quotient(facts(minor), g)) return Units{g, *k, divided(major, g), minor};
  }
  return std::nullopt;
}

Sum Simplifier::quotient_by_constant(Sum dividend, int64_t divisor) {
  if (divisor < 0) return quotient_by_constant(scaled(dividend, -1), -divisor);
  if (divisor == 1) return dividend;
  Sum result, rest;
  for (const Term& term : dividend.terms) {
    int64_t g = std::gcd(term.coefficient, divisor);
    if (!divisible_term(term, divisor))
      rest.add(term.coefficient, term.atom);
    else if (g == divisor)
      result.add(term.coefficient / divisor, term.atom);
    else
      result.add(quotient_of_atom(term.atom, 0, divisor / g), term.coefficient / g);
  }
  int64_t constant = floor_div(dividend.constant, divisor);
  rest.constant = dividend.constant - constant * divisor;
  result.constant += constant;
  if (rest.is_constant()) return result;
  if (auto k = constant_quotient(facts(rest), divisor)) {
    result.constant += *k;
    return result;
  }
  if (auto parts = split_by_unit(rest, divisor)) {
    parts->major.constant = parts->k;
    result.add(quotient_by_constant(parts->major, divisor / parts->g));
    return result;
  }
  if (rest.terms.size() == 1 && rest.terms[0].coefficient == 1)
    result.add(quotient_of_atom(rest.terms[0].atom, rest.constant, divisor));
  else
    result.add(1, build(rest) / divisor);
  return result;
}

// (atom + offset) / divisor, where no bounds decide.
Sum Simplifier::quotient_of_atom(const Expr& atom, int64_t offset, int64_t divisor) {
  if (atom->kind == Kind::Div || atom->kind == Kind::Mod) {
    auto inner = as_int(atom->args[1]);
    if (inner && *inner > 0 && atom->kind == Kind::Div) {  // (x / d + k) / c -> (x + k * d) / (c * d)
      auto both = checked_product(*inner, divisor), shift = checked_product(*inner, offset);
      if (both && shift) {
        Sum sum = sum_of(atom->args[0]);
        sum.constant += *shift;
        return quotient_by_constant(sum, *both);
      }
    }
    if (inner && *inner > 0 && atom->kind == Kind::Mod && offset == 0 && *inner % divisor == 0)
      return remainder_by_constant(quotient_by_constant(sum_of(atom->args[0]), divisor), *inner / divisor);
  }
  Sum dividend = atom_sum(atom);
  dividend.constant = offset;
  return atom_sum(build(dividend) / divisor);
}

Sum Simplifier::remainder_by_constant(Sum dividend, int64_t divisor) {
  if (divisor < 0) return scaled(remainder_by_constant(scaled(dividend, -1), -divisor), -1);
  if (divisor == 1) return {};
  Sum rest;
  for (const Term& term : dividend.terms)
    if (!divisible_term(term, divisor)) rest.add(term.coefficient % divisor, term.atom);
  rest.constant = floor_mod(dividend.constant, divisor);
  if (normalize(rest)) return remainder_by_constant(rest, divisor);
  if (rest.is_constant()) return constant_sum(floor_mod(rest.constant, divisor));
  if (auto k = constant_quotient(facts(rest), divisor)) {
    rest.constant -= *k * divisor;
    return rest;
  }
  for (size_t i = 0; i < rest.terms.size(); ++i) {  // (x % d + y) % c -> (x + y) % c when c divides d
    const Term term = rest.terms[i];
    auto inner = term.atom->kind == Kind::Mod ? as_int(term.atom->args[1]) : std::nullopt;
    auto period = inner ? checked_product(term.coefficient, *inner) : std::nullopt;
    if (!period || *period % divisor != 0) continue;
    rest.add(-term.coefficient, term.atom);
    rest.add(sum_of(term.atom->args[0]), term.coefficient);
    return remainder_by_constant(rest, divisor);
  }
  if (auto parts = split_by_unit(rest, divisor)) {
    parts->major.constant = parts->k;
    parts->minor.constant -= parts->k * parts->g;
    parts->minor.add(remainder_by_constant(parts->major, divisor / parts->g), parts->g);
    return parts->minor;
  }
  return atom_sum(build(rest) % divisor);
}

}  // namespace sardonyx::expr
