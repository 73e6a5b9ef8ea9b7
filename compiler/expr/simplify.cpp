// The rewrite rules. Each right side is smaller in the reduction order (fewer nodes, then normal form), so the rules
// terminate; run() reaches a fixed point, so that simplify is idempotent.
#include "compiler/expr/simplify.h"

#include <algorithm>
#include <numeric>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplifier.h"

namespace sardonyx::expr {

namespace {

bool is_i64(const Expr& e) { return e->type.dtype == DType::I64 && e->type.lanes == 1; }

Expr div_node(const Expr& a, const Expr& b) { return make(Kind::Div, a, b); }
Expr mod_node(const Expr& a, const Expr& b) { return make(Kind::Mod, a, b); }

}  // namespace

Expr Simplifier::run(const Expr& e) {
  if (e->args.empty()) {
    if (e->kind == Kind::Var && is_i64(e)) {
      Facts f = facts(e);
      if (f.min == f.max) return int_imm(f.min);
    }
    return e;
  }
  auto found = memo_.find(e.get());
  if (found != memo_.end()) return found->second;
  std::vector<Expr> args;
  args.reserve(e->args.size());
  bool changed = false;
  for (const Expr& arg : e->args) {
    args.push_back(run(arg));
    changed |= !args.back().same_as(arg);
  }
  Expr current = changed ? rebuild(e, std::move(args)) : e;
  // A rule's result may enable another rule at the same node; results are small, so a few rounds reach the fixed point.
  for (int round = 0; round < 8; ++round) {
    if (current->args.empty()) break;
    Expr next = rules(current);
    if (equal(next, current)) break;
    current = next;
    if (current->args.empty()) break;
    auto known = memo_.find(current.get());
    if (known != memo_.end()) {
      current = known->second;
      break;
    }
  }
  keep_.push_back(e);
  memo_.emplace(e.get(), current);
  keep_.push_back(current);
  memo_.emplace(current.get(), current);
  return current;
}

Expr Simplifier::rules(const Expr& e) {
  if (e->type.lanes > 1) return vector_rules(e);
  switch (e->kind) {
    case Kind::Eq:
    case Kind::Ne:
    case Kind::Lt:
    case Kind::Le:
      return is_i64(e->args[0]) ? comparison(e) : e;
    case Kind::And:
    case Kind::Or:
    case Kind::Not:
      return logic(e);
    case Kind::Select:
      if (equal(e->args[1], e->args[2])) return e->args[1];
      if (e->args[0]->kind == Kind::Not) return select(e->args[0]->args[0], e->args[2], e->args[1]);
      return e;
    case Kind::Cast: {
      const Expr& inner = e->args[0];
      if (inner->kind != Kind::Cast || !is_integer(e->type.dtype)) return e;
      const Expr& source = inner->args[0];
      bool keeps = source->type.dtype == DType::Bool ||
                   (is_integer(source->type.dtype) && is_integer(inner->type.dtype) && is_signed(inner->type.dtype) &&
                    size_of(inner->type.dtype) > size_of(source->type.dtype)) ||
                   (inner->type.dtype == DType::I64 && source->type.dtype == DType::I64);
      return keeps && is_integer(inner->type.dtype) ? cast(source, e->type.dtype) : e;
    }
    default:
      return is_i64(e) ? integer_rules(e) : narrow_rules(e);
  }
}

// Floats (exact identities only) and integers that wrap.
Expr Simplifier::narrow_rules(const Expr& e) {
  if (e->args.size() != 2) return e;
  const Expr &a = e->args[0], &b = e->args[1];
  auto is = [](const Expr& x, double v) {
    return (x->kind == Kind::IntImm && double(x->int_value) == v) || (x->kind == Kind::FloatImm && x->float_value == v);
  };
  bool floats = is_float(e->type.dtype);
  switch (e->kind) {
    case Kind::Mul:
      if (is(b, 1)) return a;
      if (is(a, 1)) return b;
      return e;
    case Kind::Div:
    case Kind::TruncDiv:
      return is(b, 1) ? a : e;
    case Kind::Add:
      if (!floats && is(b, 0)) return a;
      if (!floats && is(a, 0)) return b;
      return e;
    case Kind::Sub:
      return !floats && is(b, 0) ? a : e;
    case Kind::Min:
    case Kind::Max:
      return equal(a, b) ? a : e;
    default:
      return e;
  }
}

// Index vectors: ramps and broadcasts combine into one ramp.
Expr Simplifier::vector_rules(const Expr& e) {
  if (e->args.size() != 2 || e->kind == Kind::Ramp) {
    if (e->kind == Kind::Ramp && is_const(e->args[1], 0)) return broadcast(e->args[0], e->type.lanes);
    return e;
  }
  const Expr &a = e->args[0], &b = e->args[1];
  int lanes = a->type.lanes;
  auto splat = [](const Expr& x) { return x->kind == Kind::Broadcast; };
  auto scalar = [&](const Expr& x, const Expr& y) { return run(make(e->kind, x, y)); };
  if (splat(a) && splat(b)) return broadcast(scalar(a->args[0], b->args[0]), lanes);
  if (a->type.dtype != DType::I64) return e;
  bool left = a->kind == Kind::Ramp, right = b->kind == Kind::Ramp;
  if (e->kind == Kind::Add || e->kind == Kind::Sub) {
    if (left && right) return ramp(scalar(a->args[0], b->args[0]), scalar(a->args[1], b->args[1]), lanes);
    if (left && splat(b)) return ramp(scalar(a->args[0], b->args[0]), a->args[1], lanes);
    if (splat(a) && right) {
      Expr stride = e->kind == Kind::Add ? b->args[1] : run(int_imm(0) - b->args[1]);
      return ramp(scalar(a->args[0], b->args[0]), stride, lanes);
    }
  }
  if (e->kind == Kind::Mul) {
    if (left && splat(b)) return ramp(scalar(a->args[0], b->args[0]), scalar(a->args[1], b->args[0]), lanes);
    if (splat(a) && right) return ramp(scalar(a->args[0], b->args[0]), scalar(a->args[0], b->args[1]), lanes);
  }
  return e;
}

Expr Simplifier::integer_rules(const Expr& e) {
  switch (e->kind) {
    case Kind::Add:
    case Kind::Sub:
    case Kind::Mul:
      return normalise(e);
    case Kind::Div:
      return division(e->args[0], e->args[1]);
    case Kind::Mod:
      return modulo(e->args[0], e->args[1]);
    case Kind::TruncDiv:
      if (facts(e->args[0]).min >= 0 && facts(e->args[1]).min >= 1) return division(e->args[0], e->args[1]);
      return is_const(e->args[1], 1) ? e->args[0] : e;
    case Kind::TruncRem:
      return facts(e->args[0]).min >= 0 && facts(e->args[1]).min >= 1 ? modulo(e->args[0], e->args[1]) : e;
    case Kind::Min:
    case Kind::Max:
      return extremum(e);
    case Kind::Call: {
      if (e->function != Function::Abs) return e;
      Facts f = facts(e->args[0]);
      if (f.min >= 0) return e->args[0];
      return f.max <= 0 ? normalise(int_imm(0) - e->args[0]) : e;
    }
    default:
      return e;
  }
}

Expr Simplifier::normalise(const Expr& e) {
  Polynomial p = Polynomial::of(e);
  reassemble(p);
  return p.to_expr();
}

// c * floordiv(y, c) + floormod(y, c) -> y, for every pair of terms with matching coefficients.
void Simplifier::reassemble(Polynomial& p) {
  for (bool again = true; again;) {
    again = false;
    for (const Term& term : p.terms()) {
      if (term.atoms.size() != 1 || term.atoms[0]->kind != Kind::Div) continue;
      const Expr& y = term.atoms[0]->args[0];
      auto divisor = as_int(term.atoms[0]->args[1]);
      if (!divisor || *divisor <= 0 || term.coefficient % *divisor != 0) continue;
      Expr rest = modulo(y, *divisor);
      if (rest->kind != Kind::Mod && rest->kind != Kind::Var) continue;
      int64_t factor = term.coefficient / *divisor;
      bool present = std::any_of(p.terms().begin(), p.terms().end(), [&](const Term& other) {
        return other.coefficient == factor && other.atoms.size() == 1 && equal(other.atoms[0], rest);
      });
      if (!present) continue;
      Term quotient = term;
      p.add_term({quotient.atoms, -quotient.coefficient});
      p.add_term({{rest}, -factor});
      p.add(Polynomial::of(y), factor);
      again = true;
      break;
    }
  }
}

Expr Simplifier::division(const Expr& a, const Expr& b) {
  auto divisor = as_int(b);
  if (!divisor) {
    // (x * d) / d for a positive symbolic d, when every term has the factor d.
    Polynomial p = Polynomial::of(a), d = Polynomial::of(b);
    if (facts(b).min < 1 || d.constant() != 0 || d.terms().size() != 1 || d.terms()[0].coefficient != 1 ||
        p.constant() != 0)
      return is_const(a, 0) && facts(b).min >= 1 ? a : div_node(a, b);
    Polynomial quotient;
    for (const Term& term : p.terms()) {
      std::vector<Expr> atoms = term.atoms;
      for (const Expr& factor : d.terms()[0].atoms) {
        auto found = std::find_if(atoms.begin(), atoms.end(), [&](const Expr& atom) { return equal(atom, factor); });
        if (found == atoms.end()) return div_node(a, b);
        atoms.erase(found);
      }
      quotient.add_term({std::move(atoms), term.coefficient});
    }
    return quotient.to_expr();
  }
  int64_t c = *divisor;
  if (c == 1) return a;
  if (c <= 0) return div_node(a, b);
  if (a->kind == Kind::Div) {  // (x / k) / c
    auto inner = as_int(a->args[1]);
    if (inner && *inner > 0 && *inner < (int64_t{1} << 31) && c < (int64_t{1} << 31))
      return division(a->args[0], int_imm(*inner * c));
  }
  // Multiples of c leave; what remains decides.
  Polynomial p = Polynomial::of(a), quotient, rest;
  for (const Term& term : p.terms()) {
    if (term.coefficient % c == 0)
      quotient.add_term({term.atoms, term.coefficient / c});
    else
      rest.add_term(term);
  }
  int64_t whole = floor_div(p.constant(), c);
  quotient.set_constant(whole);
  rest.set_constant(p.constant() - whole * c);
  Facts range = facts(rest);
  if (range.min != INT64_MIN && range.max != INT64_MAX && floor_div(range.min, c) == floor_div(range.max, c)) {
    quotient.set_constant(whole + floor_div(range.min, c));
    return quotient.to_expr();
  }
  // Common factor of the coefficients and c: (g*x + k) / (g*d) = (x + floor(k/g)) / d.
  int64_t g = c;
  for (const Term& term : rest.terms()) g = std::gcd(g, term.coefficient);
  Expr inner, outer = int_imm(c);
  if (g > 1) {
    Polynomial reduced(floor_div(rest.constant(), g));
    for (const Term& term : rest.terms()) reduced.add_term({term.atoms, term.coefficient / g});
    inner = division(reduced.to_expr(), int_imm(c / g));
  } else {
    // Terms of the remainder that never reach a new multiple: (k*x + r) / c with gcd k | c and 0 <= r < k.
    int64_t k = 0;
    for (const Term& term : rest.terms())
      if (std::gcd(term.coefficient, c) > 1) k = std::max(k, std::gcd(term.coefficient, c));
    if (k > 1) {
      Polynomial coarse, fine(floor_mod(rest.constant(), k));
      coarse.set_constant(rest.constant() - fine.constant());
      for (const Term& term : rest.terms()) (term.coefficient % k == 0 ? coarse : fine).add_term(term);
      Facts f = facts(fine);
      if (f.min >= 0 && f.max < k && !fine.terms().empty()) inner = division(coarse.to_expr(), int_imm(c));
    }
    if (!inner.defined()) {
      Expr remaining = rest.to_expr();
      inner = remaining->kind == Kind::Div ? division(remaining, outer) : div_node(remaining, outer);
    }
  }
  Polynomial result = quotient;
  result.add(Polynomial::of(inner));
  return result.to_expr();
}

Expr Simplifier::modulo(const Expr& a, const Expr& b) {
  auto divisor = as_int(b);
  if (!divisor) {
    Facts fa = facts(a), fb = facts(b);
    if (equal(a, b) && fb.min >= 1) return int_imm(0);
    if (fa.min >= 0 && fa.max != INT64_MAX && fa.max < fb.min) return a;
    if (fb.min >= 1 && equal(Expr(normalise(make(Kind::Mul, division(a, b), b))), normalise(a)) &&
        division(a, b)->kind != Kind::Div)
      return int_imm(0);
    return mod_node(a, b);
  }
  int64_t c = *divisor;
  if (c == 1) return int_imm(0);
  if (c <= 0) return mod_node(a, b);
  if (a->kind == Kind::Mod) {  // (x % k) % c with c | k
    auto inner = as_int(a->args[1]);
    if (inner && *inner > 0 && *inner % c == 0) return modulo(a->args[0], b);
  }
  Polynomial p = Polynomial::of(a), rest(floor_mod(p.constant(), c));
  for (const Term& term : p.terms()) {
    Polynomial single;
    single.add_term(term);
    int64_t multiple = facts(single).multiple_of;
    if (term.coefficient % c == 0 || multiple % c == 0) continue;
    // Inside a sum, x % (c * n) may be taken as x.
    if (term.atoms.size() == 1 && term.atoms[0]->kind == Kind::Mod) {
      auto inner = as_int(term.atoms[0]->args[1]);
      if (inner && *inner > 0 && *inner % c == 0) {
        rest.add(Polynomial::of(term.atoms[0]->args[0]), term.coefficient);
        continue;
      }
    }
    rest.add_term({term.atoms, term.coefficient % c});
  }
  Facts range = facts(rest);
  if (range.min != INT64_MIN && range.max != INT64_MAX && floor_div(range.min, c) == floor_div(range.max, c)) {
    rest.set_constant(rest.constant() - floor_div(range.min, c) * c);
    reassemble(rest);
    return rest.to_expr();
  }
  // Coefficients reduce modulo c only when that shrinks them; common factors leave: (g*x) % (g*d) = g * (x % d).
  int64_t g = std::gcd(c, rest.constant());
  for (const Term& term : rest.terms()) g = std::gcd(g, term.coefficient);
  if (g > 1 && g < c) {
    Polynomial reduced(rest.constant() / g);
    for (const Term& term : rest.terms()) reduced.add_term({term.atoms, term.coefficient / g});
    return normalise(make(Kind::Mul, modulo(reduced.to_expr(), int_imm(c / g)), int_imm(g)));
  }
  Expr remaining = rest.to_expr();
  if (!equal(remaining, a)) return modulo(remaining, b);
  return mod_node(a, b);
}

Expr Simplifier::extremum(const Expr& e) {
  const Expr &a = e->args[0], &b = e->args[1];
  bool minimum = e->kind == Kind::Min;
  Polynomial difference = Polynomial::of(a);
  difference.add(Polynomial::of(b), -1);
  Facts d = facts(difference);
  if (d.max <= 0) return minimum ? a : b;
  if (d.min >= 0) return minimum ? b : a;
  Facts fa = facts(a), fb = facts(b);
  if (fa.max != INT64_MAX && fa.max <= fb.min) return minimum ? a : b;
  if (fb.max != INT64_MAX && fb.max <= fa.min) return minimum ? b : a;
  // min(min(x, c), d) -> min(x, min(c, d)); the constant is kept second.
  if (a->kind == e->kind) {
    if (equal(a->args[0], b) || equal(a->args[1], b)) return a;
    if (a->args[1]->kind == Kind::IntImm && b->kind == Kind::IntImm)
      return make(e->kind, a->args[0], make(e->kind, a->args[1], b));
  }
  if (b->kind == e->kind && (equal(b->args[0], a) || equal(b->args[1], a))) return b;
  bool swap = a->kind == Kind::IntImm || (b->kind != Kind::IntImm && compare(b, a) < 0);
  return swap ? make(e->kind, b, a) : e;
}

Expr Simplifier::comparison(const Expr& e) {
  Polynomial d = Polynomial::of(e->args[0]);
  d.add(Polynomial::of(e->args[1]), -1);
  reassemble(d);
  Facts range = facts(d);
  // c * (y / c) lies within c of y: y - y % c often decides where the quotient does not.
  Polynomial without_quotients(d.constant());
  for (const Term& term : d.terms()) {
    auto divisor =
        term.atoms.size() == 1 && term.atoms[0]->kind == Kind::Div ? as_int(term.atoms[0]->args[1]) : std::nullopt;
    if (divisor && *divisor > 0 && term.coefficient % *divisor == 0) {
      const Expr& y = term.atoms[0]->args[0];
      without_quotients.add(Polynomial::of(y), term.coefficient / *divisor);
      without_quotients.add(Polynomial::of(modulo(y, term.atoms[0]->args[1])), -(term.coefficient / *divisor));
    } else {
      without_quotients.add_term(term);
    }
  }
  Facts other = facts(without_quotients);
  range = {std::max(range.min, other.min), std::min(range.max, other.max), range.multiple_of};
  switch (e->kind) {
    case Kind::Lt:
      if (range.max < 0) return bool_imm(true);
      if (range.min >= 0) return bool_imm(false);
      break;
    case Kind::Le:
      if (range.max <= 0) return bool_imm(true);
      if (range.min > 0) return bool_imm(false);
      break;
    default:
      if (range.min == 0 && range.max == 0) return bool_imm(e->kind == Kind::Eq);
      if (range.min > 0 || range.max < 0) return bool_imm(e->kind == Kind::Ne);
      if (!d.terms().empty()) {
        int64_t g = 0;
        for (const Term& term : d.terms()) g = std::gcd(g, term.coefficient);
        if (g > 0 && d.constant() % g != 0) return bool_imm(e->kind == Kind::Ne);
      }
  }
  // Normal form: common factor out, positive terms left, negative terms and the constant right.
  int64_t g = 0;
  for (const Term& term : d.terms()) g = std::gcd(g, term.coefficient);
  if (g > 1) {
    int64_t constant = d.constant();
    Polynomial reduced(e->kind == Kind::Lt ? floor_div(constant + g - 1 - (g - 1), g) : constant / g);
    if (e->kind == Kind::Lt)
      reduced.set_constant(-floor_div(-constant + g - 1, g));  // g*x + k < 0: x < ceil(-k/g)
    else if (e->kind == Kind::Le)
      reduced.set_constant(-floor_div(-constant, g));  // g*x + k <= 0: x <= floor(-k/g)
    for (const Term& term : d.terms()) reduced.add_term({term.atoms, term.coefficient / g});
    d = reduced;
  }
  Polynomial left, right(-d.constant());
  for (const Term& term : d.terms())
    if (term.coefficient > 0)
      left.add_term(term);
    else
      right.add_term({term.atoms, -term.coefficient});
  if ((e->kind == Kind::Eq || e->kind == Kind::Ne) && left.terms().empty()) {
    Polynomial flipped(d.constant());
    for (const Term& term : right.terms()) left.add_term(term);
    right = flipped;
  }
  return make(e->kind, left.to_expr(), right.to_expr());
}

Expr Simplifier::logic(const Expr& e) {
  const Expr& a = e->args[0];
  if (e->kind == Kind::Not) {
    switch (a->kind) {
      case Kind::Not:
        return a->args[0];
      case Kind::Lt:
        return is_i64(a->args[0]) ? run(make(Kind::Le, a->args[1], a->args[0])) : e;
      case Kind::Le:
        return is_i64(a->args[0]) ? run(make(Kind::Lt, a->args[1], a->args[0])) : e;
      case Kind::Eq:
        return is_i64(a->args[0]) ? make(Kind::Ne, a->args[0], a->args[1]) : e;
      case Kind::Ne:
        return is_i64(a->args[0]) ? make(Kind::Eq, a->args[0], a->args[1]) : e;
      default:
        return e;
    }
  }
  const Expr& b = e->args[1];
  bool conjunction = e->kind == Kind::And;
  if (a->kind == Kind::IntImm) return (a->int_value != 0) == conjunction ? b : a;
  if (b->kind == Kind::IntImm) return (b->int_value != 0) == conjunction ? a : b;
  return equal(a, b) ? a : e;
}

Expr simplify(const Expr& e, const Scope& scope) {
  if (e->kind == Kind::IntImm || e->kind == Kind::FloatImm) return e;
  return Simplifier(scope).run(e);
}

bool prove(const Expr& condition, const Scope& scope) {
  Expr simple = simplify(condition, scope);
  return simple->kind == Kind::IntImm && simple->int_value != 0;
}

bool prove_equal(const Expr& a, const Expr& b, const Scope& scope) {
  if (equal(a, b)) return true;
  if (a->kind == Kind::IntImm && b->kind == Kind::IntImm) return a->int_value == b->int_value;
  return prove(make(Kind::Eq, a, b), scope);
}

bool prove_divisible(const Expr& e, int64_t divisor, const Scope& scope) {
  if (auto value = as_int(e)) return *value % divisor == 0;
  return is_const(simplify(make(Kind::Mod, e, int_imm(divisor)), scope), 0);
}

std::optional<Linear> linear_in(const Expr& e, const VarPtr& var) {
  Polynomial rest, coefficient;
  Polynomial p = Polynomial::of(simplify(e));
  rest.set_constant(p.constant());
  for (const Term& term : p.terms()) {
    std::vector<Expr> others;
    int power = 0;
    for (const Expr& atom : term.atoms) {
      if (atom->kind == Kind::Var && atom->var == var)
        ++power;
      else if (uses_var(atom, var.get()))
        return {};
      else
        others.push_back(atom);
    }
    if (power > 1) return {};
    (power == 1 ? coefficient : rest).add_term({std::move(others), term.coefficient});
  }
  return Linear{coefficient.to_expr(), rest.to_expr()};
}

}  // namespace sardonyx::expr
