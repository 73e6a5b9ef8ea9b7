// Family "gpu_pointwise": groups whose stages all are maps; one work-item per point, or per vector of four.
//
// Maps that transpose (an operand is dense along another axis than the result) go through Local memory: a work-group
// reads a square of the operand along the operand's dense axis and stores it along the result's.
#include <algorithm>

#include "compiler/sketch/families.h"
#include "compiler/sketch/gpu/group.h"
#include "compiler/sketch/map.h"

namespace sardonyx::sketch::gpu {

using expr::Kind;
using tensor::ForKind;
using tensor::Index;

namespace {

constexpr int vector_bytes = 16;
constexpr int64_t square = 32;     // side of a transposed tile
constexpr int64_t far_apart = 16;  // elements: reads with a longer stride use little of what they fetch

double typical_ns(const Map& map, const Target& target) {
  double points = double(typical_points(map.axes)), bytes = 0, work = 0;
  for (const Map::Output& out : map.outputs) {
    bytes += double(size_of(out.buffer->dtype));
    work += scalar_cost_ns(out.value) * flops_per_scalar_ns;
    for (const Expr& load : loads_of(out.value)) {
      double touched = std::min(points, typical_bytes(*load->buffer) / double(size_of(load->type.dtype)));
      bytes += double(size_of(load->type.dtype)) * touched / std::max(points, 1.0);
    }
  }
  return cost_ns(target, points * work, 0.5, points * bytes, points);
}

// The axis along which the first output is dense, -1 without one.
int dense_axis(const Map& map) {
  Expr stored = expr::load(map.outputs[0].buffer, map.outputs[0].index);
  for (size_t a = map.axes.size(); a-- > 0;) {
    if (stride_along(stored, map.axes[a]) == 1) return int(a);
  }
  return -1;
}

// How many points along the dense axis one work-item takes: what one wide access holds where every access is dense or
// fixed along it and the extent divides, else one.
int vector_lanes(const Map& map, const Axis& axis, const Target& target) {
  size_t widest = 1;
  auto fits = [&](const Expr& load) {
    int64_t stride = stride_along(load, axis);
    if (stride == 1) widest = std::max(widest, size_of(load->type.dtype));
    return stride == 0 || stride == 1;
  };
  for (const Map::Output& out : map.outputs) {
    if (stride_along(expr::load(out.buffer, out.index), axis) != 1) return 1;
    widest = std::max(widest, size_of(out.buffer->dtype));
    for (const Expr& load : loads_of(out.value)) {
      if (!fits(load)) return 1;
    }
  }
  int lanes = std::min(4, vector_bytes / int(widest));
  bool busy = double(typical_points(map.axes)) >= 2048.0 * lanes * target.cores;
  return lanes > 1 && busy && expr::prove_divisible(axis.extent, lanes) ? lanes : 1;
}

std::vector<Stmt> stores_of(const Map& map) {
  std::vector<Stmt> stores;
  for (const Map::Output& out : map.outputs) stores.push_back(tensor::make_store(out.buffer, out.index, out.value));
  return stores;
}

tensor::LoweredKernel plain_launch(const Program& program, const Map& map, const Target& target) {
  std::vector<Axis> grid = map.axes;
  Stmt body = tensor::make_block(stores_of(map));
  if (int dense = dense_axis(map); dense >= 0) {
    Axis axis = grid[size_t(dense)];
    grid.erase(grid.begin() + dense);
    if (int lanes = vector_lanes(map, axis, target); lanes > 1) {
      Expr vectors = expr::simplify(axis.extent / lanes);
      VarPtr vector = loop_var(axis.var->name + "v", vectors), lane = loop_var("v", lanes);
      body = tensor::substitute(body, {{axis.var.get(), Expr(vector) * lanes + Expr(lane)}});
      body = tensor::make_for(ForKind::Vector, lane, lanes, body);
      axis = {vector, vectors};
    }
    grid.push_back(axis);
  }
  return finish(program, "pointwise", grid, 1, body, points_of(map.axes), typical_ns(map, target), target);
}

// The axis along which an operand is dense that is strided along the result's dense axis; -1 when there is none.
int crossing_axis(const Map& map, int dense) {
  const Axis& d = map.axes[size_t(dense)];
  for (const Map::Output& out : map.outputs) {
    for (const Expr& load : loads_of(out.value)) {
      int64_t stride = stride_along(load, d);
      if (stride >= 0 && stride < far_apart) continue;
      for (size_t a = 0; a < map.axes.size(); ++a) {
        if (int(a) != dense && stride_along(load, map.axes[a]) == 1) return int(a);
      }
    }
  }
  return -1;
}

// Lanes walk the operand's dense axis `c` while they fill the squares, and the result's dense axis `d` while they
// store.
tensor::LoweredKernel transpose_launch(const Program& program, const Map& map, const Axis& c, const Axis& d,
                                       const Target& target) {
  const int lanes = largest_group(target) / int(square) * int(square);
  check(lanes >= square, "work-groups of ", target.max_group, " are too small for transposes");
  const int64_t share = square * square / lanes;
  Group group(lanes);
  Expr tiles_c = expr::simplify(expr::ceil_div(c.extent, square)),
       tiles_d = expr::simplify(expr::ceil_div(d.extent, square));
  VarPtr tile_c = loop_var("tile_" + c.var->name, tiles_c), tile_d = loop_var("tile_" + d.var->name, tiles_d);
  VarPtr i = loop_var("i", share);
  Expr fast = group.lane() % square, slow = Expr(i) * (lanes / square) + group.lane() / square;
  auto at = [&](const Expr& in_c, const Expr& in_d) {
    return expr::Substitution{{c.var.get(), Expr(tile_c) * square + in_c}, {d.var.get(), Expr(tile_d) * square + in_d}};
  };
  auto inside = [&](const Expr& in_c, const Expr& in_d) {
    return Expr(tile_c) * square + in_c < c.extent && Expr(tile_d) * square + in_d < d.extent;
  };
  std::vector<Stmt> fills;
  std::vector<std::pair<Expr, BufferPtr>> tiles;
  Map local = map;
  for (Map::Output& out : local.outputs) {
    for (const Expr& load : loads_of(out.value)) {
      int64_t stride = stride_along(load, d);
      if ((stride >= 0 && stride < far_apart) || stride_along(load, c) != 1) continue;
      // One element more per row, so that lanes that walk a column use different banks.
      BufferPtr tile = local_buffer(load->buffer->name + "_tile", load->type.dtype, {square, square + 1});
      fills.push_back(tensor::make_store(tile, {slow, fast}, tensor::substitute_shared(load, at(fast, slow))));
      tiles.emplace_back(expr::load(tile, {fast, slow}), tile);
      out.value = tensor::mutate_shared(out.value,
                                        [&](const Expr& x) { return x.get() == load.get() ? tiles.back().first : x; });
    }
  }
  auto shared = [&](const Expr& condition, std::vector<Stmt> body) {
    Stmt one = tensor::make_if(condition, tensor::make_block(std::move(body)));
    return group.run(tensor::make_for(ForKind::Unrolled, i, share, one));
  };
  Stmt store = tensor::substitute(tensor::make_block(stores_of(local)), at(slow, fast));
  Stmt body = tensor::make_block({shared(inside(fast, slow), std::move(fills)), shared(inside(slow, fast), {store})});
  for (const auto& [load, tile] : tiles) body = tensor::make_allocate(tile, body);
  std::vector<Axis> grid;
  for (const Axis& axis : map.axes) {
    if (axis.var != c.var && axis.var != d.var) grid.push_back(axis);
  }
  grid.push_back({tile_c, tiles_c});
  grid.push_back({tile_d, tiles_d});
  return finish(program, "transpose", grid, lanes, body, points_of(map.axes), typical_ns(map, target), target);
}

// Whether a square of every operand can be fetched ahead: not where a loaded index decides what is read, or a Select
// whether anything is.
bool fetchable(const Map& map) {
  bool fetched = true;
  for (const Map::Output& out : map.outputs) {
    expr::visit(out.value, [&](const Expr& x) {
      if (x->kind == Kind::Select) fetched = fetched && loads_of(x->args[1]).empty() && loads_of(x->args[2]).empty();
      if (x->kind == Kind::Load) {
        for (const Expr& e : x->args) fetched = fetched && loads_of(e).empty();
      }
      return fetched;
    });
  }
  return fetched;
}

tensor::LoweredKernel launch(const Program& program, const Map& map, const Target& target) {
  int dense = dense_axis(map), crossing = dense < 0 || !fetchable(map) ? -1 : crossing_axis(map, dense);
  if (crossing < 0) return plain_launch(program, map, target);
  const Axis &c = map.axes[size_t(crossing)], &d = map.axes[size_t(dense)];
  // Of short axes most of a square would be empty.
  if (typical(c.extent) < square / 4 || typical(d.extent) < square / 4) return plain_launch(program, map, target);
  return transpose_launch(program, map, c, d, target);
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  auto maps = pointwise_maps(problem.program);
  if (auto* refusal = std::get_if<Refusal>(&maps)) {
    if (why) *why = refusal->reason;
    return {};
  }
  double ns = 0;
  for (const Map& map : std::get<0>(maps)) ns += typical_ns(map, target);
  return {{{}, ns}};
}

Result lower(const Problem& problem, const Point&, const Target& target) {
  auto maps = pointwise_maps(problem.program);
  if (auto* refusal = std::get_if<Refusal>(&maps)) return *refusal;
  Lowered lowered;
  for (const Map& map : std::get<0>(maps)) lowered.launches.push_back(launch(problem.program, map, target));
  return lowered;
}

}  // namespace

const Family pointwise_family{"gpu_pointwise", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch::gpu
