// Lines of an image that the next row of tiles reads for the first time.
//
// A window over an image that L2 does not hold meets one new line per line of results. The hardware's prefetchers see
// its reads as many short streams, one per tap and channel block, and miss most of them: a 3 x 3 convolution of 64
// channels at 224 x 224 spends 7 % of its time waiting. So each tile asks for its columns of that line. Depthwise
// windows, which do little with a line, get theirs from the last cache as fast without.
#pragma once
#include <optional>

#include "compiler/sketch/tile_reduction.h"

namespace sardonyx::sketch {

struct NextLine {
  Expr load;         // of the image, over the problem's axes and the loops of the reduction
  size_t tap = 0;    // the loop over the window's lines
  int64_t taps = 0;  // of that loop
  size_t depth = 0;  // of the first loop that stays in the lines of a tile: here they are asked for
};
// Of windows that move by one line over pixels of whole cache lines, which all vectors share. `body` is the
// reduction's, with packed operands.
std::optional<NextLine> next_line(const TileProblem& tile, const TileReduction& reduction, const Expr& body,
                                  const Target& target);

// Prefetches for a tile of `rows` rows from `row0` on, where the loops outside `depth` have the values `bound`: with
// each line of the window, a share of the next one.
Stmt prefetch_line(const NextLine& next, const TileProblem& tile, const TileReduction& reduction,
                   const expr::Substitution& bound, const Expr& row0, int64_t rows);

}  // namespace sardonyx::sketch
