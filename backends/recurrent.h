// Recurrent layers as generated kernels: the candidate "PREFIX.recurrent" of groups whose anchor is `rnn`.
#pragma once
#include <string_view>

#include "backends/backend.h"
#include "compiler/sketch/family.h"

namespace sardonyx::backends {

// Adds the candidate, or the reason why not.
void propose_recurrent(const graph::Node& group, const Target& target, std::string_view prefix, Candidates& result);

bool is_recurrent(const Candidate& candidate);

// The program of such a group, which has no stages, and its kernel.
struct LoweredRecurrence {
  sketch::Problem problem;
  sketch::Lowered lowered;
};
LoweredRecurrence lower_recurrent(const graph::Node& group, const Target& target);

}  // namespace sardonyx::backends
