// bind, vectorize, unroll: what a loop becomes.
#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

namespace {

constexpr int64_t largest_unroll = 64, largest_vector = 64;

Scheduled become(const Nest& nest, const VarPtr& loop, ForKind kind) {
  int position = statement_with(nest, loop);
  if (position < 0) return ScheduleRefusal{"no loop " + loop->name};
  const Stmt& statement = nest.nests[size_t(position)];
  for (const Stmt& copy : copies_of(statement, loop)) {
    if (copy->for_kind != ForKind::Serial) return ScheduleRefusal{"loop " + loop->name + " is bound already"};
    std::string why;
    if (kind != ForKind::Unrolled && !independent(copy, &why)) return ScheduleRefusal{why};
    if (kind == ForKind::Grid) continue;
    auto extent = expr::as_int(copy->extent);
    if (!extent) return ScheduleRefusal{"loop " + loop->name + " has no constant extent"};
    if (*extent > (kind == ForKind::Vector ? largest_vector : largest_unroll))
      return ScheduleRefusal{"too many copies"};
    if (kind != ForKind::Vector) continue;
    bool fits = true;
    visit(copy->body[0], [&](const Stmt& s) {
      if (s->kind == StmtKind::For)
        fits = fits && s->for_kind != ForKind::Vector && !expr::uses_var(s->extent, loop.get());
      return true;
    });
    // Loops inside must run the same number of times in every lane; vectors do not nest.
    if (!fits) return ScheduleRefusal{"loops inside " + loop->name + " differ between lanes"};
    bool nested = false;
    visit(statement, [&](const Stmt& s) {
      nested = nested || (s->kind == StmtKind::For && s->for_kind == ForKind::Vector && !copies_of(s, loop).empty());
      return true;
    });
    if (nested) return ScheduleRefusal{"vectors do not nest"};
  }
  Stmt changed =
      rewrite_loop(statement, loop, [&](const Stmt& s) { return make_for(kind, s->var, s->extent, s->body[0]); });
  return Rewrite{with_statement(nest, position, changed), {loop}};
}

}  // namespace

Scheduled bind(const Nest& nest, const VarPtr& loop) {
  int position = statement_with(nest, loop);
  if (position < 0) return ScheduleRefusal{"no loop " + loop->name};
  const Stmt* s = &nest.nests[size_t(position)];
  while ((*s)->kind == StmtKind::For && (*s)->for_kind == ForKind::Grid) s = &(*s)->body[0];
  if ((*s)->kind != StmtKind::For || (*s)->var != loop)
    return ScheduleRefusal{"loop " + loop->name + " is not outermost"};
  return become(nest, loop, ForKind::Grid);
}

Scheduled vectorize(const Nest& nest, const VarPtr& loop) { return become(nest, loop, ForKind::Vector); }

Scheduled unroll(const Nest& nest, const VarPtr& loop) { return become(nest, loop, ForKind::Unrolled); }

}  // namespace sardonyx::tensor
