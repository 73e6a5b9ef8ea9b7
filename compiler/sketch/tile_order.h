// The order of a tile kernel's grid: which operand is walked once, and which part of the result a core gets.
//
// Cores share a grid in contiguous parts (runtime/team.h). Parts that are rows of an image or of a product leave what a
// layer writes on the core that reads it in the next one, and each core reads all weights; parts that are panels of
// weights are the other way round. Where cores share no cache, a line that the other one wrote costs more than one from
// memory, so rows are the parts wherever a core has enough of them to hide the weights behind.
#pragma once
#include "compiler/sketch/support.h"

namespace sardonyx::sketch {

struct TileOrder {
  enum class Panels {
    First,   // a panel is read once, by all rows
    Middle,  // by the row tiles of a line of the image
    Last,    // all panels by a few row tiles: they stay in L2
  };
  Panels panels = Panels::Middle;
  int64_t bands = 1;  // shares of the row tiles around everything else, one per core
};

// What the choice depends on. Bytes are at typical sizes.
struct TileTraffic {
  double weights = 0;  // packed panels; 0: none
  double others = 0;
  int64_t row_tiles = 0;     // of one line; 0: the run counts them
  bool one_line = false;     // there are no other axes
  bool may_reorder = false;  // row tiles are independent code: no edges, no panels gathered at run time
  bool widened = false;      // panels are made once per grid index
};
TileOrder tile_order(const TileTraffic& traffic, const tensor::Target& target);
// Of loops inside a larger kernel, whose panels are outermost: First where they fill much of L2, so that the next one
// is prefetched.
TileOrder inner_order(const TileTraffic& traffic, const tensor::Target& target);

// The axes of the grid, outermost first; those of one point are left out. `outer` are the axes that are neither rows
// nor vectors, `steps` those of them along which weights differ.
struct TileAxes {
  Axis band, panels, row_tiles;
  std::vector<Axis> outer, steps;
};
std::vector<Axis> tile_grid(const TileOrder& order, const TileAxes& axes);

}  // namespace sardonyx::sketch
