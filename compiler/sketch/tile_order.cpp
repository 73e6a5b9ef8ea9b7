#include "compiler/sketch/tile_order.h"

#include <algorithm>

namespace sardonyx::sketch {

namespace {

// Row tiles of a band that hide the weights which each core reads: from memory, and from its caches.
constexpr int64_t tiles_hiding_memory = 4, tiles_hiding_cache = 2;
constexpr double most_imbalance = 1.1;

bool in_bands(const TileTraffic& traffic, const tensor::Target& target) {
  const int64_t tiles = traffic.row_tiles, cores = target.cores;
  if (cores < 2 || !traffic.one_line || !traffic.may_reorder || traffic.weights == 0) return false;
  const int64_t least = traffic.weights > double(target.l2_bytes) ? tiles_hiding_memory : tiles_hiding_cache;
  const int64_t per_band = (tiles + cores - 1) / cores;
  return tiles >= least * cores && double(per_band * cores) <= most_imbalance * double(tiles);
}

}  // namespace

TileOrder tile_order(const TileTraffic& traffic, const tensor::Target& target) {
  const double kept = double(target.l2_bytes) / 2;  // of L2, beside what streams through it
  TileOrder order;
  if (traffic.widened) {
    order.panels = TileOrder::Panels::First;
    return order;
  }
  const bool host = target.kind == tensor::TargetKind::Host;
  if (traffic.row_tiles == 0 ? traffic.weights > kept : traffic.weights > traffic.others)
    order.panels = TileOrder::Panels::First;
  else if (host && traffic.may_reorder && traffic.weights > 0 && traffic.weights <= kept)
    order.panels = TileOrder::Panels::Last;
  if (host && in_bands(traffic, target)) order.bands = target.cores;
  return order;
}

TileOrder inner_order(const TileTraffic& traffic, const tensor::Target& target) {
  TileOrder order;
  if (traffic.weights > double(target.l2_bytes) / 8) order.panels = TileOrder::Panels::First;
  return order;
}

std::vector<Axis> tile_grid(const TileOrder& order, const TileAxes& axes) {
  std::vector<Axis> all;
  const auto append = [&](const std::vector<Axis>& more, bool steps) {
    for (const Axis& axis : more) {
      const bool step =
          std::any_of(axes.steps.begin(), axes.steps.end(), [&](const Axis& s) { return s.var == axis.var; });
      if (step == steps) all.push_back(axis);
    }
  };
  switch (order.panels) {
    case TileOrder::Panels::First:
      all = {axes.band, axes.panels};
      all.insert(all.end(), axes.outer.begin(), axes.outer.end());
      all.push_back(axes.row_tiles);
      break;
    case TileOrder::Panels::Middle:
      all = {axes.band};
      all.insert(all.end(), axes.outer.begin(), axes.outer.end());
      all.insert(all.end(), {axes.panels, axes.row_tiles});
      break;
    case TileOrder::Panels::Last:
      all.push_back(axes.band);
      append(axes.outer, false);
      all.push_back(axes.row_tiles);
      append(axes.outer, true);
      all.push_back(axes.panels);
      break;
  }
  std::erase_if(all, [](const Axis& axis) { return !axis.var || expr::is_const(axis.extent, 1); });
  return all;
}

}  // namespace sardonyx::sketch
