// Family "narrow": matrix products by constant weights of few bits, through the tile engine.
//
// Knobs: rows and nv, the register tile; panel, the vectors per panel. Up to `most_single_rows` take tiles of one row,
// which widen weights in registers; more read a widened panel. Both read the same panels.
#include <algorithm>

#include "compiler/sketch/families.h"
#include "compiler/sketch/narrow_weights.h"
#include "compiler/sketch/word_products.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

namespace {

constexpr int64_t most_scratch_bytes = int64_t{32} << 20;

// What widening a panel costs, in rows.
constexpr double rows_of_widening = 4;

// A program that the family runs, with its axes; or why it does not.
std::variant<TileProblem, Refusal> narrow_problem(const Problem& problem, const Target& target) {
  if (target.kind != tensor::TargetKind::Host) return Refusal{"not on the host"};
  auto found = tile_problem(problem);
  if (std::holds_alternative<Refusal>(found)) return found;
  TileProblem& tile = std::get<TileProblem>(found);
  if (!choose_axes(tile, target)) return Refusal{"no axis for vectors"};
  if (TileProblem words = tile; use_word_products(words, target)) return Refusal{"faster as a product of words"};
  if (!use_narrow_weights(tile)) return Refusal{"not a product by narrow weights"};
  return found;
}

TileShape shape_of(const TileProblem& tile, const Target& target) {
  const bool wide = target.vector_registers >= 32;
  TileShape shape;
  shape.lanes = tile_lanes(tile, target);
  const int64_t vectors = (*constant(tile.axes[size_t(tile.vector_axis)].extent) + shape.lanes - 1) / shape.lanes;
  shape.panel = int(std::min<int64_t>(wide ? 8 : 4, vectors + vectors % 2));
  const Expr rows = tile.row_axis < 0 ? Expr(1) : tile.axes[size_t(tile.row_axis)].extent;
  const auto known = constant(rows);
  if (known && *known <= most_single_rows) {
    shape.nv = shape.panel;
    return shape;
  }
  shape.nv = 2;
  shape.rows = wide ? 14 : 6;
  if (known) shape.rows = int(std::min<int64_t>(shape.rows, *known));
  return shape;
}

double cost_of(const TileProblem& tile, const TileShape& shape, const Target& target) {
  const double ns = tile_cost(tile, shape, target);
  if (shape.rows == 1 || tile.row_axis < 0) return ns;
  return ns * (1 + rows_of_widening / double(std::max<int64_t>(1, typical(tile.axes[size_t(tile.row_axis)].extent))));
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  const auto found = narrow_problem(problem, target);
  if (const auto* refusal = std::get_if<Refusal>(&found)) {
    if (why) *why = refusal->reason;
    return {};
  }
  const auto& tile = std::get<TileProblem>(found);
  const TileShape shape = shape_of(tile, target);
  if (shape.rows > 1 && tile.narrow->depth * shape.nv * shape.lanes * int64_t{4} > most_scratch_bytes) {
    if (why) *why = "a panel does not fit into scratch";
    return {};
  }
  const Point point{{"rows", shape.rows}, {"nv", shape.nv}, {"panel", shape.panel}};
  return {{point, cost_of(tile, shape, target)}};
}

Result lower(const Problem& problem, const Point& point, const Target& target) {
  const auto found = narrow_problem(problem, target);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  const auto& tile = std::get<TileProblem>(found);
  TileShape shape{int(point.at("rows")), int(point.at("nv")), 1, tile_lanes(tile, target), int(point.at("panel"))};
  return lower_tiles(tile, shape, target, str("narrow ", shape.rows, "x", shape.nv));
}

}  // namespace

const Family narrow_family{"narrow", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch
