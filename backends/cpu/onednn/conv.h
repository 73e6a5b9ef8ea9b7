// Convolution through oneDNN with blocked activations, and how the work is cut.
#pragma once
#include "backends/cpu/onednn/common.h"

namespace sardonyx::cpu::onednn {

void propose_conv(const graph::Node& group, const graph::Node& anchor, const backends::Target& target,
                  backends::Candidates& result);
backends::CompiledGroup compile_conv(const backends::Chosen& chosen, const graph::Node& anchor,
                                     const backends::Target& target);

}  // namespace sardonyx::cpu::onednn
