// Integer simplification under the bounds of the enclosing loops.
#include <unordered_map>

#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {

namespace {

using expr::Kind;

// Only plain integer arithmetic is handed to the simplifier; what lies around it is rebuilt here with sharing.
class IndexSimplifier {
 public:
  explicit IndexSimplifier(const expr::Scope& scope) : scope_(scope) {}

  Expr run(const Expr& e) {
    if (e->args.empty()) return e;
    if (auto found = done_.find(e.get()); found != done_.end()) return found->second;
    Expr result = compute(e);
    done_.emplace(e.get(), result);
    return result;
  }

 private:
  Expr compute(const Expr& e) {
    bool integer = e->type.lanes == 1 && (e->type.dtype == DType::I64 || e->type.dtype == DType::Bool);
    if (integer && e->kind != Kind::Load && pure_index(e)) return expr::simplify(e, scope_);
    if (e->kind == Kind::Select) {
      Expr condition = run(e->args[0]);
      if (auto known = expr::as_int(condition)) return run(e->args[*known ? 1 : 2]);
      return expr::rebuild(e, {condition, run(e->args[1]), run(e->args[2])});
    }
    if (e->kind == Kind::And || e->kind == Kind::Or) {
      Expr a = run(e->args[0]), b = run(e->args[1]);
      auto ka = expr::as_int(a), kb = expr::as_int(b);
      bool conjunction = e->kind == Kind::And;
      if (ka) return (*ka != 0) == conjunction ? b : a;
      if (kb) return (*kb != 0) == conjunction ? a : b;
      return expr::rebuild(e, {a, b});
    }
    std::vector<Expr> args;
    for (const Expr& a : e->args) args.push_back(run(a));
    return expr::rebuild(e, std::move(args));
  }

  // I64 arithmetic over variables and immediates, no loads, no other types inside.
  bool pure_index(const Expr& e) {
    if (auto found = pure_.find(e.get()); found != pure_.end()) return found->second;
    bool pure = e->kind != Kind::Load && e->kind != Kind::Call && e->kind != Kind::Cast && e->type.lanes == 1 &&
                (e->type.dtype == DType::I64 || e->type.dtype == DType::Bool);
    for (const Expr& a : e->args) pure = pure && pure_index(a);
    pure_.emplace(e.get(), pure);
    return pure;
  }

  const expr::Scope& scope_;
  std::unordered_map<const expr::Node*, Expr> done_;
  std::unordered_map<const expr::Node*, bool> pure_;
};

class Simplifier {
 public:
  explicit Simplifier(expr::Scope scope) : scope_(std::move(scope)) {}

  Stmt run(const Stmt& s) {
    IndexSimplifier index(scope_);
    switch (s->kind) {
      case StmtKind::For: {
        Expr extent = index.run(s->extent);
        expr::Facts known = expr::facts_of(extent, scope_);
        if (known.max <= 0) return make_block({});
        if (known.min == 1 && known.max == 1 && s->for_kind != ForKind::Vector) {
          return run(substitute(s->body[0], {{s->var.get(), Expr(0)}}));
        }
        expr::Facts facts{0, known.max == INT64_MAX ? INT64_MAX : known.max - 1, 1};
        scope_[s->var.get()] = facts;
        Stmt body = run(s->body[0]);
        scope_.erase(s->var.get());
        if (body->kind == StmtKind::Block && body->body.empty()) return body;
        return make_for(s->for_kind, s->var, extent, body);
      }
      case StmtKind::Let: {
        Expr value = index.run(s->value);
        if (value->args.empty()) return run(substitute(s->body[0], {{s->var.get(), value}}));
        scope_[s->var.get()] = expr::facts_of(value, scope_);
        Stmt body = run(s->body[0]);
        scope_.erase(s->var.get());
        return make_let(s->var, value, body);
      }
      case StmtKind::If: {
        Expr condition = index.run(s->condition);
        if (auto known = expr::as_int(condition)) {
          if (*known) return run(s->body[0]);
          return s->body.size() > 1 ? run(s->body[1]) : make_block({});
        }
        return make_if(condition, run(s->body[0]), s->body.size() > 1 ? run(s->body[1]) : nullptr);
      }
      case StmtKind::Check: {
        Expr condition = index.run(s->condition);
        if (auto known = expr::as_int(condition); known && *known) return make_block({});
        return make_check(condition, s->code);
      }
      case StmtKind::Store:
      case StmtKind::Prefetch: {
        std::vector<Expr> at;
        for (const Expr& e : s->index) at.push_back(index.run(e));
        if (s->kind == StmtKind::Prefetch) return make_prefetch(s->buffer, at, s->level);
        return make_store(s->buffer, at, index.run(s->value));
      }
      case StmtKind::Transpose:
      case StmtKind::Allocate:
      case StmtKind::Block: {
        std::vector<Stmt> body;
        for (const Stmt& b : s->body) body.push_back(run(b));
        return with_body(s, std::move(body));
      }
    }
    return s;
  }

 private:
  expr::Scope scope_;
};

}  // namespace

Expr simplify_index(const Expr& e, const expr::Scope& scope) { return IndexSimplifier(scope).run(e); }

Stmt simplify(const Stmt& stmt, const expr::Scope& scope) { return Simplifier(scope).run(stmt); }

}  // namespace sardonyx::tensor
