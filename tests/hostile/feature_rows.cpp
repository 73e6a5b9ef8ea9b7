// Operators of ai.onnx.ml and their like, which look elements up or compare them.
#include "tests/compiler/ops/ml_models.h"
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::f32;
using ops::ramp;

namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Strings = std::vector<std::string>;

Row ml(const char* op, int opset, Tensor x, const Attributes& attributes, std::vector<Hostile> values,
       int outputs = 1) {
  return {.test = {.op = op,
                   .opset = opset,
                   .inputs = {std::move(x)},
                   .attributes = attributes,
                   .outputs = outputs,
                   .domain = "ai.onnx.ml"},
          .control = 0,
          .values = std::move(values)};
}

std::vector<Row> trees() {
  Attributes model = {{"nodes_treeids", Ints{0, 0, 0, 0, 0}},
                      {"nodes_nodeids", Ints{0, 1, 2, 3, 4}},
                      {"nodes_featureids", Ints{0, 0, 1, 0, 0}},
                      {"nodes_modes", Strings{"BRANCH_LEQ", "LEAF", "BRANCH_GT", "LEAF", "LEAF"}},
                      {"nodes_values", Floats{0, 0, 2, 0, 0}},
                      {"nodes_truenodeids", Ints{1, 0, 3, 0, 0}},
                      {"nodes_falsenodeids", Ints{2, 0, 4, 0, 0}}};
  Attributes regressor = model, classifier = model;
  regressor.merge(Attributes{{"n_targets", int64_t{1}},
                             {"target_treeids", Ints{0, 0, 0}},
                             {"target_nodeids", Ints{1, 3, 4}},
                             {"target_ids", Ints{0, 0, 0}},
                             {"target_weights", Floats{1, 2, 3}}});
  classifier.merge(Attributes{{"class_treeids", Ints{0, 0, 0}},
                              {"class_nodeids", Ints{1, 3, 4}},
                              {"class_ids", Ints{0, 1, 2}},
                              {"class_weights", Floats{1, 2, 3}},
                              {"classlabels_int64s", Ints{5, 6, 7}},
                              {"post_transform", std::string("SOFTMAX")}});
  const std::vector<Hostile> features = agrees(each_real(wild, {2, 2})) +
                                        fails({ramp({2, 1}), zeros(DType::F32, {2, 0})}) +
                                        agrees({zeros(DType::F32, {0, 2})});
  std::vector<Row> rows;
  for (int opset : {1, 3}) {
    rows.push_back(ml("TreeEnsembleRegressor", opset, ramp({2, 2}), regressor,
                      features + gives(f32({1, 2}, {nan, infinity}), {f32({1, 1}, {2})})));
    rows.push_back(ml("TreeEnsembleClassifier", opset, ramp({2, 2}), classifier, features, 2));
  }
  rows.push_back(ml("TreeEnsembleClassifier", 1, ints({1, 2, 3, 4}).reshaped({2, 2}), classifier,
                    agrees(each({most, least}, {2, 2})), 2));
  rows.push_back(ml("TreeEnsemble", 5, ramp({2, 1}), ops::membership_tree(),
                    agrees(each_real(wild, {2, 1})) + fails({zeros(DType::F32, {2, 0})})));
  return rows;
}

std::vector<Row> models() {
  std::vector<Row> rows;
  const std::vector<Hostile> features = agrees(each_real(wild, {2, 2}));
  const Attributes linear = {{"coefficients", Floats{1, 2, 3, 4}},
                             {"intercepts", Floats{0, 1}},
                             {"classlabels_ints", Ints{7, 8}},
                             {"post_transform", std::string("LOGISTIC")}};
  rows.push_back(ml("LinearClassifier", 1, ramp({2, 2}), linear, features + fails({ramp({2, 3}), ramp({2, 1})}), 2));
  rows.push_back(ml("LinearRegressor", 1, ramp({2, 2}), {{"coefficients", Floats{1, 2}}, {"intercepts", Floats{0}}},
                    features + fails({ramp({2, 3})})));
  const Attributes machine = {{"kernel_type", std::string("RBF")},
                              {"kernel_params", Floats{0.5, 0, 0}},
                              {"support_vectors", Floats{0, 1, 1, 0}}};
  Attributes regressor = machine, classifier = machine;
  regressor.merge(Attributes{{"n_supports", int64_t{2}}, {"coefficients", Floats{1, 2}}, {"rho", Floats{0.5}}});
  classifier.merge(Attributes{{"vectors_per_class", Ints{1, 1}},
                              {"coefficients", Floats{1, -1}},
                              {"rho", Floats{0.5}},
                              {"classlabels_ints", Ints{3, 4}}});
  rows.push_back(ml("SVMRegressor", 1, ramp({2, 2}), regressor, features + fails({ramp({2, 3})})));
  rows.push_back(ml("SVMClassifier", 1, ramp({2, 2}), classifier, features + fails({ramp({2, 3})}), 2));
  for (const char* norm : {"MAX", "L1", "L2"})
    rows.push_back(ml("Normalizer", 1, ramp({2, 2}, 1), {{"norm", std::string(norm)}},
                      features + agrees({zeros(DType::F32, {2, 2})})));
  rows.push_back(ml("Scaler", 1, ramp({2, 2}), {{"offset", Floats{1, 2}}, {"scale", Floats{1, 2}}},
                    features + fails({ramp({2, 3})})));
  rows.push_back(ml("Binarizer", 1, ramp({2, 2}), {{"threshold", 0.5}}, features));
  rows.push_back(ml("Imputer", 1, ramp({2, 2}), {{"imputed_value_floats", Floats{1, 2}}, {"replaced_value_float", nan}},
                    features + fails({ramp({2, 3})})));
  rows.push_back(ml("FeatureVectorizer", 1, ramp({2, 2}), {{"inputdimensions", Ints{2}}},
                    features + agrees({ramp({2, 3}), ramp({2, 1})})));
  return rows;
}

std::vector<Row> tables() {
  std::vector<Row> rows;
  rows.push_back(
      ml("LabelEncoder", 2, ints({1, 5}),
         {{"keys_int64s", Ints{1, 5}}, {"values_floats", Floats{0.5, 1}}, {"default_float", 9.0}},
         gives(ints({most, least}), {f32({2}, {9, 9})}) + gives(zeros(DType::I64, {0}), {zeros(DType::F32, {0})})));
  rows.push_back(ml("LabelEncoder", 2, f32({2}, {nan, 2}),
                    {{"keys_floats", Floats{nan, 2}}, {"values_int64s", Ints{7, 8}}, {"default_int64", int64_t{-5}}},
                    agrees(each_real(wild, {2}))));
  const Attributes categories = {
      {"cats_strings", Strings{"a", "b"}}, {"cats_int64s", Ints{most, -4}}, {"default_string", std::string("?")}};
  rows.push_back(ml("CategoryMapper", 1, ints({most, 4}), categories, {}));
  rows.back().build = [categories](Builder& b, const Values& v) {
    // Back to numbers, which can be compared.
    const auto map = [&](Value* x) {
      const ops::OnnxOpVersion version = ops::find_onnx_op("ai.onnx.ml", "CategoryMapper", 1);
      ops::Lowering lowering(b, "node", "CategoryMapper", version.since, {x}, categories, 1);
      return version.lower(lowering)[0];
    };
    return Values{map(map(v[0]))};
  };
  rows.back().values = gives(ints({least, most}), {ints({-1, most})});
  rows.push_back(ml("OneHotEncoder", 1, ints({4, 5}), {{"cats_int64s", Ints{4, 5}}, {"zeros", int64_t{1}}},
                    gives(ints({most}), {f32({1, 2}, {0, 0})}) + agrees({ints({least})})));
  rows.push_back(ml("OneHotEncoder", 1, ints({4, 5}), {{"cats_int64s", Ints{4, 5}}, {"zeros", int64_t{0}}},
                    fails(each({most, least, 0, 6}))));
  rows.push_back(ml("OneHotEncoder", 1, f32({2}, {4, 5}), {{"cats_int64s", Ints{4, 5}}, {"zeros", int64_t{1}}},
                    agrees(each_real(wild))));
  const Attributes grams = {{"mode", std::string("TF")},
                            {"min_gram_length", int64_t{1}},
                            {"max_gram_length", int64_t{2}},
                            {"max_skip_count", int64_t{3}},
                            {"ngram_counts", Ints{0, 3}},
                            {"ngram_indexes", Ints{0, 1, 2, 4, 3}},
                            {"pool_int64s", Ints{2, 3, most, 5, 6, 7, least}}};
  rows.push_back({.test = {.op = "TfIdfVectorizer", .inputs = {ints({2, 5, 6})}, .attributes = grams},
                  .values = gives(ints({most, least}), {f32({5}, {0, 0, 1, 0, 0})}) +
                            gives(ints({7, least}), {f32({5}, {0, 0, 0, 1, 0})}) +
                            gives(zeros(DType::I64, {0}), {f32({5}, {0, 0, 0, 0, 0})}) +
                            agrees({zeros(DType::I64, {0, 3}), zeros(DType::I64, {3, 0})})});
  return rows;
}

}  // namespace

std::vector<Row> feature_rows() {
  std::vector<Row> all;
  for (const auto& part : {trees(), models(), tables()}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace sardonyx::hostile
