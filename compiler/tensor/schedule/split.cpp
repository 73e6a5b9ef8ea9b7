#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

Scheduled split(const Nest& nest, const VarPtr& loop, int64_t factor, Tail tail) {
  int position = statement_with(nest, loop);
  if (position < 0) return ScheduleRefusal{"no loop " + loop->name};
  if (factor < 1) return ScheduleRefusal{"factor below one"};
  std::vector<Stmt> copies = copies_of(nest.nests[size_t(position)], loop);
  for (const Stmt& copy : copies) {
    if (copy->for_kind != ForKind::Serial) return ScheduleRefusal{"loop " + loop->name + " is no serial loop"};
  }
  auto extent = expr::as_int(copies[0]->extent);
  VarPtr inner = expr::make_var(loop->name + "_i", {0, factor - 1, 1});
  VarPtr outer =
      expr::make_var(loop->name + "_o", {0, extent ? std::max<int64_t>(0, (*extent - 1) / factor) : INT64_MAX, 1});
  Stmt changed = rewrite_loop(nest.nests[size_t(position)], loop, [&](const Stmt& s) {
    Expr index = Expr(outer) * factor + Expr(inner);
    auto body_at = [&](const Expr& at, bool guarded) {
      Stmt body = substitute(s->body[0], {{loop.get(), at}});
      if (!guarded) return body;
      return mutate(body, [&](const Stmt& x) { return x->kind == StmtKind::Store ? make_if(at < s->extent, x) : x; });
    };
    bool even = expr::prove_divisible(s->extent, factor);
    Expr tiles = expr::simplify(even || tail == Tail::Peel ? s->extent / factor : expr::ceil_div(s->extent, factor));
    bool guarded = !even && tail == Tail::Guard;
    Stmt main =
        make_for(ForKind::Serial, outer, tiles, make_for(ForKind::Serial, inner, factor, body_at(index, guarded)));
    if (even || tail == Tail::Guard) return main;
    Stmt rest = make_for(ForKind::Serial, inner, factor, body_at(tiles * factor + Expr(inner), true));
    return make_block({main, make_if(s->extent % factor != Expr(0), rest)});
  });
  return Rewrite{with_statement(nest, position, changed), {outer, inner}};
}

}  // namespace sardonyx::tensor
