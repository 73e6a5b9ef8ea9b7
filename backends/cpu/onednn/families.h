// oneDNN as a source of candidates: matmul, convolution and pooling with fused epilogues.
//
// oneDNN always runs on one thread inside one of our workers; a large call is split by us into chunks (output channels,
// batch entries, columns), one grid index each, so there is never a second thread team. Scratchpads are ours, so
// concurrent runs of one primitive are safe. No oneDNN type leaves this folder.
#pragma once
#include "backends/backend.h"

namespace sardonyx::cpu::onednn {

// Appends oneDNN candidates for the group, or reasons why there are none.
void propose(const graph::Node& group, const backends::Target& target, backends::Candidates& result);

// Compiles a candidate of propose(). Creates primitives for static shapes at once (their weight formats decide the
// packing); symbolic ones are created when a plan is made.
backends::CompiledGroup compile(const backends::Chosen& chosen, const backends::Target& target);

}  // namespace sardonyx::cpu::onednn
