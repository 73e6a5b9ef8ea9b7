// Stages 1 to 3: every way to be malformed has its status, and the text names the culprit.
#include <functional>

#include "importer/limits.h"
#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

struct Case {
  const char* name;
  Status status;
  const char* text;  // part of the message
  std::function<void(ModelProto&)> edit;
};

class Malformed : public testing::TestWithParam<Case> {};

TEST_P(Malformed, HasItsStatusAndNamesTheCulprit) {
  ModelProto model = small_model();
  GetParam().edit(model);
  Outcome outcome = outcome_of(model);
  EXPECT_STREQ(status_name(outcome.status), status_name(GetParam().status)) << outcome.text;
  EXPECT_NE(outcome.text.find(GetParam().text), std::string::npos) << outcome.text;
}

NodeProto* node(ModelProto& m, int i) { return m.mutable_graph()->mutable_node(i); }
TensorProto* weight(ModelProto& m) { return m.mutable_graph()->mutable_initializer(0); }

const Case versions[] = {
    {"NoGraph", Status::InvalidModel, "no graph", [](ModelProto& m) { m.clear_graph(); }},
    {"NoIrVersion", Status::InvalidModel, "IR version", [](ModelProto& m) { m.clear_ir_version(); }},
    {"IrVersionZero", Status::InvalidModel, "IR version 0", [](ModelProto& m) { m.set_ir_version(0); }},
    {"IrVersionNegative", Status::InvalidModel, "IR version -1", [](ModelProto& m) { m.set_ir_version(-1); }},
    {"IrVersionTooNew", Status::UnsupportedVersion, "newer than 13", [](ModelProto& m) { m.set_ir_version(14); }},
    {"NoImports", Status::InvalidModel, "no operator sets", [](ModelProto& m) { m.clear_opset_import(); }},
    {"OpsetTooNew", Status::UnsupportedVersion, "ai.onnx",
     [](ModelProto& m) { m.mutable_opset_import(0)->set_version(28); }},
    {"OpsetZero", Status::InvalidModel, "version 0", [](ModelProto& m) { m.mutable_opset_import(0)->set_version(0); }},
    {"MlOpsetTooNew", Status::UnsupportedVersion, "ai.onnx.ml", [](ModelProto& m) { add_import(m, "ai.onnx.ml", 99); }},
    {"DefaultDomainNotImported", Status::InvalidModel, "'sum'",
     [](ModelProto& m) {
       m.mutable_opset_import(0)->set_domain("ai.onnx.ml"), m.mutable_opset_import(0)->set_version(1);
     }},
    {"DomainNotImported", Status::InvalidModel, "com.example",
     [](ModelProto& m) { node(m, 0)->set_domain("com.example"); }},
    {"InvalidBeatsTooNew", Status::InvalidModel, "com.example",
     [](ModelProto& m) { m.set_ir_version(99), node(m, 0)->set_domain("com.example"); }},
    {"TooNewBeatsStructure", Status::UnsupportedVersion, "IR version 99",
     [](ModelProto& m) { m.set_ir_version(99), node(m, 0)->set_input(0, "nowhere"); }},
};
INSTANTIATE_TEST_SUITE_P(Versions, Malformed, testing::ValuesIn(versions), [](const auto& i) { return i.param.name; });

const Case names[] = {
    {"NoOutputs", Status::InvalidModel, "no outputs", [](ModelProto& m) { m.mutable_graph()->clear_output(); }},
    {"InputWithoutName", Status::InvalidModel, "no name",
     [](ModelProto& m) { m.mutable_graph()->add_input()->mutable_type()->mutable_tensor_type()->set_elem_type(1); }},
    {"InputWithoutType", Status::InvalidModel, "'x' has no type",
     [](ModelProto& m) { m.mutable_graph()->mutable_input(0)->clear_type(); }},
    {"DuplicateInput", Status::InvalidModel, "'x'",
     [](ModelProto& m) { *m.mutable_graph()->add_input() = value("x", TensorProto::FLOAT, {"4"}); }},
    {"DuplicateInitializer", Status::InvalidModel, "'w'",
     [](ModelProto& m) { *m.mutable_graph()->add_initializer() = floats("w", {1}, {1}); }},
    {"InitializerWithoutName", Status::InvalidModel, "initializer has no name",
     [](ModelProto& m) { *m.mutable_graph()->add_initializer() = floats("", {1}, {1}); }},
    {"DuplicateOutputOfNodes", Status::InvalidModel, "#1 (Relu)",
     [](ModelProto& m) { node(m, 1)->set_output(0, "s"); }},
    {"OutputEqualsInput", Status::InvalidModel, "'sum'", [](ModelProto& m) { node(m, 0)->set_output(0, "x"); }},
    {"OutputEqualsInitializer", Status::InvalidModel, "'sum'", [](ModelProto& m) { node(m, 0)->set_output(0, "w"); }},
    {"UndefinedInput", Status::InvalidModel, "'sum' (Add): input 'nowhere' is not defined",
     [](ModelProto& m) { node(m, 0)->set_input(0, "nowhere"); }},
    {"UseBeforeDefinition", Status::InvalidModel, "used before it is defined",
     [](ModelProto& m) { m.mutable_graph()->mutable_node()->SwapElements(0, 1); }},
    {"Cycle", Status::InvalidModel, "cycle", [](ModelProto& m) { node(m, 0)->set_input(0, "y"); }},
    {"SelfCycle", Status::InvalidModel, "cycle", [](ModelProto& m) { node(m, 0)->set_input(0, "s"); }},
    {"DanglingOutput", Status::InvalidModel, "'z'",
     [](ModelProto& m) { m.mutable_graph()->mutable_output(0)->set_name("z"); }},
    {"OutputWithoutName", Status::InvalidModel, "output has no name",
     [](ModelProto& m) { m.mutable_graph()->mutable_output(0)->clear_name(); }},
    {"DuplicateGraphOutput", Status::InvalidModel, "'y'",
     [](ModelProto& m) { *m.mutable_graph()->add_output() = m.graph().output(0); }},
    {"NodeWithoutOperator", Status::InvalidModel, "'sum'", [](ModelProto& m) { node(m, 0)->clear_op_type(); }},
    {"SubgraphNameIsNotVisibleOutside", Status::InvalidModel, "'inner'",
     [](ModelProto& m) {
       *m.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
       add_if(m.mutable_graph(), "choose", "c", "z", branch("Relu", "s", "inner"), branch("Relu", "s", "inner"));
       add_node(m.mutable_graph(), "late", "Relu", {"inner"}, {"q"});
     }},
    {"SubgraphShadowsOuterName", Status::InvalidModel, "is defined already",
     [](ModelProto& m) {
       *m.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
       add_if(m.mutable_graph(), "choose", "c", "z", branch("Relu", "x", "s"), branch("Relu", "x", "t"));
     }},
    {"SubgraphUsesLaterName", Status::InvalidModel, "'z'",
     [](ModelProto& m) {
       *m.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
       add_if(m.mutable_graph(), "choose", "c", "z", branch("Relu", "z", "a"), branch("Relu", "x", "b"));
     }},
};
INSTANTIATE_TEST_SUITE_P(Names, Malformed, testing::ValuesIn(names), [](const auto& i) { return i.param.name; });

const Case attributes[] = {
    {"WithoutName", Status::InvalidModel, "'sum' (Add): has an attribute without a name",
     [](ModelProto& m) { add_attribute(node(m, 0), "", AttributeProto::INT)->set_i(1); }},
    {"Twice", Status::InvalidModel, "'a' is given twice",
     [](ModelProto& m) {
       add_attribute(node(m, 0), "a", AttributeProto::INT);
       add_attribute(node(m, 0), "a", AttributeProto::INT);
     }},
    {"WithoutType", Status::InvalidModel, "'a' has no type",
     [](ModelProto& m) { add_attribute(node(m, 0), "a", AttributeProto::UNDEFINED)->set_i(1); }},
    {"UnknownType", Status::InvalidModel, "unknown type 77",
     [](ModelProto& m) { add_attribute(node(m, 0), "a", 77)->set_i(1); }},
    {"TypeAndValueDiffer", Status::InvalidModel, "type INT but a value of type FLOAT",
     [](ModelProto& m) { add_attribute(node(m, 0), "a", AttributeProto::INT)->set_f(1); }},
    {"TwoValues", Status::InvalidModel, "value of type FLOATS",
     [](ModelProto& m) {
       AttributeProto* a = add_attribute(node(m, 0), "a", AttributeProto::INTS);
       a->add_ints(1), a->add_floats(1);
     }},
    {"TensorWithoutValue", Status::InvalidModel, "TENSOR but no value",
     [](ModelProto& m) { add_attribute(node(m, 0), "a", AttributeProto::TENSOR); }},
    {"ReferenceOutsideFunction", Status::InvalidModel, "'caller'",
     [](ModelProto& m) { add_attribute(node(m, 0), "a", AttributeProto::INT)->set_ref_attr_name("caller"); }},
    {"BadTensor", Status::InvalidModel, "need 8",
     [](ModelProto& m) {
       TensorProto* t = add_attribute(node(m, 0), "a", AttributeProto::TENSOR)->mutable_t();
       *t = floats("", {2}, {1, 2});
       t->mutable_raw_data()->pop_back();
     }},
};
INSTANTIATE_TEST_SUITE_P(Attributes, Malformed, testing::ValuesIn(attributes),
                         [](const auto& i) { return i.param.name; });

const Case dims[] = {
    {"NegativeInputDim", Status::InvalidModel, "'x' has the negative dim -1",
     [](ModelProto& m) {
       m.mutable_graph()
           ->mutable_input(0)
           ->mutable_type()
           ->mutable_tensor_type()
           ->mutable_shape()
           ->mutable_dim(1)
           ->set_dim_value(-1);
     }},
    {"OverflowingInputDims", Status::InvalidModel, "overflows",
     [](ModelProto& m) {
       m.mutable_graph()->mutable_input(0)->clear_type();
       set_type(*m.mutable_graph()->mutable_input(0), TensorProto::FLOAT, {"4294967296", "4294967296"});
     }},
    {"AbsurdInputDims", Status::UnsupportedShape, "'x'",
     [](ModelProto& m) {
       m.mutable_graph()->mutable_input(0)->clear_type();
       set_type(*m.mutable_graph()->mutable_input(0), TensorProto::FLOAT, {"1099511627776", "1024"});
     }},
    {"UnknownElementType", Status::InvalidModel, "unknown data type 99",
     [](ModelProto& m) {
       m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(99);
     }},
    {"UndefinedElementType", Status::InvalidModel, "unknown data type 0",
     [](ModelProto& m) {
       m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(0);
     }},
    {"BadValueInfo", Status::InvalidModel, "negative dim -7",
     [](ModelProto& m) { *m.mutable_graph()->add_value_info() = value("s", TensorProto::FLOAT, {"-7"}); }},
    {"NegativeInitializerDim", Status::InvalidModel, "'w' has the negative dim -4",
     [](ModelProto& m) { weight(m)->set_dims(0, -4); }},
    {"MinimalInitializerDim", Status::InvalidModel, "negative dim",
     [](ModelProto& m) { weight(m)->set_dims(0, INT64_MIN); }},
    {"HugeInitializerDim", Status::InvalidModel, "overflows", [](ModelProto& m) { weight(m)->set_dims(0, INT64_MAX); }},
    {"OverflowToSmallProduct", Status::InvalidModel, "overflows",
     [](ModelProto& m) {
       weight(m)->clear_dims();
       for (int64_t dim : {int64_t{1} << 32, int64_t{1} << 32, int64_t{4}}) weight(m)->add_dims(dim);
     }},
    {"TooManyDims", Status::InvalidModel, "more than 64",
     [](ModelProto& m) {
       for (int i = 0; i < 100; ++i) weight(m)->add_dims(1);
     }},
    {"RawDataTooShort", Status::InvalidModel, "15 bytes of raw_data",
     [](ModelProto& m) { weight(m)->mutable_raw_data()->pop_back(); }},
    {"RawDataTooLong", Status::InvalidModel, "17 bytes of raw_data",
     [](ModelProto& m) { weight(m)->mutable_raw_data()->push_back('\0'); }},
    {"NoData", Status::InvalidModel, "0 entries of float_data", [](ModelProto& m) { weight(m)->clear_raw_data(); }},
    {"WrongField", Status::InvalidModel, "stores elements in int64_data",
     [](ModelProto& m) { weight(m)->clear_raw_data(), weight(m)->add_int64_data(1); }},
    {"TwoFields", Status::InvalidModel, "both in raw_data", [](ModelProto& m) { weight(m)->add_float_data(1); }},
    {"UnknownDataType", Status::InvalidModel, "unknown data type 40",
     [](ModelProto& m) { weight(m)->set_data_type(40); }},
    {"NegativeDataType", Status::InvalidModel, "unknown data type -1",
     [](ModelProto& m) { weight(m)->set_data_type(-1); }},
    {"Segmented", Status::InvalidModel, "segments", [](ModelProto& m) { weight(m)->mutable_segment()->set_end(4); }},
    {"RawStrings", Status::InvalidModel, "strings in raw_data",
     [](ModelProto& m) { weight(m)->set_data_type(TensorProto::STRING); }},
    {"SubByteSize", Status::InvalidModel, "need 2",
     [](ModelProto& m) { weight(m)->set_data_type(TensorProto::INT4), weight(m)->set_raw_data("123"); }},
    {"ExternalInitializer", Status::InvalidModel, "external data",
     [](ModelProto& m) { weight(m)->clear_raw_data(), weight(m)->set_data_location(TensorProto::EXTERNAL); }},
};
INSTANTIATE_TEST_SUITE_P(Dims, Malformed, testing::ValuesIn(dims), [](const auto& i) { return i.param.name; });

// `levels` If nodes inside each other, the innermost holding a Relu.
ModelProto nested_ifs(int levels) {
  ModelProto model = small_model();
  *model.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
  GraphProto inner = branch("Relu", "x", "leaf");
  for (int i = 1; i < levels; ++i) {
    std::string name = "v" + std::to_string(i);
    GraphProto outer;
    add_if(&outer, "", "c", name, inner, branch("Neg", "x", name + "e"));
    outer.add_output()->set_name(name);
    inner = std::move(outer);
  }
  add_if(model.mutable_graph(), "top", "c", "z", inner, branch("Neg", "x", "ze"));
  return model;
}

TEST(Nesting, SixteenLevelsAndTheDocumentedLimitAreFine) {
  for (int levels : {1, 16, max_subgraph_depth}) {
    Outcome outcome = outcome_of(nested_ifs(levels));
    EXPECT_EQ(outcome.status, Status::Success) << levels << ": " << outcome.text;
  }
}

TEST(Nesting, BeyondTheLimitIsAnInvalidModel) {
  for (int levels : {max_subgraph_depth + 1, 64}) {
    Outcome outcome = outcome_of(nested_ifs(levels));
    EXPECT_STREQ(status_name(outcome.status), "INVALID_MODEL") << levels << ": " << outcome.text;
  }
}

TEST(Nesting, FarBeyondTheLimitIsRefusedWithoutRecursion) {
  Outcome outcome = outcome_of(nested_ifs(300));
  EXPECT_STREQ(status_name(outcome.status), "INVALID_PROTOBUF") << outcome.text;
}

TEST(Report, NamesEveryProblemInOrderOfStage) {
  ModelProto model = small_model();
  node(model, 0)->set_input(0, "nowhere");
  node(model, 1)->set_input(0, "neither");
  model.mutable_graph()->mutable_output(0)->set_name("z");
  Outcome outcome = outcome_of(model);
  for (const char* name : {"'nowhere'", "'neither'", "'z'"})
    EXPECT_NE(outcome.text.find(name), std::string::npos) << outcome.text;
}

TEST(Report, StopsGrowing) {
  ModelProto model = small_model();
  for (int i = 0; i < 20000; ++i) add_node(model.mutable_graph(), "", "Relu", {"missing"}, {"o" + std::to_string(i)});
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_LT(outcome.text.size(), 100000u);
  EXPECT_NE(outcome.text.find("more"), std::string::npos);
}

TEST(Report, EscapesNames) {
  ModelProto model = small_model();
  node(model, 0)->set_name(std::string("a\n'\0b", 5));
  node(model, 0)->set_input(0, "nowhere");
  Outcome outcome = outcome_of(model);
  EXPECT_NE(outcome.text.find("a\\x0a\\x27\\x00b"), std::string::npos) << outcome.text;
}

TEST(Chain, OfManyNodesNeedsNoDeepStack) {
  ModelProto model = small_model();
  std::string previous = "s";
  for (int i = 0; i < 100000; ++i) {
    std::string next = "c" + std::to_string(i);
    add_node(model.mutable_graph(), "", "Relu", {previous}, {next});
    previous = next;
  }
  Outcome outcome = outcome_of(model);
  EXPECT_EQ(outcome.status, Status::Success) << outcome.text;
}

}  // namespace
}  // namespace sardonyx::importer::test
