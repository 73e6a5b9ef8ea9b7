// Discrete Fourier transforms along the last dim: what DFT and STFT share.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

struct FourierKind {
  bool inverse = false;    // scaled by 1 / length
  bool one_sided = false;  // forward: the first length / 2 + 1 bins; inverse: from those to a real signal
};

// real and imaginary (null: zeros) parts are [..., length], or [..., length / 2 + 1] for an inverse one-sided
// transform, which needs both. The result is [..., bins, 2], or [..., length, 1] for an inverse one-sided transform.
// Short static lengths are products with a matrix of cosines and sines; others are fast transforms on the host.
Value* fourier_transform(Builder& builder, Value* real, Value* imaginary, const Expr& length, FourierKind kind);

}  // namespace sardonyx::ops
