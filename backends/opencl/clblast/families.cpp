#include "backends/opencl/clblast/families.h"

#include "backends/group_program.h"
#include "backends/opencl/clblast/kernel.h"
#include "backends/opencl/clblast/library.h"
#include "backends/scheduled.h"
#include "compiler/sketch/support.h"

namespace sardonyx::opencl::clblast {

using backends::Candidate;
using backends::Target;

namespace {

constexpr const char* family_name = "clblast.gemm";
constexpr double fewest_points = 1 << 21;  // multiply-adds; below, its several launches cost more than they save
// Of the peak. On a CPU (PoCL) measured at 2 to 5 GFLOP/s, a tenth of the contraction family.
constexpr double gpu_efficiency = 0.6, cpu_efficiency = 0.02;

double points_of(const Gemm& gemm) {
  double points = 1;
  for (const expr::Expr& e : {gemm.batch, gemm.m, gemm.n, gemm.k}) points *= double(sketch::typical(e));
  return points;
}

// One multiply-add on the whole device.
double point_ns(const Target& target) {
  double efficiency = target.kind == tensor::TargetKind::OpenClGpu ? gpu_efficiency : cpu_efficiency;
  return 2 / (target.flops_per_ns * target.cores * efficiency);
}

// What follows the product, by the first family that takes it.
struct Rest {
  sketch::Lowered lowered;
  double one_core_ns = 0;
};
Rest lower_rest(const sketch::Problem& problem, const Target& target) {
  for (const sketch::Family& family : sketch::families(target)) {
    std::vector<sketch::Proposal> proposals = family.propose(problem, target, nullptr);
    if (proposals.empty()) continue;
    auto lowered = family.lower(problem, proposals.front().point, target);
    if (auto* done = std::get_if<sketch::Lowered>(&lowered)) return {std::move(*done), proposals.front().cost_ns};
  }
  fail(Status::InternalError, "internal error: no family lowers what follows a matrix product");
}

}  // namespace

bool owns(const Candidate& candidate) { return candidate.family == family_name; }

void propose(const graph::Node& group, const Target& target, backends::Candidates& result) {
  if (library() == nullptr || !backends::expressible(group) || backends::is_reorder(group)) return;
  auto found = split_product(backends::express_group(group));
  auto refuse = [&](const std::string& why) { result.refusals.push_back(str(family_name, ": ", why)); };
  if (auto* refusal = std::get_if<sketch::Refusal>(&found)) return refuse(refusal->reason);
  const Split& split = std::get<Split>(found);
  if (split.gemm.dtype == DType::F64 && !target.fp64) return refuse("the device has no F64");
  if (points_of(split.gemm) < fewest_points) return refuse("a small product");
  Candidate candidate;
  candidate.kind = Candidate::Kind::Vendor;
  candidate.family = family_name;
  candidate.cost_ns = points_of(split.gemm) * point_ns(target);
  if (split.has_rest) candidate.cost_ns += backends::on_all_cores(lower_rest(split.rest, target).one_core_ns, target);
  result.list.push_back(std::move(candidate));
}

Plan lower(const sketch::Problem& problem, const Target& target) {
  auto found = split_product(problem);
  check(std::holds_alternative<Split>(found), "a product that CLBlast took is none any more");
  const Split& split = std::get<Split>(found);
  const Gemm& gemm = split.gemm;
  Plan plan;
  plan.gemm = std::make_shared<GemmKernel>(gemm, point_ns(target));
  tensor::LoweredKernel launch;
  launch.name = family_name;
  launch.buffers = {gemm.a.buffer, gemm.b.buffer, gemm.c.buffer};
  launch.symbols = gemm.symbols;
  if (split.has_rest) {
    plan.lowered = lower_rest(split.rest, target).lowered;
    plan.lowered.temporaries.push_back(gemm.c.buffer);
  }
  plan.lowered.launches.insert(plan.lowered.launches.begin(), std::move(launch));
  return plan;
}

}  // namespace sardonyx::opencl::clblast
