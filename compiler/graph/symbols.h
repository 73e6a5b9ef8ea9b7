// Walking and changing the dim expressions of a node: operand types, and for every node inside its result types and
// attributes.
#pragma once
#include <functional>

#include "compiler/expr/simplify.h"
#include "compiler/graph/graph.h"

namespace sardonyx::graph {

// Calls `f` for every Expr in the node's attributes.
void for_each_attribute_expr(const Node& node, const std::function<void(const Expr&)>& f);
// Operand types first, then result types and attributes of the node and, recursively, of the nodes in its regions.
void for_each_dim(const Node& node, const std::function<void(const Expr&)>& f);
// A copy of the attributes with `f` applied to every Expr in them.
AttributesPtr map_attribute_exprs(const Attributes& attributes, const std::function<Expr(const Expr&)>& f);
// A copy of the attributes with the symbols replaced.
AttributesPtr substitute_symbols(const Attributes& attributes, const expr::Substitution& symbols);

}  // namespace sardonyx::graph
