// Outputs that ONNX leaves to chance have no expected values, only a distribution: this says whether runs fit it.
#pragma once
#include <string>
#include <vector>

#include "tools/tensor_file.h"

namespace sardonyx::tools {

// How the outputs of a test are drawn from its inputs.
enum class Chance {
  Bernoulli,            // output 0 is one with the probability of input 0, else zero
  BernoulliComplement,  // output 0 is zero with the probability of input 0, else one
  Dropout,  // output 0 is input 0 over 1 - ratio where kept, else zero; input 1: ratio (0.5 without); output 1: what
            // is kept
};

// "bernoulli", "bernoulli-complement" or "dropout"; throws UsageError for another text.
Chance parse_chance(const std::string& text);

// `runs` has the outputs of each run. Empty when their values are possible and, over all runs that differ (a seeded
// model repeats itself), both the sum of the draws and those of single elements are within six standard deviations of
// what is expected; else what does not fit.
std::string misfit(Chance chance, const std::vector<HostTensor>& inputs,
                   const std::vector<std::vector<HostTensor>>& runs);

}  // namespace sardonyx::tools
