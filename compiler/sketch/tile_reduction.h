// The reduction of a tile problem as loops: their order, their bounds, and what becomes of padding.
//
// A condition on a reduction variable and grid variables becomes the bounds of that variable's loop. One on the row
// axis is left to the tiles: those that it cuts, the edges, are decided point by point. What is neither stays in the
// body.
#pragma once
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch {

// One reduction loop: its variable runs over [low, high) of the full extent.
struct ReductionLoop {
  Axis axis;
  Expr low = 0, high;  // high undefined: the extent
};

class TileReduction {
 public:
  // Of a problem with chosen axes, in tiles of at most so many rows. `tile` must outlive it.
  TileReduction(const TileProblem& tile, int64_t most_rows, const Target& target);

  // Outermost first.
  const std::vector<ReductionLoop>& loops() const { return loops_; }
  // What is reduced, over the loops' variables and the problem's axes.
  const Expr& body() const { return body_; }

  // Whether conditions on the row axis are left: everything below is about them. They are known for every row and tap.
  bool has_edges() const { return !row_conditions_.empty(); }
  // Whether rows [start, start + rows) miss a tap.
  bool edge(int64_t start, int64_t rows) const;
  bool holds(int64_t row, int64_t tap) const;
  // Iterations of the loop that the conditions mention, 1 when they mention none.
  int64_t taps() const;
  // Whether that loop is loops()[depth].
  bool decided_by(size_t depth) const { return !row_loops_.empty() && row_loops_[0] == depth; }

 private:
  void order_loops();
  void separate_conditions();
  bool neutral(const Expr& value) const;
  bool bound_loop(const Expr& condition);
  bool row_conditions_static();
  int64_t edge_copies() const;

  const TileProblem& tile_;
  int64_t most_rows_;
  bool deterministic_;
  VarPtr vector_;
  Axis row_;  // no variable: none
  Expr body_;
  std::vector<ReductionLoop> loops_;
  std::vector<Expr> row_conditions_;
  std::vector<size_t> row_loops_;  // loops that row conditions mention: at most one
};

}  // namespace sardonyx::sketch
