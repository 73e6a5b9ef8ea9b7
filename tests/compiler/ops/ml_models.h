// Models of ai.onnx.ml that tests of values and of hostile ones share.
#pragma once
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {

// Of TreeEnsemble: a node that asks whether feature 0 is among 1, 5 and 2, and one behind it that compares it with 3;
// leaves of 10, 20 and 30.
inline Attributes membership_tree() {
  using Ints = std::vector<int64_t>;
  return {{"nodes_splits", f32({2}, {0, 3})},
          {"nodes_featureids", Ints{0, 0}},
          {"nodes_modes", make(DType::U8, {2}, {6, 3})},
          {"nodes_truenodeids", Ints{0, 1}},
          {"nodes_trueleafs", Ints{1, 1}},
          {"nodes_falsenodeids", Ints{1, 2}},
          {"nodes_falseleafs", Ints{0, 1}},
          {"leaf_targetids", Ints{0, 0, 0}},
          {"leaf_weights", f32({3}, {10, 20, 30})},
          {"tree_roots", Ints{0}},
          {"n_targets", int64_t{1}},
          {"membership_values", f32({4}, {1, 5, 2, std::nan("")})}};
}

}  // namespace sardonyx::ops
