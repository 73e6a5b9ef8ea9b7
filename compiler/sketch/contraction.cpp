// Families "contraction" (matrix products) and "window" (convolutions, pooling): the tile engine with their knobs.
//
// Knobs: rows and nv, the register tile; unroll of the innermost reduction loop; panel, the vectors per packed panel
// when another kernel with narrower tiles reads the same panels. Tiles are those that stay in registers: rows * nv
// accumulators, nv vectors of one operand and a broadcast.
#include <algorithm>

#include "compiler/sketch/families.h"
#include "compiler/sketch/tile.h"
#include "compiler/sketch/word_products.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

namespace {

struct Shape {
  int rows, nv;
};
constexpr Shape wide_tiles[] = {{14, 2}, {12, 2}, {8, 3}, {7, 3}, {6, 4}, {28, 1}, {7, 2},
                                {4, 4},  {4, 2},  {1, 8}, {1, 4}, {1, 2}, {1, 1}};
constexpr Shape narrow_tiles[] = {{6, 2}, {4, 3}, {12, 1}, {4, 2}, {1, 6}, {1, 4}, {1, 2}, {1, 1}};
// OpenCL compilers take their time over large tiles. Eight accumulators keep two multiply-add units busy, just.
constexpr Shape small_tiles[] = {{4, 2}, {8, 1}, {1, 6}, {1, 4}, {1, 2}, {1, 1}};
constexpr size_t most_proposals = 4;

// Panels must not straddle groups of a grouped convolution: the quotient of the vector axis by the group size has to be
// one value per panel.
bool keeps_groups_apart(const TileProblem& tile, int64_t width) {
  const VarPtr& v = tile.axes[size_t(tile.vector_axis)].var;
  bool apart = true;
  expr::visit(tile.body, [&](const Expr& x) {
    if (x->kind != expr::Kind::Div || x->args[0]->kind != expr::Kind::Var || x->args[0]->var != v) return true;
    auto group = expr::as_int(x->args[1]);
    bool block = group && width % *group == 0;  // a channel block inside the panel
    apart = apart && group && (block || *group % width == 0);
    return true;
  });
  return apart;
}

bool windowed(const TileProblem& tile) { return tile.reduce_axes.size() > 1 || tile.reduce != tensor::Reduce::Sum; }

// Measured time over tile_cost, relative to that of packed panels (bench_kernels): where the vector axis is one of the
// image, whose padding masks vectors, and where it is one that nothing packs.
constexpr double masked_slack = 3, unpacked_slack = 1.3;

double slack(const TileProblem& tile) {
  const VarPtr& v = tile.axes[size_t(tile.vector_axis)].var;
  bool masked = false, packed = false;
  expr::visit(tile.body, [&](const expr::Expr& x) {
    if (x->kind == expr::Kind::Select) masked = masked || expr::uses_var(x->args[0], v.get());
    if (x->kind == expr::Kind::Load && expr::uses_var(x, v.get()))
      packed = packed || constant_input(tile, x->buffer) >= 0;
    return true;
  });
  return masked ? masked_slack : packed ? 1 : unpacked_slack;
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why, bool window) {
  auto found = tile_problem(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) {
    if (why) *why = refusal->reason;
    return {};
  }
  TileProblem& tile = std::get<TileProblem>(found);
  auto refuse = [&](const char* text) {
    if (why) *why = text;
    return std::vector<Proposal>{};
  };
  if (windowed(tile) != window) return refuse(window ? "reduces over one axis" : "reduces over several axes");
  if (!window && tile.body->kind != expr::Kind::Mul) return refuse("not a sum of products");
  if (!choose_axes(tile, target)) return refuse("no axis for vectors");
  const double factor = slack(tile);
  use_word_products(tile, target);
  std::vector<Proposal> proposals;
  for (const TileShape& s : tile_shapes(tile, target)) {
    Point point{{"rows", s.rows}, {"nv", s.nv}, {"unroll", s.unroll}};
    bool known = false;
    for (const Proposal& p : proposals) known = known || p.point == point;
    if (!known) proposals.push_back({point, tile_cost(tile, s, target) * factor});
  }
  keep_cheapest(proposals, most_proposals);
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target, bool window) {
  auto found = tile_problem(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  TileProblem& tile = std::get<TileProblem>(found);
  if (windowed(tile) != window) return Refusal{"not of this family"};
  if (!choose_axes(tile, target)) return Refusal{"no axis for vectors"};
  use_word_products(tile, target);
  int lanes = tile_lanes(tile, target);
  TileShape shape{int(point.at("rows")), int(point.at("nv")), int(point.at("unroll")), lanes};
  if (auto panel = point.find("panel"); panel != point.end()) shape.panel = int(panel->second);
  return lower_tiles(tile, shape, target, str(window ? "window " : "contraction ", shape.rows, "x", shape.nv));
}

std::vector<Proposal> propose_product(const Problem& problem, const Target& target, std::string* why) {
  return propose(problem, target, why, false);
}
Result lower_product(const Problem& problem, const Point& point, const Target& target) {
  return lower(problem, point, target, false);
}
std::vector<Proposal> propose_window(const Problem& problem, const Target& target, std::string* why) {
  return propose(problem, target, why, true);
}
Result lower_window(const Problem& problem, const Point& point, const Target& target) {
  return lower(problem, point, target, true);
}

}  // namespace

std::vector<TileShape> tile_shapes(const TileProblem& tile, const Target& target) {
  int lanes = tile_lanes(tile, target);
  const bool host = target.kind == tensor::TargetKind::Host, wide = target.vector_registers >= 32;
  auto table = !host  ? std::span<const Shape>(small_tiles)
               : wide ? std::span<const Shape>(wide_tiles)
                      : std::span<const Shape>(narrow_tiles);
  int64_t rows = tile.row_axis < 0 ? 1 : typical(tile.axes[size_t(tile.row_axis)].extent);
  int64_t vectors = (typical(tile.axes[size_t(tile.vector_axis)].extent) + lanes - 1) / lanes;
  bool symbolic_rows = tile.row_axis >= 0 && !constant(tile.axes[size_t(tile.row_axis)].extent);
  std::vector<TileShape> list;
  for (const Shape& s : table) {
    if (s.nv > std::max<int64_t>(vectors, 1)) continue;
    if (s.nv > 1 && !keeps_groups_apart(tile, int64_t{s.nv} * lanes)) continue;
    if (s.rows > rows && s.rows > 1 && !symbolic_rows) {
      // Fewer rows than the tile: the tile shrinks.
      if (rows <= 1) continue;
      list.push_back({int(rows), s.nv, 1, lanes});
      continue;
    }
    if (s.rows == 1 && rows >= 4) continue;
    list.push_back({s.rows, s.nv, 1, lanes});
  }
  for (TileShape& s : list) s.unroll = !host || s.rows * s.nv > 16 ? 1 : s.rows * s.nv > 8 ? 2 : 4;
  return list;
}

const Family contraction_family{"contraction", 1, guarded_propose<propose_product>, guarded_lower<lower_product>};
const Family window_family{"window", 1, guarded_propose<propose_window>, guarded_lower<lower_window>};

}  // namespace sardonyx::sketch
