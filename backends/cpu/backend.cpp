#include "backends/cpu/backend.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "backends/cpu/library/host_operator.h"
#include "backends/cpu/llvm/compile.h"
#include "backends/cpu/onednn/families.h"
#include "backends/group_program.h"
#include "backends/recurrent.h"
#include "backends/scheduled.h"
#include "compiler/expr/simplify.h"
#include "compiler/sketch/tile.h"
#include "compiler/tensor/symbol_values.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu {

using backends::Candidate;
using backends::Candidates;
using backends::Chosen;
using backends::CompiledGroup;
using backends::Target;
using graph::Node;

namespace {

// Two schedules of one product over the same operands: `tiled` for many rows, `single` for up to
// `most_single_rows`.
class RowVariants : public runtime::Kernel {
 public:
  RowVariants(runtime::KernelPtr tiled, runtime::KernelPtr single, const tensor::Program& program)
      : tiled_(std::move(tiled)), single_(std::move(single)), symbols_(program.symbols), rows_(1) {
    const auto& dims = program.outputs.front()->dims;
    for (size_t i = 0; i + 1 < dims.size(); ++i) rows_ = rows_ * dims[i];
  }
  std::string name() const override { return tiled_->name(); }
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    const tensor::SymbolValues values = tensor::symbol_values(symbols_, dims, name());
    int64_t rows = expr::evaluate(rows_, values);
    return (rows > sketch::most_single_rows ? tiled_ : single_)->prepare(dims);
  }

 private:
  runtime::KernelPtr tiled_, single_;
  std::vector<expr::VarPtr> symbols_;
  expr::Expr rows_;
};

// A product whose number of rows is only known at run time gets a second kernel for single rows that reads the same
// panels: a tile of many rows would compute mostly nothing there. One row needs several vectors at once to hide the
// latency of its sums. Nothing when the point has no such variant.
std::optional<backends::Point> single_row_variant(const Candidate& candidate, const sketch::Problem& problem) {
  const bool narrow = candidate.family == "codegen.narrow";
  if ((candidate.family != "codegen.contraction" && !narrow) || problem.program.symbols.empty()) return std::nullopt;
  auto rows = candidate.point.find("rows"), nv = candidate.point.find("nv");
  if (rows == candidate.point.end() || nv == candidate.point.end() || rows->second <= 1) return std::nullopt;
  backends::Point point = candidate.point;
  point["rows"] = 1;
  if (narrow) {
    point["nv"] = point.at("panel");
    return point;
  }
  point["panel"] = nv->second;
  point["nv"] = nv->second * std::max<int64_t>(1, sketch::vectors_in_flight / nv->second);
  point["unroll"] = 4;
  return point;
}

// One launch each, over the same operands.
bool interchangeable(const sketch::Lowered& a, const sketch::Lowered& b) {
  return a.launches.size() == 1 && b.launches.size() == 1 && a.temporaries.empty() && b.temporaries.empty() &&
         a.packed.size() == b.packed.size();
}

// What the reference of an opaque primitive takes: nothing is known of it but that generated code is much faster.
double library_ns(const Candidates& others) {
  double ns = 10000;
  for (const Candidate& candidate : others.list) ns = std::max(ns, 10 * candidate.cost_ns);
  return ns;
}

class CpuBackend : public backends::Backend {
 public:
  std::string_view name() const override { return "cpu"; }

  std::vector<backends::DeviceInfo> discover() const override {
    backends::DeviceInfo info;
    info.backend = "cpu";
    info.name = "CPU";
    info.device = model_name();
    info.type = backends::DeviceType::Cpu;
    info.target = host_target();
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE);
    info.memory_bytes = pages > 0 && page > 0 ? uint64_t(pages) * uint64_t(page) : uint64_t{1} << 30;
    info.memory_bandwidth = uint64_t(info.target.bytes_per_ns * info.target.cores * 1e9);
    info.macs_fp32 = uint64_t(info.target.flops_per_ns * info.target.cores * 0.5e9);
    info.host_read_bandwidth = info.host_write_bandwidth = info.memory_bandwidth;
    return {info};
  }

  runtime::DevicePtr open(const backends::DeviceInfo&, const backends::OpenOptions&) const override { return nullptr; }

  Candidates candidates(const Node& group, const Target& target) const override {
    Candidates result;
    if (const Node* anchor = host_anchor(group)) {
      if (anchor->op == graph::Op::rnn) backends::propose_recurrent(group, target, "codegen", result);
      Candidate candidate;
      candidate.kind = Candidate::Kind::Library;
      candidate.family = str("library.", graph::op_name(anchor->op));
      candidate.cost_ns = library_ns(result);
      result.list.push_back(std::move(candidate));
      return result;
    }
    if (target.deterministic)
      result.refusals.emplace_back("onednn: orders sums as it likes");
    else if (!backends::is_reorder(group))
      onednn::propose(group, target, result);
    backends::propose_scheduled(group, target, "codegen", result);
    return result;
  }

  std::vector<CompiledGroup> compile(std::span<const Chosen> batch, const Target& target,
                                     const Settings& settings) const override {
    std::vector<CompiledGroup> result(batch.size());
    std::vector<tensor::LoweredKernel> kernels;
    struct Pending {
      size_t group;
      sketch::Problem problem;
      sketch::Lowered lowered;
      std::optional<sketch::Lowered> variant;  // the same launches, scheduled for single rows
    };
    std::vector<Pending> pending;
    for (size_t i = 0; i < batch.size(); ++i) {
      const Chosen& chosen = batch[i];
      try {
        if (chosen.candidate.kind == Candidate::Kind::Library) {
          result[i].host = make_host_operator(*chosen.group);
        } else if (chosen.candidate.kind == Candidate::Kind::Vendor) {
          result[i] = onednn::compile(chosen, target);
        } else if (backends::is_recurrent(chosen.candidate)) {
          backends::LoweredRecurrence layer = backends::lower_recurrent(*chosen.group, target);
          for (const tensor::LoweredKernel& kernel : layer.lowered.launches) kernels.push_back(kernel);
          pending.push_back({i, std::move(layer.problem), std::move(layer.lowered), {}});
        } else {
          Pending entry{i,
                        backends::express_group(*chosen.group, chosen.candidate.inputs, chosen.candidate.outputs,
                                                chosen.arguments),
                        {},
                        {}};
          entry.lowered = backends::lower_scheduled(entry.problem, chosen.candidate, target);
          if (auto point = single_row_variant(chosen.candidate, entry.problem)) {
            Candidate other = chosen.candidate;
            other.point = *point;
            sketch::Lowered variant = backends::lower_scheduled(entry.problem, other, target);
            if (interchangeable(variant, entry.lowered)) entry.variant = std::move(variant);
          }
          for (const tensor::LoweredKernel& kernel : entry.lowered.launches) kernels.push_back(kernel);
          if (entry.variant) kernels.push_back(entry.variant->launches.front());
          pending.push_back(std::move(entry));
        }
      } catch (Error& error) {
        backends::add_group(error, *chosen.group);
        throw;
      }
    }
    std::vector<runtime::KernelPtr> code = compile_kernels(kernels, target, settings);
    size_t next = 0;
    for (const Pending& entry : pending) {
      backends::Assembly assembly(entry.problem, entry.lowered);
      if (entry.variant) {
        assembly.launch(entry.lowered.launches.front(),
                        std::make_shared<RowVariants>(code[next], code[next + 1], entry.problem.program));
        next += 2;
        result[entry.group] = assembly.finish();
        continue;
      }
      for (const tensor::LoweredKernel& kernel : entry.lowered.launches) assembly.launch(kernel, code[next++]);
      result[entry.group] = assembly.finish();
    }
    return result;
  }

 private:
  static std::string model_name() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
      if (line.rfind("model name", 0) != 0) continue;
      size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
    return "CPU";
  }
};

}  // namespace

const backends::Backend& backend() {
  static const CpuBackend cpu;
  return cpu;
}

}  // namespace sardonyx::cpu
