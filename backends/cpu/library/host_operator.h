// Opaque primitives (topk, nonzero, scatters, host calls, recurrent layers whose weights only the run knows) run as
// host functions on the CPU.
#pragma once
#include <memory>

#include "compiler/graph/graph.h"
#include "runtime/kernel.h"

namespace sardonyx::cpu {

// The group's only node when that is an opaque primitive with a reference function, else null.
const graph::Node* host_anchor(const graph::Node& group);

std::shared_ptr<const runtime::HostFunction> make_host_operator(const graph::Node& group);

}  // namespace sardonyx::cpu
