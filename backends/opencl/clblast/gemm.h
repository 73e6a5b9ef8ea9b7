// Groups as matrix products in the terms of BLAS, and what is left of them to generate.
//
//   c[batch, i, j] = sum over k of a[batch, i, k] * b[batch, k, j]
// All matrices are row-major with a leading dimension, the inputs perhaps transposed; batches lie at a fixed stride.
#pragma once
#include <variant>

#include "compiler/sketch/family.h"

namespace sardonyx::opencl::clblast {

struct Matrix {
  expr::BufferPtr buffer;
  bool transposed = false;
  expr::Expr leading, stride = 0;  // elements between rows as stored, and between batches
};

// Extents are expressions over `symbols`.
struct Gemm {
  DType dtype = DType::F32;
  expr::Expr batch = 1, m, n, k;
  Matrix a, b, c;
  std::vector<expr::VarPtr> symbols;
};

// A group cut in two: the product, then what its readers compute from c. Without readers c is the group's result.
struct Split {
  Gemm gemm;
  bool has_rest = false;
  sketch::Problem rest;  // reads the inputs of the group and, as its last input, c
};

std::variant<Split, sketch::Refusal> split_product(const sketch::Problem& problem);

}  // namespace sardonyx::opencl::clblast
