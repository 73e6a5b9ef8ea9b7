// A kernel ready for a code generator: the body for one grid index, and what the launch must know.
//
// The grid is a list of axes, outermost first; a launch enumerates their product, and the generated function runs any
// range of it. Buffers are the function's arguments in order. `points`, `scratch_bytes` and the extents are expressions
// over `symbols`, evaluated when a plan is made.
#pragma once
#include <string>
#include <vector>

#include "compiler/tensor/loop.h"

namespace sardonyx::tensor {

struct LoweredKernel {
  std::string name;                // "pointwise", "contraction 14x2": for traces and explain
  std::vector<BufferPtr> buffers;  // arguments in order: read ones first, then written ones
  int outputs = 1;                 // how many of the last buffers are written
  std::vector<VarPtr> symbols;     // values arrive in `dims` in this order
  std::vector<Axis> grid;          // outermost first; may be empty (one index)
  int lanes = 1;                   // work-items of one grid index: the extent of the body's Lane loops
  Stmt body;
  Expr scratch_bytes = 0;
  Expr points = 1;          // units of work in the whole grid, such as multiply-adds
  double ns_per_point = 0;  // on one core
  double least_ns = 0;      // however few the points: what is read in full takes that long
};

// Where the Scratch buffers of a body lie in the worker's scratch memory: byte offsets, 64-byte aligned, in the order
// of their Allocate statements.
struct ScratchSlot {
  BufferPtr buffer;
  Expr offset;
};
std::vector<ScratchSlot> scratch_layout(const Stmt& body, Expr* total);

}  // namespace sardonyx::tensor
