// Stages 4 to 6 and the imported graph.
#include <chrono>

#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

void expect(const ModelProto& model, const char* status, const std::string& text) {
  Outcome outcome = outcome_of(model);
  EXPECT_STREQ(status_name(outcome.status), status) << outcome.text;
  EXPECT_NE(outcome.text.find(text), std::string::npos) << outcome.text;
}

TEST(Import, MakesAVerifiedGraph) {
  auto graph = parse(small_model())->import({});
  graph::verify(*graph);
  ASSERT_EQ(graph->body().parameters().size(), 1u);
  EXPECT_EQ(graph->body().parameters()[0]->name, "x");
  EXPECT_EQ(graph->output_names, std::vector<std::string>{"y"});
  EXPECT_EQ(graph::to_string(graph->body().outputs()[0]->type), "f32[N,4]");
}

TEST(Import, TheModelMayGoAway) {
  auto model = parse(small_model());
  auto graph = model->import({});
  model.reset();
  graph::verify(*graph);
  int constants = 0;
  for (const auto& node : graph->body().nodes())
    if (node->op == graph::Op::constant && node->result()->name == "w") {
      EXPECT_EQ(node->result()->constant()->as_double(2), 3);
      ++constants;
    }
  EXPECT_EQ(constants, 1);
}

TEST(Import, LargeConstantsAreAligned) {
  ModelProto m = small_model();
  *m.mutable_graph()->add_initializer() = floats("large", {4096}, std::vector<float>(4096, 2.5f));
  auto model = parse(m);
  for (int round = 0; round < 2; ++round) {
    auto graph = model->import({});
    for (const auto& node : graph->body().nodes())
      if (const Tensor* value = node->op == graph::Op::constant ? node->result()->constant() : nullptr) {
        EXPECT_EQ(reinterpret_cast<uintptr_t>(value->raw()) % 64, 0u);
        if (node->result()->name == "large") {
          EXPECT_EQ(value->as_double(4095), 2.5);
        }
      }
  }
}

TEST(Import, AcceptsTheLongSpellingOfTheDefaultDomain) {
  ModelProto m = small_model();
  m.mutable_opset_import(0)->set_domain("ai.onnx");
  m.mutable_graph()->mutable_node(0)->set_domain("ai.onnx");
  EXPECT_EQ(outcome_of(m).status, Status::Success);
}

TEST(Import, AcceptsUnknownDomainsThatNobodyUses) {
  ModelProto m = small_model();
  add_import(m, "com.example", 77);
  EXPECT_EQ(outcome_of(m).status, Status::Success);
}

TEST(Import, OldModelsNeedNoImports) {
  ModelProto m = small_model();
  m.set_ir_version(2);
  m.clear_opset_import();
  *m.mutable_graph()->mutable_node(0) = *add_node(m.mutable_graph(), "sum", "Sum", {"x", "x"}, {"s"});
  m.mutable_graph()->mutable_node()->RemoveLast();
  EXPECT_EQ(outcome_of(m).status, Status::Success) << outcome_of(m).text;
}

TEST(Import, AttributesOfTheFirstIrVersionHaveNoType) {
  ModelProto m = small_model();
  m.set_ir_version(1);
  m.clear_opset_import();
  m.mutable_graph()->clear_node();
  NodeProto* node = add_node(m.mutable_graph(), "turn", "Transpose", {"x"}, {"y"});
  AttributeProto* perm = add_attribute(node, "perm", AttributeProto::UNDEFINED);
  perm->clear_type();
  perm->add_ints(1), perm->add_ints(0);
  m.mutable_graph()->mutable_output(0)->clear_type();
  auto graph = parse(m)->import({});
  EXPECT_EQ(graph::to_string(graph->body().outputs()[0]->type), "f32[4,N]");
}

TEST(Unsupported, OperatorsAreAllReported) {
  ModelProto m = small_model();
  add_import(m, "com.example", 1);
  add_node(m.mutable_graph(), "odd", "NoSuchOperator", {"s"}, {"a"});
  add_node(m.mutable_graph(), "", "Special", {"a"}, {"b"})->set_domain("com.example");
  add_node(m.mutable_graph(), "after", "Relu", {"b"}, {"c"});
  expect(m, "UNSUPPORTED_OPERATOR", "'odd' (NoSuchOperator)");
  expect(m, "UNSUPPORTED_OPERATOR", "#3 (Special)");
  EXPECT_EQ(outcome_of(m).text.find("'after'"), std::string::npos);
}

TEST(Unsupported, OperatorsInBranchesThatAreNeverTakenAreReported) {
  ModelProto m = small_model();
  TensorProto truth;
  truth.set_name("t"), truth.set_data_type(TensorProto::BOOL), truth.add_int32_data(1);
  *m.mutable_graph()->add_initializer() = truth;
  add_if(m.mutable_graph(), "choose", "t", "z", branch("Relu", "s", "a"), branch("NoSuchOperator", "s", "b"));
  expect(m, "UNSUPPORTED_OPERATOR", "choose/#0 (NoSuchOperator)");
}

TEST(Unsupported, InputsAndOutputsThatAreNoTensors) {
  ModelProto m = small_model();
  auto* info = m.mutable_graph()->add_input();
  info->set_name("seq");
  info->mutable_type()->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type()->set_elem_type(1);
  expect(m, "UNSUPPORTED_DATATYPE", "graph input 'seq'");
  m = small_model();
  m.mutable_graph()->mutable_output(0)->clear_type();
  m.mutable_graph()
      ->mutable_output(0)
      ->mutable_type()
      ->mutable_optional_type()
      ->mutable_elem_type()
      ->mutable_tensor_type()
      ->set_elem_type(1);
  expect(m, "UNSUPPORTED_DATATYPE", "graph output 'y'");
}

TEST(Unsupported, InputsOfUnknownRank) {
  ModelProto m = small_model();
  m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  expect(m, "UNSUPPORTED_SHAPE", "graph input 'x'");
}

TEST(Mismatch, OfOutputs) {
  ModelProto m = small_model();
  m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(TensorProto::DOUBLE);
  expect(m, "MISMATCHING_DATATYPE", "graph output 'y'");
  m = small_model();
  m.mutable_graph()->mutable_output(0)->clear_type();
  set_type(*m.mutable_graph()->mutable_output(0), TensorProto::FLOAT, {"N", "5"});
  expect(m, "MISMATCHING_SHAPE", "graph output 'y'");
  m.mutable_graph()->mutable_output(0)->clear_type();
  set_type(*m.mutable_graph()->mutable_output(0), TensorProto::FLOAT, {"N", "4", "1"});
  expect(m, "MISMATCHING_SHAPE", "[N,4,1]");
}

TEST(Mismatch, OfIntermediateValues) {
  ModelProto m = small_model();
  *m.mutable_graph()->add_value_info() = value("s", TensorProto::INT32, {"N", "4"});
  expect(m, "MISMATCHING_DATATYPE", "'sum' (Add)");
  m = small_model();
  *m.mutable_graph()->add_value_info() = value("s", TensorProto::FLOAT, {"7", "3"});
  expect(m, "MISMATCHING_SHAPE", "'sum' (Add)");
}

TEST(Mismatch, SymbolsMayHaveOtherNamesAndMissingShapesAreFine) {
  ModelProto m = small_model();
  m.mutable_graph()->mutable_output(0)->clear_type();
  set_type(*m.mutable_graph()->mutable_output(0), TensorProto::FLOAT, {"batch", ""});
  EXPECT_EQ(outcome_of(m).status, Status::Success);
  m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  EXPECT_EQ(outcome_of(m).status, Status::Success);
}

TEST(Mismatch, AStaticOutputDimOfASymbolIsAnEquality) {
  ModelProto m = small_model();
  m.mutable_graph()->mutable_output(0)->clear_type();
  set_type(*m.mutable_graph()->mutable_output(0), TensorProto::FLOAT, {"2", "4"});
  auto graph = parse(m)->import({});
  ASSERT_EQ(graph->equalities.size(), 1u);
  EXPECT_EQ(expr::to_string(graph->equalities[0].left), "N");
}

TEST(Operands, ThatDoNotFitAreInvalid) {
  ModelProto m = small_model();
  *m.mutable_graph()->mutable_initializer(0) = floats("w", {3}, {1, 2, 3});
  expect(m, "INVALID_MODEL", "'sum'");
  m = small_model();
  *m.mutable_graph()->mutable_initializer(0) = ints("w", {4}, {1, 2, 3, 4});
  expect(m, "INVALID_MODEL", "'sum'");
}

TEST(Operands, OfWrongCountAreInvalid) {
  ModelProto m = small_model();
  m.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
  expect(m, "INVALID_MODEL", "'sum' (Add): has 1 inputs");
  m = small_model();
  m.mutable_graph()->mutable_node(1)->add_output("more");
  expect(m, "INVALID_MODEL", "#1 (Relu): has 2 outputs");
  m = small_model();
  m.mutable_graph()->mutable_node(0)->set_input(1, "");
  expect(m, "INVALID_MODEL", "'sum'");
}

TEST(Stages, StructureComesBeforeOperators) {
  ModelProto m = small_model();
  add_node(m.mutable_graph(), "odd", "NoSuchOperator", {"s"}, {"a"});
  NodeProto* turn = add_node(m.mutable_graph(), "turn", "Transpose", {"s"}, {"b"});
  add_attribute(turn, "perm", AttributeProto::STRING)->set_s("x");
  expect(m, "INVALID_MODEL", "'turn'");
  expect(m, "INVALID_MODEL", "'odd'");
}

TEST(Stages, OperatorsComeBeforeOperands) {
  ModelProto m = small_model();
  *m.mutable_graph()->mutable_initializer(0) = floats("w", {3}, {1, 2, 3});
  add_node(m.mutable_graph(), "odd", "NoSuchOperator", {"x"}, {"a"});
  expect(m, "UNSUPPORTED_OPERATOR", "'odd'");
}

TEST(Subgraphs, CaptureOuterValues) {
  ModelProto m = small_model();
  *m.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
  add_if(m.mutable_graph(), "choose", "c", "z", branch("Relu", "s", "inner"), branch("Neg", "x", "inner"));
  *m.mutable_graph()->add_output() = value("z", TensorProto::FLOAT, {"N", "4"});
  auto graph = parse(m)->import({});
  graph::verify(*graph);
}

TEST(Subgraphs, ReportTheirProblems) {
  ModelProto m = small_model();
  *m.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
  GraphProto bad = branch("Add", "s", "inner");
  bad.mutable_node(0)->add_input("k");
  *bad.add_initializer() = floats("k", {3}, {1, 2, 3});
  add_if(m.mutable_graph(), "choose", "c", "z", bad, branch("Neg", "x", "other"));
  expect(m, "INVALID_MODEL", "choose/");
}

TEST(Weights, BecomeConstants) {
  ModelProto m = small_model();
  m.mutable_graph()->clear_initializer();
  *m.mutable_graph()->add_input() = value("w", TensorProto::FLOAT, {"4"});
  auto model = parse(m);
  EXPECT_EQ(model->check().status(), Status::Success);
  EXPECT_EQ(model->inputs().size(), 2u);
  EXPECT_TRUE(model->initializers().empty());
  auto graph = model->import({{"w", Tensor::of<float>(DType::F32, {4}, std::vector<float>{1, 2, 3, 4})}});
  EXPECT_EQ(graph->body().parameters().size(), 1u);
  EXPECT_EQ(model->import({})->body().parameters().size(), 2u);
}

TEST(Weights, GiveSymbolsTheirValues) {
  ModelProto m = small_model();
  m.mutable_graph()->clear_initializer();
  *m.mutable_graph()->add_input() = value("w", TensorProto::FLOAT, {"N", "4"});
  auto graph = parse(m)->import({{"w", Tensor::of<float>(DType::F32, {2, 4}, std::vector<float>(8, 1.f))}});
  EXPECT_EQ(graph::to_string(graph->body().parameters()[0]->type), "f32[2,4]");
}

TEST(Weights, MustFitTheirDeclaration) {
  ModelProto m = small_model();
  m.mutable_graph()->clear_initializer();
  *m.mutable_graph()->add_input() = value("w", TensorProto::FLOAT, {"4"});
  auto model = parse(m);
  auto status = [&](const Tensor& weight) {
    try {
      model->import({{"w", weight}});
    } catch (const Error& error) {
      return error.status();
    }
    return Status::Success;
  };
  EXPECT_EQ(status(Tensor::of<float>(DType::F32, {3}, std::vector<float>(3))), Status::MismatchingShape);
  EXPECT_EQ(status(Tensor::of<double>(DType::F64, {4}, std::vector<double>(4))), Status::MismatchingDatatype);
}

TEST(Initializers, ThatAreInputsAreStatic) {
  ModelProto m = small_model();
  *m.mutable_graph()->add_input() = value("w", TensorProto::FLOAT, {"4"});
  auto model = parse(m);
  EXPECT_EQ(model->inputs().size(), 2u);
  EXPECT_EQ(model->initializers(), std::vector<std::string>{"w"});
  EXPECT_EQ(model->import({})->body().parameters().size(), 1u);
  m.mutable_graph()->mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(TensorProto::INT8);
  expect(m, "MISMATCHING_DATATYPE", "graph input 'w'");
  m.mutable_graph()->mutable_input(1)->clear_type();
  set_type(*m.mutable_graph()->mutable_input(1), TensorProto::FLOAT, {"5"});
  expect(m, "MISMATCHING_SHAPE", "graph input 'w'");
}

TEST(Initializers, MayBeSparse) {
  ModelProto m = small_model();
  m.mutable_graph()->clear_initializer();
  auto* sparse = m.mutable_graph()->add_sparse_initializer();
  *sparse->mutable_values() = floats("w", {1}, {5});
  *sparse->mutable_indices() = ints("", {1}, {2});
  sparse->add_dims(4);
  auto graph = parse(m)->import({});
  for (const auto& node : graph->body().nodes())
    if (node->op == graph::Op::constant && node->result()->name == "w") {
      EXPECT_EQ(node->result()->constant()->as_double(2), 5);
    }
}

TEST(Declared, ZeroDimsAreLegal) {
  ModelProto m = small_model();
  m.mutable_graph()->mutable_input(0)->clear_type();
  set_type(*m.mutable_graph()->mutable_input(0), TensorProto::FLOAT, {"0", "4"});
  EXPECT_EQ(outcome_of(m).status, Status::Success);
}

TEST(Check, OfASmallModelIsFast) {
  auto bytes = small_model().SerializeAsString();
  Model::parse(bytes.data(), bytes.size(), {})->check();
  auto start = std::chrono::steady_clock::now();
  constexpr int rounds = 100;
  for (int i = 0; i < rounds; ++i) Model::parse(bytes.data(), bytes.size(), {})->check();
  std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  EXPECT_LT(time.count() / rounds, 5.0);  // well under 1 ms without sanitizers and other load
}

TEST(Registry, OffersEveryOperatorOnce) {
  const auto& all = ops::onnx_ops();
  EXPECT_FALSE(all.empty());
  for (size_t i = 1; i < all.size(); ++i)
    EXPECT_TRUE(std::string(all[i - 1]->domain) < all[i]->domain ||
                (std::string(all[i - 1]->domain) == all[i]->domain && std::string(all[i - 1]->name) < all[i]->name));
  for (const ops::OnnxOpDef* op : all) {
    EXPECT_FALSE(op->since.empty()) << op->name;
    EXPECT_EQ(ops::find_onnx_op(op->domain, op->name, 1000).op, op);
    EXPECT_EQ(ops::find_onnx_op(op->domain, op->name, 0).op, nullptr);
  }
}

}  // namespace
}  // namespace sardonyx::importer::test
