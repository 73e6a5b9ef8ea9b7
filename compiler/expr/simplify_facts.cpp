// What is known of values: bounds and common factors, and proofs of bounds.
#include <algorithm>
#include <limits>
#include <numeric>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify_internal.h"

namespace sardonyx::expr {

namespace {

constexpr int max_case_depth = 2;
__extension__ typedef __int128 Wide;

int64_t clamped(Wide value) {
  if (value <= INT64_MIN) return INT64_MIN;
  if (value >= INT64_MAX) return INT64_MAX;
  return int64_t(value);
}

// INT64_MIN and INT64_MAX stand for infinities.
int64_t bound_sum(int64_t a, int64_t b) {
  if (is_unbounded(a)) return a;
  if (is_unbounded(b)) return b;
  return clamped(Wide(a) + b);
}

int64_t bound_product(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  if (is_unbounded(a) || is_unbounded(b)) return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
  return clamped(Wide(a) * b);
}

int64_t bound_quotient(int64_t a, int64_t b) {
  if (is_unbounded(b)) return a == 0 ? 0 : (a < 0) == (b < 0) ? 0 : -1;
  if (is_unbounded(a)) return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
  return floor_div(a, b);
}

Facts corners(const Facts& a, const Facts& b, int64_t (*f)(int64_t, int64_t)) {
  int64_t values[] = {f(a.min, b.min), f(a.min, b.max), f(a.max, b.min), f(a.max, b.max)};
  return {.min = *std::min_element(values, values + 4), .max = *std::max_element(values, values + 4)};
}

int64_t multiple_product(int64_t a, int64_t b) {
  int64_t result;
  return __builtin_mul_overflow(a, b, &result) ? std::max(a, b) : result;
}

// Both hold.
Facts both(const Facts& a, const Facts& b) {
  Facts result{.min = std::max(a.min, b.min), .max = std::min(a.max, b.max)};
  int64_t x = std::max<int64_t>(a.multiple_of, 1), y = std::max<int64_t>(b.multiple_of, 1);
  result.multiple_of = multiple_product(x / std::gcd(x, y), y);
  return result;
}

Facts either(const Facts& a, const Facts& b) {
  return {.min = std::min(a.min, b.min),
          .max = std::max(a.max, b.max),
          .multiple_of = std::gcd(a.multiple_of, b.multiple_of)};
}

Facts constant_facts(int64_t value) {
  return {.min = value, .max = value, .multiple_of = value == INT64_MIN ? 1 : std::abs(value)};
}

}  // namespace

bool is_unbounded(int64_t bound) { return bound == INT64_MIN || bound == INT64_MAX; }

Facts type_range(DType dtype) {
  Facts result;
  const int bits = bits_of_element(dtype);
  if (is_integer(dtype) && bits < 8)
    return is_signed(dtype) ? Facts{.min = -(int64_t{1} << (bits - 1)), .max = (int64_t{1} << (bits - 1)) - 1}
                            : Facts{.min = 0, .max = (int64_t{1} << bits) - 1};
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T> && (sizeof(T) < 8))
      result = {.min = int64_t(std::numeric_limits<T>::min()), .max = int64_t(std::numeric_limits<T>::max())};
  });
  return result;
}

Facts scaled(const Facts& facts, int64_t factor) {
  Facts result{.min = bound_product(facts.min, factor), .max = bound_product(facts.max, factor)};
  if (factor < 0) std::swap(result.min, result.max);
  result.multiple_of = factor == INT64_MIN ? 1 : multiple_product(facts.multiple_of, std::abs(factor));
  return result;
}

Facts added(const Facts& a, const Facts& b) {
  return {.min = bound_sum(a.min, b.min),
          .max = bound_sum(a.max, b.max),
          .multiple_of = std::gcd(a.multiple_of, b.multiple_of)};
}

Facts Simplifier::facts(const Sum& sum) {
  Facts result = constant_facts(sum.constant);
  for (const Term& term : sum.terms) result = added(result, scaled(facts(term.atom), term.coefficient));
  return result;
}

Facts Simplifier::facts(const Expr& e) {
  if (e->kind == Kind::IntImm && e->type.dtype == DType::I64) return constant_facts(e->int_value);
  if (auto found = facts_.find(e.get()); found != facts_.end()) return found->second;
  Facts result = compute_facts(e);
  Facts range = type_range(e->type.dtype);
  if (range.min > result.min || range.max < result.max) {
    // Narrow arithmetic may have wrapped, in which case nothing but the type's range is known.
    bool exact = e->kind == Kind::Min || e->kind == Kind::Max || e->kind == Kind::Select;
    result = exact ? both(result, range) : range;
  }
  kept_.push_back(e);
  return facts_[e.get()] = result;
}

Facts Simplifier::compute_facts(const Expr& e) {
  auto of = [&](size_t i) { return facts(e->args[i]); };
  if (e->type.lanes != 1 || is_float(e->type.dtype) || e->type.dtype == DType::U64) return {};
  switch (e->kind) {
    case Kind::IntImm:
      return constant_facts(e->int_value);
    case Kind::Var: {
      auto scoped = scope_.find(e->var.get());
      return both(e->var->facts, scoped == scope_.end() ? Facts{} : scoped->second);
    }
    case Kind::Add:
      return added(of(0), of(1));
    case Kind::Sub:
      return added(of(0), scaled(of(1), -1));
    case Kind::Mul: {
      Facts a = of(0), b = of(1), result = corners(a, b, bound_product);
      result.multiple_of = multiple_product(a.multiple_of, b.multiple_of);
      if (e->type.dtype != DType::I64) result.multiple_of = 1;
      return result;
    }
    case Kind::Div:
    case Kind::Mod:
    case Kind::TruncDiv:
    case Kind::TruncRem:
      return division_facts(e);
    case Kind::Min: {
      Facts a = of(0), b = of(1), result = either(a, b);
      result.max = std::min(a.max, b.max);
      return result;
    }
    case Kind::Max: {
      Facts a = of(0), b = of(1), result = either(a, b);
      result.min = std::max(a.min, b.min);
      return result;
    }
    case Kind::Select:
      return either(of(1), of(2));
    case Kind::Cast:
      return is_float(e->args[0]->type.dtype) ? Facts{} : of(0);
    case Kind::Call:
      if (e->function == Function::Abs) return {.min = 0, .max = INT64_MAX, .multiple_of = of(0).multiple_of};
      if (e->function == Function::Sign) return {.min = -1, .max = 1};
      if (e->function == Function::BitAnd && of(1).min >= 0) return {.min = 0, .max = of(1).max};
      return {};
    case Kind::Eq:
    case Kind::Ne:
    case Kind::Lt:
    case Kind::Le:
    case Kind::And:
    case Kind::Or:
    case Kind::Not:
      return {.min = 0, .max = 1};
    default:
      return {};
  }
}

Facts Simplifier::division_facts(const Expr& e) {
  Facts a = facts(e->args[0]), b = facts(e->args[1]);
  if (b.min <= 0) return {};  // divisors are positive in practice
  switch (e->kind) {
    case Kind::Div: {
      Facts result = corners(a, b, bound_quotient);
      if (b.min == b.max && a.multiple_of % b.min == 0) result.multiple_of = a.multiple_of / b.min;
      return result;
    }
    case Kind::Mod: {
      int64_t top = is_unbounded(b.max) ? INT64_MAX : b.max - 1;
      Facts result{.min = 0, .max = a.min >= 0 ? std::min(a.max, top) : top};
      result.multiple_of = std::gcd(a.multiple_of, b.multiple_of);
      return result;
    }
    case Kind::TruncDiv:
      if (a.min >= 0) return corners(a, b, bound_quotient);
      return {};
    default: {
      int64_t top = is_unbounded(b.max) ? INT64_MAX : b.max - 1;
      return {.min = a.min >= 0 ? 0 : is_unbounded(b.max) ? INT64_MIN : -top, .max = a.max <= 0 ? 0 : top};
    }
  }
}

bool Simplifier::at_least(const Sum& sum, int64_t bound) { return bounded_below(sum, bound, max_case_depth); }

bool Simplifier::bounded_below(const Sum& sum, int64_t bound, int depth) {
  int64_t low = facts(sum).min;
  if (!is_unbounded(low) && low >= bound) return true;
  if (depth == 0) return false;
  auto holds_with = [&](const Term& term, const Sum& replacement, int64_t factor) {
    Sum other = sum;
    other.add(-term.coefficient, term.atom);
    other.add(replacement, factor);
    normalize(other);
    return bounded_below(other, bound, depth - 1);
  };
  for (const Term& term : sum.terms) {
    const Node& node = *term.atom;
    int64_t c = term.coefficient;
    switch (node.kind) {
      case Kind::Min:
      case Kind::Max: {
        // max(a, b) is at least either; min(a, b) is one of both.
        bool any = (node.kind == Kind::Max) == (c > 0);
        bool first = holds_with(term, sum_of(node.args[0]), c);
        if (first == any ? first : holds_with(term, sum_of(node.args[1]), c)) return true;
        break;
      }
      case Kind::Select:
        if (holds_with(term, sum_of(node.args[1]), c) && holds_with(term, sum_of(node.args[2]), c)) return true;
        break;
      case Kind::Div: {  // x - (d - 1) <= d * (x / d) <= x
        auto d = as_int(node.args[1]);
        if (!d || *d <= 0 || c % *d != 0) break;
        Sum x = sum_of(node.args[0]);
        if (c > 0) x.constant -= *d - 1;
        if (holds_with(term, x, c / *d)) return true;
        break;
      }
      default:
        break;
    }
  }
  return false;
}

}  // namespace sardonyx::expr
