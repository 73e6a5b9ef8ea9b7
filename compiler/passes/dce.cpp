// Dead code: nodes none of whose results is used. `check` stays always, `bind_dims` while one of its symbols is used by
// a live node's type or attributes.
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "compiler/graph/symbols.h"
#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

using Symbols = std::unordered_set<const expr::Variable*>;

void collect(const expr::Expr& e, Symbols& symbols) {
  expr::visit(e, [&](const expr::Expr& node) {
    if (node->kind == expr::Kind::Var) symbols.insert(node->var.get());
    return true;
  });
}

void collect_used(Region& region, Symbols& symbols) {
  for (auto& node : region.nodes()) {
    if (node->op == Op::bind_dims) continue;
    for (auto& result : node->results)
      for (const expr::Expr& dim : result->type.dims) collect(dim, symbols);
    graph::for_each_attribute_expr(*node, [&](const expr::Expr& e) { collect(e, symbols); });
    for (auto& nested : node->regions) collect_used(*nested, symbols);
  }
}

bool removable(const Node& node, const Symbols& used) {
  if (node.op == Op::yield || node.op == Op::check) return false;
  if (node.op == Op::bind_dims) {
    for (const expr::Expr& symbol : node.attrs<graph::BindDimsAttrs>().symbols)
      if (used.count(symbol->var.get())) return false;
    return true;
  }
  for (const auto& result : node.results)
    if (!result->uses.empty()) return false;
  return true;
}

}  // namespace

bool eliminate_dead(graph::Graph& graph, PassContext&) {
  bool changed = false;
  for (bool again = true; again;) {
    again = false;
    Symbols used;
    collect_used(graph.body(), used);
    for (const graph::Equality& equality : graph.equalities) {
      collect(equality.left, used);
      collect(equality.right, used);
    }
    for_each_region(graph, [&](Region& region) {
      auto& nodes = region.nodes();
      for (auto it = nodes.end(); it != nodes.begin();) {
        --it;
        Node& node = **it;
        if (!removable(node, used)) continue;
        bool binds = node.op == Op::bind_dims || !node.regions.empty();
        auto next = std::next(it);
        graph.erase(&node);
        it = next;
        changed = true;
        again |= binds;  // what it alone kept alive may be dead now
      }
    });
  }
  return changed;
}

}  // namespace sardonyx::passes
