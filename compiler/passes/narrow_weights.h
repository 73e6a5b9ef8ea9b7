// Constant weights of few bits that a graph widens to F32: DequantizeLinear of I4, U4, I8 and U8 as import writes it,
// per tensor, per index of an axis or per block of one, and casts of F16 and BF16. Products and gathers that read them
// keep them narrow: what widens them is not folded and becomes part of their groups.
#pragma once
#include <unordered_set>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

// What widens a constant: the nodes from it to the value, and those that bring zeros and scales to its dims.
struct NarrowWeights {
  std::vector<graph::Node*> widening, parameters;
};
// Nothing when `value` is something else, or too small to matter.
std::optional<NarrowWeights> match_narrow_weights(graph::Value* value);

// The operand of a product or a gather that may stay narrow; null: none.
graph::Value* narrow_operand(const graph::Node& node);

// The nodes of the graph that widen operands of products: constants in front of them stay as they are.
std::unordered_set<const graph::Node*> widening_of_products(graph::Graph& graph);

// Gives every product and gather of narrow weights nodes of its own that widen them.
void split_narrow_weights(graph::Region& region);

}  // namespace sardonyx::passes
