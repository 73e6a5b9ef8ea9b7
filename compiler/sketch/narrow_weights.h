// Products by constant weights of few bits, which stay narrow in memory: codes of 4 bits lie eight to a word, those of
// 8 bits and narrow floats as they are, in panels like those of wide ones. A tile of one row, which is bound by memory,
// widens them in registers; for more rows a panel is widened into scratch once and then read by all tiles.
//
// The zeros and scales of a block of the reduction axis are packed alike. In registers a scale multiplies the sum of
// its block, elsewhere the weights.
#pragma once
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch {

// Sets tile.narrow when the program suits: a sum of products over one axis whose one factor is a constant that changes
// along the vector axis, widened to F32 from few bits, with zeros and scales per block of the reduction axis, if any.
// Needs chosen axes. Returns whether it did.
bool use_narrow_weights(TileProblem& tile);

// The packed constants of tile.narrow, in panels of `width` lanes, and code over them.
class NarrowPanels {
 public:
  NarrowPanels(const TileProblem& tile, int64_t width);

  const std::vector<Packed>& packed() const { return packed_; }
  // to[k, q] = weight of reduction index k and lane first + q, for `vectors` times `lanes` lanes of one panel.
  Stmt widen(const BufferPtr& to, const Expr& first, int64_t vectors, int64_t lanes) const;
  // sums[0, q] += sum over k of activation(k) * weight of k and lane first + q.
  Stmt accumulate(const BufferPtr& sums, const Expr& first, int64_t vectors, int64_t lanes,
                  const std::function<Expr(const Expr& k)>& activation) const;

 private:
  // Where a point is: its block, its reduction index, and the run of eight reduction indices and the place in it.
  struct Point {
    Expr block, k, run, place;
  };
  using PointCode = std::function<Stmt(const Point&)>;
  // Lanes of one panel.
  struct Lane {
    Expr panel, inside;
  };

  BufferPtr pack(const Expr& load, const std::vector<Axis>& steps);
  Expr packed_parameter(const Expr& parameter);
  Lane lane_of(const Expr& first, const Expr& q) const;
  tensor::Index in_panel(tensor::Index steps, const Lane& lane) const;
  Expr number(const Point& at, const Lane& lane) const;
  Expr parameter_at(const Expr& parameter, const Point& at, const Lane& lane) const;
  Stmt over_blocks(const std::function<Stmt(const Expr& block, const Expr& first, int64_t count)>& code) const;
  Stmt over_runs(const Expr& block, const Expr& first, int64_t count, const PointCode& code) const;
  Stmt prefetch(const Point& at, const Expr& first, int64_t lanes) const;

  const NarrowWeights& narrow_;
  const TileProblem& tile_;
  int64_t width_;
  Axis vector_, step_, block_;
  std::vector<Packed> packed_;
  BufferPtr codes_;
  VarPtr panel_var_, lane_var_;  // of the packed parameters
  Expr zero_, scale_;
};

// I32 [.., ceil(n / 8), m] of I4 or U4 [.., n, m]: place i of a word holds element 8 * word + i, those of U4 less 8; 0
// beyond the extent.
Tensor words_of_nibbles(const Tensor& source);

}  // namespace sardonyx::sketch
