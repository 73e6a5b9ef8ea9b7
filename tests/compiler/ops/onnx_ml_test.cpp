// The numeric operators of ai.onnx.ml.
#include "tests/compiler/ops/ml_models.h"

namespace sardonyx::ops {
namespace {

using Floats = std::vector<double>;
using Ints = std::vector<int64_t>;
using Strings = std::vector<std::string>;

std::vector<Tensor> ml(const std::string& op, std::vector<Tensor> inputs, Attributes attributes, int outputs = 1,
                       int opset = 5) {
  return run(OnnxCase{.op = op,
                      .opset = opset,
                      .inputs = std::move(inputs),
                      .attributes = std::move(attributes),
                      .outputs = outputs,
                      .dynamic = false,
                      .domain = "ai.onnx.ml"});
}

void expect_refused(const std::string& op, const Tensor& x, const Attributes& attributes, const std::string& text,
                    int outputs = 1) {
  expect_error(Status::InvalidModel, {text}, [&] { ml(op, {x}, attributes, outputs); });
}

TEST(Features, AreScaledBinarizedAndImputed) {
  const Tensor x = f32({2, 2}, {1, 2, 3, 4});
  expect_tensor(ml("Scaler", {x}, {{"offset", Floats{1, 0}}, {"scale", Floats{10}}})[0], DType::F32, {2, 2},
                {0, 20, 20, 40});
  expect_tensor(ml("Binarizer", {x}, {{"threshold", 2.0}})[0], DType::F32, {2, 2}, {0, 0, 1, 1});
  expect_tensor(ml("Imputer", {f32({2, 2}, {1, std::nan(""), 3, 4})},
                   {{"imputed_value_floats", Floats{7, 8}}, {"replaced_value_float", std::nan("")}})[0],
                DType::F32, {2, 2}, {1, 8, 3, 4});
  expect_tensor(ml("Imputer", {i64({3}, {1, 2, 1})},
                   {{"imputed_value_int64s", Ints{9}}, {"replaced_value_int64", int64_t{1}}})[0],
                DType::I64, {3}, {9, 2, 9});
  expect_refused("Scaler", x, {{"offset", Floats{1, 2, 3}}}, "offset");
}

TEST(Features, AreNormalisedByRows) {
  const Tensor x = f32({2, 2}, {3, -4, 0, 0});
  const auto normalised = [&](const char* norm) { return ml("Normalizer", {x}, {{"norm", std::string(norm)}})[0]; };
  expect_tensor(normalised("MAX"), DType::F32, {2, 2}, {0.75, -1, 0, 0});
  expect_tensor(normalised("L1"), DType::F32, {2, 2}, {3.0 / 7, -4.0 / 7, 0, 0});
  expect_tensor(normalised("L2"), DType::F32, {2, 2}, {0.6, -0.8, 0, 0});
  expect_refused("Normalizer", x, {{"norm", std::string("L3")}}, "L3");
}

TEST(Features, AreSelectedAndJoined) {
  const Tensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  expect_tensor(ml("ArrayFeatureExtractor", {x, i64({2}, {2, 0})}, {})[0], DType::F32, {2, 2}, {3, 1, 6, 4});
  expect_error(Status::InternalError, {}, [&] { ml("ArrayFeatureExtractor", {x, i64({1}, {3})}, {}); });
  expect_tensor(ml("FeatureVectorizer", {x, i64({2, 1}, {7, 8})}, {{"inputdimensions", Ints{2, 2}}})[0], DType::F32,
                {2, 4}, {1, 2, 7, 0, 4, 5, 8, 0});
  expect_tensor(ml("OneHotEncoder", {i64({2}, {5, 9})}, {{"cats_int64s", Ints{4, 5}}})[0], DType::F32, {2, 2},
                {0, 1, 0, 0});
  const Attributes strict = {{"cats_int64s", Ints{4, 5}}, {"zeros", int64_t{0}}};
  expect_tensor(ml("OneHotEncoder", {i64({2}, {5, 4})}, strict)[0], DType::F32, {2, 2}, {0, 1, 1, 0});
  expect_error(Status::InternalError, {}, [&] { ml("OneHotEncoder", {i64({1}, {9})}, strict); });
}

TEST(LabelEncoder, MapsThroughItsTable) {
  const Attributes table = {
      {"keys_int64s", Ints{5, 1, 5}}, {"values_floats", Floats{0.5, 0.1, 0.7}}, {"default_float", 9.0}};
  expect_tensor(ml("LabelEncoder", {i64({3}, {1, 5, 2})}, table)[0], DType::F32, {3}, {0.1, 0.7, 9});
  const double nan = std::nan("");
  expect_tensor(
      ml("LabelEncoder", {f32({3}, {nan, 2, 3})}, {{"keys_floats", Floats{nan, 2}}, {"values_int64s", Ints{7, 8}}})[0],
      DType::I64, {3}, {7, 8, -1});
  expect_tensor(ml("LabelEncoder", {make(DType::I16, {2}, {3, 4})},
                   {{"keys_tensor", make(DType::I16, {1}, {4})}, {"values_tensor", make(DType::F64, {1}, {2.5})}})[0],
                DType::F64, {2}, {0, 2.5});
  expect_refused("LabelEncoder", i64({1}, {1}), {{"keys_int64s", Ints{1, 2}}, {"values_int64s", Ints{1}}},
                 "2 keys and 1 values");
}

TEST(LinearModels, MultiplyAndTransform) {
  const Tensor x = f32({2, 2}, {1, 2, -3, 1});
  const Attributes model = {{"coefficients", Floats{1, 0, 0, 1, 1, 1}},
                            {"intercepts", Floats{0, 0, -1}},
                            {"classlabels_ints", Ints{7, 8, 9}}};
  const auto classes = ml("LinearClassifier", {x}, model, 2);
  expect_tensor(classes[0], DType::I64, {2}, {8, 8});
  expect_tensor(classes[1], DType::F32, {2, 3}, {1, 2, 2, -3, 1, -3});
  Attributes binary = {
      {"coefficients", Floats{1, 0}}, {"classlabels_ints", Ints{4, 6}}, {"post_transform", std::string("LOGISTIC")}};
  const auto two = ml("LinearClassifier", {x}, binary, 2);
  expect_tensor(two[0], DType::I64, {2}, {6, 4});
  expect_tensor(two[1], DType::F32, {2, 2}, {0.26894142, 0.73105858, 0.95257413, 0.04742587});
  const Attributes regression = {{"coefficients", Floats{1, 2}}, {"intercepts", Floats{0.5}}};
  expect_tensor(ml("LinearRegressor", {x}, regression)[0], DType::F32, {2, 1}, {5.5, -0.5});
  Attributes wrong = regression;
  wrong["targets"] = int64_t{3};
  expect_refused("LinearRegressor", x, wrong, "coefficients");
  wrong = regression;
  wrong["post_transform"] = std::string("EXP");
  expect_refused("LinearRegressor", x, wrong, "EXP");
}

TEST(LinearModels, HaveFiveTransforms) {
  const auto transformed = [](const char* name, const Floats& scores) {
    Attributes model = {{"coefficients", Floats(scores.begin(), scores.end())},
                        {"targets", int64_t(scores.size())},
                        {"post_transform", std::string(name)}};
    return ml("LinearRegressor", {f32({1, 1}, {1})}, model)[0];
  };
  expect_tensor(transformed("NONE", {1, 2}), DType::F32, {1, 2}, {1, 2});
  expect_tensor(transformed("SOFTMAX", {0, std::log(3)}), DType::F32, {1, 2}, {0.25, 0.75});
  expect_tensor(transformed("LOGISTIC", {0, std::log(3)}), DType::F32, {1, 2}, {0.5, 0.75});
  expect_tensor(transformed("SOFTMAX_ZERO", {0, 1, 1}), DType::F32, {1, 3}, {0, 0.5, 0.5});
  expect_tensor(transformed("PROBIT", {0.5, 0.8413447, 0.0227501}), DType::F32, {1, 3}, {0, 1, -2}, 5e-3);
}

TEST(SupportVectors, RegressWithEveryKernel) {
  const Tensor x = f32({1, 2}, {1, 2});
  const auto result = [&](const char* kernel) {
    return ml("SVMRegressor", {x},
              {{"coefficients", Floats{1, -2}},
               {"support_vectors", Floats{1, 1, 0, 1}},
               {"n_supports", int64_t{2}},
               {"rho", Floats{0.5}},
               {"kernel_type", std::string(kernel)},
               {"kernel_params", Floats{0.5, 1, 2}}})[0]
        .as_double(0);
  };
  EXPECT_NEAR(result("LINEAR"), 3 - 2 * 2 + 0.5, 1e-5);
  EXPECT_NEAR(result("POLY"), 2.5 * 2.5 - 2 * 4 + 0.5, 1e-5);
  EXPECT_NEAR(result("RBF"), std::exp(-0.5) - 2 * std::exp(-1) + 0.5, 1e-5);
  EXPECT_NEAR(result("SIGMOID"), std::tanh(2.5) - 2 * std::tanh(2) + 0.5, 1e-5);
}

TEST(SupportVectors, VoteForClasses) {
  // One vector per class on a line, at -1, 0 and 1; every pair decides for the nearer one.
  Attributes model = {{"support_vectors", Floats{-1, 0, 1}},         {"vectors_per_class", Ints{1, 1, 1}},
                      {"coefficients", Floats{1, -1, -1, 1, 1, -1}}, {"rho", Floats{0, 0, 0}},
                      {"kernel_type", std::string("RBF")},           {"kernel_params", Floats{1, 0, 0}},
                      {"classlabels_ints", Ints{10, 20, 30}}};
  const Tensor x = f32({3, 1}, {-0.9, 0.1, 2});
  expect_tensor(ml("SVMClassifier", {x}, model, 2)[0], DType::I64, {3}, {10, 20, 30});
  model["prob_a"] = Floats{-3, -3, -3};
  model["prob_b"] = Floats{0, 0, 0};
  const Tensor probabilities = ml("SVMClassifier", {x}, model, 2)[1];
  for (int64_t row = 0; row < 3; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < 3; ++i) sum += probabilities.as_double(row * 3 + i);
    EXPECT_NEAR(sum, 1, 1e-5);
    for (int64_t i = 0; i < 3; ++i)
      EXPECT_LE(probabilities.as_double(row * 3 + i), probabilities.as_double(row * 3 + row));
  }
  model["vectors_per_class"] = Ints{1, 1, -1};
  expect_refused("SVMClassifier", x, model, "vectors_per_class", 2);
  model["vectors_per_class"] = Ints{1, 1, 1};
  model["coefficients"] = Floats{1, 2};
  expect_refused("SVMClassifier", x, model, "coefficients", 2);
}

// x0 <= 0 ? 1 : (x1 < 2 ? 2 : 3), and a second tree that is one leaf of 10.
Attributes two_trees() {
  return {{"nodes_treeids", Ints{0, 0, 0, 0, 0, 1}},
          {"nodes_nodeids", Ints{0, 1, 2, 3, 4, 0}},
          {"nodes_featureids", Ints{0, 0, 1, 0, 0, 0}},
          {"nodes_modes", Strings{"BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF", "LEAF"}},
          {"nodes_values", Floats{0, 0, 2, 0, 0, 0}},
          {"nodes_truenodeids", Ints{1, 0, 3, 0, 0, 0}},
          {"nodes_falsenodeids", Ints{2, 0, 4, 0, 0, 0}},
          {"n_targets", int64_t{1}},
          {"target_treeids", Ints{0, 0, 0, 1}},
          {"target_nodeids", Ints{1, 3, 4, 0}},
          {"target_ids", Ints{0, 0, 0, 0}},
          {"target_weights", Floats{1, 2, 3, 10}}};
}
const Tensor rows = f32({4, 2}, {0, 9, 1, 1, 1, 2, std::nan(""), 5});

TEST(Trees, AddLeavesOfAllTrees) {
  Attributes model = two_trees();
  const auto values = [&] { return ml("TreeEnsembleRegressor", {rows}, model)[0]; };
  expect_tensor(values(), DType::F32, {4, 1}, {11, 12, 13, 13});
  model["aggregate_function"] = std::string("MAX");
  expect_tensor(values(), DType::F32, {4, 1}, {10, 10, 10, 10});
  model["aggregate_function"] = std::string("AVERAGE");
  model["base_values"] = Floats{0.5};
  expect_tensor(values(), DType::F32, {4, 1}, {6, 6.5, 7, 7});
  model["nodes_missing_value_tracks_true"] = Ints{1, 0, 0, 0, 0, 0};
  expect_tensor(values(), DType::F32, {4, 1}, {6, 6.5, 7, 6});
}

TEST(Trees, WorkOnManyRows) {
  Tensor many(DType::F64, {1000, 2});
  Floats expected;
  for (int64_t i = 0; i < 1000; ++i) {
    many.set_double(2 * i, double(i % 3) - 1);
    many.set_double(2 * i + 1, double(i % 5));
    expected.push_back(10 + (i % 3 <= 1 ? 1 : i % 5 < 2 ? 2 : 3));
  }
  expect_tensor(ml("TreeEnsembleRegressor", {many}, two_trees())[0], DType::F32, {1000, 1}, expected);
}

TEST(Trees, AreValidated) {
  const auto refused = [](const char* name, const Attribute& value, const char* text) {
    Attributes model = two_trees();
    model[name] = value;
    expect_refused("TreeEnsembleRegressor", rows, model, text);
  };
  refused("nodes_truenodeids", Ints{0, 0, 3, 0, 0, 0}, "below itself");
  refused("nodes_falsenodeids", Ints{2, 0, 0, 0, 0, 0}, "below itself");
  refused("nodes_truenodeids", Ints{99, 0, 3, 0, 0, 0}, "no node 99");
  refused("nodes_nodeids", Ints{0, 1, 2, 3, 3, 0}, "two nodes");
  refused("nodes_featureids", Ints{-1, 0, 1, 0, 0, 0}, "feature -1");
  refused("nodes_modes", Strings{"BRANCH_XX", "LEAF", "LEAF", "LEAF", "LEAF", "LEAF"}, "BRANCH_XX");
  refused("nodes_values", Floats{0}, "nodes_values");
  refused("target_ids", Ints{0, 0, 1, 0}, "target 1 of 1");
  refused("n_targets", int64_t{0}, "targets");
  refused("target_nodeids", Ints{1, 3, 9, 0}, "no node 9");
  Attributes wide = two_trees();
  wide["nodes_featureids"] = Ints{0, 0, 2, 0, 0, 0};
  expect_error(Status::MismatchingShape, {"3 features"}, [&] { ml("TreeEnsembleRegressor", {rows}, wide); });
}

TEST(Trees, MayBeDeep) {
  constexpr int64_t depth = 200000;  // a chain, which recursion would not survive
  Ints trees, ids, features, yes, no;
  Strings modes;
  Floats values;
  for (int64_t i = 0; i <= depth; ++i) {
    trees.push_back(0), ids.push_back(i), features.push_back(0), values.push_back(0);
    modes.emplace_back(i == depth ? "LEAF" : "BRANCH_LEQ");
    yes.push_back(i + 1), no.push_back(depth);
  }
  const Attributes model = {{"nodes_treeids", trees},        {"nodes_nodeids", ids},    {"nodes_featureids", features},
                            {"nodes_modes", modes},          {"nodes_values", values},  {"nodes_truenodeids", yes},
                            {"nodes_falsenodeids", no},      {"n_targets", int64_t{1}}, {"target_treeids", Ints{0}},
                            {"target_nodeids", Ints{depth}}, {"target_ids", Ints{0}},   {"target_weights", Floats{4}}};
  expect_tensor(ml("TreeEnsembleRegressor", {f32({2, 1}, {-1, 1})}, model)[0], DType::F32, {2, 1}, {4, 4});
}

TEST(Trees, ClassifyByVotes) {
  Attributes model = two_trees();
  for (const char* name : {"n_targets", "target_treeids", "target_nodeids", "target_ids", "target_weights"})
    model.erase(name);
  model["class_treeids"] = Ints{0, 0, 0};
  model["class_nodeids"] = Ints{1, 3, 4};
  model["class_ids"] = Ints{0, 1, 2};
  model["class_weights"] = Floats{1, 2, 3};
  model["classlabels_int64s"] = Ints{5, 6, 7};
  const auto three = ml("TreeEnsembleClassifier", {rows}, model, 2);
  expect_tensor(three[0], DType::I64, {4}, {5, 6, 7, 7});
  expect_tensor(three[1], DType::F32, {4, 3}, {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 3});
  // Votes for number 0 alone are scores of the positive class.
  model["class_ids"] = Ints{0, 0, 0};
  model["class_weights"] = Floats{0.25, 0.5, 0.75};
  model["classlabels_int64s"] = Ints{5, 6};
  const auto two = ml("TreeEnsembleClassifier", {rows}, model, 2);
  expect_tensor(two[0], DType::I64, {4}, {5, 5, 6, 6});
  expect_tensor(two[1], DType::F32, {4, 2}, {0.75, 0.25, 0.5, 0.5, 0.25, 0.75, 0.25, 0.75});
}

TEST(Trees, TestMembership) {
  const double nan = std::nan("");
  Attributes model = membership_tree();
  const Tensor x = f32({5, 1}, {5, 2, 4, 3, nan});
  expect_tensor(ml("TreeEnsemble", {x}, model)[0], DType::F32, {5, 1}, {10, 10, 20, 30, 30});
  model["membership_values"] = f32({2}, {nan, nan});
  expect_refused("TreeEnsemble", x, model, "2 sets for 1 nodes");
  model["membership_values"] = f32({1}, {nan});
  expect_tensor(ml("TreeEnsemble", {x}, model)[0], DType::F32, {5, 1}, {20, 30, 20, 30, 30});
  model["tree_roots"] = Ints{2};
  expect_refused("TreeEnsemble", x, model, "root 2");
  model["tree_roots"] = Ints{0};
  model["nodes_falsenodeids"] = Ints{0, 2};
  expect_refused("TreeEnsemble", x, model, "below itself");
}

}  // namespace
}  // namespace sardonyx::ops
