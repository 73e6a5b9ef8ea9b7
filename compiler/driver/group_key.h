// What makes two groups the same code.
#pragma once
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace sardonyx::driver {

// Canonical text, facts of symbols, and small constants (which kernels may embed).
std::string group_key(const graph::Node& group);
// Symbols of a group in order of appearance; corresponds position by position between groups with equal keys.
std::vector<expr::VarPtr> group_symbols(const graph::Node& group);

}  // namespace sardonyx::driver
