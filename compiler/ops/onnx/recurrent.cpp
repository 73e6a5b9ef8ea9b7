// LSTM, GRU and RNN: defaults filled in and layout 1 transposed to layout 0, then the primitive `rnn`.
#include <algorithm>

#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::RnnAttrs;
using graph::RnnKind;

struct KindInfo {
  int64_t gates;
  std::vector<std::string> activations;  // defaults of one direction
};
KindInfo info_of(RnnKind kind) {
  switch (kind) {
    case RnnKind::Lstm:
      return {4, {"Sigmoid", "Tanh", "Tanh"}};
    case RnnKind::Gru:
      return {3, {"Sigmoid", "Tanh"}};
    case RnnKind::Rnn:
      break;
  }
  return {1, {"Tanh"}};
}

// Which of alpha and beta an activation takes: the values of the attributes go to those in order.
bool takes_alpha(const std::string& name) {
  for (const char* known : {"Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"})
    if (name == known) return true;
  return false;
}
bool takes_beta(const std::string& name) { return name == "Affine" || name == "ScaledTanh" || name == "HardSigmoid"; }

std::string distributed(const std::vector<std::string>& activations, const std::vector<double>& values,
                        bool (*takes)(const std::string&)) {
  if (values.empty()) return {};
  std::vector<std::string> texts;
  size_t next = 0;
  for (const std::string& activation : activations)
    texts.push_back(takes(activation) && next < values.size() ? decimal(values[next++], 9) : std::string());
  return join(texts, ",");
}

// Activation names are case-insensitive in ONNX's models; the primitive knows the canonical ones.
std::string canonical(const std::string& name) {
  for (const char* known : {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh",
                            "HardSigmoid", "Elu", "Softsign", "Softplus"}) {
    const std::string_view text = known;
    if (std::equal(name.begin(), name.end(), text.begin(), text.end(),
                   [](char a, char b) { return (a | 0x20) == (b | 0x20); }))
      return known;
  }
  return name;
}

RnnAttrs attributes_of(Lowering& in, RnnKind kind, const std::string& direction, int64_t hidden) {
  RnnAttrs rnn;
  rnn.kind = kind;
  rnn.hidden = hidden;
  rnn.reverse = direction == "reverse";
  rnn.bidirectional = direction == "bidirectional";
  rnn.clip = in.attr_float("clip", 0);
  rnn.linear_before_reset = in.attr_int("linear_before_reset", 0) != 0;
  rnn.input_forget = in.attr_int("input_forget", 0) != 0;
  const std::vector<std::string> defaults = info_of(kind).activations;
  std::vector<std::string> activations = defaults;
  if (rnn.bidirectional) activations.insert(activations.end(), defaults.begin(), defaults.end());
  const size_t expected = activations.size();
  activations = in.attr_strings("activations", activations);
  in.require(activations.size() == expected, Status::InvalidModel, expected, " activations expected, got [",
             join(activations, ","), "]");
  for (std::string& activation : activations) activation = canonical(activation);
  rnn.activations = join(activations, ",");
  rnn.alphas = distributed(activations, in.attr_floats("activation_alpha", std::vector<double>()), takes_alpha);
  rnn.betas = distributed(activations, in.attr_floats("activation_beta", std::vector<double>()), takes_beta);
  return rnn;
}

template <RnnKind kind>
std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *w = in[1], *r = in[2];
  in.require(x->type.rank() == 3 && w->type.rank() == 3 && r->type.rank() == 3, Status::InvalidModel,
             "X, W and R must have rank 3, got ", graph::to_string(x->type), ", ", graph::to_string(w->type), ", ",
             graph::to_string(r->type));
  const auto r_hidden = expr::as_int(r->type.dims[2]);
  const int64_t hidden = in.attr_int("hidden_size", r_hidden);
  in.require(hidden > 0 && hidden <= int64_t{1} << 31, Status::InvalidModel, "hidden_size is ", hidden);
  const std::string direction = in.attr_string("direction", "forward");
  in.require(direction == "forward" || direction == "reverse" || direction == "bidirectional", Status::InvalidModel,
             "unknown direction '", direction, "'");
  const RnnAttrs attributes = attributes_of(in, kind, direction, hidden);
  // Layout 1 has the batch first: X [B,T,I], states [B,D,H], Y [B,T,D,H].
  const bool batch_first = in.attr_int("layout", 0) != 0;
  if (batch_first) x = b.transpose(x, {1, 0, 2});
  const Expr time = x->type.dims[0], batch = x->type.dims[1], directions = attributes.bidirectional ? 2 : 1;
  const int64_t rows = info_of(kind).gates * hidden;
  const auto filled = [&](double value, std::vector<Expr> dims) { return b.full(b.scalar_like(x, value), dims); };
  const auto state = [&](int index) {
    Value* given = in.optional(index);
    if (!given) return filled(0, {directions, batch, Expr(hidden)});
    return batch_first ? b.transpose(given, {1, 0, 2}) : given;
  };
  Value* bias = in.optional(3) ? in.optional(3) : filled(0, {directions, Expr(2 * rows)});
  Value* lengths = in.optional(4) ? in.optional(4) : b.full(b.cast(b.dims_tensor({time}, {}), DType::I32), {batch});
  std::vector<Value*> operands{x, w, r, bias, lengths, state(5)};
  if (kind == RnnKind::Lstm) {
    operands.push_back(state(6));
    operands.push_back(in.optional(7) ? in.optional(7) : filled(0, {directions, Expr(3 * hidden)}));
  }
  std::vector<Value*> results = b.rnn(operands, attributes);
  if (batch_first) {
    results[0] = b.transpose(results[0], {2, 0, 1, 3});
    for (size_t i = 1; i < results.size(); ++i) results[i] = b.transpose(results[i], {1, 0, 2});
  }
  results.resize(size_t(std::min<int>(in.outputs(), int(results.size()))));
  return results;
}

const OnnxOp ops[] = {
    operator_row("GRU", {1, 3, 7, 14, 22}, lower<RnnKind::Gru>, {3, 6}, {0, 2}, Execution::Host),
    operator_row("LSTM", {1, 7, 14, 22}, lower<RnnKind::Lstm>, {3, 8}, {0, 3}, Execution::Host),
    operator_row("RNN", {1, 7, 14, 22}, lower<RnnKind::Rnn>, {3, 6}, {0, 2}, Execution::Host),
};

}  // namespace
}  // namespace sardonyx::ops
