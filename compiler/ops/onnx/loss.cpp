// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;

// -weight[target] * log_probabilities[n, target, d...], reduced as the attribute says. Ignored targets weigh 0; the
// mean is over the weights.
Value* likelihood_loss(Lowering& in, Value* log_probabilities, Value* target, Value* weights) {
  auto& b = in.builder();
  const DType dtype = log_probabilities->type.dtype;
  const std::string reduction = in.attr_string("reduction", "mean");
  in.require(reduction == "mean" || reduction == "sum" || reduction == "none", Status::InvalidModel,
             "unknown reduction '", reduction, "'");
  in.require(target->type.rank() == log_probabilities->type.rank() - 1, Status::InvalidModel, "targets ",
             graph::to_string(target->type), " do not fit ", graph::to_string(log_probabilities->type));
  Value* ignored = nullptr;
  if (in.has("ignore_index")) {
    ignored = b.equal(target, b.scalar_like(target, double(in.attr_int("ignore_index"))));
    target = b.select(ignored, b.scalar_like(target, 0), target);
  }
  Value* picked = b.squeeze(b.gather_elements(log_probabilities, b.unsqueeze(target, {1}), 1), {1});
  Value* loss = b.neg(picked);
  Value* weight = weights ? b.gather(weights, target, 0) : nullptr;
  if (ignored) {
    Value* one = weight ? weight : b.scalar(dtype, 1);
    weight = b.select(ignored, b.scalar(dtype, 0), one);
  }
  if (weight) loss = b.mul(loss, weight);
  if (reduction == "none") return loss;
  const std::vector<int64_t> axes = axes_from(0, loss->type.rank());
  if (reduction == "mean" && !weight) return b.mean(loss, axes, false);
  Value* sum = b.reduce(ReduceFunction::Sum, loss, axes, false);
  return reduction == "sum" ? sum : b.div(sum, b.reduce(ReduceFunction::Sum, weight, axes, false));
}

std::vector<Value*> negative_log_likelihood(Lowering& in) {
  return {likelihood_loss(in, in[0], in[1], in.optional(2))};
}

std::vector<Value*> softmax_cross_entropy(Lowering& in) {
  Value* log_probabilities = in.builder().softmax(in[0], 1, true);
  std::vector<Value*> results{likelihood_loss(in, log_probabilities, in[1], in.optional(2))};
  if (in.outputs() > 1) results.push_back(log_probabilities);
  return results;
}

const OnnxOp ops[] = {
    operator_row("NegativeLogLikelihoodLoss", {12, 13, 22}, negative_log_likelihood, {2, 3}),
    operator_row("SoftmaxCrossEntropyLoss", {12, 13}, softmax_cross_entropy, {2, 3}, {1, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
