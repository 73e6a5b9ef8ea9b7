// Checks of what may be wrong: indices and divisors that were loaded, or that primitives marked (Function::Checked).
#include <unordered_set>

#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {

namespace {

using expr::Kind;

bool is_mark(const Expr& e) { return e->kind == Kind::Call && e->function == expr::Function::Checked; }

bool may_be_wrong(const Expr& e) {
  bool found = false;
  expr::visit(e, [&](const Expr& x) {
    found = found || x->kind == Kind::Load || is_mark(x);
    return !found;
  });
  return found;
}

Expr without_marks(const Expr& e) {
  return mutate_shared(e, [](const Expr& x) { return is_mark(x) ? x->args[0] : x; });
}

class Collector {
 public:
  // `guard`: the conjunction of Select conditions under which `e` is evaluated; undefined means always.
  void scan(const Expr& e, const Expr& guard) {
    if (e->args.empty() || !seen_.insert({e.get(), guard.get()}).second) return;
    if (e->kind == Kind::Select) {
      scan(e->args[0], guard);
      scan(e->args[1], guarded(guard, e->args[0]));
      scan(e->args[2], guarded(guard, !e->args[0]));
      return;
    }
    for (const Expr& a : e->args) scan(a, guard);
    if (e->kind == Kind::Load) {
      for (size_t i = 0; i < e->args.size() && !e->buffer->flat; ++i) {
        if (!may_be_wrong(e->args[i])) continue;
        Expr inside = Expr(0) <= e->args[i] && e->args[i] < e->buffer->dims[i];
        add(inside, guard, index_out_of_range);
      }
    }
    bool division =
        e->kind == Kind::Div || e->kind == Kind::Mod || e->kind == Kind::TruncDiv || e->kind == Kind::TruncRem;
    if (division && is_integer(e->type.dtype) && may_be_wrong(e->args[1])) {
      add(e->args[1] != expr::int_imm(0, e->type.dtype), guard, division_by_zero);
    }
  }

  std::vector<Stmt> take() { return std::move(checks_); }

 private:
  Expr guarded(const Expr& guard, const Expr& condition) {
    Expr result = guard.defined() ? guard && condition : condition;
    kept_.push_back(result);
    return result;
  }
  void add(const Expr& condition, const Expr& guard, int32_t code) {
    checks_.push_back(
        make_check(guard.defined() ? expr::select(guard, condition, expr::bool_imm(true)) : condition, code));
  }

  struct Hash {
    size_t operator()(const std::pair<const void*, const void*>& p) const {
      return std::hash<const void*>()(p.first) * 31 + std::hash<const void*>()(p.second);
    }
  };
  std::unordered_set<std::pair<const void*, const void*>, Hash> seen_;
  std::vector<Expr> kept_;
  std::vector<Stmt> checks_;
};

}  // namespace

Stmt add_bound_checks(const Stmt& stmt) {
  const Stmt checked = mutate(stmt, [](const Stmt& s) {
    Collector collector;
    if (s->kind == StmtKind::Store) {
      collector.scan(s->value, Expr());
      for (const Expr& e : s->index) collector.scan(e, Expr());
    } else if (s->kind == StmtKind::If) {
      collector.scan(s->condition, Expr());
    }
    std::vector<Stmt> body = collector.take();
    if (body.empty()) return s;
    body.push_back(s);
    return make_block(std::move(body));
  });
  return mutate_exprs(checked, without_marks);
}

}  // namespace sardonyx::tensor
