#include "compiler/ops/rnn_activations.h"

#include <algorithm>

#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::ops {
namespace {

const RnnActivation known_activations[] = {
    {"Relu"},
    {"Tanh"},
    {"Sigmoid"},
    {"Affine", 1},
    {"LeakyRelu", 0.01},
    {"ThresholdedRelu", 1},
    {"ScaledTanh", 1, 1},
    {"HardSigmoid", 0.2, 0.5},
    {"Elu", 1},
    {"Softsign"},
    {"Softplus"},
};

}  // namespace

std::vector<RnnActivation> rnn_activations(const graph::RnnAttrs& rnn) {
  const std::vector<std::string> names = split(rnn.activations, ','), alphas = split(rnn.alphas, ','),
                                 betas = split(rnn.betas, ',');
  const size_t per_direction = rnn.kind == graph::RnnKind::Lstm ? 3 : rnn.kind == graph::RnnKind::Gru ? 2 : 1;
  const size_t expected = per_direction * size_t(rnn.directions());
  require(names.size() == expected, Status::InvalidModel, graph::rnn_names[int(rnn.kind)], " with ", rnn.directions(),
          " directions needs ", expected, " activations, got '", rnn.activations, "'");
  const auto number = [](const std::vector<std::string>& texts, size_t i, double fallback) {
    return i < texts.size() && !texts[i].empty() ? to_double(texts[i]) : fallback;
  };
  std::vector<RnnActivation> result;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto known = std::find_if(std::begin(known_activations), std::end(known_activations),
                                    [&](const RnnActivation& a) { return names[i] == a.name; });
    require(known != std::end(known_activations), Status::InvalidModel, "unknown activation '", names[i], "'");
    result.push_back({names[i], number(alphas, i, known->alpha), number(betas, i, known->beta)});
  }
  return result;
}

}  // namespace sardonyx::ops
