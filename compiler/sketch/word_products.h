// Sums of products of narrow elements, a word of four bytes at a time, as machines with dot products compute them:
// unsigned by signed bytes into I32, four at once, and bf16 by bf16 into F32, two at once. Neighbours of the first
// reduction axis become one word of either factor.
#pragma once
#include "compiler/sketch/tile.h"

namespace sardonyx::sketch {

// Rewrites the problem in terms of words when the target has such products and the program suits: one factor has the
// first reduction axis innermost in memory and does not change along the vector axis, the other one is a constant that
// does. Needs chosen axes; returns whether it did.
bool use_word_products(TileProblem& tile, const Target& target);

// [.., ceil(n / c), ..] of [.., n, ..]: I32 words of c = 4 bytes or F32 words of c = 2 bf16. Element j of a word is
// element c * word + j of axis `dim`, 0 beyond the extent.
Tensor words_along(const Tensor& source, int dim);

}  // namespace sardonyx::sketch
