// Every type that ONNX's schemas allow for an operator is accepted: the operator is lowered and interpreted on inputs
// made for it, once per version and allowed type. What works for one type must work for all. Every attribute is read.
// What is not so stands in a list with the reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>

#include "compiler/ops/lowering.h"
#include "onnx/defs/schema.h"

namespace sardonyx {
namespace {

using Attributes = std::map<std::string, ops::Attribute>;
using TypeOf = std::map<std::string, std::string>;  // of the type parameters

// Shapes that all inputs get alike, until one fits.
const std::vector<Dims> shapes = {{1}, {}, {2}, {1, 1}, {2, 2}, {1, 1, 1}, {1, 1, 2, 2}, {1, 1, 2, 2, 2}};

struct Attempt {
  Dims dims;
  int value = 1;         // of all elements
  bool scalars = false;  // inputs behind the first are scalars
};

std::vector<Attempt> attempts() {
  std::vector<Attempt> all;
  for (const Dims& dims : shapes)
    for (int value : {1, 0})
      for (bool scalars : {false, true}) all.push_back({dims, value, scalars});
  return all;
}

// The type of a tensor of `text`, like "tensor(float)"; nothing for containers.
std::optional<DType> dtype_of(const std::string& text) {
  static const std::map<std::string, DType> known = {{"float", DType::F32},
                                                     {"double", DType::F64},
                                                     {"float16", DType::F16},
                                                     {"bfloat16", DType::BF16},
                                                     {"int8", DType::I8},
                                                     {"int16", DType::I16},
                                                     {"int32", DType::I32},
                                                     {"int64", DType::I64},
                                                     {"uint8", DType::U8},
                                                     {"uint16", DType::U16},
                                                     {"uint32", DType::U32},
                                                     {"uint64", DType::U64},
                                                     {"bool", DType::Bool},
                                                     {"string", DType::String},
                                                     {"complex64", DType::Complex64},
                                                     {"complex128", DType::Complex128}};
  if (text.rfind("tensor(", 0) != 0) return {};
  const auto found = known.find(text.substr(7, text.size() - 8));
  if (found == known.end()) return {};
  return found->second;
}

Tensor filled(DType dtype, const Dims& dims, int value) {
  if (dtype == DType::String) {
    const std::vector<std::string> texts(size_t(element_count(dims)), value ? "1" : "0");
    return Tensor::strings(dims, std::span<const std::string>(texts));
  }
  Tensor tensor(dtype, dims);
  if (tensor.bytes() > 0) std::fill_n(tensor.raw(), size_t(tensor.bytes()), uint8_t{0});
  for (int64_t i = 0; i < tensor.count() && dtype != DType::Complex64 && dtype != DType::Complex128; ++i)
    tensor.set_double(i, value);
  return tensor;
}

// Required attributes get something; subgraphs cannot be made up.
std::optional<Attributes> attributes_of(const onnx::OpSchema& schema) {
  using Proto = onnx::AttributeProto;
  Attributes result;
  for (const auto& [name, attribute] : schema.attributes()) {
    if (!attribute.required) continue;
    if (attribute.type == Proto::INT)
      result[name] = int64_t{1};
    else if (attribute.type == Proto::FLOAT)
      result[name] = 1.0;
    else if (attribute.type == Proto::INTS)
      result[name] = std::vector<int64_t>{1};
    else
      return {};
  }
  return result;
}

// Why the operator does not run; empty when it does.
std::string failure(const onnx::OpSchema& schema, const TypeOf& types, const Attempt& attempt,
                    const Attributes& more = {}) {
  auto attributes = attributes_of(schema);
  if (!attributes) return "an attribute that cannot be made up";
  for (const auto& [name, value] : more) (*attributes)[name] = value;
  const ops::OnnxOpVersion version = ops::find_onnx_op(schema.domain(), schema.Name(), schema.SinceVersion());
  try {
    graph::Graph graph;
    graph::Builder builder(graph);
    std::vector<Tensor> inputs;
    std::vector<graph::Value*> operands;
    for (int i = 0; i < std::max(schema.min_input(), schema.max_input() > 0 ? 1 : 0); ++i) {
      const auto& input = schema.inputs()[std::min(size_t(i), schema.inputs().size() - 1)];
      const auto bound = types.find(input.GetTypeStr());
      const auto dtype = dtype_of(bound == types.end() ? input.GetTypeStr() : bound->second);
      if (!dtype) return "a container";
      const Tensor tensor = filled(*dtype, attempt.scalars && i > 0 ? Dims{} : attempt.dims, attempt.value);
      const graph::TensorType type{*dtype, {tensor.dims().begin(), tensor.dims().end()}, {}};
      operands.push_back(graph.body().add_parameter(type, "x" + std::to_string(i)));
      inputs.push_back(tensor);
    }
    ops::Lowering lowering(builder, "node", schema.Name(), version.since, operands, *attributes,
                           std::max(1, schema.min_output()));
    const std::vector<graph::Value*> results = version.lower(lowering);
    graph.set_outputs({results[0]}, {"y"});
    graph::interpret(graph, inputs);
  } catch (const Error& error) {
    return error.text();
  }
  return {};
}

// One type per parameter to begin with.
TypeOf usual_types(const onnx::OpSchema& schema) {
  TypeOf result;
  for (const auto& parameter : schema.typeConstraintParams()) {
    const auto& allowed = parameter.allowed_type_strs;
    result[parameter.type_param_str] = allowed[0];
    for (const char* usual : {"tensor(bool)", "tensor(int32)", "tensor(int64)", "tensor(float)"})
      if (std::find(allowed.begin(), allowed.end(), usual) != allowed.end()) result[parameter.type_param_str] = usual;
  }
  return result;
}

std::string key_of(const onnx::OpSchema& schema) {
  return (schema.domain().empty() ? "" : schema.domain() + ".") + schema.Name();
}

struct Outcome {
  std::set<std::string> without_inputs;        // operators that nothing made up fits
  std::map<std::string, std::string> refused;  // "Name-version type" and why
  int accepted = 0;
  std::set<std::string> unread;  // "Name.attribute"
  int read = 0;                  // attributes
};

// An attribute that is read is refused when it has a type that no attribute has.
void try_attributes(const onnx::OpSchema& schema, const Attempt& fitting, Outcome& outcome) {
  for (const auto& [name, attribute] : schema.attributes()) {
    const ops::Subgraph nonsense;
    const std::string why = failure(schema, usual_types(schema), fitting, {{name, nonsense}});
    const bool read = why.find("'" + name + "'") != std::string::npos;
    outcome.read += read;
    if (!read) outcome.unread.insert((name == "consumed_inputs" ? "" : key_of(schema)) + "." + name);
  }
}

// What works for one type of a parameter is tried for the others of it, and with each attribute.
void try_schema(const onnx::OpSchema& schema, Outcome& outcome) {
  const TypeOf usual = usual_types(schema);
  std::optional<Attempt> fitting;
  for (const Attempt& attempt : attempts())
    if (!fitting && failure(schema, usual, attempt).empty()) fitting = attempt;
  if (!fitting) {
    outcome.without_inputs.insert(key_of(schema));
    return;
  }
  try_attributes(schema, *fitting, outcome);
  for (const auto& parameter : schema.typeConstraintParams())
    for (const std::string& type : parameter.allowed_type_strs) {
      TypeOf types = usual;
      types[parameter.type_param_str] = type;
      if (!dtype_of(type)) continue;
      const std::string why = failure(schema, types, *fitting);
      outcome.accepted += why.empty();
      if (!why.empty())
        outcome.refused[key_of(schema) + "-" + std::to_string(schema.SinceVersion()) + " " + parameter.type_param_str +
                        " " + type] = why;
    }
}

// Operators that refuse some types although their schemas allow them, and operators that nothing made up fits.
struct Exception {
  const char* names;
  const char* reason;
};
const Exception refusals[] = {
    {"GridSample",
     "interpolating whole numbers, texts and complex numbers has no defined rounding; version 16 allows all "
     "types"},
    {"NonZero Unique", "complex numbers are only moved"},
    {"RandomNormalLike RandomUniformLike",
     "without a dtype the result has the input's type, which must be one of floats"},
    {"Trilu", "texts have no zero"},
};
const Exception not_tried[] = {
    {"Constant Cast Einsum BitShift LpPool MaxRoiPool TfIdfVectorizer Pad Resize Upsample RoiAlign STFT Tile Mod "
     "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss NonMaxSuppression OneHot Reshape GRU LSTM",
     "needs attributes or inputs that fit each other; tests/compiler/ops and ONNX's own models"},
    {"If Loop Scan SequenceMap", "needs subgraphs"},
    {"ConcatFromSequence OptionalGetElement OptionalHasElement SequenceAt SequenceErase SequenceInsert SequenceLength "
     "ai.onnx.ml.CastMap ai.onnx.ml.DictVectorizer ai.onnx.ml.ZipMap",
     "takes containers; tests/compiler/ops/onnx_container_test.cpp"},
    {"ai.onnx.ml.CategoryMapper ai.onnx.ml.Imputer ai.onnx.ml.LabelEncoder ai.onnx.ml.LinearClassifier "
     "ai.onnx.ml.LinearRegressor ai.onnx.ml.OneHotEncoder ai.onnx.ml.SVMClassifier ai.onnx.ml.SVMRegressor "
     "ai.onnx.ml.TreeEnsembleClassifier ai.onnx.ml.TreeEnsembleRegressor",
     "needs a model in its attributes; tests/compiler/ops/onnx_ml_test.cpp"},
    {"ai.onnx.preview.training.Adagrad ai.onnx.preview.training.Adam ai.onnx.preview.training.Momentum",
     "takes lists of tensors; ONNX's own models"},
    {"ai.onnx.preview.training.Gradient", "needs the graph around it; tests/importer/gradient_test.cpp"},
};

// Attributes that an operator on its made-up inputs never asks for, "Name.attribute", or ".attribute" of any operator.
const Exception unread[] = {
    {".consumed_inputs", "version 1 had it for a planner of memory; it means nothing"},
    {"Add.axis And.axis Div.axis Equal.axis Greater.axis Less.axis Mul.axis Or.axis Pow.axis Sub.axis Xor.axis",
     "counts beside broadcast = 1"},
    {"BatchNormalization.is_test BatchNormalization.momentum Dropout.is_test Dropout.ratio Dropout.seed",
     "counts in training"},
    {"Gemm.broadcast", "what the shapes ask for is done"},
    {"LayerNormalization.stash_type MaxPool.storage_order", "counts for a second result"},
    {"RNN.output_sequence", "named results tell"},
    {"StringNormalizer.locale", "counts when letters change their case"},
};

std::set<std::string> names_in(std::span<const Exception> rows) {
  std::set<std::string> names;
  for (const Exception& row : rows) {
    std::istringstream words(row.names);
    for (std::string word; words >> word;) names.insert(word);
  }
  return names;
}

const Outcome& outcome_of_all() {
  static const Outcome all = [] {
    Outcome outcome;
    for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history())
      if (!schema.Deprecated() && ops::find_onnx_op(schema.domain(), schema.Name(), schema.SinceVersion()).lower)
        try_schema(schema, outcome);
    return outcome;
  }();
  return all;
}

TEST(Attributes, AllOfTheSchemasAreRead) {
  EXPECT_GT(outcome_of_all().read, 400);
  EXPECT_EQ(outcome_of_all().unread, names_in(unread));
}

TEST(Types, AllThatTheSchemasAllowAreAccepted) {
  const Outcome& outcome = outcome_of_all();
  EXPECT_GT(outcome.accepted, 2000);
  std::set<std::string> refusing;
  const std::set<std::string> may_refuse = names_in(refusals);
  for (const auto& [what, why] : outcome.refused) {
    const std::string name = what.substr(0, what.find('-'));
    refusing.insert(name);
    if (!may_refuse.count(name)) ADD_FAILURE() << what << " is refused: " << why;
  }
  EXPECT_EQ(refusing, may_refuse);
  EXPECT_EQ(outcome.without_inputs, names_in(not_tried)) << "operators that no made-up inputs fit";
}

}  // namespace
}  // namespace sardonyx
