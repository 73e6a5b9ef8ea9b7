#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

Scheduled fuse(const Nest& nest, const VarPtr& outer, const VarPtr& inner) {
  int position = statement_with(nest, outer);
  if (position < 0) return ScheduleRefusal{"no loop " + outer->name};
  std::vector<Stmt> copies = copies_of(nest.nests[size_t(position)], outer);
  for (const Stmt& copy : copies) {
    const Stmt& body = copy->body[0];
    if (body->kind != StmtKind::For || body->var != inner) return ScheduleRefusal{"loops are not directly nested"};
    if (copy->for_kind != ForKind::Serial || body->for_kind != ForKind::Serial) {
      return ScheduleRefusal{"only serial loops fuse"};
    }
    if (expr::uses_var(body->extent, outer.get())) return ScheduleRefusal{"the inner extent depends on the outer loop"};
    if (!expr::prove(Expr(1) <= body->extent)) return ScheduleRefusal{"the inner loop may be empty"};
  }
  VarPtr fused = expr::make_var(outer->name + "_" + inner->name, {0, INT64_MAX, 1});
  Stmt changed = rewrite_loop(nest.nests[size_t(position)], outer, [&](const Stmt& s) {
    const Stmt& body = s->body[0];
    Stmt both = substitute(body->body[0],
                           {{outer.get(), Expr(fused) / body->extent}, {inner.get(), Expr(fused) % body->extent}});
    return make_for(ForKind::Serial, fused, expr::simplify(s->extent * body->extent), both);
  });
  return Rewrite{with_statement(nest, position, changed), {fused}};
}

}  // namespace sardonyx::tensor
