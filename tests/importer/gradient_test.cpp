// Gradient: which part of the model it differentiates, at which values, and what it refuses.
#include <cmath>

#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

using Names = std::vector<std::string>;

template <class Owner>
NodeProto* add_gradient(Owner* owner, const std::string& name, const Names& inputs, const Names& outputs,
                        const Names& xs, const Names& zs, const std::string& y) {
  NodeProto* node = add_node(owner, name, "Gradient", inputs, outputs);
  node->set_domain("ai.onnx.preview.training");
  auto* variables = add_attribute(node, "xs", AttributeProto::STRINGS);
  for (const std::string& x : xs) variables->add_strings(x);
  if (!zs.empty()) {
    auto* others = add_attribute(node, "zs", AttributeProto::STRINGS);
    for (const std::string& z : zs) others->add_strings(z);
  }
  add_attribute(node, "y", AttributeProto::STRING)->set_s(y);
  return node;
}

// Inputs x and z, f32[2], and outputs of that type.
ModelProto model_with(const Names& outputs) {
  ModelProto model;
  model.set_ir_version(8);
  add_import(model, "", 17);
  add_import(model, "ai.onnx.preview.training", 1);
  model.mutable_graph()->set_name("g");
  for (const char* name : {"x", "z"}) *model.mutable_graph()->add_input() = value(name, TensorProto::FLOAT, {"2"});
  for (const std::string& name : outputs) *model.mutable_graph()->add_output() = value(name, TensorProto::FLOAT, {"2"});
  return model;
}

std::vector<std::vector<double>> run(const ModelProto& model, const std::vector<double>& x = {2, 3},
                                     const std::vector<double>& z = {5, 7}) {
  EXPECT_EQ(parse(model)->check().text(), "");
  auto graph = parse(model)->import({});
  graph::verify(*graph);
  std::vector<Tensor> inputs;
  for (const auto& values : {x, z}) {
    inputs.emplace_back(DType::F32, Dims{2});
    for (int64_t i = 0; i < 2; ++i) inputs.back().set_double(i, values[size_t(i)]);
  }
  std::vector<std::vector<double>> results;
  for (const Tensor& tensor : graph::interpret(*graph, inputs)) {
    results.emplace_back();
    for (int64_t i = 0; i < tensor.count(); ++i) results.back().push_back(tensor.as_double(i));
  }
  return results;
}

using Rows = std::vector<std::vector<double>>;

void expect_refused(const ModelProto& model, Status status, const Names& fragments) {
  const Outcome outcome = outcome_of(model);
  EXPECT_STREQ(status_name(outcome.status), status_name(status)) << outcome.text;
  for (const std::string& fragment : fragments)
    EXPECT_NE(outcome.text.find(fragment), std::string::npos) << "no '" << fragment << "' in: " << outcome.text;
}

TEST(Gradient, OfInputsAndOfIntermediateTensors) {
  ModelProto model = model_with({"dx", "dz", "dh"});
  auto* g = model.mutable_graph();
  add_node(g, "h", "Mul", {"x", "x"}, {"h"});
  add_node(g, "y", "Mul", {"h", "z"}, {"y"});
  add_gradient(g, "of_inputs", {"x", "z"}, {"dx", "dz"}, {"x", "z"}, {}, "y");
  add_gradient(g, "of_h", {"h", "z"}, {"dh"}, {"h"}, {"z"}, "y");
  EXPECT_EQ(run(model), (Rows{{20, 42}, {4, 9}, {5, 7}}));
}

TEST(Gradient, AtOtherValuesAndShapes) {
  ModelProto model = model_with({"at_z"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = floats("three", {3}, {1, 2, 3});
  add_node(g, "h", "Mul", {"x", "x"}, {"h"});
  add_node(g, "y", "Mul", {"h", "h"}, {"y"});
  *g->add_output() = value("at_three", TensorProto::FLOAT, {"3"});
  add_gradient(g, "by_z", {"z"}, {"at_z"}, {"h"}, {}, "y");
  add_gradient(g, "by_three", {"three"}, {"at_three"}, {"x"}, {}, "y");
  EXPECT_EQ(run(model), (Rows{{10, 14}, {4, 32, 108}}));
}

// What is folded while the model is imported depends on the weights all the same.
TEST(Gradient, OfWeightsInFoldedNodes) {
  ModelProto model = model_with({"dw"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = floats("w", {2}, {3, 4});
  add_node(g, "square", "Mul", {"w", "w"}, {"square"});
  add_node(g, "y", "Add", {"square", "x"}, {"y"});
  add_gradient(g, "gradient", {"w", "x"}, {"dw"}, {"w"}, {"x"}, "y");
  EXPECT_EQ(run(model), (Rows{{6, 8}}));
}

// Reshapes of reshapes become one, and Identity none.
TEST(Gradient, OfTensorsThatImportSkips) {
  ModelProto model = model_with({"dh", "di"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = ints("column", {2}, {2, 1});
  *g->add_initializer() = ints("row", {1}, {2});
  add_node(g, "h", "Reshape", {"x", "column"}, {"h"});
  add_node(g, "r", "Reshape", {"h", "row"}, {"r"});
  add_node(g, "y", "Mul", {"r", "z"}, {"y"});
  add_gradient(g, "by_h", {"h", "z"}, {"dh_column"}, {"h"}, {"z"}, "y");
  add_node(g, "dh", "Reshape", {"dh_column", "row"}, {"dh"});
  add_node(g, "i", "Identity", {"x"}, {"i"});
  add_node(g, "product", "Mul", {"i", "x"}, {"product"});
  add_gradient(g, "by_i", {"i", "x"}, {"di"}, {"i"}, {"x"}, "product");
  EXPECT_EQ(run(model), (Rows{{5, 7}, {2, 3}}));
}

TEST(Gradient, OfGradients) {
  ModelProto model = model_with({"second", "third", "mixed"});
  auto* g = model.mutable_graph();
  add_node(g, "square", "Mul", {"x", "x"}, {"square"});
  add_node(g, "cube", "Mul", {"square", "x"}, {"cube"});
  add_node(g, "y", "Mul", {"cube", "z"}, {"y"});
  add_gradient(g, "g1", {"x", "z"}, {"first"}, {"x"}, {"z"}, "y");
  add_gradient(g, "g2", {"x", "z"}, {"second"}, {"x"}, {"z"}, "first");
  add_gradient(g, "g3", {"x", "z"}, {"third"}, {"x"}, {"z"}, "second");
  add_gradient(g, "gm", {"z", "x"}, {"mixed"}, {"z"}, {"x"}, "first");
  EXPECT_EQ(run(model), (Rows{{60, 126}, {30, 42}, {12, 27}}));
}

// The inner Gradient does not name w, but its answer depends on it.
TEST(Gradient, OfGradientsByWhatTheyDoNotName) {
  ModelProto model = model_with({"dw"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = floats("w", {2}, {3, 4});
  add_node(g, "square", "Mul", {"w", "w"}, {"square"});
  add_node(g, "y", "Mul", {"x", "square"}, {"y"});
  add_gradient(g, "inner", {"x"}, {"dx"}, {"x"}, {}, "y");
  add_gradient(g, "outer", {"w"}, {"dw"}, {"w"}, {}, "dx");
  EXPECT_EQ(run(model), (Rows{{6, 8}}));
}

// Operators that are smooth where the primitives that they are made of are not.
TEST(Gradient, OfSmoothFunctionsAtZero) {
  ModelProto model = model_with({"softplus", "mish", "softsign", "relu"});
  auto* g = model.mutable_graph();
  model.mutable_opset_import(0)->set_version(18);
  for (const char* op : {"Softplus", "Mish", "Softsign", "Relu"}) {
    std::string output(op);
    output[0] = char(tolower(output[0]));
    add_node(g, op, op, {"x"}, {"y" + output});
    add_gradient(g, "of" + output, {"x"}, {output}, {"x"}, {}, "y" + output);
  }
  const Rows rows = run(model, {0, 1e-20});
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(rows[0][size_t(i)], 0.5, 1e-6);
    EXPECT_NEAR(rows[1][size_t(i)], std::tanh(std::log(2.0)), 1e-6);
    EXPECT_NEAR(rows[2][size_t(i)], 1, 1e-6);
  }
  EXPECT_EQ(rows[3], (std::vector<double>{0, 1}));
}

TEST(Gradient, LeavesOutputsOut) {
  ModelProto model = model_with({"dz"});
  auto* g = model.mutable_graph();
  add_node(g, "y", "Mul", {"x", "z"}, {"y"});
  add_gradient(g, "gradient", {"x", "z"}, {"", "dz"}, {"x", "z"}, {}, "y");
  EXPECT_EQ(run(model), (Rows{{2, 3}}));
}

TEST(Gradient, IsZeroOfWhatYDoesNotVaryWith) {
  ModelProto model = model_with({"dx", "dz", "itself"});
  auto* g = model.mutable_graph();
  add_node(g, "floor", "Floor", {"x"}, {"floor"});
  add_node(g, "whole", "Cast", {"x"}, {"whole"});
  add_attribute(g->mutable_node(1), "to", AttributeProto::INT)->set_i(TensorProto::INT64);
  add_node(g, "back", "CastLike", {"whole", "x"}, {"back"});
  add_node(g, "y", "Mul", {"floor", "back"}, {"y"});
  add_gradient(g, "gradient", {"x", "z"}, {"dx", "dz"}, {"x", "z"}, {}, "y");
  add_gradient(g, "of_itself", {"x"}, {"itself"}, {"x"}, {}, "x");
  EXPECT_EQ(run(model), (Rows{{0, 0}, {0, 0}, {1, 1}}));
}

// A branch reads and differentiates what the graph around it computes; its own tensor takes an outer name's place.
TEST(Gradient, InABranchOfTensorsAround) {
  ModelProto model = model_with({"dx"});
  auto* g = model.mutable_graph();
  add_node(g, "h", "Mul", {"x", "x"}, {"h"});
  add_node(g, "sum", "ReduceSum", {"z"}, {"sum"});
  *g->add_initializer() = floats("zero", {}, {0});
  add_node(g, "condition", "Greater", {"sum", "zero"}, {"condition"});
  GraphProto then_branch, else_branch = branch("Neg", "x", "negative");
  then_branch.set_name("then");
  *then_branch.add_initializer() = floats("z", {2}, {10, 100});
  add_node(&then_branch, "y", "Mul", {"h", "z"}, {"y"});
  add_gradient(&then_branch, "gradient", {"x"}, {"d"}, {"x"}, {}, "y");
  then_branch.add_output()->set_name("d");
  NodeProto* node = add_if(g, "if", "condition", "dx", then_branch, else_branch);
  ASSERT_EQ(node->attribute_size(), 2);
  EXPECT_EQ(run(model), (Rows{{40, 600}}));
  EXPECT_EQ(run(model, {2, 3}, {-5, -7}), (Rows{{-2, -3}}));
}

TEST(Gradient, ThroughBranches) {
  ModelProto model = model_with({"dx", "dw"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = floats("w", {2}, {3, 4});
  *g->add_initializer() = floats("zero", {}, {0});
  add_node(g, "sum", "ReduceSum", {"z"}, {"sum"});
  add_node(g, "condition", "Greater", {"sum", "zero"}, {"condition"});
  add_node(g, "v", "Mul", {"w", "w"}, {"v"});
  GraphProto product;
  product.set_name("product");
  add_node(&product, "", "Mul", {"x", "v"}, {"product"});
  product.add_output()->set_name("product");
  add_if(g, "if", "condition", "y", product, branch("Neg", "x", "negative"));
  add_gradient(g, "gradient", {"x", "w"}, {"dx", "dw"}, {"x", "w"}, {}, "y");
  EXPECT_EQ(run(model), (Rows{{9, 16}, {12, 24}}));
  EXPECT_EQ(run(model, {2, 3}, {-5, -7}), (Rows{{-1, -1}, {0, 0}}));
}

// w := w - d(w * w)/dw / 4, three times.
TEST(Gradient, InALoopThatTrains) {
  ModelProto model = model_with({"w"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = ints("trips", {}, {3});
  *g->add_initializer() = floats("rate", {}, {0.25});
  GraphProto body;
  body.set_name("body");
  *body.add_input() = value("i", TensorProto::INT64, {});
  *body.add_input() = value("go_on", TensorProto::BOOL, {});
  *body.add_input() = value("v", TensorProto::FLOAT, {"2"});
  add_node(&body, "", "Identity", {"go_on"}, {"next"});
  add_node(&body, "loss", "Mul", {"v", "v"}, {"loss"});
  add_gradient(&body, "gradient", {"v"}, {"dv"}, {"v"}, {}, "loss");
  add_node(&body, "", "Mul", {"dv", "rate"}, {"step"});
  add_node(&body, "", "Sub", {"v", "step"}, {"new"});
  for (const char* name : {"next", "new"}) body.add_output()->set_name(name);
  NodeProto* loop = add_node(g, "loop", "Loop", {"trips", "", "x"}, {"w"});
  *add_attribute(loop, "body", AttributeProto::GRAPH)->mutable_g() = body;
  EXPECT_EQ(run(model), (Rows{{0.25, 0.375}}));
}

TEST(Gradient, InAFunction) {
  ModelProto model = model_with({"d"});
  add_import(model, "local", 1);
  FunctionProto* f = model.add_functions();
  f->set_domain("local");
  f->set_name("SlopeOfSquare");
  f->add_input("p");
  f->add_output("slope");
  for (const auto& import : model.opset_import()) *f->add_opset_import() = import;
  add_node(f, "", "Mul", {"p", "p"}, {"square"});
  add_gradient(f, "gradient", {"p"}, {"slope"}, {"p"}, {}, "square");
  add_node(model.mutable_graph(), "call", "SlopeOfSquare", {"x"}, {"d"})->set_domain("local");
  EXPECT_EQ(run(model), (Rows{{4, 6}}));
}

TEST(Gradient, RefusesWhatHasNoDerivative) {
  ModelProto model = model_with({"d"});
  auto* g = model.mutable_graph();
  *g->add_initializer() = ints("trips", {}, {3});
  GraphProto body;
  body.set_name("body");
  *body.add_input() = value("i", TensorProto::INT64, {});
  *body.add_input() = value("go_on", TensorProto::BOOL, {});
  *body.add_input() = value("v", TensorProto::FLOAT, {"2"});
  add_node(&body, "", "Identity", {"go_on"}, {"next"});
  add_node(&body, "", "Mul", {"v", "v"}, {"new"});
  for (const char* name : {"next", "new"}) body.add_output()->set_name(name);
  NodeProto* loop = add_node(g, "powers", "Loop", {"trips", "", "x"}, {"y"});
  *add_attribute(loop, "body", AttributeProto::GRAPH)->mutable_g() = body;
  add_gradient(g, "slope", {"x"}, {"d"}, {"x"}, {}, "y");
  expect_refused(model, Status::UnsupportedOperator, {"slope", "loop of node 'powers'", "not differentiated"});
}

TEST(Gradient, RefusesNamesAndTypesThatDoNotFit) {
  const auto refuse = [](const Names& inputs, const Names& xs, const Names& zs, const std::string& y,
                         const Names& fragments) {
    ModelProto model = model_with({"d"});
    auto* g = model.mutable_graph();
    *g->add_initializer() = ints("whole", {2}, {1, 2});
    add_node(g, "y", "Mul", {"x", "z"}, {"y"});
    add_gradient(g, "slope", inputs, {"d"}, xs, zs, y);
    expect_refused(model, Status::InvalidModel, fragments);
  };
  refuse({"x"}, {"x"}, {}, "nothing", {"slope", "no tensor 'nothing'"});
  refuse({"x"}, {"nothing"}, {}, "y", {"slope", "no tensor 'nothing'"});
  refuse({"x"}, {"x"}, {}, "d", {"slope", "no tensor 'd'"});
  refuse({"x"}, {"x"}, {"z"}, "y", {"slope", "1 inputs for 2 names"});
  refuse({"x", "x"}, {"x"}, {"x"}, "y", {"slope", "repeated"});
  refuse({"whole"}, {"whole"}, {}, "y", {"slope", "i64[2]"});
  refuse({"x"}, {"x"}, {}, "whole", {"slope", "i64[2]"});
  refuse({"z", "x"}, {}, {"x", "z"}, "y", {"slope", "1 outputs for 0 names"});
}

// Each Gradient contains all before it: without a limit these would be 2^40 nodes.
TEST(Gradient, RefusesTowersOfGradients) {
  ModelProto model = model_with({"d40"});
  auto* g = model.mutable_graph();
  add_node(g, "d0", "Mul", {"x", "z"}, {"d0"});
  for (int i = 0; i < 40; ++i) {
    const std::string last = "d" + std::to_string(i), next = "d" + std::to_string(i + 1);
    add_node(g, "m" + next, "Mul", {last, last}, {"m" + next});
    add_gradient(g, "g" + next, {"x"}, {next}, {"x"}, {}, "m" + next);
  }
  const Outcome outcome = outcome_of(model);
  EXPECT_STREQ(status_name(outcome.status), "UNSUPPORTED_SHAPE") << outcome.text;
  EXPECT_NE(outcome.text.find("gradients of gradients"), std::string::npos) << outcome.text;
}

}  // namespace
}  // namespace sardonyx::importer::test
