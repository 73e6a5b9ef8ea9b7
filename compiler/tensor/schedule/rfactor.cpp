#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

namespace {

std::optional<Reduce> reduction_of(expr::Kind kind) {
  switch (kind) {
    case expr::Kind::Add:
      return Reduce::Sum;
    case expr::Kind::Mul:
      return Reduce::Product;
    case expr::Kind::Max:
      return Reduce::Max;
    case expr::Kind::Min:
      return Reduce::Min;
    default:
      return std::nullopt;
  }
}

}  // namespace

Scheduled rfactor(const Nest& nest, const VarPtr& loop) {
  int position = statement_with(nest, loop);
  if (position < 0) return ScheduleRefusal{"no loop " + loop->name};
  auto chain = chain_of(nest.nests[size_t(position)]);
  if (!chain) return ScheduleRefusal{"the statement is no plain reduction"};
  const Stmt& store = chain->store;
  const BufferPtr& out = store->buffer;
  auto kind = reduction_of(store->value->kind);
  if (!kind) return ScheduleRefusal{"the statement does not reduce"};
  const Expr& accumulator = store->value->args[0];
  bool reduces = accumulator->kind == expr::Kind::Load && accumulator->buffer == out;
  for (size_t d = 0; reduces && d < store->index.size(); ++d) {
    reduces = expr::equal(accumulator->args[d], store->index[d]) && store->index[d]->kind == expr::Kind::Var;
  }
  if (!reduces) return ScheduleRefusal{"the statement does not accumulate into one element"};
  Expr extent;
  for (const Axis& axis : chain->axes) {
    if (axis.var == loop) extent = axis.extent;
  }
  for (const Expr& e : store->index) {
    if (e->var == loop) return ScheduleRefusal{"loop " + loop->name + " does not reduce"};
  }
  auto count = expr::as_int(extent);
  if (!count || *count > 64) return ScheduleRefusal{"the loop has no small constant extent"};

  auto partial = std::make_shared<expr::Buffer>(*out);
  partial->name += "_rf";
  partial->dims.push_back(extent);
  BufferPtr rf = partial;
  auto fresh = [&](bool with_loop) {
    std::vector<Axis> axes;
    for (const Expr& d : out->dims) axes.push_back({expr::make_var("f", {0, INT64_MAX, 1}), d});
    if (with_loop) axes.push_back({expr::make_var("p", {0, *count - 1, 1}), extent});
    return axes;
  };
  auto index_of = [](const std::vector<Axis>& axes, size_t rank) {
    Index index;
    for (size_t i = 0; i < rank; ++i) index.emplace_back(axes[i].var);
    return index;
  };
  size_t rank = out->dims.size();
  std::vector<Axis> init = fresh(true), last = fresh(true);
  Stmt clear =
      make_loops(ForKind::Serial, init, make_store(rf, index_of(init, rank + 1), identity_of(*kind, out->dtype)));
  Index slot = store->index;
  slot.emplace_back(loop);
  Stmt update = make_loops(ForKind::Serial, chain->axes,
                           make_store(rf, slot, combine(*kind, expr::load(rf, slot), store->value->args[1])));
  Index to = index_of(last, rank);
  Stmt merge =
      make_loops(ForKind::Serial, last,
                 make_store(out, to, combine(*kind, expr::load(out, to), expr::load(rf, index_of(last, rank + 1)))));
  Nest result = nest;
  result.temporaries.push_back(rf);
  result.nests[size_t(position)] = update;
  result.nests.insert(result.nests.begin() + position, clear);
  result.nests.insert(result.nests.begin() + position + 2, merge);
  return Rewrite{result, {last.back().var}};
}

}  // namespace sardonyx::tensor
