#include "compiler/driver/group_key.h"

#include <unordered_set>

#include "backends/group_program.h"
#include "compiler/expr/simplify.h"
#include "compiler/graph/symbols.h"
#include "runtime/base/strings.h"

namespace sardonyx::driver {

using graph::Node;

std::vector<expr::VarPtr> group_symbols(const Node& group) {
  std::vector<expr::VarPtr> order;
  std::unordered_set<const expr::Variable*> seen;
  graph::for_each_dim(group, [&](const expr::Expr& dim) {
    expr::visit(dim, [&](const expr::Expr& e) {
      if (e->kind == expr::Kind::Var && seen.insert(e->var.get()).second) order.push_back(e->var);
      return true;
    });
  });
  return order;
}

std::string group_key(const Node& group) {
  std::string key = graph::canonical_text(group);
  for (const expr::VarPtr& symbol : group_symbols(group))
    key += str("\nsymbol ", symbol->facts.min, " ", symbol->facts.max, " ", symbol->facts.multiple_of);
  for (const graph::Value* operand : group.operands) {
    const Tensor* tensor = operand->constant();
    key += tensor ? "\nconstant" : "\nvalue";
    if (tensor && !is_held(tensor->dtype()) && tensor->count() <= backends::max_baked_elements)
      key.append(reinterpret_cast<const char*>(tensor->raw()), size_t(tensor->bytes()));
  }
  return key;
}

}  // namespace sardonyx::driver
