// LinearClassifier and LinearRegressor: one product with the coefficients.
#include "compiler/ops/onnx_ml/scores.h"

namespace sardonyx::ops {
namespace {

// X x coefficients^T + intercepts, of `rows` sets of coefficients (0: as many as fit the features).
Value* linear_scores(Lowering& in, int64_t rows) {
  auto& b = in.builder();
  Value* x = feature_matrix(in);
  const DType dtype = model_dtype(x);
  const auto coefficients = in.attr_floats("coefficients");
  const auto features = expr::as_int(x->type.dims[1]);
  if (rows == 0) {
    in.require(features && *features > 0, Status::UnsupportedShape, "the number of features must be static, got ",
               graph::to_string(x->type));
    rows = int64_t(coefficients.size()) / *features;
  }
  in.require(rows > 0 && !coefficients.empty() && int64_t(coefficients.size()) % rows == 0, Status::InvalidModel,
             coefficients.size(), " coefficients for ", rows, " scores of ", graph::to_string(x->type));
  const int64_t width = int64_t(coefficients.size()) / rows;
  b.require_equal(x->type.dims[1], width, str("features and coefficients of node '", in.node(), "'"));
  Value* weights = attribute_tensor(in, "coefficients", coefficients, dtype, {rows, width});
  Value* scores = b.matmul(b.cast(x, dtype), weights, false, true, dtype);
  if (!in.has("intercepts") || in.attr_floats("intercepts").empty()) return scores;
  return b.add(scores, attribute_tensor(in, "intercepts", in.attr_floats("intercepts"), dtype, {rows}));
}

std::vector<Value*> regressor(Lowering& in) {
  auto& b = in.builder();
  const int64_t targets = in.attr_int("targets", 1);
  in.require(targets > 0, Status::InvalidModel, "targets ", targets, " must be positive");
  return {b.cast(post_transformed(b, linear_scores(in, targets), post_transform_of(in)), DType::F32)};
}

// One set of coefficients for two classes gives the scores of both.
std::vector<Value*> classifier(Lowering& in) {
  auto& b = in.builder();
  const ClassLabels labels(in, "classlabels_ints", "classlabels_strings");
  const PostTransform transform = post_transform_of(in);
  Value* scores = linear_scores(in, 0);
  if (labels.count() == 2 && expr::is_const(scores->type.dims[1], 1)) scores = b.concat({b.neg(scores), scores}, 1);
  b.require_equal(scores->type.dims[1], labels.count(), str("scores and labels of node '", in.node(), "'"));
  scores = post_transformed(b, scores, transform);
  Value* label = nullptr;
  if (labels.count() == 1) {
    const double threshold = transform == PostTransform::None ? 0 : 0.5;
    label = labels.of_single(in, b.squeeze(b.less_equal(b.scalar_like(scores, threshold), scores), {1}));
  } else {
    label = labels.of(b, b.arg_reduce(scores, true, false, 1, false));
  }
  return {label, b.cast(scores, DType::F32)};
}

const OnnxOp ops[] = {
    ml_row("LinearClassifier", {{1, classifier}}, {1, 1}, {2, 2}),
    ml_row("LinearRegressor", {{1, regressor}}),
};

}  // namespace
}  // namespace sardonyx::ops
