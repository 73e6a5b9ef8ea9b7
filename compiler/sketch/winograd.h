// Winograd's minimal filtering F(n x n, 3 x 3) for convolutions: the numbers, what it applies to, the kernel.
//
// An output tile of n x n comes from an input tile of (n+2) x (n+2): Y = A' [(G g G') * (B' d B)] A, with one product
// per element of the transformed tile instead of 9 n^2 per tile and pair of channels (A. Lavin, S. Gray: Fast
// Algorithms for Convolutional Neural Networks, 2016). The points for n = 4 are 0, +-5/8, +-3/2 and infinity: with the
// usual 0, +-1, +-2 the error is about four times as large.
#pragma once
#include <vector>

#include "compiler/sketch/tile.h"

namespace sardonyx::sketch {

struct Winograd {
  int outputs = 4;  // n: 4 or 2
  int inputs() const { return outputs + 2; }
  int products() const { return inputs() * inputs(); }

  // One row or column of B' d: element `i` of the transformed vector, as an expression of the n + 2 elements of `d`.
  Expr input(int i, const std::vector<Expr>& d) const;
  // One row or column of A' m.
  Expr output(int i, const std::vector<Expr>& m) const;
  // G, n + 2 rows of 3.
  std::vector<std::vector<double>> weights() const;
  // Weights [OC, IC, 3, 3] of F32 as G g G' in panels of `width` output channels, [ceil(OC / width), products, IC,
  // width], zeros beyond OC. Computed in double precision.
  Tensor pack(const Tensor& weights, int64_t width) const;
};

// A convolution with kernel 3 x 3 and stride 1 over tensors in blocks of channels.
struct WinogradProblem {
  TileProblem tile;
  std::vector<Axis> images;   // axes of the result other than these three
  Axis channel, row, column;  // of the result
  Axis inputs;                // channels that are summed over
  VarPtr y, x;                // a row plus a tap, a column plus a tap
  Expr pixel;                 // over y, x and inputs: what the weights are multiplied with where it is not padding
  std::vector<Expr> inside;   // conditions under which it is not padding; each is affine in y and x
  int weights = 0;            // the constant input of the program
};

std::variant<WinogradProblem, Refusal> winograd_problem(const Problem& problem, const Target& target);

struct WinogradShape {
  int outputs = 4;  // n
  int nv = 2;       // vectors of output channels per panel
  int tiles = 14;   // per grid index
  int splits = 1;   // grid indices that share the panels of one group of tiles
};
int most_rows(int nv, const Target& target);  // tiles of one register block
Result lower_winograd(const WinogradProblem& problem, const WinogradShape& shape, const Target& target, double cost_ns);

}  // namespace sardonyx::sketch
