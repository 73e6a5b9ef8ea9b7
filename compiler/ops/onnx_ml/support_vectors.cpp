// SVMClassifier and SVMRegressor: products with the support vectors, then with the dual coefficients.
#include <algorithm>
#include <cmath>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/onnx_ml/scores.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;
using graph::UnaryFunction;

// Kernel values of every row of x [rows, features] with every vector [vectors, features]: [rows, vectors].
Value* kernel_values(Lowering& in, Value* x, Value* vectors, const std::string& kernel) {
  auto& b = in.builder();
  auto parameters = in.attr_floats("kernel_params", std::vector<double>());
  in.require(parameters.empty() || parameters.size() == 3, Status::InvalidModel, parameters.size(),
             " kernel_params, expected gamma, coef0 and degree");
  parameters.resize(3, 0);
  const auto number = [&](double value) { return b.scalar_like(x, value); };
  if (kernel == "RBF") {  // differences, not products: they do not cancel
    Value* difference = b.sub(b.unsqueeze(x, {1}), b.unsqueeze(vectors, {0}));
    Value* distance = b.reduce(ReduceFunction::Sum, b.mul(difference, difference), {2}, false);
    return b.exp(b.mul(distance, number(-parameters[0])));
  }
  Value* product = b.matmul(x, vectors, false, true, x->type.dtype);
  if (kernel == "LINEAR") return product;
  product = b.add(b.mul(product, number(parameters[0])), number(parameters[1]));
  if (kernel == "SIGMOID") return b.unary(UnaryFunction::Tanh, product);
  in.require(kernel == "POLY", Status::InvalidModel, "kernel_type '", kernel, "' is unknown");
  return b.binary(graph::BinaryFunction::Pow, product, number(parameters[2]));
}

// Attribute `name` as a matrix of `rows` rows.
Value* matrix(Lowering& in, const char* name, int64_t rows, DType dtype) {
  const auto values = in.attr_floats(name);
  in.require(rows > 0 && !values.empty() && int64_t(values.size()) % rows == 0, Status::InvalidModel, "attribute '",
             name, "' has ", values.size(), " elements for ", rows, " rows");
  return attribute_tensor(in, name, values, dtype, {rows, int64_t(values.size()) / rows});
}

void require_features(Lowering& in, Value* x, Value* vectors) {
  in.builder().require_equal(x->type.dims[1], vectors->type.dims[1],
                             str("features of input and vectors of node '", in.node(), "'"));
}

std::vector<Value*> regressor(Lowering& in) {
  auto& b = in.builder();
  Value* x = feature_matrix(in);
  const DType dtype = model_dtype(x);
  x = b.cast(x, dtype);
  const int64_t supports = in.attr_int("n_supports", 0);
  in.require(supports >= 0, Status::InvalidModel, "n_supports ", supports, " must not be negative");
  const auto rho = in.attr_floats("rho");
  in.require(!rho.empty(), Status::InvalidModel, "rho is empty");
  Value* sums = nullptr;
  if (supports > 0) {
    Value* vectors = matrix(in, "support_vectors", supports, dtype);
    require_features(in, x, vectors);
    Value* values = kernel_values(in, x, vectors, in.attr_string("kernel_type", "LINEAR"));
    Value* weights = attribute_tensor(in, "coefficients", in.attr_floats("coefficients"), dtype, {1, supports});
    sums = b.matmul(values, weights, false, true, dtype);
  } else {
    Value* weights = matrix(in, "coefficients", 1, dtype);
    require_features(in, x, weights);
    sums = b.matmul(x, weights, false, true, dtype);
  }
  sums = b.add(sums, b.scalar(dtype, rho[0]));
  if (in.attr_int("one_class", 0) != 0)
    sums = b.select(b.less(b.scalar(dtype, 0), sums), b.scalar(dtype, 1), b.scalar(dtype, -1));
  return {b.cast(post_transformed(b, sums, post_transform_of(in)), DType::F32)};
}

// Probabilities of k classes from those of pairs, r[i][j] = P(i | i or j), by the second method of Wu, Lin and Weng
// (2004), as in libsvm.
std::vector<double> coupled(const std::vector<double>& r, size_t k) {
  std::vector<double> q(k * k, 0), qp(k, 0), p(k, 1.0 / double(k));
  for (size_t t = 0; t < k; ++t)
    for (size_t j = 0; j < k; ++j) {
      if (j == t) continue;
      q[t * k + t] += r[j * k + t] * r[j * k + t];
      q[t * k + j] = -r[j * k + t] * r[t * k + j];
    }
  const size_t most = std::max<size_t>(100, k);
  const double enough = 0.005 / double(k);
  for (size_t iteration = 0; iteration < most; ++iteration) {
    double pqp = 0, error = 0;
    for (size_t t = 0; t < k; ++t) {
      qp[t] = 0;
      for (size_t j = 0; j < k; ++j) qp[t] += q[t * k + j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (size_t t = 0; t < k; ++t) error = std::max(error, std::fabs(qp[t] - pqp));
    if (error < enough) break;
    for (size_t t = 0; t < k; ++t) {
      const double step = (pqp - qp[t]) / q[t * k + t], scale = 1 + step;
      p[t] += step;
      pqp = (pqp + step * (step * q[t * k + t] + 2 * qp[t])) / scale / scale;
      for (size_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + step * q[t * k + j]) / scale;
        p[j] /= scale;
      }
    }
  }
  return p;
}

// Operand: P(i | i or j) of every pair i < j, [rows, pairs]. Parameters: the number of classes.
std::vector<Tensor> couple(const std::string& parameters, std::span<const Tensor> operands) {
  const auto k = size_t(std::stoul(parameters));
  const Tensor& pairs = operands[0];
  const int64_t rows = pairs.dims()[0], count = pairs.dims()[1];
  require(count == int64_t(k * (k - 1) / 2), Status::MismatchingShape, count, " pairs of ", k, " classes");
  Tensor result(pairs.dtype(), {rows, int64_t(k)});
  std::vector<double> r(k * k, 0);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t pair = row * count;
    for (size_t i = 0; i < k; ++i)
      for (size_t j = i + 1; j < k; ++j) {
        r[i * k + j] = std::clamp(pairs.as_double(pair++), 1e-7, 1 - 1e-7);
        r[j * k + i] = 1 - r[i * k + j];
      }
    const auto p = coupled(r, k);
    for (size_t i = 0; i < k; ++i) result.set_double(row * int64_t(k) + int64_t(i), p[i]);
  }
  return {result};
}

// One-against-one decisions of a kernel machine.
struct Decisions {
  Value* scores = nullptr;  // [rows, pairs], positive for the first class of the pair
  Value* votes = nullptr;   // [rows, classes]
};

Decisions decide(Lowering& in, Value* x, int64_t classes, const std::vector<int64_t>& counts) {
  auto& b = in.builder();
  const DType dtype = x->type.dtype;
  int64_t total = 0;
  std::vector<int64_t> starts;
  in.require(int64_t(counts.size()) == classes, Status::InvalidModel, counts.size(), " vectors_per_class for ", classes,
             " classes");
  for (int64_t count : counts) {
    in.require(count >= 0 && count <= int64_t{1} << 40, Status::InvalidModel, "vectors_per_class [", join(counts, ","),
               "]");
    starts.push_back(total);
    total += count;
  }
  Value* vectors = matrix(in, "support_vectors", total, dtype);
  require_features(in, x, vectors);
  Value* values = kernel_values(in, x, vectors, in.attr_string("kernel_type", "LINEAR"));

  // Column p of `weights` combines the vectors of both classes of pair p.
  const int64_t pairs = classes * (classes - 1) / 2;
  const auto coefficients = in.attr_floats("coefficients"), rho = in.attr_floats("rho");
  in.require(int64_t(coefficients.size()) == (classes - 1) * total && int64_t(rho.size()) >= pairs,
             Status::InvalidModel, coefficients.size(), " coefficients and ", rho.size(), " rho for ", classes,
             " classes and ", total, " vectors");
  Tensor weights(dtype, {total, pairs}), offsets(dtype, {pairs}), swings(dtype, {pairs, classes}),
      base(dtype, {classes});
  for (Tensor* tensor : {&weights, &swings, &base})
    for (int64_t i = 0; i < tensor->count(); ++i) tensor->set_double(i, 0);
  int64_t pair = 0;
  for (int64_t i = 0; i < classes; ++i)
    for (int64_t j = i + 1; j < classes; ++j, ++pair) {
      for (int64_t v = starts[size_t(i)]; v < starts[size_t(i)] + counts[size_t(i)]; ++v)
        weights.set_double(v * pairs + pair, coefficients[size_t((j - 1) * total + v)]);
      for (int64_t v = starts[size_t(j)]; v < starts[size_t(j)] + counts[size_t(j)]; ++v)
        weights.set_double(v * pairs + pair, coefficients[size_t(i * total + v)]);
      offsets.set_double(pair, rho[size_t(pair)]);
      swings.set_double(pair * classes + i, 1);  // a vote for i is one that j does not get
      swings.set_double(pair * classes + j, -1);
      base.set_double(j, base.as_double(j) + 1);
    }
  Decisions decisions;
  decisions.scores = b.add(b.matmul(values, b.constant(weights), false, false, dtype), b.constant(offsets));
  Value* first = b.cast(b.less(b.scalar(dtype, 0), decisions.scores), dtype);
  decisions.votes = b.add(b.matmul(first, b.constant(swings), false, false, dtype), b.constant(base));
  return decisions;
}

// 1 / (1 + exp(a * score + b)) of every pair (Platt), coupled.
Value* probabilities(Lowering& in, Value* scores, int64_t classes) {
  auto& b = in.builder();
  const int64_t pairs = classes * (classes - 1) / 2;
  const DType dtype = scores->type.dtype;
  Value* slope = attribute_tensor(in, "prob_a", in.attr_floats("prob_a"), dtype, {pairs});
  Value* shift = attribute_tensor(in, "prob_b", in.attr_floats("prob_b"), dtype, {pairs});
  Value* pair = b.unary(UnaryFunction::Sigmoid, b.neg(b.add(b.mul(scores, slope), shift)));
  return b.host_call("svm_couple", std::to_string(classes), {pair}, {{dtype, {scores->type.dims[0], classes}, {}}})[0];
}

std::vector<Value*> classifier(Lowering& in) {
  auto& b = in.builder();
  Value* x = feature_matrix(in);
  const DType dtype = model_dtype(x);
  x = b.cast(x, dtype);
  const ClassLabels labels(in, "classlabels_ints", "classlabels_strings");
  const int64_t classes = labels.count();
  const PostTransform transform = post_transform_of(in);
  const auto rho = in.attr_floats("rho");
  in.require(!rho.empty(), Status::InvalidModel, "rho is empty");
  const auto counts = in.attr_ints("vectors_per_class", std::vector<int64_t>());
  const auto finish = [&](Value* choice, Value* scores) {
    return std::vector<Value*>{choice, b.cast(post_transformed(b, scores, transform), DType::F32)};
  };
  if (counts.empty()) {
    Value* weights = matrix(in, "coefficients", classes, dtype);
    require_features(in, x, weights);
    Value* scores = b.add(b.matmul(x, weights, false, true, dtype), b.scalar(dtype, rho[0]));
    if (classes == 1) return finish(labels.of_single(in, b.squeeze(b.less(b.scalar(dtype, 0), scores), {1})), scores);
    return finish(labels.of(b, b.arg_reduce(scores, true, false, 1, false)), scores);
  }
  in.require(classes >= 2, Status::InvalidModel, "support vectors of ", classes, " class");
  const Decisions decisions = decide(in, x, classes, counts);
  Value* choice = labels.of(b, b.arg_reduce(decisions.votes, true, false, 1, false));
  if (!in.attr_floats("prob_a", std::vector<double>()).empty())
    return finish(choice, probabilities(in, decisions.scores, classes));
  Value* scores = decisions.scores;
  if (classes == 2 && transform != PostTransform::Probit) scores = b.concat({b.neg(scores), scores}, 1);
  return finish(choice, scores);
}

const HostFunctionEntry entry{{.name = "svm_couple", .run = couple}};
const OnnxOp ops[] = {
    ml_row("SVMClassifier", {{1, classifier}}, {1, 1}, {2, 2}, Execution::Host),
    ml_row("SVMRegressor", {{1, regressor}}),
};

}  // namespace
}  // namespace sardonyx::ops
