// Minima, comparisons, logic and selection.
#include <algorithm>
#include <numeric>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify_internal.h"

namespace sardonyx::expr {

namespace {

// The operands of a chain of one associative kind, in order.
void flatten(const Expr& e, Kind kind, std::vector<Expr>& operands) {
  if (e->kind != kind) {
    operands.push_back(e);
    return;
  }
  flatten(e->args[0], kind, operands);
  flatten(e->args[1], kind, operands);
}

Expr chain(Kind kind, const std::vector<Expr>& operands) {
  Expr result = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) result = make(kind, result, operands[i]);
  return result;
}

bool is_integer_comparison(const Expr& e) { return e->kind >= Kind::Eq && e->kind <= Kind::Le && is_index(e->args[0]); }

bool are_opposites(const Expr& a, const Expr& b) {
  return (a->kind == Kind::Not && equal(a->args[0], b)) || (b->kind == Kind::Not && equal(b->args[0], a));
}

// Sums wrap: a difference that does says nothing about an order.
bool can_be_compared(const Sum& a, const Sum& b) {
  int64_t difference;
  return !__builtin_sub_overflow(b.constant, a.constant, &difference);
}

// A coefficient that has no negation cannot go to the other side of a comparison.
bool can_be_split(const Sum& sum) {
  return std::none_of(sum.terms.begin(), sum.terms.end(),
                      [](const Term& term) { return term.coefficient == INT64_MIN; });
}

// Decides from intervals; nullopt when they overlap.
std::optional<bool> compare_bounds(Kind kind, const Facts& a, const Facts& b) {
  auto below = [](const Facts& x, const Facts& y) {
    return !is_unbounded(x.max) && !is_unbounded(y.min) && x.max < y.min;
  };
  auto not_above = [](const Facts& x, const Facts& y) {
    return !is_unbounded(x.max) && !is_unbounded(y.min) && x.max <= y.min;
  };
  bool differ = below(a, b) || below(b, a);
  bool same = a.min == a.max && b.min == b.max && a.min == b.min;
  switch (kind) {
    case Kind::Lt:
      return below(a, b) ? std::optional(true) : not_above(b, a) ? std::optional(false) : std::nullopt;
    case Kind::Le:
      return not_above(a, b) ? std::optional(true) : below(b, a) ? std::optional(false) : std::nullopt;
    case Kind::Eq:
      return differ ? std::optional(false) : same ? std::optional(true) : std::nullopt;
    default:
      return differ ? std::optional(true) : same ? std::optional(false) : std::nullopt;
  }
}

}  // namespace

Expr Simplifier::simplify_min_max(const Expr& e) {
  const Expr &a = e->args[0], &b = e->args[1];
  if (equal(a, b)) return a;
  if (!is_index(e)) return e;
  std::vector<Expr> operands;
  flatten(e, e->kind, operands);
  // An operand goes when another one that stays is never worse.
  auto beats = [&](const Expr& x, const Expr& y) {
    const Expr &low = e->kind == Kind::Min ? x : y, &high = e->kind == Kind::Min ? y : x;
    Sum difference = sum_of(high) - sum_of(low);
    normalize(difference);
    return at_least(difference, 0);
  };
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t j = operands.size(); j-- > 0;)
      if (i != j && i < operands.size() && beats(operands[i], operands[j])) {
        operands.erase(operands.begin() + int64_t(j));
        if (j < i) --i;
      }
  std::stable_sort(operands.begin(), operands.end(), [](const Expr& x, const Expr& y) {
    bool x_last = x->kind == Kind::IntImm, y_last = y->kind == Kind::IntImm;
    return x_last != y_last ? y_last : compare_order(x, y) < 0;
  });
  return chain(e->kind, operands);
}

Expr Simplifier::simplify_comparison(const Expr& e) {
  const Expr &a = e->args[0], &b = e->args[1];
  DType dtype = a->type.dtype;
  if (is_index(a)) {
    if (!can_be_compared(sum_of(a), sum_of(b))) return e;
    Sum difference = sum_of(b) - sum_of(a);
    normalize(difference);
    return e->kind == Kind::Eq || e->kind == Kind::Ne ? equality_of(e->kind, difference)
                                                      : ordering_of(e->kind, difference);
  }
  if (e->type.lanes != 1 || is_float(dtype)) return e;
  if (equal(a, b)) return bool_imm(e->kind == Kind::Eq || e->kind == Kind::Le);
  if (dtype == DType::U64) return e;
  if (auto decided = compare_bounds(e->kind, facts(a), facts(b))) return bool_imm(*decided);
  return e;
}

// 0 < difference, or 0 <= difference.
Expr Simplifier::ordering_of(Kind kind, Sum difference) {
  if (kind == Kind::Le && __builtin_add_overflow(difference.constant, 1, &difference.constant))
    return Expr(0) <= build(difference);
  if (at_least(difference, 1)) return bool_imm(true);
  if (at_least(scaled(difference, -1), 0)) return bool_imm(false);
  if (!can_be_split(difference)) return Expr(0) < build(difference);
  // g * d + k > 0 is d + ceil(k / g) > 0.
  int64_t g = common_factor(difference);
  Sum left, right;
  for (const Term& term : difference.terms)
    (term.coefficient < 0 ? left : right).add(std::abs(term.coefficient) / g, term.atom);
  int64_t k = difference.constant / g + (difference.constant % g > 0);
  if (right.is_constant()) {
    right.constant = k;
    return build(left) < build(right);
  }
  if (left.is_constant()) {
    if (k <= -INT64_MAX) return bool_imm(false);
    left.constant = 1 - k;
    return build(left) <= build(right);
  }
  if (k == 1) return build(left) <= build(right);
  if (k < 0 && k != INT64_MIN)
    left.constant = -k;
  else
    right.constant = k;
  return build(left) < build(right);
}

Expr Simplifier::equality_of(Kind kind, Sum difference) {
  bool on_equal = kind == Kind::Eq;
  if (difference.is_constant()) return bool_imm((difference.constant == 0) == on_equal);
  Sum unshifted = difference;
  unshifted.constant = 0;
  int64_t unit = facts(unshifted).multiple_of;
  bool never =
      at_least(difference, 1) || at_least(scaled(difference, -1), 1) || (unit != 0 && difference.constant % unit != 0);
  if (never) return bool_imm(!on_equal);
  if (!can_be_split(difference)) return make(kind, build(difference), Expr(0));
  int64_t g = common_factor(difference);
  // The term that is first in the order of terms goes to the left.
  auto lead = std::min_element(difference.terms.begin(), difference.terms.end(),
                               [](const Term& a, const Term& b) { return compare_order(a.atom, b.atom) < 0; });
  if (lead->coefficient < 0) difference = scaled(difference, -1);
  Sum left, right;
  for (const Term& term : difference.terms)
    (term.coefficient > 0 ? left : right).add(std::abs(term.coefficient) / g, term.atom);
  int64_t k = difference.constant / g;
  if ((right.is_constant() || k < 0) && k != INT64_MIN)
    right.constant = -k;
  else
    left.constant = k;
  return make(kind, build(left), build(right));
}

std::optional<Sum> Simplifier::margin_of(const Expr& condition) {
  if (!is_integer_comparison(condition) || (condition->kind != Kind::Lt && condition->kind != Kind::Le)) return {};
  if (!can_be_compared(sum_of(condition->args[0]), sum_of(condition->args[1]))) return {};
  Sum margin = sum_of(condition->args[1]) - sum_of(condition->args[0]);
  if (condition->kind == Kind::Le && __builtin_add_overflow(margin.constant, 1, &margin.constant)) return {};
  normalize(margin);
  return margin;
}

Expr Simplifier::simplify_logic(const Expr& e) {
  bool is_and = e->kind == Kind::And;
  if (e->type.lanes != 1) return e;
  std::vector<Expr> operands;
  flatten(e, e->kind, operands);
  std::vector<Expr> kept;
  std::vector<std::optional<Sum>> margins;
  for (const Expr& operand : operands) {
    if (operand->kind == Kind::IntImm) {
      if (bool(operand->int_value) != is_and) return operand;
      continue;
    }
    bool redundant = false;
    std::optional<Sum> margin = margin_of(operand);
    for (size_t i = 0; i < kept.size() && !redundant; ++i) {
      if (equal(kept[i], operand)) redundant = true;
      if (are_opposites(kept[i], operand)) return bool_imm(!is_and);
      if (!margin || !margins[i]) continue;
      Sum total = *margin, difference = *margin - *margins[i];
      total.add(*margins[i]);
      normalize(total);
      normalize(difference);
      // Margins are at least 1 where their condition holds, at most 0 where it does not.
      if (is_and ? at_least(scaled(total, -1), -1) : at_least(total, 1)) return bool_imm(!is_and);
      bool is_weaker = at_least(difference, 0), is_stronger = at_least(scaled(difference, -1), 0);
      if (is_and ? is_weaker : is_stronger) {
        redundant = true;
      } else if (is_and ? is_stronger : is_weaker) {
        kept.erase(kept.begin() + int64_t(i));
        margins.erase(margins.begin() + int64_t(i));
        --i;
      }
    }
    if (redundant) continue;
    kept.push_back(operand);
    margins.push_back(std::move(margin));
  }
  return kept.empty() ? bool_imm(is_and) : chain(e->kind, kept);
}

Expr Simplifier::simplify_not(const Expr& e) {
  const Expr& a = e->args[0];
  if (a->kind == Kind::Not) return a->args[0];
  if (a->kind == Kind::Eq) return make(Kind::Ne, a->args[0], a->args[1]);
  if (a->kind == Kind::Ne) return make(Kind::Eq, a->args[0], a->args[1]);
  bool ordered = a->kind == Kind::Lt || a->kind == Kind::Le;
  if (!ordered || is_float(a->args[0]->type.dtype)) return e;  // NaN compares false both ways
  Expr inverse = make(a->kind == Kind::Lt ? Kind::Le : Kind::Lt, a->args[1], a->args[0]);
  return inverse->kind == Kind::IntImm ? inverse : simplify_comparison(inverse);
}

Expr Simplifier::simplify_select(const Expr& e) {
  Expr condition = e->args[0], then_value = e->args[1], else_value = e->args[2];
  if (condition->kind == Kind::Not) {
    condition = condition->args[0];
    std::swap(then_value, else_value);
  }
  if (then_value->kind == Kind::Select && equal(then_value->args[0], condition)) then_value = then_value->args[1];
  if (else_value->kind == Kind::Select && equal(else_value->args[0], condition)) else_value = else_value->args[2];
  if (equal(then_value, else_value)) return then_value;
  if (condition->kind == Kind::IntImm) return condition->int_value ? then_value : else_value;
  bool is_choice = e->type.dtype == DType::Bool && then_value->kind == Kind::IntImm &&
                   else_value->kind == Kind::IntImm && condition->type == e->type;
  if (is_choice) return then_value->int_value ? condition : simplify_not(make_not(condition));
  return select(condition, then_value, else_value);
}

}  // namespace sardonyx::expr
