#include "backends/recurrent.h"

#include <optional>

#include "backends/scheduled.h"
#include "compiler/ops/rnn_activations.h"
#include "compiler/sketch/recurrent.h"
#include "runtime/base/status.h"

namespace sardonyx::backends {

using expr::Expr;
using expr::Function;
using graph::Node;
using graph::RnnAttrs;
using graph::RnnKind;
using sketch::Recurrence;

namespace {

constexpr const char* family_name = "recurrent";

Expr applied(const ops::RnnActivation& activation, const Expr& x) {
  const auto number = [&](double value) { return expr::imm(value, x->type.dtype); };
  const auto call = [](Function function, const Expr& argument) { return expr::call(function, {argument}); };
  const Expr zero = number(0), one = number(1), alpha = number(activation.alpha), beta = number(activation.beta);
  if (activation.name == "Relu") return expr::select(x > zero, x, zero);
  if (activation.name == "Tanh") return call(Function::Tanh, x);
  if (activation.name == "Sigmoid") return call(Function::Sigmoid, x);
  if (activation.name == "Affine") return alpha * x + beta;
  if (activation.name == "LeakyRelu") return expr::select(x >= zero, x, alpha * x);
  if (activation.name == "ThresholdedRelu") return expr::select(x > alpha, x, zero);
  if (activation.name == "ScaledTanh") return alpha * call(Function::Tanh, beta * x);
  if (activation.name == "HardSigmoid") return expr::min(expr::max(alpha * x + beta, zero), one);
  if (activation.name == "Elu") return expr::select(x >= zero, x, alpha * call(Function::Expm1, x));
  if (activation.name == "Softsign") return x / (one + call(Function::Abs, x));
  if (activation.name == "Softplus")
    return expr::max(x, zero) + call(Function::Log1p, call(Function::Exp, -call(Function::Abs, x)));
  fail(Status::InternalError, "internal error: activation '", activation.name, "' has no expression");
}

// The lists of the directions, one when they are equal.
std::vector<std::vector<Recurrence::Activation>> activations_of(const RnnAttrs& rnn) {
  const std::vector<ops::RnnActivation> all = ops::rnn_activations(rnn);
  const size_t count = all.size() / size_t(rnn.directions());
  std::vector<std::vector<Recurrence::Activation>> lists;
  for (size_t first = 0; first < all.size(); first += count) {
    if (first > 0 && std::equal(all.begin(), all.begin() + long(count), all.begin() + long(first))) break;
    std::vector<Recurrence::Activation>& list = lists.emplace_back();
    for (size_t i = 0; i < count; ++i) {
      // What an LSTM makes of its cell is not clipped.
      const double limit = i < 2 ? rnn.clip : 0;
      list.push_back([activation = all[first + i], limit](const Expr& x) {
        if (limit <= 0) return applied(activation, x);
        const DType dtype = x->type.dtype;
        return applied(activation, expr::min(expr::max(x, expr::imm(-limit, dtype)), expr::imm(limit, dtype)));
      });
    }
  }
  return lists;
}

struct Described {
  sketch::Problem problem;
  Recurrence layer;
  int weights_input = 0;
};

// Throws Error when the activations are not what the layer needs.
Described describe(const Node& group) {
  const Node& node = *group.regions[0]->nodes().front();
  const auto& rnn = node.attrs<RnnAttrs>();
  Described result;
  tensor::ProgramBuilder builder;
  std::vector<expr::BufferPtr> inputs, operands, outputs;
  for (size_t i = 0; i < group.operands.size(); ++i) {
    const graph::TensorType& type = group.operands[i]->type;
    inputs.push_back(builder.buffer_of(builder.input(str("in", i), type.dtype, type.dims)));
    result.problem.constant.push_back(group.operands[i]->constant() != nullptr);
  }
  for (const graph::Value* operand : node.operands) operands.push_back(inputs[size_t(operand->index)]);
  result.problem.program = builder.finish();
  for (size_t i = 0; i < group.results.size(); ++i) {
    auto buffer = std::make_shared<expr::Buffer>();
    buffer->name = str("out", i);
    buffer->dtype = group.results[i]->type.dtype;
    buffer->dims = group.results[i]->type.dims;
    outputs.push_back(buffer);
  }
  result.problem.program.outputs = outputs;
  result.weights_input = node.operands[1]->index;

  Recurrence& layer = result.layer;
  const bool lstm = rnn.kind == RnnKind::Lstm, linear = rnn.kind == RnnKind::Gru && rnn.linear_before_reset;
  layer.cell = lstm                       ? Recurrence::Cell::Lstm
               : linear                   ? Recurrence::Cell::GruLinear
               : rnn.kind == RnnKind::Gru ? Recurrence::Cell::Gru
                                          : Recurrence::Cell::Simple;
  layer.hidden = rnn.hidden;
  layer.directions = rnn.directions();
  layer.reverse = rnn.reverse;
  layer.input_forget = rnn.input_forget;
  layer.activations = activations_of(rnn);
  layer.projected = operands[0], layer.weights = operands[1], layer.lengths = operands[2];
  layer.initial_h = operands[3];
  if (lstm) layer.initial_c = operands[4];
  if (lstm && operands.size() > 5) layer.peepholes = operands[5];
  if (linear) layer.candidate_bias = operands[4];
  layer.y = outputs[0], layer.last_h = outputs[1];
  if (lstm) layer.last_c = outputs[2];
  return result;
}

}  // namespace

bool is_recurrent(const Candidate& candidate) {
  return candidate.kind == Candidate::Kind::Scheduled &&
         std::string_view(candidate.family).substr(candidate.family.find('.') + 1) == family_name;
}

void propose_recurrent(const Node& group, const Target& target, std::string_view prefix, Candidates& result) {
  const Node& node = *group.regions[0]->nodes().front();
  const auto refuse = [&](const std::string& why) {
    result.refusals.push_back(str(prefix, ".", family_name, ": ", why));
  };
  if (!group.operands[size_t(node.operands[1]->index)]->constant()) return refuse("R is not constant");
  try {
    const Described described = describe(group);
    Candidate candidate;
    candidate.kind = Candidate::Kind::Scheduled;
    candidate.family = str(prefix, ".", family_name);
    candidate.cost_ns = on_all_cores(sketch::recurrence_cost(described.layer, target), target);
    result.list.push_back(std::move(candidate));
  } catch (const Error& error) {
    refuse(error.text());
  }
}

LoweredRecurrence lower_recurrent(const Node& group, const Target& target) {
  Described described = describe(group);
  sketch::Lowered lowered =
      sketch::lower_recurrence(described.layer, described.problem.program, described.weights_input, target);
  return {std::move(described.problem), std::move(lowered)};
}

}  // namespace sardonyx::backends
