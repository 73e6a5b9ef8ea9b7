#include <algorithm>

#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

Scheduled inline_buffer(const Nest& nest, const BufferPtr& buffer) {
  if (std::find(nest.temporaries.begin(), nest.temporaries.end(), buffer) == nest.temporaries.end()) {
    return ScheduleRefusal{buffer->name + " is no temporary"};
  }
  int producer = -1;
  for (size_t i = 0; i < nest.nests.size(); ++i) {
    if (stores_of(nest.nests[i], buffer).empty()) continue;
    if (producer >= 0) return ScheduleRefusal{buffer->name + " is stored by several statements"};
    producer = int(i);
  }
  if (producer < 0) return ScheduleRefusal{buffer->name + " is not stored"};
  auto chain = chain_of(nest.nests[size_t(producer)]);
  if (!chain) return ScheduleRefusal{"the statement of " + buffer->name + " is scheduled already"};
  if (!loads_of(chain->store, buffer).empty()) return ScheduleRefusal{buffer->name + " depends on itself"};
  std::vector<VarPtr> vars;
  for (const Expr& e : chain->store->index) {
    if (e->kind != expr::Kind::Var) return ScheduleRefusal{buffer->name + " is not stored point by point"};
    vars.push_back(e->var);
  }
  Nest result = nest;
  result.nests.erase(result.nests.begin() + producer);
  result.temporaries.erase(std::find(result.temporaries.begin(), result.temporaries.end(), buffer));
  for (Stmt& s : result.nests) {
    s = mutate_exprs(s, [&](const Expr& e) {
      return mutate_shared(e, [&](const Expr& x) -> Expr {
        if (x->kind != expr::Kind::Load || x->buffer != buffer) return x;
        expr::Substitution at;
        for (size_t d = 0; d < vars.size(); ++d) at[vars[d].get()] = x->args[d];
        return substitute_shared(chain->store->value, at);
      });
    });
  }
  return Rewrite{result, {}};
}

}  // namespace sardonyx::tensor
