// Family "loops": any program, one launch per stage, scalar loops. Never fast, always right.
//
// Each stage becomes a kernel: the grid runs over all axes but the innermost parallel one (on a GPU that one too, for
// neighbouring work-items); reductions accumulate in a register; a scan runs serially in order. Intermediate stages
// live in temporaries.
#include "compiler/sketch/families.h"
#include "compiler/sketch/gpu/group.h"
#include "compiler/sketch/support.h"

namespace sardonyx::sketch {

namespace {

// Evaluates one point of a reduction into a register, then stores it.
Stmt reduced_point(const Stage& stage, const tensor::Index& index) {
  BufferPtr acc = make_buffer("acc", stage.output->dtype, {1}, expr::Buffer::Scope::Register);
  Expr current = expr::load(acc, {0});
  Stmt update = tensor::make_store(acc, {0}, tensor::combine(stage.reduce, current, stage.body));
  return tensor::make_allocate(
      acc, tensor::make_block({tensor::make_store(acc, {0}, tensor::identity_of(stage.reduce, stage.output->dtype)),
                               tensor::make_loops(tensor::ForKind::Serial, stage.reduce_axes, update),
                               tensor::make_store(stage.output, index, expr::load(acc, {0}))}));
}

double typical_ns(const Stage& stage, const Target& target) {
  double points = double(typical_points(stage.axes));
  double ns = points * double(typical_points(stage.reduce_axes)) * scalar_cost_ns(stage.body);
  if (target.kind != tensor::TargetKind::OpenClGpu) return ns;
  double items = stage.scan_axis < 0 ? points : points / double(typical(stage.axes[size_t(stage.scan_axis)].extent));
  constexpr double efficiency = 0.05;  // nothing is shared between work-items
  return gpu::cost_ns(target, ns * gpu::flops_per_scalar_ns, efficiency, 0, items);
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string*) {
  double ns = 0;
  for (const Stage& stage : problem.program.stages) ns += typical_ns(stage, target);
  return {{{}, ns * 1.5}};
}

Result lower(const Problem& problem, const Point&, const Target& target) {
  const Program& program = problem.program;
  Lowered lowered;
  for (const Stage& stage : program.stages) {
    if (!is_output(program, stage.output)) lowered.temporaries.push_back(stage.output);
    tensor::Index index;
    std::vector<Axis> grid;
    for (const Axis& axis : stage.axes) index.emplace_back(axis.var);
    for (size_t i = 0; i < stage.axes.size(); ++i) {
      if (int(i) != stage.scan_axis) grid.push_back(stage.axes[i]);
    }
    Stmt point = stage.reduce == tensor::Reduce::None ? tensor::make_store(stage.output, index, stage.body)
                                                      : reduced_point(stage, index);
    Expr points = points_of(stage.axes) * points_of(stage.reduce_axes);
    Axis inner;
    if (stage.scan_axis >= 0) {
      inner = stage.axes[size_t(stage.scan_axis)];
    } else if (!grid.empty() && target.kind != tensor::TargetKind::OpenClGpu) {
      inner = grid.back();
      grid.pop_back();
    }
    if (inner.var) {
      point = tensor::make_for(tensor::ForKind::Serial, inner.var, inner.extent, point);
    }
    lowered.launches.push_back(
        finish_kernel(program, "loops " + stage.name, grid, point, points, typical_ns(stage, target)));
  }
  return lowered;
}

}  // namespace

const Family loops_family{"loops", 1, propose, lower};

}  // namespace sardonyx::sketch
