// Inverted residual blocks: a depthwise convolution between two products over channels, as one kernel.
//
// A grid index is a share of an image's rows. It goes through them in bands: the rows of the expansion that a band of
// the depthwise convolution reads are computed into a ring, whose older rows are those that the band before has read,
// too; then come the band itself and its projection. The ring has the halo of the padding, so the window needs no
// conditions. What lies between block input and block output never leaves the core; only the rows that two shares read
// are computed twice. Without an expansion the window reads the image where it lies.
#pragma once
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch {

// How the depthwise window walks one of its axes: position = out * stride + tap * dilation - pad.
struct WindowAxis {
  VarPtr out, tap;
  int64_t stride = 1, dilation = 1, pad = 0;
  int64_t in = 1, taps = 1, outs = 1;  // extents

  // From the first to the last position that `count` neighbours read.
  int64_t reach(int64_t count) const { return (count - 1) * stride + (taps - 1) * dilation + 1; }
};

struct InvertedResidualProblem {
  const Program* program = nullptr;
  std::vector<bool> constant;
  Axis image;  // of the batch; no variable when there is one image
  // The expansion over [channel, row, column] and what it sums over; no body when there is none.
  struct Expansion {
    Axis channel, row, column;
    std::vector<Axis> reduce_axes;
    Expr body;
    Expr value;  // of an element that the window reads, over channel; loads the sum
    BufferPtr sum;
  };
  std::optional<Expansion> expansion;
  // The depthwise convolution over channel, rows.out and columns.out.
  Axis channel;
  WindowAxis rows, columns;
  std::vector<Axis> taps;
  Expr window;  // what is summed over the taps; with an expansion, the weights alone
  Expr value;   // of an element that the projection reads, over channel; loads the sum
  BufferPtr sum;
  // The projection of the pixels of an image, its row axis, to channels: its terms are `weights` times an element of
  // channel `inner`.
  TileProblem projection;
  Axis inner;
  Expr weights;
};

std::variant<InvertedResidualProblem, Refusal> inverted_residual_problem(const Problem& problem, const Target& target);

struct InvertedResidualShape {
  int64_t rows = 1;    // of the result per band, at most all
  int64_t shares = 1;  // grid indices per image
};
Lowered lower_inverted_residual(const InvertedResidualProblem& problem, const InvertedResidualShape& shape,
                                const Target& target);
// Nanoseconds on one core.
double inverted_residual_cost(const InvertedResidualProblem& problem, const InvertedResidualShape& shape,
                              const Target& target);

}  // namespace sardonyx::sketch
