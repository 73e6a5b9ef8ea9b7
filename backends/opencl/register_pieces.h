// Register buffers as variables of OpenCL C.
//
// Compilers make registers of an array late, at a price that grows with the square of a tile, or never. A buffer of
// which every access is an aligned piece of one length, at a place that is known once loops are unrolled, becomes a
// variable per piece instead. What a lane keeps over several Lane loops is indexed by the lane, so it stays an array.
#pragma once
#include <unordered_map>

#include "compiler/tensor/loop.h"

namespace sardonyx::opencl {

struct Pieces {
  int lanes = 1;
  bool masked = false;  // some store reaches a part of a piece's lanes, so the others must have values before
};

// The Register buffers in `body` that can be variables; the others have no entry and are arrays. `body` is flat, with
// vectors of native lengths.
std::unordered_map<const expr::Buffer*, Pieces> register_pieces(const tensor::Stmt& body);

// The index of the first element of an access to such a buffer: a scalar index, or the base of a dense vector's.
const expr::Expr& piece_start(const expr::Expr& index);

}  // namespace sardonyx::opencl
