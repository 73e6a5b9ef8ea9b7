// What the models of ai.onnx.ml share: operands as floats, scores and their transforms, class labels.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

inline constexpr const char* ml_domain = "ai.onnx.ml";

inline OnnxOpDef ml_row(const char* name, std::vector<std::pair<int, LowerFunction>> since,
                        OnnxOpDef::Arity inputs = {1, 1}, OnnxOpDef::Arity outputs = {1, 1},
                        Execution execution = Execution::Kernels) {
  return {.name = name,
          .domain = ml_domain,
          .since = std::move(since),
          .inputs = inputs,
          .outputs = outputs,
          .execution = execution};
}

// Input 0 as a matrix [rows, features]; a vector is one row. Throws InvalidModel for other ranks and for what is not
// numeric.
Value* feature_matrix(Lowering& in);
// F64 for F64, else F32: the type that models compute in.
DType model_dtype(const Value* x);
// A list of numbers as a constant of `dims`; throws InvalidModel naming the attribute unless their counts agree.
Value* attribute_tensor(Lowering& in, const char* name, const std::vector<double>& values, DType dtype, Dims dims);

enum class PostTransform { None, Softmax, Logistic, SoftmaxZero, Probit };
// Attribute post_transform: its name, or in TreeEnsemble its number.
PostTransform post_transform_of(Lowering& in);
// scores [rows, classes] of a float type.
Value* post_transformed(Builder& builder, Value* scores, PostTransform transform);

// The labels of a classifier: integers or strings, in the order of its scores.
class ClassLabels {
 public:
  // Exactly one of the two attributes must have labels; at least one label.
  ClassLabels(Lowering& in, const char* integers, const char* strings);
  int64_t count() const { return labels_.count(); }
  // Labels of class indices (I64, any shape).
  Value* of(Builder& builder, Value* indices) const;
  // A label that stands for "not this class" when there is one label alone: 0 or the empty string is not offered, so
  // models with a single string label are refused.
  Value* of_single(Lowering& in, Value* positive) const;

 private:
  Tensor labels_;
};

}  // namespace sardonyx::ops
