// Walks over expressions. Everything but visit(), which promises every occurrence, sees a shared sub-tree once, so that
// expressions that share much stay cheap.
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {

namespace {

class Mutator {
 public:
  explicit Mutator(const std::function<Expr(const Expr&)>& f) : f_(f) {}

  Expr mutate(const Expr& e) {
    if (e->args.empty()) return f_(e);
    auto [entry, is_new] = done_.try_emplace(e.get());
    if (!is_new) return entry->second;
    std::vector<Expr> args;
    args.reserve(e->args.size());
    bool changed = false;
    for (const Expr& arg : e->args) {
      args.push_back(mutate(arg));
      changed |= !args.back().same_as(arg);
    }
    Expr result = f_(changed ? rebuild(e, std::move(args)) : e);
    done_[e.get()] = result;
    return result;
  }

 private:
  const std::function<Expr(const Expr&)>& f_;
  std::unordered_map<const Node*, Expr> done_;
};

bool uses(const Expr& e, const Variable* var, std::unordered_set<const Node*>& seen) {
  if (e->kind == Kind::Var) return e->var.get() == var;
  if (e->args.empty() || !seen.insert(e.get()).second) return false;
  for (const Expr& arg : e->args)
    if (uses(arg, var, seen)) return true;
  return false;
}

}  // namespace

void visit(const Expr& e, const std::function<bool(const Expr&)>& f) {
  if (!e.defined() || !f(e)) return;
  for (const Expr& arg : e->args) visit(arg, f);
}

Expr mutate(const Expr& e, const std::function<Expr(const Expr&)>& f) {
  if (!e.defined()) return e;
  return Mutator(f).mutate(e);
}

Expr substitute(const Expr& e, const Substitution& substitution) {
  if (substitution.empty()) return e;
  return mutate(e, [&](const Expr& node) {
    if (node->kind != Kind::Var) return node;
    auto found = substitution.find(node->var.get());
    return found == substitution.end() ? node : found->second;
  });
}

bool uses_var(const Expr& e, const Variable* var) {
  std::unordered_set<const Node*> seen;
  return e.defined() && uses(e, var, seen);
}

}  // namespace sardonyx::expr
