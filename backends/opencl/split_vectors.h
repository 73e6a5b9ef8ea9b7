// Vectors of lanes that OpenCL C has not become several that it has.
#pragma once
#include "compiler/tensor/loop.h"

namespace sardonyx::opencl {

// Rewrites a lowered body so that every vector has 2, 4, 8 or 16 lanes: a statement over other vectors becomes one
// statement per part (its lanes are independent), a horizontal reduction combines parts first. Returns `body` itself
// when there is nothing to do.
tensor::Stmt split_vectors(const tensor::Stmt& body);

}  // namespace sardonyx::opencl
