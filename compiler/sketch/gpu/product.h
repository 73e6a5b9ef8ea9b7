// A reduction over products as a matrix product: which axes are rows, columns, batches and depth.
//
//   result[batch, row, column] = sum over depth of left[batch, row, depth] * right[batch, depth, column]
// Rows are the axes that only one factor depends on, columns those of the other. A convolution is one as it stands: the
// weights depend on output channels and taps, the image on positions and taps; padding is part of the image's factor.
#pragma once
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch::gpu {

struct Product {
  TileProblem tile;  // its axes are those below
  std::vector<Axis> batch, rows, columns, depth;
  Expr left, right;
};

// Columns are the side along which the first output is dense. Refuses sums that are no products, and products where
// both factors depend on every axis.
std::variant<Product, Refusal> product_of(const Problem& problem);

}  // namespace sardonyx::sketch::gpu
