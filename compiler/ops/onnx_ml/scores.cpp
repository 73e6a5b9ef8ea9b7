#include "compiler/ops/onnx_ml/scores.h"

#include <cmath>

namespace sardonyx::ops {

using graph::ReduceFunction;
using graph::UnaryFunction;

Value* feature_matrix(Lowering& in) {
  Value* x = in[0];
  in.require((x->type.rank() == 1 || x->type.rank() == 2) && (is_float(x->type.dtype) || is_integer(x->type.dtype)),
             Status::InvalidModel, "expected numbers [rows, features], got ", graph::to_string(x->type));
  return x->type.rank() == 1 ? in.builder().unsqueeze(x, {0}) : x;
}

DType model_dtype(const Value* x) { return x->type.dtype == DType::F64 ? DType::F64 : DType::F32; }

Value* attribute_tensor(Lowering& in, const char* name, const std::vector<double>& values, DType dtype, Dims dims) {
  const int64_t count = element_count(dims);
  in.require(int64_t(values.size()) == count, Status::InvalidModel, "attribute '", name, "' has ", values.size(),
             " elements, expected ", count);
  Tensor tensor(dtype, std::move(dims));
  for (int64_t i = 0; i < count; ++i) tensor.set_double(i, values[size_t(i)]);
  return in.builder().constant(tensor);
}

PostTransform post_transform_of(Lowering& in) {
  if (in.op() == "TreeEnsemble") {
    const int64_t number = in.attr_int("post_transform", 0);
    in.require(number >= 0 && number <= 4, Status::InvalidModel, "post_transform ", number, " is unknown");
    return PostTransform(number);
  }
  constexpr const char* names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const std::string name = in.attr_string("post_transform", "NONE");
  for (size_t i = 0; i < std::size(names); ++i)
    if (name == names[i]) return PostTransform(i);
  in.fail(Status::InvalidModel, "post_transform '", name, "' is unknown");
}

namespace {

// A softmax of the scores that are not zero; what is zero stays zero. Rows of zeros become halves, as in ONNX's
// reference.
Value* softmax_zero(Builder& b, Value* scores) {
  Value* zero = b.scalar_like(scores, 0);
  Value* largest = b.reduce(ReduceFunction::Max, scores, {1}, true);
  Value* present = b.less(b.scalar_like(scores, 1e-7), b.unary(UnaryFunction::Abs, scores));
  Value* powers = b.select(present, b.exp(b.sub(scores, largest)), zero);
  Value* sum = b.reduce(ReduceFunction::Sum, powers, {1}, true);
  return b.select(b.equal(sum, zero), b.scalar_like(scores, 0.5), b.div(powers, sum));
}

// sqrt(2) * erf^-1(2 x - 1), with Winitzki's approximation, which ONNX's reference uses.
Value* probit(Builder& b, Value* x) {
  const auto number = [&](double value) { return b.scalar_like(x, value); };
  constexpr double a = 0.147;
  Value* y = b.sub(b.mul(x, number(2)), number(1));
  Value* product = b.mul(b.sub(number(1), y), b.add(number(1), y));
  Value* log = b.unary(UnaryFunction::Log, product);
  Value* v = b.add(b.mul(log, number(0.5)), number(2 / (M_PI * a)));
  Value* root = b.sqrt(b.sub(b.sqrt(b.sub(b.mul(v, v), b.mul(log, number(1 / a)))), v));
  root = b.mul(b.select(b.less(y, number(0)), number(-1), number(1)), root);
  return b.select(b.equal(product, number(0)), number(0), b.mul(root, number(std::sqrt(2.0))));
}

}  // namespace

Value* post_transformed(Builder& builder, Value* scores, PostTransform transform) {
  switch (transform) {
    case PostTransform::None:
      return scores;
    case PostTransform::Softmax:
      return builder.softmax(scores, 1);
    case PostTransform::Logistic:
      return builder.unary(UnaryFunction::Sigmoid, scores);
    case PostTransform::SoftmaxZero:
      return softmax_zero(builder, scores);
    case PostTransform::Probit:
      return probit(builder, scores);
  }
  fail(Status::InternalError, "post transform ", int(transform));
}

ClassLabels::ClassLabels(Lowering& in, const char* integers, const char* strings) {
  const auto numbers = in.attr_ints(integers, std::vector<int64_t>());
  const auto names = in.attr_strings(strings, std::vector<std::string>());
  in.require(numbers.empty() != names.empty(), Status::InvalidModel, "either ", integers, " or ", strings,
             " must have labels");
  labels_ = names.empty() ? Tensor::ints(numbers)
                          : Tensor::strings({int64_t(names.size())}, std::span<const std::string>(names));
}

Value* ClassLabels::of(Builder& builder, Value* indices) const {
  return builder.gather(builder.constant(labels_), indices, 0);
}

Value* ClassLabels::of_single(Lowering& in, Value* positive) const {
  auto& b = in.builder();
  in.require(count() == 1 && labels_.dtype() == DType::I64, Status::UnsupportedAttribute,
             "a single label that is no integer is not supported");
  return b.select(positive, b.scalar(DType::I64, double(labels_.as_int(0))), b.scalar(DType::I64, 0));
}

}  // namespace sardonyx::ops
