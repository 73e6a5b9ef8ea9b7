// Constants of a graph on their way into its program: packed for the kernels that read them, shared with other graphs,
// and no longer in memory of anybody else.
#pragma once
#include <map>

#include "compiler/driver/emit.h"

namespace sardonyx::driver {

// Fills Emittable::packed by the packing functions of the groups; equal work is done once. A constant of which only
// packed copies are read leaves the graph, and memory as soon as they are made. Then none that is left is lent
// (Tensor::lent). Large results come from the pool of the process (weight_pool.h).
void settle_constants(graph::Graph& graph, std::map<const graph::Node*, Emittable>& groups);

}  // namespace sardonyx::driver
