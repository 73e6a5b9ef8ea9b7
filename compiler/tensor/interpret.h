// Reference interpreter of tensor programs: the oracle of every kernel test and the constant folder of last resort.
#pragma once
#include <span>
#include <vector>

#include "compiler/tensor/compute.h"
#include "runtime/base/tensor.h"

namespace sardonyx::tensor {

// Runs the stages in order on host tensors. `inputs` and the result follow Program::inputs and Program::outputs;
// `symbols` gives the values of Program::symbols. Throws Error (index out of range, division by zero).
std::vector<Tensor> interpret(const Program& program, std::span<const Tensor> inputs, std::span<const int64_t> symbols);

}  // namespace sardonyx::tensor
