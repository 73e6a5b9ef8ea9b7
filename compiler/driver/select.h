// Candidate, layout and device for every group, over the whole graph.
//
// Each group's candidates (vendor, scheduled, library) come from the backends of all devices, with estimated costs and
// the layouts that they read and write. Which devices a group may run on: the one that a placement rule names, else the
// preferred one, else - where that has no candidate - the host; without a preferred device, any. Among what is left the
// least total decides (assignment.h): costs of candidates, reorders where layouts differ, copies where devices do.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "compiler/driver/place.h"

namespace sardonyx::driver {

struct Choice {
  backends::Candidate candidate;
  std::string reason;  // why it won, with the costs of the others and the refusals
  int device = 0;      // the place that runs it
};

// One entry per `fused` node (also in regions). Sets the layouts of group results and inserts fused `reorder` groups
// (with choices of their own) and `copy` nodes on edges. `preferred`: a place, or -1 to decide by cost alone. Of
// `settings` it reads policy, placement and strict. Throws Error(UnsupportedOperator) naming a group that no candidate
// takes, or, when strict, one that cannot run where it should.
std::map<const graph::Node*, Choice> select(graph::Graph& graph, std::span<const Place> places,
                                            const Settings& settings, int preferred);

// The one answer to where a value lives: results of groups where the group runs, of copies where they go to, views with
// what they view; all else with the host.
inline constexpr int everywhere = -1;  // constants and views of them: on every device that reads them
int device_of(const graph::Value* value, const std::map<const graph::Node*, Choice>& choices);

}  // namespace sardonyx::driver
