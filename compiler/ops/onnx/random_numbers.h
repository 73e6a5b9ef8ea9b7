// Random numbers as tensor expressions: the number at a position is a hash of the position and of a key, so they are
// the same on every device and for every division of the work, and fuse like any other arithmetic.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// A scalar that names one sequence of numbers: attribute `seed` (a float, or an integer with `integer_seed`) gives the
// same sequence in every run, its absence a new one.
Value* random_key(Lowering& in, bool integer_seed = false);

// Numbers in [0, 1), uniformly distributed, of a float dtype. `sequence` tells apart sequences of one key.
Value* random_uniform(Builder& builder, Value* key, const std::vector<Expr>& dims, DType dtype, int sequence = 0);

// Numbers of the standard normal distribution. Uses sequences 0 and 1.
Value* random_normal(Builder& builder, Value* key, const std::vector<Expr>& dims, DType dtype);

}  // namespace sardonyx::ops
