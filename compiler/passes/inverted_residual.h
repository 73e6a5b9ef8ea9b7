// Inverted residual blocks, as MobileNet-V2 introduced them: an expansion of the channels by a 1 x 1 convolution, a
// depthwise convolution and a projection by another 1 x 1 convolution, with maps per channel between them (biases,
// clamps, SiLU, hard-swish). Blocks without an expansion are those of MobileNet-V1. The first convolution of a network
// counts as an expansion, too.
#pragma once
#include <functional>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

// The nodes in front of `projection` that one kernel computes together with it: values that nobody else reads. Nodes
// that are `taken` stay apart. Empty when `projection` ends no block, or one that is faster as kernels of its own on so
// many cores.
std::vector<graph::Node*> match_inverted_residual(graph::Node& projection, int cores,
                                                  const std::function<bool(const graph::Node*)>& taken);

}  // namespace sardonyx::passes
