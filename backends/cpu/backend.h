// The CPU backend: generated kernels (LLVM), oneDNN and host functions in one candidate list.
#pragma once
#include "backends/backend.h"

namespace sardonyx::cpu {

const backends::Backend& backend();

}  // namespace sardonyx::cpu
