// Pooling through oneDNN on blocked activations; a mean over all spatial dims counts as average pooling.
#pragma once
#include "backends/cpu/onednn/common.h"

namespace sardonyx::cpu::onednn {

void propose_pool(const graph::Node& group, const graph::Node& anchor, const backends::Target& target,
                  backends::Candidates& result);
backends::CompiledGroup compile_pool(const backends::Chosen& chosen, const graph::Node& anchor,
                                     const backends::Target& target);

}  // namespace sardonyx::cpu::onednn
