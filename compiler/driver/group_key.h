// What makes two groups the same code.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace sardonyx::driver {

// Canonical text, facts of symbols, and small constants (which kernels may embed) but for those that are `arguments`.
std::string group_key(const graph::Node& group, std::span<const int> arguments = {});
// Operands that generated code may as well read when it runs: constant numbers that are only calculated with and are
// such that nothing is gained by knowing them. Ascending.
std::vector<int> possible_arguments(const graph::Node& group);
// Symbols of a group in order of appearance; corresponds position by position between groups with equal keys.
std::vector<expr::VarPtr> group_symbols(const graph::Node& group);

}  // namespace sardonyx::driver
