#include "backends/cpu/backend.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <unordered_map>

#include "backends/cpu/library/host_operator.h"
#include "backends/cpu/llvm/compile.h"
#include "backends/cpu/onednn/families.h"
#include "backends/group_program.h"
#include "compiler/expr/simplify.h"
#include "compiler/sketch/family.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu {

using backends::Candidate;
using backends::Candidates;
using backends::Chosen;
using backends::CompiledGroup;
using backends::Target;
using graph::Layout;
using graph::Node;
using graph::Op;

namespace {

// Work below this runs on one core (see runtime's splitting rule), so its cost is not divided by the cores.
constexpr double split_ns = 5000;
// Multiply-adds that two units with a latency of four cycles keep going.
constexpr int64_t vectors_in_flight = 8;

double on_all_cores(double one_core_ns, const Target& target) {
  return one_core_ns > split_ns ? std::max(split_ns, one_core_ns / target.cores) : one_core_ns;
}

struct Layouts {
  std::vector<Layout> inputs, outputs;
};

bool is_reorder(const Node& group) { return group.regions[0]->nodes().front()->op == Op::reorder; }

// Point-wise groups run in any layout that all full-size operands share.
bool layout_free(const Node& group) {
  for (const auto& node : group.regions[0]->nodes())
    if (node->op != Op::yield && node->op != Op::broadcast && !(graph::op_def(node->op).traits & graph::Pointwise))
      return false;
  return group.results.size() == 1 && group.result()->type.rank() >= 3 && group.result()->type.rank() <= 5;
}

// Convolutions and pools run best on blocks of channels: result, residuals and image blocked, a stem's few channels
// not. Nothing when the group has no such anchor or too few channels.
std::optional<Layouts> window_layouts(const Node& group, int block) {
  const Node* anchor = backends::anchor_of(group);
  if (!anchor || (anchor->op != Op::conv && anchor->op != Op::pool)) return std::nullopt;
  auto blockable = [&](const graph::TensorType& type) {
    if (type.rank() != 4) return false;
    auto channels = expr::as_int(type.dims[1]);
    return channels && *channels >= block;
  };
  const graph::TensorType& image = anchor->operands[0]->type;
  bool pooled = anchor->op == Op::pool;
  int64_t groups = pooled ? 1 : anchor->attrs<graph::ConvAttrs>().groups;
  bool depthwise =
      groups > 1 && expr::is_const(image.dims[1], groups) && expr::is_const(anchor->result()->type.dims[1], groups);
  bool block_image = blockable(image);
  auto whole_blocks = [&](const graph::TensorType& type) {  // per group
    auto channels = expr::as_int(type.dims[1]);
    return channels && (*channels / groups) % block == 0;
  };
  bool grouped = groups > 1 && !depthwise && whole_blocks(image) && whole_blocks(anchor->result()->type);
  if (groups > 1 && !((depthwise || grouped) && block_image)) return std::nullopt;
  if (pooled && !block_image) return std::nullopt;
  Layouts layouts;
  Layout blocked = Layout::blocked(1, block);
  for (const auto& result : group.results) {
    if (!blockable(result->type)) return std::nullopt;
    layouts.outputs.push_back(blocked);
  }
  const auto& parameters = group.regions[0]->parameters();
  for (size_t i = 0; i < group.operands.size(); ++i) {
    const graph::Value* operand = group.operands[i];
    bool is_image = parameters[i].get() == anchor->operands[0] && !operand->constant();
    bool full = !operand->constant() && graph::same_dims(operand->type.dims, group.result()->type.dims);
    layouts.inputs.push_back((is_image ? block_image : full) ? blocked : Layout{});
  }
  return layouts;
}

std::vector<Layouts> layout_variants(const Node& group, const Target& target) {
  std::vector<Layouts> variants;
  if (is_reorder(group)) {
    variants.push_back({{group.operand(0)->type.layout}, {group.result()->type.layout}});
    return variants;
  }
  variants.push_back({});
  if (auto window = window_layouts(group, target.vector_bytes >= 64 ? 16 : 8)) variants.push_back(*window);
  if (!layout_free(group)) return variants;
  Layout blocked = Layout::blocked(1, target.vector_bytes >= 64 ? 16 : 8);
  const auto& dims = group.result()->type.dims;
  auto channels = expr::as_int(dims[1]);
  if (!channels || *channels < 8) return variants;
  Layouts layouts;
  bool any = false;
  for (const graph::Value* operand : group.operands) {
    bool full = !operand->constant() && graph::same_dims(operand->type.dims, dims);
    any |= full;
    layouts.inputs.push_back(full ? blocked : Layout{});
  }
  layouts.outputs = {blocked};
  if (any) variants.push_back(std::move(layouts));
  return variants;
}

void propose_scheduled(const Node& group, const Target& target, Candidates& result) {
  if (!backends::expressible(group)) {
    result.refusals.push_back("codegen: no tensor expression");
    return;
  }
  for (const Layouts& layouts : layout_variants(group, target)) {
    sketch::Problem problem = backends::express_group(group, layouts.inputs, layouts.outputs);
    for (const sketch::Family& family : sketch::families(target)) {
      std::string why;
      std::vector<sketch::Proposal> proposals = family.propose(problem, target, &why);
      if (proposals.empty()) continue;
      Candidate candidate;
      candidate.kind = Candidate::Kind::Scheduled;
      candidate.family = str("codegen.", family.name);
      candidate.version = family.version;
      candidate.point = proposals.front().point;
      candidate.inputs = layouts.inputs;
      candidate.outputs = layouts.outputs;
      candidate.cost_ns = on_all_cores(proposals.front().cost_ns, target);
      result.list.push_back(std::move(candidate));
      break;  // families are ordered from special to general: the first that fits is the one to use
    }
  }
}

// A kernel group under construction: which launch buffer is which operand of the group.
class Assembly {
 public:
  Assembly(const sketch::Problem& problem, const sketch::Lowered& lowered) {
    int number = 0;
    for (const auto& buffer : problem.program.inputs) numbers_[buffer.get()] = number++;
    for (const auto& buffer : problem.program.outputs) numbers_[buffer.get()] = number++;
    for (const auto& buffer : lowered.temporaries) {
      numbers_[buffer.get()] = number++;
      group_.temporaries.push_back({buffer->dtype, buffer->dims});
    }
    for (const sketch::Packed& packed : lowered.packed) {
      numbers_[packed.buffer.get()] = packed.input;
      group_.pack[packed.input] = packed.pack;
    }
  }

  void launch(const tensor::LoweredKernel& kernel, runtime::KernelPtr code) {
    backends::GroupLaunch launch;
    launch.kernel = std::move(code);
    size_t first_output = kernel.buffers.size() - size_t(kernel.outputs);
    for (size_t i = 0; i < kernel.buffers.size(); ++i) {
      auto found = numbers_.find(kernel.buffers[i].get());
      check(found != numbers_.end(), "kernel '", kernel.name, "' uses unknown buffer '", kernel.buffers[i]->name, "'");
      (i < first_output ? launch.inputs : launch.outputs).push_back(found->second);
    }
    for (const expr::VarPtr& symbol : kernel.symbols) launch.dims.push_back(expr::Expr(symbol));
    group_.launches.push_back(std::move(launch));
  }

  CompiledGroup finish() { return std::move(group_); }

 private:
  CompiledGroup group_;
  std::unordered_map<const expr::Buffer*, int> numbers_;
};

// Two schedules of one product over the same operands: `tiled` for many rows, `single` for up to `few_rows`.
class RowVariants : public runtime::Kernel {
 public:
  RowVariants(runtime::KernelPtr tiled, runtime::KernelPtr single, const tensor::Program& program)
      : tiled_(std::move(tiled)), single_(std::move(single)), symbols_(program.symbols), rows_(1) {
    const auto& dims = program.outputs.front()->dims;
    for (size_t i = 0; i + 1 < dims.size(); ++i) rows_ = rows_ * dims[i];
  }
  std::string name() const override { return tiled_->name(); }
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    std::unordered_map<const expr::Variable*, int64_t> values;
    for (size_t i = 0; i < symbols_.size(); ++i) values[symbols_[i].get()] = dims[i];
    int64_t rows = expr::evaluate(rows_, values);
    return (rows > few_rows ? tiled_ : single_)->prepare(dims);
  }

 private:
  // A single row costs about a quarter of a tile of 14, whose unused rows are computed too.
  static constexpr int64_t few_rows = 3;
  runtime::KernelPtr tiled_, single_;
  std::vector<expr::VarPtr> symbols_;
  expr::Expr rows_;
};

// A product whose number of rows is only known at run time gets a second kernel for single rows that reads the same
// panels: a tile of many rows would compute mostly nothing there. One row needs several vectors at once to hide the
// latency of its sums. Nothing when the point has no such variant.
std::optional<backends::Point> single_row_variant(const Candidate& candidate, const sketch::Problem& problem) {
  if (candidate.family != "codegen.contraction" || problem.program.symbols.empty()) return std::nullopt;
  auto rows = candidate.point.find("rows"), nv = candidate.point.find("nv");
  if (rows == candidate.point.end() || nv == candidate.point.end() || rows->second <= 1) return std::nullopt;
  backends::Point point = candidate.point;
  point["rows"] = 1;
  point["panel"] = nv->second;
  point["nv"] = nv->second * std::max<int64_t>(1, vectors_in_flight / nv->second);
  point["unroll"] = 4;
  return point;
}

// One launch each, over the same operands.
bool interchangeable(const sketch::Lowered& a, const sketch::Lowered& b) {
  return a.launches.size() == 1 && b.launches.size() == 1 && a.temporaries.empty() && b.temporaries.empty() &&
         a.packed.size() == b.packed.size();
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
    return {info};
  }

  runtime::DevicePtr open(const backends::DeviceInfo&, const backends::OpenOptions&) const override { return nullptr; }

  Candidates candidates(const Node& group, const Target& target) const override {
    Candidates result;
    if (const Node* anchor = host_anchor(group)) {
      Candidate candidate;
      candidate.kind = Candidate::Kind::Library;
      candidate.family = str("library.", graph::op_name(anchor->op));
      candidate.cost_ns = 10000;
      result.list.push_back(std::move(candidate));
      return result;
    }
    if (!is_reorder(group)) onednn::propose(group, target, result);
    propose_scheduled(group, target, result);
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
        } else {
          Pending entry{
              i, backends::express_group(*chosen.group, chosen.candidate.inputs, chosen.candidate.outputs), {}, {}};
          entry.lowered = lower(entry.problem, chosen.candidate, target);
          if (auto point = single_row_variant(chosen.candidate, entry.problem)) {
            Candidate other = chosen.candidate;
            other.point = *point;
            sketch::Lowered variant = lower(entry.problem, other, target);
            if (interchangeable(variant, entry.lowered)) entry.variant = std::move(variant);
          }
          for (const tensor::LoweredKernel& kernel : entry.lowered.launches) kernels.push_back(kernel);
          if (entry.variant) kernels.push_back(entry.variant->launches.front());
          pending.push_back(std::move(entry));
        }
      } catch (Error& error) {
        error.add_context(str("while compiling ", backends::primitives_of(*chosen.group), " from ",
                              join(chosen.group->sources, ", ")));
        throw;
      }
    }
    std::vector<runtime::KernelPtr> code = compile_kernels(kernels, target, settings);
    size_t next = 0;
    for (const Pending& entry : pending) {
      Assembly assembly(entry.problem, entry.lowered);
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
  static sketch::Lowered lower(const sketch::Problem& problem, const Candidate& candidate, const Target& target) {
    const sketch::Family* family = sketch::family_of(candidate.family.substr(sizeof "codegen." - 1));
    check(family != nullptr, "no schedule family '", candidate.family, "'");
    auto lowered = family->lower(problem, candidate.point, target);
    if (auto* done = std::get_if<sketch::Lowered>(&lowered)) return std::move(*done);
    log(LogLevel::Info, candidate.family, " refused at lowering: ", std::get<sketch::Refusal>(lowered).reason);
    const sketch::Family* general = &sketch::families(target).back();
    auto fallback = general->lower(problem, {}, target);
    check(std::holds_alternative<sketch::Lowered>(fallback), "family '", general->name, "' refused");
    return std::move(std::get<sketch::Lowered>(fallback));
  }

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
