// Family "gpu_direct": one reduction with an epilogue, one work-item per point of the result.
//
// For windows whose points share too little for tiles: pooling, depthwise convolutions, short sums. Neighbouring
// work-items compute neighbouring points of the result, so that stores and most loads run together.
#include "compiler/sketch/families.h"
#include "compiler/sketch/gpu/group.h"
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch::gpu {

using expr::Kind;
using tensor::ForKind;
using tensor::Index;

namespace {

// Neighbours of a work-group read most of the same values: one of so many loads comes from memory.
constexpr double shared_loads = 8;

double typical_ns(const TileProblem& tile, const Target& target) {
  double points = double(typical_points(tile.axes)), depth = double(typical_points(tile.reduce_axes));
  double bytes = 0;
  for (const Expr& load : loads_of(tile.body))
    bytes += points * depth * double(size_of(load->type.dtype)) / shared_loads;
  for (const Map::Output& out : tile.epilogue) bytes += points * double(size_of(out.buffer->dtype));
  constexpr double efficiency = 0.15;  // two loads for every multiply-add
  return cost_ns(target, 2 * points * depth, efficiency, bytes, points);
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  auto found = tile_problem(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) {
    if (why) *why = refusal->reason;
    return {};
  }
  return {{{}, typical_ns(std::get<TileProblem>(found), target)}};
}

Result lower(const Problem& problem, const Point&, const Target& target) {
  auto found = tile_problem(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  const TileProblem& tile = std::get<TileProblem>(found);
  std::vector<Axis> grid = tile.axes;  // the dense axis innermost
  const Map::Output& first = tile.epilogue.front();
  for (size_t a = 0; a + 1 < grid.size(); ++a) {
    if (stride_along(expr::load(first.buffer, first.index), grid[a]) != 1) continue;
    grid.push_back(grid[a]);
    grid.erase(grid.begin() + long(a));
    break;
  }
  BufferPtr acc = make_buffer("sum", tile.dtype, {1}, expr::Buffer::Scope::Register);
  Expr current = expr::load(acc, {0});
  Stmt update = tensor::make_store(acc, {0}, tensor::combine(tile.reduce, current, tile.body));
  std::vector<Stmt> parts{tensor::make_store(acc, {0}, tensor::identity_of(tile.reduce, tile.dtype)),
                          tensor::make_loops(ForKind::Serial, tile.reduce_axes, update)};
  for (const Map::Output& out : tile.epilogue) {
    Expr value = tensor::mutate_shared(
        out.value, [&](const Expr& x) { return x->kind == Kind::Load && x->buffer == tile.result ? current : x; });
    parts.push_back(tensor::make_store(out.buffer, out.index, value));
  }
  Lowered lowered;
  lowered.launches.push_back(
      finish(problem.program, "direct", grid, 1, tensor::make_allocate(acc, tensor::make_block(std::move(parts))),
             expr::simplify(points_of(tile.axes) * points_of(tile.reduce_axes)), typical_ns(tile, target), target));
  return lowered;
}

}  // namespace

const Family direct_family{"gpu_direct", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch::gpu
