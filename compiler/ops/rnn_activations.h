// The activations of a recurrent layer by name: what the primitive's reference and generated kernels agree on.
#pragma once
#include <string>
#include <vector>

#include "compiler/graph/attributes.h"

namespace sardonyx::ops {

struct RnnActivation {
  std::string name;            // "Sigmoid", as ONNX spells it
  double alpha = 0, beta = 0;  // ONNX's defaults where the layer says nothing; 0 for functions that take none
  bool operator==(const RnnActivation&) const = default;
};

// All activations of all directions in order: three per direction of an LSTM, two of a GRU, one of a simple layer.
// Throws Error(InvalidModel) for unknown names and wrong counts.
std::vector<RnnActivation> rnn_activations(const graph::RnnAttrs& rnn);

}  // namespace sardonyx::ops
