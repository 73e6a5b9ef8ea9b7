// Model-local functions: identity, recursion, growth, attribute references and inlining.
#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

FunctionProto* add_function(ModelProto& model, const std::string& name, const std::string& input,
                            const std::string& output) {
  FunctionProto* f = model.add_functions();
  f->set_domain("local");
  f->set_name(name);
  f->add_input(input);
  f->add_output(output);
  f->add_opset_import()->set_version(17);
  auto* local = f->add_opset_import();
  local->set_domain("local");
  local->set_version(1);
  return f;
}

template <class Owner>
NodeProto* add_call(Owner* owner, const std::string& name, const std::string& callee, const std::string& input,
                    const std::string& output) {
  NodeProto* node = add_node(owner, name, callee, {input}, {output});
  node->set_domain("local");
  return node;
}

ModelProto model_with_import() {
  ModelProto model = small_model();
  add_import(model, "local", 1);
  return model;
}

int count(const graph::Graph& graph, graph::Op op) {
  int result = 0;
  for (const auto& node : graph.body().nodes()) result += node->op == op;
  return result;
}

TEST(Functions, AreInlined) {
  ModelProto model = model_with_import();
  FunctionProto* f = add_function(model, "NegTwice", "p", "q");
  add_node(f, "first", "Neg", {"p"}, {"t"});
  add_node(f, "", "Neg", {"t"}, {"q"});
  add_call(model.mutable_graph(), "call1", "NegTwice", "s", "a");
  add_call(model.mutable_graph(), "", "NegTwice", "a", "b");
  *model.mutable_graph()->add_output() = value("b", TensorProto::FLOAT, {"N", "4"});
  auto graph = parse(model)->import({});
  EXPECT_EQ(count(*graph, graph::Op::unary) >= 4, true);
}

TEST(Functions, FarFromTheDefaultDomainAreUnknownWithoutDefinition) {
  ModelProto model = model_with_import();
  add_call(model.mutable_graph(), "call", "Nothing", "s", "a");
  Outcome outcome = outcome_of(model);
  EXPECT_STREQ(status_name(outcome.status), "UNSUPPORTED_OPERATOR");
  EXPECT_NE(outcome.text.find("'call' (Nothing)"), std::string::npos) << outcome.text;
}

TEST(Functions, OverloadsAreDistinct) {
  ModelProto model = model_with_import();
  for (const char* overload : {"one", "two"}) {
    FunctionProto* f = add_function(model, "F", "p", "q");
    f->set_overload(overload);
    add_node(f, "", "Neg", {"p"}, {"q"});
  }
  add_call(model.mutable_graph(), "call", "F", "s", "a")->set_overload("two");
  EXPECT_EQ(outcome_of(model).status, Status::Success);
  model.mutable_graph()->mutable_node(2)->set_overload("three");
  EXPECT_EQ(outcome_of(model).status, Status::UnsupportedOperator);
}

TEST(Functions, DuplicatesAreInvalid) {
  ModelProto model = model_with_import();
  for (int i = 0; i < 2; ++i) add_node(add_function(model, "F", "p", "q"), "", "Neg", {"p"}, {"q"});
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("function 'F' is defined twice"), std::string::npos) << outcome.text;
}

TEST(Functions, CyclesAreInvalid) {
  for (int length : {1, 2, 50}) {
    ModelProto model = model_with_import();
    for (int i = 0; i < length; ++i) {
      FunctionProto* f = add_function(model, "F" + std::to_string(i), "p", "q");
      add_call(f, "", "F" + std::to_string((i + 1) % length), "p", "q");
    }
    Outcome outcome = outcome_of(model);
    EXPECT_EQ(outcome.status, Status::InvalidModel);
    EXPECT_NE(outcome.text.find("recursive"), std::string::npos) << outcome.text;
  }
}

TEST(Functions, CyclesThroughSubgraphsAreInvalid) {
  ModelProto model = model_with_import();
  FunctionProto* f = add_function(model, "F", "p", "q");
  GraphProto then_branch;
  add_call(&then_branch, "", "F", "p", "inner");
  then_branch.add_output()->set_name("inner");
  NodeProto* node = add_node(f, "if", "If", {"p"}, {"q"});
  *add_attribute(node, "then_branch", AttributeProto::GRAPH)->mutable_g() = then_branch;
  *add_attribute(node, "else_branch", AttributeProto::GRAPH)->mutable_g() = branch("Neg", "p", "other");
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("recursive"), std::string::npos) << outcome.text;
}

TEST(Functions, ExplosiveInliningIsInvalid) {
  ModelProto model = model_with_import();
  for (int i = 0; i < 40; ++i) {
    FunctionProto* f = add_function(model, "F" + std::to_string(i), "p", "q");
    if (i == 0) {
      add_node(f, "", "Neg", {"p"}, {"q"});
      continue;
    }
    add_call(f, "", "F" + std::to_string(i - 1), "p", "t");
    add_call(f, "", "F" + std::to_string(i - 1), "t", "q");
  }
  add_call(model.mutable_graph(), "bomb", "F39", "s", "a");
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("inlining"), std::string::npos) << outcome.text;
}

TEST(Functions, DeepCallChainsAreInvalid) {
  ModelProto model = model_with_import();
  constexpr int length = 20000;
  for (int i = 0; i < length; ++i) {
    FunctionProto* f = add_function(model, "F" + std::to_string(i), "p", "q");
    if (i == 0)
      add_node(f, "", "Neg", {"p"}, {"q"});
    else
      add_call(f, "", "F" + std::to_string(i - 1), "p", "q");
  }
  add_call(model.mutable_graph(), "deep", "F40", "s", "a");
  EXPECT_EQ(outcome_of(model).status, Status::Success);
  model.mutable_graph()->mutable_node(2)->set_op_type("F" + std::to_string(length - 1));
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("nested"), std::string::npos) << outcome.text;
}

TEST(Functions, BodiesAreValidatedEvenWhenUnused) {
  ModelProto model = model_with_import();
  add_node(add_function(model, "F", "p", "q"), "bad", "Neg", {"nowhere"}, {"q"});
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("'nowhere'"), std::string::npos) << outcome.text;
}

TEST(Functions, UnknownOperatorsCountOnlyWhenCalled) {
  ModelProto model = model_with_import();
  add_node(add_function(model, "F", "p", "q"), "odd", "NoSuchOperator", {"p"}, {"q"});
  EXPECT_EQ(outcome_of(model).status, Status::Success);
  add_call(model.mutable_graph(), "call", "F", "s", "a");
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::UnsupportedOperator);
  EXPECT_NE(outcome.text.find("'odd' (NoSuchOperator)"), std::string::npos) << outcome.text;
}

TEST(Functions, TooManyOperandsAreInvalid) {
  ModelProto model = model_with_import();
  add_node(add_function(model, "F", "p", "q"), "", "Neg", {"p"}, {"q"});
  add_call(model.mutable_graph(), "call", "F", "s", "a")->add_input("x");
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("'call' (F): has 2 inputs"), std::string::npos) << outcome.text;
}

// Transpose(perm) in a function whose attribute "order" is referred to as perm.
ModelProto transposing(bool give, bool fallback) {
  ModelProto model = model_with_import();
  FunctionProto* f = add_function(model, "Turn", "p", "q");
  add_attribute(add_node(f, "", "Transpose", {"p"}, {"q"}), "perm", AttributeProto::INTS)->set_ref_attr_name("order");
  if (fallback) {
    AttributeProto* a = f->add_attribute_proto();
    a->set_name("order"), a->set_type(AttributeProto::INTS), a->add_ints(0), a->add_ints(1);
  } else {
    f->add_attribute("order");
  }
  NodeProto* call = add_call(model.mutable_graph(), "call", "Turn", "s", "a");
  if (give) {
    AttributeProto* a = add_attribute(call, "order", AttributeProto::INTS);
    a->add_ints(1), a->add_ints(0);
  }
  model.mutable_graph()->add_output()->set_name("a");
  return model;
}

std::string first_dim(const ModelProto& model) {
  auto graph = parse(model)->import({});
  return expr::to_string(graph->body().outputs()[1]->type.dims[0]);
}

TEST(Functions, AttributesComeFromTheCallerOrTheirDefault) {
  EXPECT_EQ(first_dim(transposing(true, true)), "4");
  EXPECT_EQ(first_dim(transposing(false, true)), "N");
  EXPECT_EQ(first_dim(transposing(true, false)), "4");
  EXPECT_EQ(first_dim(transposing(false, false)), "4");  // neither: Transpose reverses
}

TEST(Functions, ReferencesMustBeDeclared) {
  ModelProto model = transposing(true, true);
  model.mutable_functions(0)->clear_attribute_proto();
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("'order'"), std::string::npos) << outcome.text;
}

TEST(Functions, GraphsAsDefaultsAreNotSupported) {
  ModelProto model = transposing(true, true);
  AttributeProto* body = model.mutable_functions(0)->add_attribute_proto();
  body->set_name("body"), body->set_type(AttributeProto::GRAPH);
  *body->mutable_g() = branch("Neg", "p", "r");
  EXPECT_EQ(outcome_of(model).status, Status::UnsupportedAttribute);
}

// A graph that the caller gives to a function reads the caller's values.
TEST(Functions, GraphAttributesCaptureTheCallersValues) {
  ModelProto model = model_with_import();
  *model.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
  FunctionProto* f = add_function(model, "Choose", "p", "q");
  f->add_attribute("yes"), f->add_attribute("no");
  NodeProto* node = add_node(f, "", "If", {"p"}, {"q"});
  add_attribute(node, "then_branch", AttributeProto::GRAPH)->set_ref_attr_name("yes");
  add_attribute(node, "else_branch", AttributeProto::GRAPH)->set_ref_attr_name("no");
  NodeProto* call = add_call(model.mutable_graph(), "call", "Choose", "c", "a");
  *add_attribute(call, "yes", AttributeProto::GRAPH)->mutable_g() = branch("Neg", "s", "r");
  *add_attribute(call, "no", AttributeProto::GRAPH)->mutable_g() = branch("Relu", "x", "r");
  *model.mutable_graph()->add_output() = value("a", TensorProto::FLOAT, {"N", "4"});
  auto graph = parse(model)->import({});
  graph::verify(*graph);
  EXPECT_EQ(count(*graph, graph::Op::if_), 1);
}

TEST(Functions, UseTheirOwnImports) {
  ModelProto model = model_with_import();
  FunctionProto* f = add_function(model, "F", "p", "q");
  add_node(f, "node", "Neg", {"p"}, {"q"});
  f->mutable_opset_import(0)->set_version(99);
  EXPECT_EQ(outcome_of(model).status, Status::UnsupportedVersion);
  f->clear_opset_import();
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("not imported by function 'F'"), std::string::npos) << outcome.text;
}

TEST(Functions, BeatOperatorsOfTheSameName) {
  ModelProto model = small_model();
  FunctionProto* f = model.add_functions();
  f->set_name("Relu");
  f->add_input("p"), f->add_output("q");
  f->add_opset_import()->set_version(17);
  add_node(f, "", "Neg", {"p"}, {"q"});
  auto graph = parse(model)->import({});
  const auto* producer = graph->body().outputs()[0]->producer;
  ASSERT_NE(producer, nullptr);
  EXPECT_EQ(producer->op, graph::Op::unary);
}

}  // namespace
}  // namespace sardonyx::importer::test
