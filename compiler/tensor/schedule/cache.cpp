// cache_read and cache_write: local copies of what one iteration of a loop touches.
#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

namespace {

Index relative(const Index& index, const Box& box) {
  Index position;
  for (size_t d = 0; d < index.size(); ++d) position.push_back(expr::simplify(index[d] - box.base[d]));
  if (position.empty()) position.emplace_back(0);
  return position;
}

// The loop's body with `buffer` replaced by a local copy, filled before and written back after.
Scheduled cached(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop, bool write) {
  int position = statement_with(nest, loop);
  if (position < 0) return ScheduleRefusal{"no loop " + loop->name};
  const Stmt& statement = nest.nests[size_t(position)];
  if (buffer->scope != expr::Buffer::Scope::Global) return ScheduleRefusal{buffer->name + " is local already"};
  std::string reason;
  for (const Stmt& copy : copies_of(statement, loop)) {
    if (copy->for_kind == ForKind::Vector) return ScheduleRefusal{"loop " + loop->name + " is a vector"};
    bool stored = !stores_of(copy, buffer).empty();
    if (stored != write)
      return ScheduleRefusal{buffer->name + (write ? " is not stored in the loop" : " is stored in the loop")};
  }
  Stmt changed = rewrite_loop(statement, loop, [&](const Stmt& s) {
    const Stmt& body = s->body[0];
    std::vector<Axis> inner = loops_in(body);
    std::vector<Index> accesses = loads_of(body, buffer), stores = stores_of(body, buffer);
    accesses.insert(accesses.end(), stores.begin(), stores.end());
    auto box = box_of(accesses, inner);
    if (!box) {
      reason = "what an iteration touches of " + buffer->name + " is no box of constant size";
      return s;
    }
    if (write) {
      // Every element of the box belongs to this iteration: the loops that move the store fill it exactly.
      for (const Index& store : stores) {
        int64_t points = 1, volume = 1;
        for (const Axis& axis : inner) {
          bool moves = false;
          for (const Expr& e : store) moves = moves || expr::uses_var(e, axis.var.get());
          if (moves) points *= expr::as_int(axis.extent).value_or(0);
        }
        for (int64_t e : box->extents) volume *= e;
        if (points != volume) reason = "the loop does not fill a box of " + buffer->name;
      }
    }
    BufferPtr local = local_copy(buffer, write ? "_acc" : "_in", box->extents);
    Stmt fill = over_box(
        *box, buffer, [&](const Index& at, const Index& in) { return make_store(local, in, expr::load(buffer, at)); });
    Stmt inside = redirect(body, buffer, local, [&](const Index& index) { return relative(index, *box); });
    std::vector<Stmt> parts{fill, inside};
    if (write) {
      parts.push_back(over_box(*box, buffer, [&](const Index& at, const Index& in) {
        return make_store(buffer, at, expr::load(local, in));
      }));
    }
    return make_for(s->for_kind, s->var, s->extent, make_allocate(local, make_block(std::move(parts))));
  });
  if (!reason.empty()) return ScheduleRefusal{reason};
  return Rewrite{with_statement(nest, position, changed), {}};
}

}  // namespace

Scheduled cache_write(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop) {
  return cached(nest, buffer, loop, true);
}

Scheduled cache_read(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop) {
  int position = statement_with(nest, loop);
  if (position >= 0 && !loads_from(nest.nests[size_t(position)], buffer.get())) {
    return ScheduleRefusal{buffer->name + " is not read in the loop"};
  }
  return cached(nest, buffer, loop, false);
}

}  // namespace sardonyx::tensor
