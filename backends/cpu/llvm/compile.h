// From lowered kernels to machine code.
//
// Kernels are batched 8-16 to a module; modules compile in parallel on threads with big stacks. Memory of code is
// writable or executable, never both. The process outside is not touched: no signal handlers, no environment, no
// symbols. Generated code calls nothing.
#pragma once
#include <span>
#include <vector>

#include "backends/backend.h"
#include "compiler/tensor/kernel.h"
#include "runtime/kernel.h"

namespace sardonyx::cpu {

// One Kernel per entry, in order. Kernel::prepare takes the values of LoweredKernel::symbols. Throws
// Error(InternalError) when LLVM rejects the code.
std::vector<runtime::KernelPtr> compile_kernels(std::span<const tensor::LoweredKernel> kernels,
                                                const backends::Target& target, const Settings& settings);

// The CPU this process runs on: name, features, cache sizes, measured-once rates. Cached.
const backends::Target& host_target();

}  // namespace sardonyx::cpu
