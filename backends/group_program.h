// The tensor program of a fused group, in the layouts that a candidate asks for.
//
// Inputs of the program are the group's operands in order, outputs its results in order; both have physical dims.
// Inside, primitives are expressed on logical indices: a load of a blocked operand goes through graph::physical_index,
// and an output stage over physical dims maps back with graph::logical_index (writing zero beyond the logical extent).
#pragma once
#include <set>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/sketch/family.h"
#include "runtime/base/status.h"

namespace sardonyx::backends {

// Constants of up to so many elements may become part of a group's code; groups that differ in larger ones share it.
inline constexpr int64_t max_baked_elements = 16;

// Expresses `group` (a fused node). Layout lists have one entry per operand / result; empty lists mean row-major.
// Operands that are constants are marked constant; one-element constants become immediates unless they are `arguments`
// (Chosen::arguments). Throws Error when a node inside cannot be expressed (opaque kinds).
sketch::Problem express_group(const graph::Node& group, const std::vector<graph::Layout>& inputs = {},
                              const std::vector<graph::Layout>& outputs = {}, const std::set<int>& arguments = {});

// True when every node of the group has a tensor expression.
bool expressible(const graph::Node& group);

// The one node that is neither point-wise nor injective, or null.
const graph::Node* anchor_of(const graph::Node& group);

// "conv+add+relu": kinds in order, scalar maps by function name.
std::string primitives_of(const graph::Node& group);

// Adds which group was being compiled, and the nodes of the model it is from, to the text of an error.
void add_group(Error& error, const graph::Node& group);

}  // namespace sardonyx::backends
