// Sums of products of bytes, four at a time: unsigned by signed ones into I32, as machines with dot products of bytes
// compute them. Four neighbours of the first reduction axis become one I32 word of either factor.
#pragma once
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch {

// Rewrites the problem in terms of words when the target has such products and the program suits: the unsigned factor
// has the first reduction axis innermost in memory and does not change along the vector axis, the signed one is a
// constant that does. Needs chosen axes; returns whether it did.
bool use_quads(TileProblem& tile, const Target& target);

// I32 [.., ceil(n / 4), ..] of I8 [.., n, ..]: byte j of a word is element 4 * word + j of axis `dim`, 0 beyond the
// extent.
Tensor words_along(const Tensor& source, int dim);

}  // namespace sardonyx::sketch
