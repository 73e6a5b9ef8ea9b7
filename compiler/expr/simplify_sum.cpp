// The normal form: sums of coefficient * atom, their order, and the rules across terms.
#include <algorithm>
#include <bit>
#include <numeric>

#include "compiler/expr/simplify_internal.h"

namespace sardonyx::expr {

namespace {

// Products of sums are multiplied out up to this many terms; larger ones stay products, so that nothing explodes.
constexpr size_t max_product_terms = 16;
constexpr int max_merges = 64;

uint64_t magnitude(int64_t value) { return value < 0 ? 0 - uint64_t(value) : uint64_t(value); }
int64_t wrapping_product(int64_t a, int64_t b) { return int64_t(uint64_t(a) * uint64_t(b)); }
int64_t wrapping_sum(int64_t a, int64_t b) { return int64_t(uint64_t(a) + uint64_t(b)); }

bool is_sum(const Expr& e) { return e->kind == Kind::Add || e->kind == Kind::Sub; }

template <class T>
int three_way(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

bool is_division(const Expr& e) { return e->kind == Kind::Div || e->kind == Kind::Mod; }

size_t size_of(const Sum& sum) { return sum.terms.size() + (sum.constant != 0); }

// Every term of `part` is in `sum` with the same coefficient.
bool contains(const Sum& sum, const Sum& part) {
  if (part.terms.empty()) return false;
  for (const Term& term : part.terms) {
    const Term* found = sum.find(term.atom);
    if (!found || found->coefficient != term.coefficient) return false;
  }
  return true;
}

bool same(const Sum& a, const Sum& b) {
  return a.constant == b.constant && a.terms.size() == b.terms.size() && (a.terms.empty() || contains(a, b));
}

}  // namespace

const Term* Sum::find(const Expr& atom) const {
  for (const Term& term : terms)
    if (equal(term.atom, atom)) return &term;
  return nullptr;
}

void Sum::add(int64_t coefficient, const Expr& atom) {
  if (coefficient == 0) return;
  for (size_t i = 0; i < terms.size(); ++i) {
    if (!equal(terms[i].atom, atom)) continue;
    terms[i].coefficient = wrapping_sum(terms[i].coefficient, coefficient);
    if (terms[i].coefficient == 0) remove(i);
    return;
  }
  terms.push_back({coefficient, atom});
}

void Sum::add(const Sum& other, int64_t factor) {
  for (const Term& term : other.terms) add(wrapping_product(term.coefficient, factor), term.atom);
  constant = wrapping_sum(constant, wrapping_product(other.constant, factor));
}

Sum operator-(const Sum& a, const Sum& b) {
  Sum result = a;
  result.add(b, -1);
  return result;
}

Sum scaled(const Sum& sum, int64_t factor) {
  Sum result;
  result.add(sum, factor);
  return result;
}

int64_t common_factor(const Sum& sum) {
  uint64_t result = 0;
  for (const Term& term : sum.terms) result = std::gcd(result, magnitude(term.coefficient));
  return int64_t(result);
}

int compare_order(const Expr& a, const Expr& b) {
  if (equal(a, b)) return 0;
  const Node &x = *a, &y = *b;
  if (int c = three_way(x.kind, y.kind)) return c;
  if (int c = three_way(x.type.dtype, y.type.dtype)) return c;
  if (int c = three_way(x.type.lanes, y.type.lanes)) return c;
  if (int c = three_way(x.int_value, y.int_value)) return c;
  if (int c = three_way(std::bit_cast<uint64_t>(x.float_value), std::bit_cast<uint64_t>(y.float_value))) return c;
  if (x.var && x.var != y.var) return x.var->name.compare(y.var->name);
  if (x.buffer && x.buffer != y.buffer)
    if (int c = x.buffer->name.compare(y.buffer->name)) return c;
  if (int c = three_way(x.function, y.function)) return c;
  if (int c = three_way(x.args.size(), y.args.size())) return c;
  for (size_t i = 0; i < x.args.size(); ++i)
    if (!equal(x.args[i], y.args[i]))
      if (int c = compare_order(x.args[i], y.args[i])) return c;
  return 0;
}

std::vector<Expr> factors_of(const Expr& atom) {
  // A product with a sum in it was too large to multiply out and counts as one factor.
  if (atom->kind != Kind::Mul || is_sum(atom->args[0]) || is_sum(atom->args[1])) return {atom};
  std::vector<Expr> result = factors_of(atom->args[0]);
  for (Expr& factor : factors_of(atom->args[1])) result.push_back(std::move(factor));
  return result;
}

Expr product_of(std::vector<Expr> factors) {
  std::stable_sort(factors.begin(), factors.end(),
                   [](const Expr& a, const Expr& b) { return compare_order(a, b) < 0; });
  Expr result = factors[0];
  for (size_t i = 1; i < factors.size(); ++i) result = result * factors[i];
  return result;
}

const Sum& Simplifier::sum_of(const Expr& e) {
  if (auto found = sums_.find(e.get()); found != sums_.end()) return found->second;
  Sum sum;
  switch (e->kind) {
    case Kind::IntImm:
      sum.constant = e->int_value;
      break;
    case Kind::Add:
    case Kind::Sub:
      sum = sum_of(e->args[0]);
      sum.add(sum_of(e->args[1]), e->kind == Kind::Add ? 1 : -1);
      break;
    case Kind::Mul:
      sum = product(sum_of(e->args[0]), sum_of(e->args[1]));
      break;
    default:
      sum.terms.push_back({1, e});
      break;
  }
  kept_.push_back(e);
  return sums_[e.get()] = std::move(sum);
}

Sum Simplifier::product(const Sum& a, const Sum& b) {
  if (a.is_constant()) return scaled(b, a.constant);
  if (b.is_constant()) return scaled(a, b.constant);
  Sum result;
  if (size_of(a) * size_of(b) > max_product_terms) {
    int64_t factor = 1;
    auto unscaled = [&](Sum sum) {
      if (sum.constant == 0 && sum.terms.size() == 1) {
        factor = wrapping_product(factor, sum.terms[0].coefficient);
        sum.terms[0].coefficient = 1;
      }
      return build(std::move(sum));
    };
    Expr x = unscaled(a), y = unscaled(b);
    if (compare_order(y, x) < 0) std::swap(x, y);
    result.add(factor, x * y);
    return result;
  }
  for (const Term& s : a.terms) {
    for (const Term& t : b.terms) {
      std::vector<Expr> factors = factors_of(s.atom);
      for (Expr& factor : factors_of(t.atom)) factors.push_back(std::move(factor));
      result.add(wrapping_product(s.coefficient, t.coefficient), product_of(std::move(factors)));
    }
    result.add(wrapping_product(s.coefficient, b.constant), s.atom);
  }
  for (const Term& t : b.terms) result.add(wrapping_product(t.coefficient, a.constant), t.atom);
  result.constant = wrapping_product(a.constant, b.constant);
  return result;
}

bool Simplifier::normalize(Sum& sum) {
  int merges = 0;
  while (merges < max_merges && reassemble(sum)) ++merges;
  return merges > 0;
}

bool Simplifier::reassemble(Sum& sum) {
  for (size_t i = 0; i < sum.terms.size(); ++i) {
    const Expr& atom = sum.terms[i].atom;
    if (atom->kind == Kind::Mod ? merge_remainder(sum, i) : merge_quotient(sum, i)) return true;
  }
  return false;
}

// k * (y % m) with
//   k * m * (y / m)         ->  k * y
//   k * m * ((y / m) % n)   ->  k * (y % (m * n))
bool Simplifier::merge_remainder(Sum& sum, size_t index) {
  auto has_division = [](const Term& term) {
    for (const Expr& factor : factors_of(term.atom))
      if (is_division(factor)) return true;
    return false;
  };
  if (std::count_if(sum.terms.begin(), sum.terms.end(), has_division) < 2) return false;
  const auto [k, atom] = sum.terms[index];
  const Expr y = atom->args[0], m = atom->args[1];
  Sum whole = quotient(sum_of(y), m);
  normalize(whole);
  Sum back = product(scaled(whole, k), sum_of(m));
  if (contains(sum, back)) {
    sum.add(back, -1);
    sum.add(-k, atom);
    sum.add(sum_of(y), k);
    return true;
  }
  auto radix = as_int(m);
  if (!radix) return false;
  for (size_t j = 0; j < sum.terms.size(); ++j) {
    const auto [outer, other] = sum.terms[j];
    if (other->kind != Kind::Mod || outer != wrapping_product(k, *radix)) continue;
    auto outer_radix = as_int(other->args[1]);
    if (!outer_radix || *outer_radix <= 0 || *radix <= 0 || !same(sum_of(other->args[0]), whole)) continue;
    Sum joined = remainder(sum_of(y), int_imm(wrapping_product(*radix, *outer_radix)));
    sum.add(-k, atom);
    sum.add(-outer, other);
    sum.add(joined, k);
    return true;
  }
  return false;
}

// With a quotient x / m among the factors of a term:
//   k * x - k * m * (x / m)  ->  k * (x % m)
//   k * m * (x / m)          ->  k * x   when m divides x
bool Simplifier::merge_quotient(Sum& sum, size_t index) {
  const auto [coefficient, atom] = sum.terms[index];
  std::vector<Expr> factors = factors_of(atom);
  for (size_t i = 0; i < factors.size(); ++i) {
    if (factors[i]->kind != Kind::Div) continue;
    const Expr x = factors[i]->args[0], m = factors[i]->args[1];
    std::vector<Expr> others = factors;
    others.erase(others.begin() + int64_t(i));
    int64_t scale = -coefficient;
    if (auto divisor = as_int(m)) {
      if (*divisor == 0 || coefficient % *divisor != 0) continue;
      scale = -(coefficient / *divisor);
    } else {
      auto found = std::find_if(others.begin(), others.end(), [&](const Expr& e) { return equal(e, m); });
      if (found == others.end()) continue;
      others.erase(found);
    }
    Sum k;
    if (others.empty())
      k.constant = scale;
    else
      k.add(scale, product_of(others));
    const Sum back = product(k, sum_of(x));
    auto divisor = as_int(m);
    if (divisor && facts(sum_of(x)).multiple_of % *divisor == 0) {
      sum.add(-coefficient, atom);
      sum.add(back, -1);
      return true;
    }
    if (!contains(sum, back)) continue;
    sum.add(-coefficient, atom);
    sum.add(back, -1);
    sum.add(product(k, remainder(sum_of(x), m)));
    return true;
  }
  return false;
}

Expr Simplifier::build(Sum sum) {
  normalize(sum);
  std::stable_sort(sum.terms.begin(), sum.terms.end(), [](const Term& a, const Term& b) {
    uint64_t x = magnitude(a.coefficient), y = magnitude(b.coefficient);
    return x != y ? x > y : compare_order(a.atom, b.atom) < 0;
  });
  auto scaled_atom = [](int64_t factor, const Expr& atom) { return factor == 1 ? atom : atom * factor; };
  // The first positive term leads; a positive constant does when there is none.
  auto lead = std::find_if(sum.terms.begin(), sum.terms.end(), [](const Term& t) { return t.coefficient > 0; });
  Expr result;
  int64_t constant = sum.constant;
  if (lead != sum.terms.end()) {
    result = scaled_atom(lead->coefficient, lead->atom);
  } else if (constant > 0 || sum.terms.empty()) {
    result = constant;
    constant = 0;
  } else {
    lead = sum.terms.begin();
    result = scaled_atom(lead->coefficient, lead->atom);
  }
  for (auto term = sum.terms.begin(); term != sum.terms.end(); ++term) {
    if (term == lead) continue;
    bool subtract = term->coefficient < 0 && term->coefficient != INT64_MIN;
    Expr part = scaled_atom(subtract ? -term->coefficient : term->coefficient, term->atom);
    result = subtract ? result - part : result + part;
  }
  if (constant < 0 && constant != INT64_MIN)
    result = result - Expr(-constant);
  else if (constant != 0)
    result = result + Expr(constant);
  kept_.push_back(result);
  done_.emplace(result.get(), Remembered{result, result});
  sums_.emplace(result.get(), std::move(sum));
  return result;
}

}  // namespace sardonyx::expr
