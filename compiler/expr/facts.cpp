// Intervals and multiples of integer expressions.
#include <algorithm>
#include <numeric>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplifier.h"

namespace sardonyx::expr {

namespace {

constexpr int64_t lowest = INT64_MIN, highest = INT64_MAX;

bool finite(int64_t v) { return v != lowest && v != highest; }

int64_t add_bound(int64_t a, int64_t b) {
  if (!finite(a)) return a;
  if (!finite(b)) return b;
  int64_t result;
  if (__builtin_add_overflow(a, b, &result)) return a > 0 ? highest : lowest;
  return result;
}

int64_t mul_bound(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  if (!finite(a) || !finite(b)) return (a < 0) == (b < 0) ? highest : lowest;
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) return (a < 0) == (b < 0) ? highest : lowest;
  return result;
}

int64_t negate(int64_t a) { return a == lowest ? highest : a == highest ? lowest : -a; }

int64_t gcd(int64_t a, int64_t b) { return std::gcd(a, b); }  // gcd(0, x) = x

Facts sum(const Facts& a, const Facts& b) {
  return {add_bound(a.min, b.min), add_bound(a.max, b.max), gcd(a.multiple_of, b.multiple_of)};
}

Facts product(const Facts& a, const Facts& b) {
  int64_t c[] = {mul_bound(a.min, b.min), mul_bound(a.min, b.max), mul_bound(a.max, b.min), mul_bound(a.max, b.max)};
  // A product beyond 64 bits keeps the larger factor, which divides it too.
  int64_t multiple;
  if (__builtin_mul_overflow(a.multiple_of, b.multiple_of, &multiple))
    multiple = std::max(a.multiple_of, b.multiple_of);
  return {*std::min_element(c, c + 4), *std::max_element(c, c + 4), multiple};
}

Facts exactly(int64_t v) { return {v, v, v < 0 ? negate(v) : v}; }

Facts divide(const Facts& a, const Facts& b) {
  if (b.min < 1) return {};
  Facts result;
  auto quotient = [](int64_t x, int64_t y) {
    return finite(x) ? (y == highest ? (x < 0 ? -1 : 0) : floor_div(x, y)) : x;
  };
  result.min = a.min >= 0 ? quotient(a.min, b.max) : quotient(a.min, b.min);
  result.max = a.max >= 0 ? quotient(a.max, b.min) : quotient(a.max, b.max);
  if (b.min == b.max && a.multiple_of % b.min == 0) result.multiple_of = a.multiple_of / b.min;
  return result;
}

Facts remainder(const Facts& a, const Facts& b) {
  if (b.min < 1) return {};
  Facts result{0, b.max == highest ? highest : b.max - 1, 1};
  if (a.min >= 0) result.max = std::min(result.max, a.max);
  if (b.min == b.max) result.multiple_of = gcd(a.multiple_of, b.min);
  return result;
}

}  // namespace

Facts Simplifier::facts(const Polynomial& p) {
  Facts result = exactly(p.constant());
  for (const Term& term : p.terms()) {
    Facts value = exactly(term.coefficient);
    // x * x >= 0: squares of the same atom are treated as one factor.
    for (size_t i = 0; i < term.atoms.size(); ++i) {
      Facts atom = facts(term.atoms[i]);
      if (i + 1 < term.atoms.size() && equal(term.atoms[i], term.atoms[i + 1])) {
        atom = product(atom, atom);
        atom.min = std::max<int64_t>(atom.min, 0);
        ++i;
      }
      value = product(value, atom);
    }
    result = sum(result, value);
  }
  return result;
}

Facts Simplifier::facts(const Expr& e) {
  if (e->kind == Kind::IntImm) return exactly(e->int_value);
  auto found = facts_memo_.find(e.get());
  if (found != facts_memo_.end()) return found->second;
  Facts result = compute_facts(e);
  keep_.push_back(e);
  facts_memo_.emplace(e.get(), result);
  return result;
}

Facts Simplifier::compute_facts(const Expr& e) {
  auto arg = [&](size_t i) { return facts(e->args[i]); };
  if (e->type.dtype == DType::Bool) return {0, 1, 1};
  if (e->type.dtype != DType::I64) {
    switch (e->type.dtype) {
      case DType::U8:
        return {0, UINT8_MAX, 1};
      case DType::U16:
        return {0, UINT16_MAX, 1};
      case DType::U32:
        return {0, UINT32_MAX, 1};
      case DType::I8:
        return {INT8_MIN, INT8_MAX, 1};
      case DType::I16:
        return {INT16_MIN, INT16_MAX, 1};
      case DType::I32:
        return {INT32_MIN, INT32_MAX, 1};
      default:
        return {};
    }
  }
  switch (e->kind) {
    case Kind::Var: {
      Facts result = e->var->facts;
      auto found = scope_.find(e->var.get());
      if (found != scope_.end()) {
        result.min = std::max(result.min, found->second.min);
        result.max = std::min(result.max, found->second.max);
        result.multiple_of = std::lcm(result.multiple_of, found->second.multiple_of);
      }
      return result;
    }
    case Kind::Cast: {
      const Type& from = e->args[0]->type;
      return is_integer(from.dtype) || from.dtype == DType::Bool ? (from.dtype == DType::U64 ? Facts{} : arg(0))
                                                                 : Facts{};
    }
    case Kind::Add:
      return sum(arg(0), arg(1));
    case Kind::Sub: {
      Facts b = arg(1);
      return sum(arg(0), {negate(b.max), negate(b.min), b.multiple_of});
    }
    case Kind::Mul:
      return product(arg(0), arg(1));
    case Kind::Div:
      return divide(arg(0), arg(1));
    case Kind::Mod:
      return remainder(arg(0), arg(1));
    case Kind::TruncDiv: {
      Facts a = arg(0), b = arg(1);
      return a.min >= 0 ? divide(a, b) : Facts{};
    }
    case Kind::TruncRem: {
      Facts a = arg(0), b = arg(1);
      return a.min >= 0 ? remainder(a, b) : Facts{};
    }
    case Kind::Min: {
      Facts a = arg(0), b = arg(1);
      return {std::min(a.min, b.min), std::min(a.max, b.max), gcd(a.multiple_of, b.multiple_of)};
    }
    case Kind::Max: {
      Facts a = arg(0), b = arg(1);
      return {std::max(a.min, b.min), std::max(a.max, b.max), gcd(a.multiple_of, b.multiple_of)};
    }
    case Kind::Select: {
      Facts a = arg(1), b = arg(2);
      return {std::min(a.min, b.min), std::max(a.max, b.max), gcd(a.multiple_of, b.multiple_of)};
    }
    case Kind::Broadcast:
      return arg(0);
    case Kind::Ramp: {
      Facts base = arg(0), last = sum(base, product(arg(1), exactly(e->type.lanes - 1)));
      return {std::min(base.min, last.min), std::max(base.max, last.max), gcd(base.multiple_of, arg(1).multiple_of)};
    }
    default:
      return {};
  }
}

Facts facts_of(const Expr& e, const Scope& scope) {
  Facts result = Simplifier(scope).facts(e);
  if (result.multiple_of == 0) result.multiple_of = int64_t{1} << 62;  // the constant 0
  return result;
}

}  // namespace sardonyx::expr
