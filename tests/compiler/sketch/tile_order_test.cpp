#include "compiler/sketch/tile_order.h"

#include <gtest/gtest.h>

namespace sardonyx::sketch {
namespace {

using Panels = TileOrder::Panels;

tensor::Target target_of(int cores, tensor::TargetKind kind = tensor::TargetKind::Host) {
  tensor::Target target;
  target.kind = kind;
  target.cores = cores;
  target.l2_bytes = 1 << 20;
  return target;
}

TileTraffic traffic(double weights_kb, double others_kb, int64_t row_tiles, bool one_line = true) {
  TileTraffic t;
  t.weights = weights_kb * 1024;
  t.others = others_kb * 1024;
  t.row_tiles = row_tiles;
  t.one_line = one_line;
  t.may_reorder = true;
  return t;
}

TEST(TileOrder, WalksTheLargerOperandOnce) {
  const tensor::Target one = target_of(1);
  EXPECT_EQ(tile_order(traffic(2000, 100, 4), one).panels, Panels::First);
  EXPECT_EQ(tile_order(traffic(100, 2000, 40), one).panels, Panels::Last);
  EXPECT_EQ(tile_order(traffic(800, 2000, 40), one).panels, Panels::Middle) << "they do not stay in L2";
  EXPECT_EQ(tile_order(traffic(100, 2000, 40), target_of(1, tensor::TargetKind::OpenClCpu)).panels, Panels::Middle);
}

TEST(TileOrder, RowsThatTheRunCountsMayBeFew) {
  EXPECT_EQ(tile_order(traffic(2000, 1e6, 0), target_of(1)).panels, Panels::First);
  EXPECT_EQ(tile_order(traffic(100, 1e6, 0), target_of(1)).panels, Panels::Last);
  EXPECT_EQ(tile_order(traffic(2000, 1e6, 0), target_of(2)).bands, 1);
}

TEST(TileOrder, CoresTakeRowsWhereTheyHideTheWeights) {
  const tensor::Target two = target_of(2);
  EXPECT_EQ(tile_order(traffic(100, 2000, 40), two).bands, 2);
  EXPECT_EQ(tile_order(traffic(900, 100, 4), two).bands, 2);
  EXPECT_EQ(tile_order(traffic(900, 100, 3), two).bands, 1) << "too few rows";
  EXPECT_EQ(tile_order(traffic(4000, 100, 4), two).bands, 1) << "weights from memory";
  EXPECT_EQ(tile_order(traffic(4000, 100, 8), two).bands, 2);
  EXPECT_EQ(tile_order(traffic(900, 100, 7), target_of(3)).bands, 1) << "a third of a core would be idle";
  EXPECT_EQ(tile_order(traffic(100, 2000, 40, false), two).bands, 1) << "images or lines are the parts";
}

TEST(TileOrder, WhatCannotMoveStays) {
  TileTraffic t = traffic(100, 2000, 40);
  t.may_reorder = false;
  EXPECT_EQ(tile_order(t, target_of(2)).panels, Panels::Middle);
  EXPECT_EQ(tile_order(t, target_of(2)).bands, 1);
  t.widened = true;
  EXPECT_EQ(tile_order(t, target_of(2)).panels, Panels::First);
}

TEST(TileOrder, Grids) {
  const auto axis = [](const char* name, int64_t extent) { return tensor::Axis{loop_var(name, extent), extent}; };
  const TileAxes axes{
      axis("band", 2), axis("panels", 3), axis("tiles", 5), {axis("n", 4), axis("g", 6), axis("one", 1)}, {}};
  TileAxes with_steps = axes;
  with_steps.steps = {axes.outer[1]};
  const auto names = [](const std::vector<tensor::Axis>& grid) {
    std::string all;
    for (const tensor::Axis& a : grid) all += a.var->name + " ";
    return all;
  };
  EXPECT_EQ(names(tile_grid({Panels::First, 2}, with_steps)), "band panels n g tiles ");
  EXPECT_EQ(names(tile_grid({Panels::Middle, 2}, with_steps)), "band n g panels tiles ");
  EXPECT_EQ(names(tile_grid({Panels::Last, 2}, with_steps)), "band n tiles g panels ");
}

}  // namespace
}  // namespace sardonyx::sketch
