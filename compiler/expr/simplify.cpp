// The entry points, the dispatch by kind, and the rules of everything that is not a scalar I64.
#include "compiler/expr/simplify.h"

#include <bit>
#include <cmath>
#include <numeric>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify_internal.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {

namespace {

constexpr int max_chain = 4096;

bool is_imm(const Expr& e, double value) {
  if (e->kind == Kind::Broadcast) return is_imm(e->args[0], value);
  if (e->kind == Kind::IntImm) return double(e->int_value) == value;
  return e->kind == Kind::FloatImm && e->float_value == value && std::signbit(e->float_value) == std::signbit(value);
}

// Every value of `from` is exact in `to`.
bool widens(DType from, DType to) {
  if (is_float(from)) return is_float(to) && (to == DType::F64 || (to == DType::F32 && from != DType::F64));
  if (from == DType::Bool) return to != DType::Bool;
  const int bits = bits_of_element(from) - is_signed(from);
  if (is_float(to))
    return bits <= (to == DType::F64 ? 53 : to == DType::F32 ? 24 : to == DType::F16 ? 11 : to == DType::BF16 ? 8 : 0);
  if (to == DType::Bool || (is_signed(from) && !is_signed(to))) return false;
  return bits <= bits_of_element(to) - is_signed(to);
}

}  // namespace

Expr Simplifier::simplify(const Expr& e) {
  if (e->args.empty()) return e->kind == Kind::Var ? simplify_variable(e) : e;
  if (auto found = done_.find(e.get()); found != done_.end()) return found->second.value;
  Expr result;
  if (is_index(e) && (e->kind == Kind::Add || e->kind == Kind::Sub)) {
    Sum sum;
    int budget = max_chain;
    accumulate(e, 1, sum, budget);
    result = build(std::move(sum));
  } else {
    result = simplify_node(simplify_args(e));
  }
  if (equal(result, e)) result = e;
  done_.insert_or_assign(e.get(), Remembered{e, result});
  done_.insert_or_assign(result.get(), Remembered{result, result});
  return result;
}

void Simplifier::accumulate(const Expr& e, int64_t factor, Sum& sum, int& budget) {
  bool is_chain = e->kind == Kind::Add || e->kind == Kind::Sub;
  if (!is_chain || --budget < 0) return sum.add(sum_of(simplify(e)), factor);
  accumulate(e->args[0], factor, sum, budget);
  accumulate(e->args[1], e->kind == Kind::Add ? factor : -factor, sum, budget);
}

Expr Simplifier::simplify_args(const Expr& e) {
  std::vector<Expr> args;
  args.reserve(e->args.size());
  bool changed = false;
  for (const Expr& arg : e->args) {
    args.push_back(simplify(arg));
    changed |= !args.back().same_as(arg);
  }
  return changed ? rebuild(e, std::move(args)) : e;
}

Expr Simplifier::simplify_variable(const Expr& e) {
  Facts known = facts(e);
  return known.min == known.max && !is_unbounded(known.min) ? Expr(known.min) : e;
}

// The args are simplified; rebuilding them may have folded the node already.
Expr Simplifier::simplify_node(const Expr& e) {
  switch (e->kind) {
    case Kind::Add:
    case Kind::Sub:
    case Kind::Mul:
    case Kind::Div:
    case Kind::Mod:
    case Kind::TruncDiv:
    case Kind::TruncRem:
      if (is_index(e)) return simplify_index_arithmetic(e);
      return e->type.lanes > 1 ? simplify_vector(e) : simplify_generic_arithmetic(e);
    case Kind::Min:
    case Kind::Max:
      return simplify_min_max(e);
    case Kind::Eq:
    case Kind::Ne:
    case Kind::Lt:
    case Kind::Le:
      return simplify_comparison(e);
    case Kind::And:
    case Kind::Or:
      return simplify_logic(e);
    case Kind::Not:
      return simplify_not(e);
    case Kind::Select:
      return simplify_select(e);
    case Kind::Cast:
      return simplify_cast(e);
    case Kind::Call:
      return simplify_call(e);
    case Kind::Ramp:
      return is_const(e->args[1], 0) ? broadcast(e->args[0], e->type.lanes) : e;
    default:
      return e;
  }
}

Expr Simplifier::simplify_index_arithmetic(const Expr& e) {
  const Expr &a = e->args[0], &b = e->args[1];
  switch (e->kind) {
    case Kind::Div:
      return build(quotient(sum_of(a), b));
    case Kind::Mod:
      return build(remainder(sum_of(a), b));
    case Kind::TruncDiv:
    case Kind::TruncRem: {
      bool rounds_down = facts(a).min >= 0 && facts(b).min >= 1;
      if (rounds_down) return build(e->kind == Kind::TruncDiv ? quotient(sum_of(a), b) : remainder(sum_of(a), b));
      if (is_const(b, 1)) return e->kind == Kind::TruncDiv ? a : Expr(0);
      return e;
    }
    default:
      return build(sum_of(e));
  }
}

// Integers that wrap and floats that round: exact identities only.
Expr Simplifier::simplify_generic_arithmetic(const Expr& e) {
  const Expr &a = e->args[0], &b = e->args[1];
  bool integers = !is_float(e->type.dtype);
  switch (e->kind) {
    case Kind::Add:
      if (is_imm(b, integers ? 0.0 : -0.0)) return a;
      if (is_imm(a, integers ? 0.0 : -0.0)) return b;
      return e;
    case Kind::Sub:
      if (is_imm(b, 0.0)) return a;
      if (integers && equal(a, b)) return imm(0, e->type.dtype);
      return e;
    case Kind::Mul:
      if (is_imm(b, 1) || (integers && is_imm(a, 0))) return a;
      if (is_imm(a, 1) || (integers && is_imm(b, 0))) return b;
      return e;
    case Kind::Div:
    case Kind::TruncDiv:
      return is_imm(b, 1) ? a : e;
    default:
      return is_imm(b, 1) ? imm(0, e->type.dtype) : e;
  }
}

// Arithmetic of ramps and broadcasts stays a ramp or a broadcast.
Expr Simplifier::simplify_vector(const Expr& e) {
  const Expr &a = e->args[0], &b = e->args[1];
  const int lanes = e->type.lanes;
  auto again = [&](Expr base, Expr stride) { return simplify(ramp(simplify(base), simplify(stride), lanes)); };
  if (a->kind == Kind::Broadcast && b->kind == Kind::Broadcast)
    return broadcast(simplify(make(e->kind, a->args[0], b->args[0])), lanes);
  if (is_float(e->type.dtype)) return e;
  Expr zero = int_imm(0, e->type.dtype);
  auto base_of = [](const Expr& x) { return x->args[0]; };
  auto stride_of = [&](const Expr& x) { return x->kind == Kind::Ramp ? x->args[1] : zero; };
  auto is_affine = [](const Expr& x) { return x->kind == Kind::Ramp || x->kind == Kind::Broadcast; };
  if (!is_affine(a) || !is_affine(b)) return e;
  if (e->kind == Kind::Add || e->kind == Kind::Sub)
    return again(make(e->kind, base_of(a), base_of(b)), make(e->kind, stride_of(a), stride_of(b)));
  if (e->kind == Kind::Mul && (a->kind == Kind::Broadcast || b->kind == Kind::Broadcast)) {
    const Expr &vector = a->kind == Kind::Ramp ? a : b, &factor = base_of(a->kind == Kind::Ramp ? b : a);
    return again(base_of(vector) * factor, stride_of(vector) * factor);
  }
  // Lanes that stay between two multiples of the divisor share a quotient.
  auto divisor = b->kind == Kind::Broadcast ? as_int(base_of(b)) : std::nullopt;
  auto stride = as_int(stride_of(a));
  bool divides = e->kind == Kind::Div || e->kind == Kind::Mod;
  if (e->type.dtype != DType::I64 || !divides || !divisor || *divisor <= 0 || !stride || *stride < 0) return e;
  Expr offset = simplify(base_of(a) % Expr(*divisor));
  int64_t top = facts(offset).max;
  if (is_unbounded(top) || top + *stride * (lanes - 1) >= *divisor) return e;
  if (e->kind == Kind::Div) return broadcast(simplify(base_of(a) / Expr(*divisor)), lanes);
  return again(offset, Expr(*stride));
}

Expr Simplifier::simplify_cast(const Expr& e) {
  const Expr& a = e->args[0];
  DType to = e->type.dtype, from = a->type.dtype;
  if (a->kind == Kind::Broadcast) return broadcast(simplify(cast(a->args[0], to)), e->type.lanes);
  if (a->kind != Kind::Cast) return e;
  const Expr& inner = a->args[0];
  DType source = inner->type.dtype;
  if (widens(source, from)) return simplify(cast(inner, to));
  if (source == to && is_integer(from) && is_index(inner)) {  // the value fits what is between
    Facts known = facts(inner), range = type_range(from);
    if (from != DType::U64 && known.min >= range.min && known.max <= range.max) return inner;
  }
  return e;
}

Expr Simplifier::simplify_call(const Expr& e) {
  DType operand = e->args[0]->type.dtype;
  if (e->function == Function::Abs && is_index(e) && facts(e->args[0]).min >= 0) return e->args[0];
  if (e->type.lanes != 1 || is_horizontal(e->function) || e->function == Function::Bits) return e;
  bool integers = !is_float(operand);
  for (const Expr& arg : e->args)
    if (arg->kind != (integers ? Kind::IntImm : Kind::FloatImm)) return e;
  auto value = [&](size_t i) { return i < e->args.size() ? *e->args[i] : *e->args[0]; };
  if (integers) {
    bool has_value =
        e->function <= Function::Trunc ? true : e->function >= Function::Pow && e->function <= Function::Dot4;
    if (!has_value || e->function == Function::Scale || (e->function == Function::Fmod && value(1).int_value == 0))
      return e;
    return int_imm(integer_function(e->function, value(0).int_value, value(1).int_value, value(2).int_value, operand),
                   e->type.dtype);
  }
  double x = value(0).float_value;
  if (e->function == Function::IsNan) return bool_imm(std::isnan(x));
  if (e->function == Function::IsInf) return bool_imm(std::isinf(x));
  if (e->function > Function::Fma) return e;
  return float_imm(float_function(e->function, x, value(1).float_value, value(2).float_value, operand), operand);
}

// ---- entry points ----

Expr simplify(const Expr& e, const Scope& scope) {
  if (!e.defined()) return e;
  return Simplifier(scope).simplify(e);
}

Expr product(std::span<const Expr> factors) {
  Expr result = 1;
  for (const Expr& factor : factors) result = result * factor;
  return simplify(result);
}

bool prove(const Expr& condition, const Scope& scope) { return is_const(simplify(condition, scope), 1); }

bool prove_equal(const Expr& a, const Expr& b, const Scope& scope) {
  if (equal(a, b)) return true;
  if (a->type != b->type) return false;
  Simplifier simplifier(scope);
  Expr x = simplifier.simplify(a), y = simplifier.simplify(b);
  return equal(x, y) || (is_index(x) && is_const(simplifier.simplify(x - y), 0));
}

bool prove_divisible(const Expr& e, int64_t divisor, const Scope& scope) {
  if (divisor == 0 || divisor == INT64_MIN || !is_index(e)) return false;
  Simplifier simplifier(scope);
  return simplifier.facts(simplifier.sum_of(simplifier.simplify(e))).multiple_of % divisor == 0;
}

Facts facts_of(const Expr& e, const Scope& scope) {
  Simplifier simplifier(scope);
  Expr simple = simplifier.simplify(e);
  Facts result = is_index(simple) ? simplifier.facts(simplifier.sum_of(simple)) : simplifier.facts(simple);
  result.multiple_of = std::max<int64_t>(result.multiple_of, 1);
  return result;
}

std::optional<Linear> linear_in(const Expr& e, const VarPtr& var) {
  if (!is_index(e)) return std::nullopt;
  const Scope scope;
  Simplifier simplifier(scope);
  Sum sum = simplifier.sum_of(simplifier.simplify(e)), coefficient, rest;
  for (const Term& term : sum.terms) {
    if (!uses_var(term.atom, var.get())) {
      rest.add(term.coefficient, term.atom);
      continue;
    }
    std::vector<Expr> factors = factors_of(term.atom), others;
    int uses = 0;
    for (const Expr& factor : factors) {
      if (factor->kind == Kind::Var && factor->var == var)
        ++uses;
      else if (uses_var(factor, var.get()))
        return std::nullopt;
      else
        others.push_back(factor);
    }
    if (uses != 1) return std::nullopt;
    if (others.empty())
      coefficient.constant += term.coefficient;
    else
      coefficient.add(term.coefficient, product_of(std::move(others)));
  }
  rest.constant = sum.constant;
  return Linear{simplifier.build(coefficient), simplifier.build(rest)};
}

}  // namespace sardonyx::expr
