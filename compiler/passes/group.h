// Groups: nodes that become one `fused` node.
#pragma once
#include <vector>

#include "compiler/graph/graph.h"

namespace sardonyx::passes {

// Moves the nodes, which are in program order, into the region of a new fused node that stands where the last of them
// stood. Its results are the values that others use, or all results of `whole`, one of the nodes.
graph::Node* make_group(graph::Region& region, const std::vector<graph::Node*>& nodes,
                        const graph::Node* whole = nullptr);

}  // namespace sardonyx::passes
