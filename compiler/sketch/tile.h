// The register-tile engine: one reduction computed tile by tile in registers, with an epilogue on each tile.
//
// It serves matrix products, convolutions, depthwise convolutions and pooling alike. A tile is `rows` points of a row
// axis times `nv` vectors of a vector axis; its accumulators stay in registers over the whole reduction. Values that do
// not change along the vector axis are loaded once and broadcast; those that do not change along the row axis are
// shared by the rows. Constant operands along the vector axis are packed into panels [vector / NR][reduction ...][NR]
// ahead of time, strided ones into scratch at run time.
//
// Conditions of padding become bounds of the reduction loops, or split the row axis into edge tiles, where they are
// decided point by point, and inner tiles, where they hold (tile_reduction.h).
#pragma once
#include "compiler/sketch/map.h"

namespace sardonyx::sketch {

// Up to so many rows of a product run one by one: a single row costs about a quarter of a tile of 14, whose unused rows
// are computed too.
inline constexpr int64_t most_single_rows = 3;

// Factors of dot products as words, several neighbours of the first reduction axis each (word_products.h).
struct Words {
  expr::Function function;     // Dot4 of I32 words or Dot2 of F32 words
  int activation = 0;          // program input
  BufferPtr activation_words;  // the same memory
  int weights = 0;             // program input, constant
  BufferPtr weight_words;      // what words_along(weights, weight_dim) holds
  int weight_dim = 0;
};

// One factor of a product as constant weights of few bits: (codes - zero) * scale, in F32 (narrow_weights.h).
struct NarrowWeights {
  Expr value;         // the factor
  Expr activation;    // the other one, which does not change along the vector axis
  Expr codes;         // the load of I4, U4, I8, U8, F16 or BF16
  Expr zero, scale;   // F32 over `block` and the vector axis; undefined: none
  VarPtr block;       // counts the blocks of the reduction axis that share zeros and scales
  int64_t depth = 0;  // of the reduction axis
  int64_t block_size = 0;
};

// The problem in canonical form: collapsed axes, reduction axes, the reduced expression, and what is stored at the end.
struct TileProblem {
  const Program* program = nullptr;
  std::vector<Axis> axes;
  std::vector<Axis> reduce_axes;
  tensor::Reduce reduce = tensor::Reduce::Sum;
  DType dtype = DType::F32;
  Expr body;                            // over axes and reduce_axes
  BufferPtr result;                     // stand-in that the epilogue loads at exactly [axes...]
  std::vector<Map::Output> epilogue;    // over axes
  std::vector<bool> constant;           // per program input
  int vector_axis = -1, row_axis = -1;  // row_axis may be -1
  std::optional<Words> words;           // body is the product of two words then, the activation's first
  std::optional<NarrowWeights> narrow;
};

std::variant<TileProblem, Refusal> tile_problem(const Problem& problem);
// The number of the program input that `buffer` is, or of the constant one; -1: it is none.
int input_of(const TileProblem& tile, const BufferPtr& buffer);
int constant_input(const TileProblem& tile, const BufferPtr& buffer);
// Elements of a vector of results.
int tile_lanes(const TileProblem& tile, const Target& target);
// Picks the vector and the row axis; false when no axis suits vectors.
bool choose_axes(TileProblem& tile, const Target& target);

struct TileShape {
  int rows = 1;    // at most
  int nv = 1;      // vectors
  int unroll = 1;  // of the innermost reduction loop
  int lanes = 16;
  int panel = 0;  // vectors per panel of packed constants, a divisor of nv; 0: nv. Of narrow weights: a multiple of nv
};
// The shapes that stay in registers and suit the extents, in no order.
std::vector<TileShape> tile_shapes(const TileProblem& tile, const Target& target);
// Estimated nanoseconds of the whole problem on one core.
double tile_cost(const TileProblem& tile, const TileShape& shape, const Target& target);
Result lower_tiles(const TileProblem& tile, const TileShape& shape, const Target& target, const std::string& name);

// A problem as a part of a larger kernel: serial loops, panels outermost. Variables that are no axes of the problem may
// be free in it, and so may those of the extents of its axes, but for the row and the vector axis.
struct TileLoops {
  Stmt body;
  std::vector<Packed> packed;
};
TileLoops tile_loops(const TileProblem& tile, const TileShape& shape, const Target& target);

}  // namespace sardonyx::sketch
