// Matrix products through oneDNN, cut by columns, rows or batch entries.
#pragma once
#include "backends/cpu/onednn/common.h"

namespace sardonyx::cpu::onednn {

void propose_matmul(const graph::Node& group, const graph::Node& anchor, const backends::Target& target,
                    backends::Candidates& result);
backends::CompiledGroup compile_matmul(const backends::Chosen& chosen, const graph::Node& anchor,
                                       const backends::Target& target);

}  // namespace sardonyx::cpu::onednn
