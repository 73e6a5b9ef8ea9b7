#include "compiler/expr/polynomial.h"

#include <algorithm>

namespace sardonyx::expr {

namespace {

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int compare_atoms(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  // Longer products first, so that leading terms come in front.
  if (a.size() != b.size()) return a.size() > b.size() ? -1 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    if (int c = compare(a[i], b[i])) return c;
  return 0;
}

bool same_atoms(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(a[i], b[i])) return false;
  return true;
}

}  // namespace

int compare(const Expr& a, const Expr& b) {
  if (a.same_as(b)) return 0;
  if (int c = order(int(a->kind), int(b->kind))) return c;
  switch (a->kind) {
    case Kind::IntImm:
      return order(a->int_value, b->int_value);
    case Kind::FloatImm:
      return order(a->float_value, b->float_value);
    case Kind::Var:
      return order(a->var->name, b->var->name);
    case Kind::Load:
      if (int c = order(a->buffer->name, b->buffer->name)) return c;
      break;
    case Kind::Call:
      if (int c = order(int(a->function), int(b->function))) return c;
      break;
    default:
      break;
  }
  if (int c = order(a->args.size(), b->args.size())) return c;
  for (size_t i = 0; i < a->args.size(); ++i)
    if (int c = compare(a->args[i], b->args[i])) return c;
  return order(int(a->type.dtype), int(b->type.dtype));
}

Polynomial::Polynomial(int64_t constant) : constant_(constant) {}

Polynomial Polynomial::of(const Expr& e) {
  Polynomial result;
  switch (e->kind) {
    case Kind::IntImm:
      return Polynomial(e->int_value);
    case Kind::Add:
      result = of(e->args[0]);
      result.add(of(e->args[1]));
      return result;
    case Kind::Sub:
      result = of(e->args[0]);
      result.add(of(e->args[1]), -1);
      return result;
    case Kind::Mul:
      result = of(e->args[0]);
      if (result.multiply(of(e->args[1]))) return result;
      break;
    default:
      break;
  }
  Polynomial atom;
  atom.add_term({{e}, 1});
  return atom;
}

void Polynomial::add_term(Term term) {
  if (term.coefficient == 0) return;
  if (term.atoms.empty()) {
    constant_ += term.coefficient;
    return;
  }
  auto position = std::lower_bound(terms_.begin(), terms_.end(), term,
                                   [](const Term& a, const Term& b) { return compare_atoms(a.atoms, b.atoms) < 0; });
  // Different variables may share a name: look through all terms that compare equal.
  for (auto it = position; it != terms_.end() && compare_atoms(it->atoms, term.atoms) == 0; ++it) {
    if (!same_atoms(it->atoms, term.atoms)) continue;
    it->coefficient += term.coefficient;
    if (it->coefficient == 0) terms_.erase(it);
    return;
  }
  terms_.insert(position, std::move(term));
}

void Polynomial::add(const Polynomial& other, int64_t factor) {
  constant_ += other.constant_ * factor;
  for (const Term& term : other.terms_) add_term({term.atoms, term.coefficient * factor});
}

bool Polynomial::multiply(const Polynomial& other) {
  if ((terms_.size() + 1) * (other.terms_.size() + 1) > 64) return false;
  Polynomial result(constant_ * other.constant_);
  for (const Term& a : terms_) result.add_term({a.atoms, a.coefficient * other.constant_});
  for (const Term& b : other.terms_) {
    result.add_term({b.atoms, b.coefficient * constant_});
    for (const Term& a : terms_) {
      std::vector<Expr> atoms = a.atoms;
      atoms.insert(atoms.end(), b.atoms.begin(), b.atoms.end());
      std::stable_sort(atoms.begin(), atoms.end(), [](const Expr& x, const Expr& y) { return compare(x, y) < 0; });
      result.add_term({std::move(atoms), a.coefficient * b.coefficient});
    }
  }
  *this = std::move(result);
  return true;
}

Expr to_expr(const Term& term) {
  Expr product = term.atoms[0];
  for (size_t i = 1; i < term.atoms.size(); ++i) product = make(Kind::Mul, product, term.atoms[i]);
  return term.coefficient == 1 ? product : make(Kind::Mul, product, int_imm(term.coefficient));
}

// Positive terms first, then the negative ones subtracted, the constant last: "N*2 - M + 1".
Expr Polynomial::to_expr() const {
  Expr sum;
  for (const Term& term : terms_)
    if (term.coefficient > 0) sum = sum.defined() ? make(Kind::Add, sum, expr::to_expr(term)) : expr::to_expr(term);
  if (!sum.defined()) sum = int_imm(constant_);
  for (const Term& term : terms_)
    if (term.coefficient < 0) sum = make(Kind::Sub, sum, expr::to_expr({term.atoms, -term.coefficient}));
  bool constant_first =
      terms_.empty() || std::none_of(terms_.begin(), terms_.end(), [](const Term& t) { return t.coefficient > 0; });
  if (constant_first || constant_ == 0) return sum;
  return constant_ > 0 ? make(Kind::Add, sum, int_imm(constant_)) : make(Kind::Sub, sum, int_imm(-constant_));
}

}  // namespace sardonyx::expr
