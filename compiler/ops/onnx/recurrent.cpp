// LSTM, GRU and RNN: defaults filled in and layout 1 transposed to layout 0. The products of inputs and W, of all steps
// and directions, are one contraction ahead of the recurrence; the primitive `rnn` is what is left. Narrow floats are
// computed with in F32.
#include <algorithm>

#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::RnnAttrs;
using graph::RnnKind;

// Defaults of one direction.
std::vector<std::string> default_activations(RnnKind kind) {
  switch (kind) {
    case RnnKind::Lstm:
      return {"Sigmoid", "Tanh", "Tanh"};
    case RnnKind::Gru:
      return {"Sigmoid", "Tanh"};
    case RnnKind::Rnn:
      break;
  }
  return {"Tanh"};
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
  const std::vector<std::string> defaults = default_activations(kind);
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

// A layer being lowered.
struct Layer {
  Builder& b;
  const RnnAttrs& rnn;
  int64_t rows;  // gates * hidden

  // `value` as [dims...], for the operand `name`.
  void expect(const Lowering& in, const char* name, Value* value, const std::vector<Expr>& dims) const {
    in.require(value->type.rank() == int(dims.size()), Status::InvalidModel, name, " is ",
               graph::to_string(value->type), " but should be ", Builder::shape_text(dims));
    for (size_t i = 0; i < dims.size(); ++i)
      b.require_equal(value->type.dims[i], dims[i],
                      str(name, " is ", graph::to_string(value->type), " but should be ", Builder::shape_text(dims)));
  }

  // X [T,B,I] times W [D,rows,I] plus both halves of B [D,2*rows], as [T,B,D*rows].
  Value* projected(Value* x, Value* w, Value* bias) const {
    const Expr columns = rnn.directions() * rows;
    Value* product = b.matmul(x, b.reshape(w, {columns, x->type.dims[2]}), false, true);
    if (!bias) return product;
    // The recurrent bias of a candidate that is linear before reset is scaled by the reset gate: not merely added.
    const int64_t added = linear() ? rows - rnn.hidden : rows;
    Value* recurrent = b.slice_axis(bias, 1, rows, added);
    if (linear()) recurrent = b.concat({recurrent, zeros(bias, {rnn.directions(), rnn.hidden})}, 1);
    return b.add(product, b.reshape(b.add(b.slice_axis(bias, 1, 0, rows), recurrent), {columns}));
  }

  Value* candidate_bias(Value* like, Value* bias) const {
    if (!bias) return zeros(like, {rnn.directions(), rnn.hidden});
    return b.slice_axis(bias, 1, 2 * rows - rnn.hidden, rnn.hidden);
  }

  bool linear() const { return rnn.kind == RnnKind::Gru && rnn.linear_before_reset; }
  Value* zeros(Value* like, std::vector<Expr> dims) const { return b.full(b.scalar_like(like, 0), std::move(dims)); }
};

template <RnnKind kind>
std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  const DType dtype = in[0]->type.dtype;
  const DType wide = dtype == DType::F64 ? DType::F64 : DType::F32;
  const auto operand = [&](int index) -> Value* {
    Value* given = in.optional(index);
    in.require(!given || given->type.dtype == dtype, Status::InvalidModel, "input ", index, " is ",
               given ? graph::to_string(given->type) : "", " beside X of ", dtype_name(dtype));
    return given ? b.cast(given, wide) : nullptr;
  };
  in.require(is_float(dtype) && in[0]->type.rank() == 3 && in[1]->type.rank() == 3 && in[2]->type.rank() == 3,
             Status::InvalidModel, "X, W and R must be floats of rank 3, got ", graph::to_string(in[0]->type), ", ",
             graph::to_string(in[1]->type), ", ", graph::to_string(in[2]->type));
  const int64_t hidden = in.attr_int("hidden_size", expr::as_int(in[2]->type.dims[2]));
  in.require(hidden > 0 && hidden <= int64_t{1} << 31, Status::InvalidModel, "hidden_size is ", hidden);
  const std::string direction = in.attr_string("direction", "forward");
  in.require(direction == "forward" || direction == "reverse" || direction == "bidirectional", Status::InvalidModel,
             "unknown direction '", direction, "'");
  const RnnAttrs attributes = attributes_of(in, kind, direction, hidden);
  const Layer layer{b, attributes, attributes.gates() * hidden};
  Value *x = operand(0), *w = operand(1), *r = operand(2), *bias = operand(3);
  // Layout 1 has the batch first: X [B,T,I], states [B,D,H], Y [B,T,D,H].
  const bool batch_first = in.attr_int("layout", 0) != 0;
  if (batch_first) x = b.transpose(x, {1, 0, 2});
  const Expr time = x->type.dims[0], batch = x->type.dims[1], directions = attributes.directions();
  layer.expect(in, "W", w, {directions, layer.rows, x->type.dims[2]});
  layer.expect(in, "R", r, {directions, layer.rows, hidden});
  if (bias) layer.expect(in, "B", bias, {directions, 2 * layer.rows});
  const auto state = [&](int index) {
    Value* given = operand(index);
    if (!given) return layer.zeros(x, {directions, batch, hidden});
    return batch_first ? b.transpose(given, {1, 0, 2}) : given;
  };
  Value* lengths = in.optional(4) ? in.optional(4) : b.full(b.cast(b.dims_tensor({time}, {}), DType::I32), {batch});
  std::vector<Value*> operands{layer.projected(x, w, bias), r, lengths, state(5)};
  if (kind == RnnKind::Lstm) {
    operands.push_back(state(6));
    if (Value* peepholes = operand(7)) operands.push_back(peepholes);
  } else if (layer.linear()) {
    operands.push_back(layer.candidate_bias(x, bias));
  }
  std::vector<Value*> results = b.rnn(operands, attributes);
  for (Value*& result : results) result = b.cast(result, dtype);
  if (batch_first) {
    results[0] = b.transpose(results[0], {2, 0, 1, 3});
    for (size_t i = 1; i < results.size(); ++i) results[i] = b.transpose(results[i], {1, 0, 2});
  }
  results.resize(size_t(std::min<int>(in.outputs(), int(results.size()))));
  return results;
}

const OnnxOp ops[] = {
    operator_row("GRU", {1, 3, 7, 14, 22}, lower<RnnKind::Gru>, {3, 6}, {0, 2}),
    operator_row("LSTM", {1, 7, 14, 22}, lower<RnnKind::Lstm>, {3, 8}, {0, 3}),
    operator_row("RNN", {1, 7, 14, 22}, lower<RnnKind::Rnn>, {3, 6}, {0, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
