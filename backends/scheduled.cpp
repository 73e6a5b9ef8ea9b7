#include "backends/scheduled.h"

#include <algorithm>
#include <optional>

#include "backends/group_program.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::backends {

using graph::Layout;
using graph::Node;
using graph::Op;

namespace {

// Work below this runs on one core (see runtime's splitting rule), so its cost is not divided by the cores.
constexpr double split_ns = 5000;

constexpr int bytes_of_word = 4;

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
  const Node* anchor = anchor_of(group);
  if (!anchor || (anchor->op != Op::conv && anchor->op != Op::conv_transpose && anchor->op != Op::pool))
    return std::nullopt;
  auto blockable = [&](const graph::TensorType& type) {
    if (type.rank() != 4) return false;
    auto channels = expr::as_int(type.dims[1]);
    return channels && *channels >= block;
  };
  const graph::TensorType& image = anchor->operands[0]->type;
  bool pooled = anchor->op == Op::pool;
  int64_t groups = pooled                   ? 1
                   : anchor->op == Op::conv ? anchor->attrs<graph::ConvAttrs>().groups
                                            : anchor->attrs<graph::ConvTransposeAttrs>().groups;
  bool depthwise =
      groups > 1 && expr::is_const(image.dims[1], groups) && expr::is_const(anchor->result()->type.dims[1], groups);
  bool block_image = blockable(image);
  // Dot products of bytes take four channels at once, so those of less than a block are in blocks, too.
  bool few_bytes = image.dtype == DType::U8 && image.rank() == 4 && groups == 1 && !pooled && !block_image &&
                   expr::as_int(image.dims[1]);
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
    layouts.inputs.push_back(is_image && few_bytes             ? Layout::blocked(1, bytes_of_word)
                             : (is_image ? block_image : full) ? blocked
                                                               : Layout{});
  }
  return layouts;
}

// A concatenation whose operands are whole blocks of channels.
std::optional<Layouts> concat_layouts(const Node& group, int block) {
  const auto& nodes = group.regions[0]->nodes();
  const int rank = group.result()->type.rank();
  if (nodes.size() != 2 || nodes.front()->op != Op::concat || rank < 3 || rank > 5) return std::nullopt;
  if (nodes.front()->attrs<graph::AxisAttrs>().axis != 1) return std::nullopt;
  for (const graph::Value* operand : group.operands) {
    const auto channels = expr::as_int(operand->type.dims[1]);
    if (operand->constant() || !channels || *channels % block != 0) return std::nullopt;
  }
  const Layout blocked = Layout::blocked(1, block);
  return Layouts{std::vector<Layout>(group.operands.size(), blocked), {blocked}};
}

}  // namespace

bool is_reorder(const Node& group) { return group.regions[0]->nodes().front()->op == Op::reorder; }

double on_all_cores(double one_core_ns, const Target& target) {
  if (target.kind == tensor::TargetKind::OpenClGpu) return one_core_ns / target.cores;
  // Rising throughout, so that the cheaper of two candidates on one core is the cheaper one on several.
  return one_core_ns > split_ns ? split_ns + (one_core_ns - split_ns) / target.cores : one_core_ns;
}

std::vector<Layouts> layout_variants(const Node& group, const Target& target) {
  std::vector<Layouts> variants;
  if (is_reorder(group)) {
    variants.push_back({{group.operand(0)->type.layout}, {group.result()->type.layout}});
    return variants;
  }
  variants.push_back({});
  if (target.kind == tensor::TargetKind::OpenClGpu) return variants;
  const int block = target.vector_bytes >= 64 ? 16 : 8;
  if (auto window = window_layouts(group, block)) variants.push_back(*window);
  if (auto concat = concat_layouts(group, block)) variants.push_back(*concat);
  if (!layout_free(group)) return variants;
  const Layout blocked = Layout::blocked(1, block);
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

void propose_scheduled(const Node& group, const Target& target, std::string_view prefix, Candidates& result) {
  if (!expressible(group)) {
    result.refusals.push_back(str(prefix, ": no tensor expression"));
    return;
  }
  for (const Layouts& layouts : layout_variants(group, target)) {
    sketch::Problem problem = express_group(group, layouts.inputs, layouts.outputs);
    for (const sketch::Family& family : sketch::families(target)) {
      std::string why;
      std::vector<sketch::Proposal> proposals = family.propose(problem, target, &why);
      if (proposals.empty()) continue;
      Candidate candidate;
      candidate.kind = Candidate::Kind::Scheduled;
      candidate.family = str(prefix, ".", family.name);
      candidate.version = family.version;
      candidate.point = proposals.front().point;
      candidate.inputs = layouts.inputs;
      candidate.outputs = layouts.outputs;
      candidate.cost_ns = on_all_cores(proposals.front().cost_ns, target);
      candidate.exact = family.exact;
      result.list.push_back(std::move(candidate));
      // Families are ordered from special to general: on CPUs the first exact one that fits is the one to use, others
      // stand beside it. Costs on GPUs are comparable between families, so the driver chooses there.
      if (target.kind != tensor::TargetKind::OpenClGpu && family.exact) break;
    }
  }
}

sketch::Lowered lower_scheduled(const sketch::Problem& problem, const Candidate& candidate, const Target& target) {
  const sketch::Family* family = sketch::family_of(candidate.family.substr(candidate.family.find('.') + 1));
  check(family != nullptr, "no schedule family '", candidate.family, "'");
  auto lowered = family->lower(problem, candidate.point, target);
  if (auto* done = std::get_if<sketch::Lowered>(&lowered)) return std::move(*done);
  log(LogLevel::Info, candidate.family, " refused at lowering: ", std::get<sketch::Refusal>(lowered).reason);
  const sketch::Family* general = &sketch::families(target).back();
  auto fallback = general->lower(problem, {}, target);
  check(std::holds_alternative<sketch::Lowered>(fallback), "family '", general->name, "' refused");
  return std::move(std::get<sketch::Lowered>(fallback));
}

Assembly::Assembly(const sketch::Problem& problem, const sketch::Lowered& lowered) {
  int number = 0;
  for (const auto& buffer : problem.program.inputs) numbers_[buffer.get()] = number++;
  for (const auto& buffer : problem.program.outputs) numbers_[buffer.get()] = number++;
  for (const auto& buffer : lowered.temporaries) {
    numbers_[buffer.get()] = number++;
    group_.temporaries.push_back({buffer->dtype, buffer->dims});
  }
  for (const sketch::Packed& packed : lowered.packed) {
    numbers_[packed.buffer.get()] = packed.input;
    if (packed.pack) group_.pack[packed.input] = packed.pack;
  }
}

void Assembly::launch(const tensor::LoweredKernel& kernel, runtime::KernelPtr code) {
  GroupLaunch launch;
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

}  // namespace sardonyx::backends
