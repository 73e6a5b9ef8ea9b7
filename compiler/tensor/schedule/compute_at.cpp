#include <algorithm>

#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

Scheduled compute_at(const Nest& nest, const BufferPtr& buffer, const VarPtr& loop) {
  if (std::find(nest.temporaries.begin(), nest.temporaries.end(), buffer) == nest.temporaries.end()) {
    return ScheduleRefusal{buffer->name + " is no temporary"};
  }
  int consumer = statement_with(nest, loop);
  if (consumer < 0) return ScheduleRefusal{"no loop " + loop->name};
  std::vector<Chain> producers;
  std::vector<size_t> positions;
  for (size_t i = 0; i < nest.nests.size(); ++i) {
    bool stores = !stores_of(nest.nests[i], buffer).empty();
    if (!stores && int(i) != consumer && loads_from(nest.nests[i], buffer.get())) {
      return ScheduleRefusal{buffer->name + " has another reader"};
    }
    if (!stores) continue;
    auto chain = chain_of(nest.nests[i]);
    if (!chain || int(i) == consumer)
      return ScheduleRefusal{"the statement of " + buffer->name + " is scheduled already"};
    if (is_recurrence(nest.nests[i])) return ScheduleRefusal{buffer->name + " is a recurrence"};
    for (const Expr& e : chain->store->index) {
      if (e->kind != expr::Kind::Var) return ScheduleRefusal{buffer->name + " is not stored point by point"};
    }
    producers.push_back(*chain);
    positions.push_back(i);
  }
  for (const Stmt& copy : copies_of(nest.nests[size_t(consumer)], loop)) {
    if (copy->for_kind == ForKind::Vector) return ScheduleRefusal{"loop " + loop->name + " is a vector"};
    if (loads_of(copy->body[0], buffer).empty())
      return ScheduleRefusal{"loop " + loop->name + " does not read " + buffer->name};
  }
  // All reads must be under the loop.
  bool outside = false;
  Stmt without = rewrite_loop(nest.nests[size_t(consumer)], loop, [](const Stmt&) { return make_block({}); });
  outside = loads_from(without, buffer.get());
  if (outside) return ScheduleRefusal{buffer->name + " is also read outside loop " + loop->name};
  std::string reason;
  Stmt changed = rewrite_loop(nest.nests[size_t(consumer)], loop, [&](const Stmt& s) {
    auto box = box_of(loads_of(s->body[0], buffer), loops_in(s->body[0]));
    if (!box) {
      reason = "what an iteration reads of " + buffer->name + " is no box of constant size";
      return s;
    }
    BufferPtr local = local_copy(buffer, "_at", box->extents);
    std::vector<Stmt> parts;
    for (const Chain& chain : producers) {
      parts.push_back(over_box(*box, buffer, [&](const Index& at, const Index& position) {
        expr::Substitution renamed;
        for (size_t d = 0; d < at.size(); ++d) renamed[chain.store->index[d]->var.get()] = at[d];
        std::vector<Axis> reduction;
        for (const Axis& axis : chain.axes) {
          if (renamed.count(axis.var.get())) continue;
          reduction.push_back({expr::make_var(axis.var->name, axis.var->facts), axis.extent});
          renamed[axis.var.get()] = Expr(reduction.back().var);
        }
        Expr value = substitute_shared(chain.store->value, renamed);
        value = redirect(value, buffer, local, [&](const Index&) { return position; });  // the accumulator itself
        return make_loops(ForKind::Serial, reduction, make_store(local, position, value));
      }));
    }
    parts.push_back(redirect(s->body[0], buffer, local, [&](const Index& index) {
      Index position;
      for (size_t d = 0; d < index.size(); ++d) position.push_back(expr::simplify(index[d] - box->base[d]));
      if (position.empty()) position.emplace_back(0);
      return position;
    }));
    return make_for(s->for_kind, s->var, s->extent, make_allocate(local, make_block(std::move(parts))));
  });
  if (!reason.empty()) return ScheduleRefusal{reason};
  Nest result = with_statement(nest, consumer, changed);
  for (size_t i = positions.size(); i-- > 0;) result.nests.erase(result.nests.begin() + long(positions[i]));
  result.temporaries.erase(std::find(result.temporaries.begin(), result.temporaries.end(), buffer));
  return Rewrite{result, {}};
}

}  // namespace sardonyx::tensor
