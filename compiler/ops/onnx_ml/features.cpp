// Operators that prepare features: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer,
// OneHotEncoder and Scaler.
#include <cmath>

#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx_ml/scores.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;
using graph::UnaryFunction;

void require_numbers(Lowering& in, const Value* x) {
  in.require(is_float(x->type.dtype) || is_integer(x->type.dtype), Status::InvalidModel, "expected numbers, got ",
             graph::to_string(x->type));
}

// Elements of the last axis; a vector counts as one row.
std::vector<Value*> array_feature_extractor(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *indices = in[1];
  in.require(x->type.rank() >= 1, Status::InvalidModel, "expected an array, got ", graph::to_string(x->type));
  in.require(is_integer(indices->type.dtype), Status::InvalidModel, "indices are ", graph::to_string(indices->type));
  if (x->type.rank() == 1) x = b.unsqueeze(x, {0});
  return {b.gather(x, b.reshape(indices, {graph::element_count(indices->type)}), x->type.rank() - 1)};
}

std::vector<Value*> binarizer(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  require_numbers(in, x);
  const DType wide = model_dtype(x);
  Value* above = b.less(b.scalar(wide, in.attr_float("threshold", 0)), b.cast(x, wide));
  return {b.cast(above, x->type.dtype)};
}

// Every input is cut or filled with zeros to its width, and all stand side by side.
std::vector<Value*> feature_vectorizer(Lowering& in) {
  auto& b = in.builder();
  std::vector<Value*> parts;
  const auto widths = in.attr_ints("inputdimensions", std::vector<int64_t>());
  in.require(widths.empty() || int(widths.size()) == in.inputs(), Status::InvalidModel, widths.size(),
             " inputdimensions for ", in.inputs(), " inputs");
  for (int i = 0; i < in.inputs(); ++i) {
    Value* x = in[i];
    require_numbers(in, x);
    in.require(x->type.rank() == 1 || x->type.rank() == 2, Status::InvalidModel, "input ", i, " is ",
               graph::to_string(x->type));
    if (x->type.rank() == 1) x = b.unsqueeze(x, {0});
    x = b.cast(x, DType::F32);
    if (!widths.empty()) {
      const Expr have = x->type.dims[1], width = widths[size_t(i)];
      in.require(widths[size_t(i)] >= 0, Status::InvalidModel, "inputdimensions [", join(widths, ","), "]");
      x = b.slice_axis(x, 1, 0, expr::simplify(expr::min(have, width)));
      x = b.pad(x, {0, 0}, {0, expr::simplify(expr::max(Expr(0), width - have))}, graph::PadMode::Constant);
    }
    parts.push_back(x);
  }
  return {b.concat(parts, 1)};
}

// One value, or one per element of the last axis.
Value* per_feature(Lowering& in, const char* name, Value* x, DType dtype) {
  const auto values = in.attr_floats(name);
  in.require(!values.empty(), Status::InvalidModel, "attribute '", name, "' is empty");
  Value* tensor = attribute_tensor(in, name, values, dtype, {int64_t(values.size())});
  if (values.size() == 1) return in.builder().reshape(tensor, {});
  in.require(x->type.rank() >= 1, Status::InvalidModel, name, " has ", values.size(), " values for ",
             graph::to_string(x->type));
  in.builder().require_equal(x->type.dims.back(), int64_t(values.size()),
                             str("features and ", name, " of node '", in.node(), "'"));
  return tensor;
}

std::vector<Value*> scaler(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  require_numbers(in, x);
  const DType wide = model_dtype(x);
  Value* result = b.cast(x, wide);
  if (in.has("offset")) result = b.sub(result, per_feature(in, "offset", x, wide));
  if (in.has("scale")) result = b.mul(result, per_feature(in, "scale", x, wide));
  return {b.cast(result, DType::F32)};
}

std::vector<Value*> imputer(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  require_numbers(in, x);
  if (is_float(x->type.dtype)) {
    const double replaced = in.attr_float("replaced_value_float", 0);
    Value* missing = std::isnan(replaced) ? b.unary(UnaryFunction::IsNan, x)
                                          : b.equal(x, b.cast(b.scalar(DType::F32, replaced), x->type.dtype));
    return {b.select(missing, per_feature(in, "imputed_value_floats", x, x->type.dtype), x)};
  }
  const auto values = in.attr_ints("imputed_value_int64s");
  in.require(!values.empty(), Status::InvalidModel, "imputed_value_int64s is empty");
  Value* imputed = b.cast(b.ints(values), x->type.dtype);
  if (values.size() == 1)
    imputed = b.reshape(imputed, {});
  else
    b.require_equal(x->type.rank() ? x->type.dims.back() : Expr(1), int64_t(values.size()),
                    str("features and imputed values of node '", in.node(), "'"));
  Value* replaced = b.reshape(b.ints({in.attr_int("replaced_value_int64", 0)}), {});
  return {b.select(b.equal(b.cast(x, DType::I64), replaced), imputed, x)};
}

// Rows are divided by their norm, unless it is 0.
std::vector<Value*> normalizer(Lowering& in) {
  auto& b = in.builder();
  Value* x = feature_matrix(in);
  x = b.cast(x, model_dtype(x));
  const std::string name = in.attr_string("norm", "MAX");
  in.require(name == "MAX" || name == "L1" || name == "L2", Status::InvalidModel, "norm '", name, "' is unknown");
  Value* sizes = name == "L2" ? b.mul(x, x) : b.unary(UnaryFunction::Abs, x);
  Value* norm = b.reduce(name == "MAX" ? ReduceFunction::Max : ReduceFunction::Sum, sizes, {1}, true);
  if (name == "L2") norm = b.sqrt(norm);
  Value* divisor = b.select(b.equal(norm, b.scalar_like(x, 0)), b.scalar_like(x, 1), norm);
  return {b.reshape(b.cast(b.div(x, divisor), DType::F32), in[0]->type.dims)};
}

// A new last axis with a 1 where the category is. Without `zeros` an unknown category fails the run: it reads beyond
// the table of ones.
std::vector<Value*> one_hot_encoder(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const bool texts = x->type.dtype == DType::String;
  if (!texts) require_numbers(in, x);
  const auto numbers = in.attr_ints("cats_int64s", std::vector<int64_t>());
  const auto names = in.attr_strings("cats_strings", std::vector<std::string>());
  in.require(texts ? !names.empty() : !numbers.empty(), Status::InvalidModel, "there are no categories for ",
             graph::to_string(x->type));
  Value* categories = texts ? b.constant(Tensor::strings({int64_t(names.size())}, std::span<const std::string>(names)))
                            : b.ints(numbers);
  Value* given = b.unsqueeze(texts ? x : b.cast(x, DType::I64), {x->type.rank()});
  Value* hits = b.cast(b.equal(given, categories), DType::F32);
  if (in.attr_int("zeros", 1) != 0) return {hits};
  Value* found = b.reduce(ReduceFunction::Max, hits, {x->type.rank()}, true);
  Value* row = b.sub(b.scalar(DType::I64, 1), b.cast(found, DType::I64));
  Value* one = b.gather(b.constant(Tensor::scalar(DType::F32, 1).reshaped({1})), row, 0);
  return {b.mul(hits, one)};
}

const OnnxOp ops[] = {
    ml_row("ArrayFeatureExtractor", {{1, array_feature_extractor}}, {2, 2}),
    ml_row("Binarizer", {{1, binarizer}}),
    ml_row("FeatureVectorizer", {{1, feature_vectorizer}}, {1, -1}),
    ml_row("Imputer", {{1, imputer}}),
    ml_row("Normalizer", {{1, normalizer}}),
    ml_row("OneHotEncoder", {{1, one_hot_encoder}}),
    ml_row("Scaler", {{1, scaler}}),
};

}  // namespace
}  // namespace sardonyx::ops
