// Sequences, optionals, maps, strings and tensors of unknown rank: declared types, and who may take them.
#include <functional>

#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

ValueInfoProto container(const std::string& name, const std::function<void(TypeProto&)>& fill) {
  ValueInfoProto result;
  result.set_name(name);
  fill(*result.mutable_type());
  return result;
}

void sequence_of_floats(TypeProto& type) {
  type.mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type()->set_elem_type(TensorProto::FLOAT);
}

// "s", a sequence of floats of any shape, into one node with output "y" of the given type.
ModelProto sequence_model(const std::string& op, const std::vector<std::string>& inputs, ValueInfoProto output) {
  ModelProto m = small_model();
  m.mutable_opset_import(0)->set_version(17);
  m.mutable_graph()->clear_node();
  m.mutable_graph()->clear_output();
  *m.mutable_graph()->add_input() = container("s", sequence_of_floats);
  *m.mutable_graph()->add_initializer() = ints("zero", {}, {0});
  add_node(m.mutable_graph(), "node", op, inputs, {"y"});
  output.set_name("y");
  *m.mutable_graph()->add_output() = std::move(output);
  return m;
}

Outcome outcome_with_values(const ModelProto& m) {
  try {
    parse(m)->import({}, true);
  } catch (const Error& error) {
    return {error.status(), error.text()};
  }
  return {Status::Success, ""};
}

void expect(const ModelProto& m, Status status, const std::string& text) {
  const Outcome outcome = outcome_with_values(m);
  EXPECT_STREQ(status_name(outcome.status), status_name(status)) << outcome.text;
  EXPECT_NE(outcome.text.find(text), std::string::npos) << outcome.text;
}

TEST(Values, NeedTheOption) {
  const ModelProto m = sequence_model("Identity", {"s"}, container("y", sequence_of_floats));
  EXPECT_EQ(outcome_of(m).status, Status::UnsupportedDatatype);
  auto graph = parse(m)->import({}, true);
  graph::verify(*graph);
  EXPECT_EQ(graph::to_string(graph->body().parameters().back()->type), "seq(tensor(f32))");
}

TEST(Values, OtherOperatorsRefuseThem) {
  expect(sequence_model("Relu", {"s"}, value("y", TensorProto::FLOAT, {})), Status::InvalidModel,
         "input 0 is seq(tensor(f32)), expected a tensor");
  expect(sequence_model("Shape", {"s"}, value("y", TensorProto::INT64, {"1"})), Status::InvalidModel,
         "expected a tensor");
  expect(sequence_model("SequenceLength", {"zero"}, value("y", TensorProto::INT64, {})), Status::InvalidModel,
         "expected a sequence");
}

TEST(Values, DeclaredTypesAreCompared) {
  expect(sequence_model("Identity", {"s"}, value("y", TensorProto::FLOAT, {"1"})), Status::MismatchingDatatype,
         "is declared as f32[1], but is seq(tensor(f32))");
  const auto of_ints = [](TypeProto& type) {
    type.mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type()->set_elem_type(TensorProto::INT64);
  };
  expect(sequence_model("Identity", {"s"}, container("y", of_ints)), Status::MismatchingDatatype, "seq(tensor(i64))");
  expect(sequence_model("SequenceLength", {"s"}, container("y", sequence_of_floats)), Status::UnsupportedDatatype, "y");
}

TEST(Values, RanksComeFromDeclarations) {
  ModelProto m = sequence_model("SequenceAt", {"s", "zero"}, value("y", TensorProto::FLOAT, {"2", ""}));
  auto graph = parse(m)->import({}, true);
  EXPECT_EQ(graph->body().outputs()[0]->type.rank(), 2);
  EXPECT_EQ(graph->body().outputs()[0]->type.dtype, DType::F32);

  m = sequence_model("SequenceAt", {"s", "zero"}, value("y", TensorProto::FLOAT, {}));
  m.mutable_graph()->mutable_node(0)->set_output(0, "item");
  add_node(m.mutable_graph(), "relu", "Relu", {"item"}, {"y"});
  m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  expect(m, Status::UnsupportedShape, "its rank is known only when it runs");
  *m.mutable_graph()->add_value_info() = value("item", TensorProto::FLOAT, {"", "3"});
  EXPECT_EQ(outcome_with_values(m).status, Status::Success);

  m = sequence_model("SequenceAt", {"s", "zero"}, value("y", TensorProto::FLOAT, {}));
  m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  graph = parse(m)->import({}, true);
  EXPECT_EQ(graph::to_string(graph->body().outputs()[0]->type), "tensor(f32)");
}

TEST(Values, TypesThatAreNotSupported) {
  const auto refused = [](const std::function<void(TypeProto&)>& fill) {
    ModelProto m = sequence_model("Identity", {"s"}, container("y", sequence_of_floats));
    *m.mutable_graph()->add_input() = container("odd", fill);
    expect(m, Status::UnsupportedDatatype, "graph input 'odd'");
  };
  refused([](TypeProto& type) { type.mutable_sparse_tensor_type()->set_elem_type(TensorProto::FLOAT); });
  refused([](TypeProto& type) { type.mutable_opaque_type(); });
  refused([](TypeProto& type) {
    type.mutable_map_type()->set_key_type(TensorProto::FLOAT);
    sequence_of_floats(*type.mutable_map_type()->mutable_value_type());
  });
  refused([](TypeProto& type) {
    TypeProto* inner = &type;
    for (int depth = 0; depth < 20; ++depth) inner = inner->mutable_optional_type()->mutable_elem_type();
    sequence_of_floats(*inner);
  });
}

TEST(Values, StringsNeedNoOption) {
  ModelProto m = sequence_model("Identity", {"text"}, value("y", TensorProto::STRING, {"N"}));
  m.mutable_graph()->mutable_input(m.graph().input_size() - 1)->CopyFrom(value("text", TensorProto::STRING, {"N"}));
  EXPECT_EQ(outcome_of(m).status, Status::Success);
}

}  // namespace
}  // namespace sardonyx::importer::test
