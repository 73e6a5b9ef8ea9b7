// The order of passes, and the driver that runs them.
#pragma once
#include <string_view>
#include <vector>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

// Every pass there is, for `sardonyx opt`.
const std::vector<Pass>& all_passes();
// The default order; a pass may appear more than once.
const std::vector<Pass>& pipeline();
const Pass* find_pass(std::string_view name);

// Runs `passes` in order. Throws Error with the pass's name as context.
void run_passes(graph::Graph& graph, const std::vector<Pass>& passes, PassContext& context);

}  // namespace sardonyx::passes
