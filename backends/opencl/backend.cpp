#include "backends/opencl/backend.h"

#include "backends/group_program.h"
#include "backends/opencl/clblast/families.h"
#include "backends/opencl/codegen.h"
#include "backends/opencl/compile.h"
#include "backends/opencl/device.h"
#include "backends/opencl/platform.h"
#include "backends/scheduled.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

using backends::Candidate;
using backends::Candidates;
using backends::Chosen;
using backends::CompiledGroup;
using backends::Target;
using graph::Node;

namespace {

// Groups of fewer operands and results have few enough arguments in any case.
constexpr size_t most_operands = 40;

sketch::Problem problem_of(const Node& group, const Candidate& candidate, const std::set<int>& arguments = {}) {
  return backends::express_group(group, candidate.inputs, candidate.outputs, arguments);
}

// Drops candidates whose kernels need what the device lacks. Only lowering tells: F32 functions may run in F64, and
// families differ in what they pack into one kernel.
void keep_possible(const Node& group, const Target& target, Candidates& candidates) {
  std::erase_if(candidates.list, [&](const Candidate& candidate) {
    sketch::Lowered lowered = backends::lower_scheduled(problem_of(group, candidate), candidate, target);
    for (const tensor::LoweredKernel& kernel : lowered.launches) {
      auto reason = refusal(kernel, target);
      if (!reason) continue;
      candidates.refusals.push_back(str(candidate.family, ": the device ", *reason));
      return true;
    }
    return false;
  });
}

class OpenClBackend final : public backends::Backend {
 public:
  std::string_view name() const override { return "opencl"; }

  std::vector<backends::DeviceInfo> discover() const override { return discovered_devices(); }

  runtime::DevicePtr open(const backends::DeviceInfo& device, const backends::OpenOptions& options) const override {
    return opencl::open(device, options);
  }

  Candidates candidates(const Node& group, const Target& target) const override {
    Candidates result;
    backends::propose_scheduled(group, target, "opencl", result);
    bool many_operands = group.operands.size() + group.results.size() > most_operands;
    if (!target.fp64 || many_operands) keep_possible(group, target, result);
    clblast::propose(group, target, result);
    return result;
  }

  std::vector<CompiledGroup> compile(std::span<const Chosen> batch, const Target& target,
                                     const Settings& settings) const override {
    struct Pending {
      sketch::Problem problem;
      sketch::Lowered lowered;
      runtime::KernelPtr vendor;  // runs the first launch
    };
    std::vector<Pending> pending;
    std::vector<tensor::LoweredKernel> kernels;
    for (const Chosen& chosen : batch) {
      try {
        Pending entry{problem_of(*chosen.group, chosen.candidate, chosen.arguments), {}, nullptr};
        if (clblast::owns(chosen.candidate)) {
          clblast::Plan plan = clblast::lower(entry.problem, target);
          entry.lowered = std::move(plan.lowered);
          entry.vendor = std::move(plan.gemm);
        } else {
          entry.lowered = backends::lower_scheduled(entry.problem, chosen.candidate, target);
        }
        const auto& launches = entry.lowered.launches;
        kernels.insert(kernels.end(), launches.begin() + (entry.vendor ? 1 : 0), launches.end());
        pending.push_back(std::move(entry));
      } catch (Error& error) {
        backends::add_group(error, *chosen.group);
        throw;
      }
    }
    std::vector<runtime::KernelPtr> code = compile_kernels(kernels, target, settings);
    std::vector<CompiledGroup> result;
    size_t next = 0;
    for (const Pending& entry : pending) {
      backends::Assembly assembly(entry.problem, entry.lowered);
      for (const tensor::LoweredKernel& kernel : entry.lowered.launches) {
        bool first = &kernel == &entry.lowered.launches.front();
        assembly.launch(kernel, first && entry.vendor ? entry.vendor : code[next++]);
      }
      result.push_back(assembly.finish());
    }
    return result;
  }
};

}  // namespace

const backends::Backend& backend() {
  static const OpenClBackend opencl;
  return opencl;
}

}  // namespace sardonyx::opencl
