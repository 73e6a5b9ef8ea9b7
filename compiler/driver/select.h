// Candidate and layout choice for every group, over the whole graph.
//
// Each group's candidates (vendor, scheduled, library) come from the backend with estimated costs and the layouts that
// they read and write. The choice minimises the sum of candidate costs and of reorders on edges whose layouts differ:
// first forward (each group sees what its producers chose), then by local improvement until nothing changes.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "compiler/graph/graph.h"

namespace sardonyx::driver {

struct Choice {
  backends::Candidate candidate;
  std::string reason;  // why it won, with the costs of the others and the refusals
};

// One entry per `fused` node (also in regions). Sets the layouts of group results and inserts fused `reorder` groups
// (with choices of their own) where layouts differ. Throws Error(UnsupportedOperator) naming a group that no candidate
// takes.
std::map<const graph::Node*, Choice> select(graph::Graph& graph, const backends::Backend& backend,
                                            const backends::Target& target, Policy policy);

// What makes two groups the same code: canonical text, facts of symbols, and small constants (which kernels may embed).
std::string group_key(const graph::Node& group);
// Symbols of a group in order of appearance; corresponds position by position between groups with equal keys.
std::vector<expr::VarPtr> group_symbols(const graph::Node& group);

}  // namespace sardonyx::driver
