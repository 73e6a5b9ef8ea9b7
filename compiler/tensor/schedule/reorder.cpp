#include <algorithm>

#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

Scheduled reorder(const Nest& nest, const std::vector<VarPtr>& order) {
  if (order.size() < 2) return Rewrite{nest, order};
  int position = statement_with(nest, order[0]);
  if (position < 0) return ScheduleRefusal{"no loop " + order[0]->name};
  const Stmt& statement = nest.nests[size_t(position)];
  if (is_recurrence(statement)) return ScheduleRefusal{"a recurrence keeps its order"};
  auto listed = [&](const Stmt& s) {
    return s->kind == StmtKind::For && std::find(order.begin(), order.end(), s->var) != order.end();
  };
  std::string reason;
  size_t found = 0;
  // Outermost listed loops are rewritten; the others are reached from them.
  auto permuted = [&](const Stmt& top) -> Stmt {
    std::vector<Stmt> chain;
    const Stmt* s = &top;
    while (chain.size() < order.size()) {
      if (!listed(*s)) {
        reason = "loops are not directly nested";
        return top;
      }
      chain.push_back(*s);
      s = &(*s)->body[0];
    }
    for (const Stmt& a : chain) {
      if (a->for_kind == ForKind::Grid || a->for_kind == ForKind::Vector) reason = "loop " + a->var->name + " is bound";
      for (const Stmt& b : chain) {
        if (expr::uses_var(a->extent, b->var.get())) reason = "extents depend on each other";
      }
    }
    ++found;
    Stmt body = *s;
    for (size_t i = order.size(); i-- > 0;) {
      for (const Stmt& loop : chain) {
        if (loop->var == order[i]) body = make_for(loop->for_kind, loop->var, loop->extent, body);
      }
    }
    return body;
  };
  std::function<Stmt(const Stmt&)> walk = [&](const Stmt& s) -> Stmt {
    if (listed(s)) return permuted(s);
    std::vector<Stmt> body;
    for (const Stmt& b : s->body) body.push_back(walk(b));
    return with_body(s, std::move(body));
  };
  Stmt changed = walk(statement);
  if (reason.empty() && found == 0) reason = "no loop to reorder";
  if (!reason.empty()) return ScheduleRefusal{reason};
  return Rewrite{with_statement(nest, position, changed), order};
}

}  // namespace sardonyx::tensor
