// Dead code: nodes none of whose results is used. `check` stays always; what binds symbols (`bind_dims`, or the shape
// of a result) while one of them is used by the type or attributes of another node.
#include <unordered_map>

#include "compiler/expr/simplify.h"
#include "compiler/graph/symbols.h"
#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

// Who binds the symbols of dims, and who needs them.
class SymbolUses {
 public:
  explicit SymbolUses(graph::Graph& graph) {
    for (const auto& parameter : graph.body().parameters()) bind(parameter->type, nullptr);
    region(graph.body());
    for (const graph::Equality& equality : graph.equalities) {
      use(equality.left, nullptr);
      use(equality.right, nullptr);
    }
  }

  bool used(const expr::Variable* symbol) const { return users_.count(symbol) != 0; }

  // Whether a symbol that is bound from the shape of a result is needed by someone else.
  bool binds_for_others(const Node& node) const {
    for (const auto& result : node.results)
      for (const expr::Expr& dim : result->type.dims) {
        if (dim->kind != expr::Kind::Var) continue;
        auto binder = binders_.find(dim->var.get());
        if (binder != binders_.end() && binder->second == &node && users_.at(dim->var.get()) != &node) return true;
      }
    return false;
  }

 private:
  void region(Region& region) {
    for (auto& node : region.nodes()) {
      if (node->op == Op::bind_dims) {
        for (const expr::Expr& symbol : node->attrs<graph::BindDimsAttrs>().symbols)
          binders_.emplace(symbol->var.get(), nullptr);
        continue;
      }
      for (auto& nested : node->regions) {
        for (const auto& parameter : nested->parameters()) {
          if (node->op == Op::loop) bind(parameter->type, nullptr);
          for (const expr::Expr& dim : parameter->type.dims) use(dim, node.get());
        }
        this->region(*nested);
      }
      for (auto& result : node->results) {
        bind(result->type, node.get());
        for (const expr::Expr& dim : result->type.dims) use(dim, node.get());
      }
      graph::for_each_attribute_expr(*node, [&](const expr::Expr& e) { use(e, node.get()); });
    }
  }

  void bind(const graph::TensorType& type, const Node* node) {
    for (const expr::Expr& dim : type.dims)
      if (dim->kind == expr::Kind::Var) binders_.emplace(dim->var.get(), node);  // the first one binds
  }

  void use(const expr::Expr& e, const Node* node) {
    expr::visit(e, [&](const expr::Expr& part) {
      if (part->kind != expr::Kind::Var) return true;
      auto [user, first] = users_.emplace(part->var.get(), node);
      if (!first && user->second != node) user->second = nullptr;
      return true;
    });
  }

  std::unordered_map<const expr::Variable*, const Node*> binders_;  // null: not the shape of a result
  std::unordered_map<const expr::Variable*, const Node*> users_;    // null: several, or no node
};

bool removable(const Node& node, const SymbolUses& symbols) {
  if (node.op == Op::yield || node.op == Op::check) return false;
  if (node.op == Op::bind_dims) {
    for (const expr::Expr& symbol : node.attrs<graph::BindDimsAttrs>().symbols)
      if (symbols.used(symbol->var.get())) return false;
    return true;
  }
  for (const auto& result : node.results)
    if (!result->uses.empty()) return false;
  return !symbols.binds_for_others(node);
}

}  // namespace

bool eliminate_dead(graph::Graph& graph, PassContext&) {
  bool changed = false;
  for (bool again = true; again;) {
    again = false;
    const SymbolUses symbols(graph);
    for_each_region(graph, [&](Region& region) {
      auto& nodes = region.nodes();
      for (auto it = nodes.end(); it != nodes.begin();) {
        --it;
        Node& node = **it;
        if (!removable(node, symbols)) continue;
        const bool needs = node.op != Op::constant;
        auto next = std::next(it);
        graph.erase(&node);
        it = next;
        changed = true;
        again |= needs;  // what it alone kept alive may be dead now
      }
    });
  }
  return changed;
}

}  // namespace sardonyx::passes
