// What quantized graphs look like after import: codes of 8 bits, their zero point taken off in I32, scaled in F32.
#pragma once
#include "compiler/passes/pass.h"

namespace sardonyx::passes {

// cast<I32>(codes) - zero
struct Centered {
  graph::Value* codes = nullptr;  // U8 or I8
  graph::Value* zero = nullptr;   // I32 before any broadcast; null: 0
};
std::optional<Centered> match_centered(const graph::Value* value);

// cast<F32>(codes - zero) * scale
struct Dequantized {
  Centered centered;
  graph::Value* scale = nullptr;  // F32 before any broadcast
};
std::optional<Dequantized> match_dequantized(const graph::Value* value);

// cast<codes>(min(max(round(x / scale) + zero, low), high)), the clamps being the range of the codes' type
struct Quantized {
  graph::Value* source = nullptr;                       // x, F32
  graph::Value* scale = nullptr;                        // F32 before any broadcast
  graph::Value* zero = nullptr;                         // F32 before any broadcast; null: 0
  graph::Node *division = nullptr, *shifted = nullptr;  // shifted: null without zero
};
std::optional<Quantized> match_quantized(const graph::Value* codes);

// A parameter that is known at compile time, whatever reshapes and casts stand between it and its constant.
std::optional<Tensor> parameter_value(const graph::Value* value);
// Its single element, or what all its elements are.
std::optional<double> scalar_parameter(const graph::Value* value);
// A parameter along `axis` of a tensor of `rank` that has `extent` elements there: one number each, when it varies
// along no other axis.
std::optional<std::vector<double>> parameter_along(const graph::Value* value, int axis, int rank, int64_t extent);

}  // namespace sardonyx::passes
