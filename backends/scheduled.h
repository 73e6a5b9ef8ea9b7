// Groups that generated code runs: proposals of the schedule families as candidates, their kernels as compiled groups.
// Shared by the backends that have a code generator.
#pragma once
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backends/backend.h"
#include "compiler/sketch/family.h"

namespace sardonyx::backends {

// Layouts in which a group is offered, one per operand and result; empty lists: all row-major.
struct Layouts {
  std::vector<graph::Layout> inputs, outputs;
};

// A group that only changes the layout of its operand.
bool is_reorder(const graph::Node& group);

// Row-major, and blocks of channels where convolutions, pools and point-wise groups gain by them. GPUs read row-major
// tensors as well.
std::vector<Layouts> layout_variants(const graph::Node& group, const Target& target);

// Nanoseconds on the whole device of work that takes `one_core_ns` on one core.
double on_all_cores(double one_core_ns, const Target& target);

// Candidates "PREFIX.FAMILY" per layout variant: on CPUs the most special exact family that fits and those before it, on
// GPUs every one that fits. Or the refusal "PREFIX: no tensor expression".
void propose_scheduled(const graph::Node& group, const Target& target, std::string_view prefix, Candidates& result);

// The kernels of a candidate of propose_scheduled. When its family refuses after all, those of the family that runs
// anything.
sketch::Lowered lower_scheduled(const sketch::Problem& problem, const Candidate& candidate, const Target& target);

// A compiled group under construction: which launch buffer is which operand of the group.
class Assembly {
 public:
  Assembly(const sketch::Problem& problem, const sketch::Lowered& lowered);
  // `code` is the compiled `kernel`, one of the lowered launches. Launches run in the order of the calls.
  void launch(const tensor::LoweredKernel& kernel, runtime::KernelPtr code);
  CompiledGroup finish() { return std::move(group_); }

 private:
  CompiledGroup group_;
  std::unordered_map<const expr::Buffer*, int> numbers_;
};

}  // namespace sardonyx::backends
