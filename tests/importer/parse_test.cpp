// Stage 1: arbitrary bytes. Nothing crashes, and what does not parse is INVALID_PROTOBUF.
#include <random>

#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

bool is_model_status(Status status) {
  for (Status expected :
       {Status::Success, Status::InvalidProtobuf, Status::InvalidModel, Status::UnsupportedVersion,
        Status::UnsupportedOperator, Status::UnsupportedAttribute, Status::UnsupportedShape,
        Status::UnsupportedDatatype, Status::MismatchingShape, Status::MismatchingDatatype, Status::NoSystemMemory})
    if (status == expected) return true;
  return false;
}

ModelProto rich_model() {
  ModelProto model = small_model();
  GraphProto* graph = model.mutable_graph();
  *graph->add_input() = value("c", TensorProto::BOOL, {});
  *graph->add_initializer() = ints("shape", {2}, {2, -1});
  add_node(graph, "flat", "Reshape", {"s", "shape"}, {"r"});
  add_if(graph, "choose", "c", "z", branch("Relu", "s", "a"), branch("Neg", "s", "b"));
  *graph->add_output() = value("z", TensorProto::FLOAT, {"N", "4"});
  FunctionProto* f = model.add_functions();
  f->set_domain("local");
  f->set_name("Twice");
  f->add_input("p");
  f->add_output("q");
  auto* import = f->add_opset_import();
  import->set_version(17);
  add_node(f, "", "Add", {"p", "p"}, {"q"});
  add_import(model, "local", 1);
  add_node(graph, "call", "Twice", {"s"}, {"t"})->set_domain("local");
  return model;
}

TEST(Parse, AcceptsTheModelsOfThisFile) {
  Outcome outcome = outcome_of(rich_model());
  EXPECT_EQ(outcome.status, Status::Success) << outcome.text;
}

TEST(Parse, EmptyBytesAreAModelWithoutGraph) { EXPECT_EQ(outcome_of(std::string()).status, Status::InvalidModel); }

TEST(Parse, GarbageIsNoProtobuf) {
  for (const char* bytes : {"hello world", "\xff\xff\xff\xff", "\x08", "\x3a\x7f", "\x0f\x01", "\x04"})
    EXPECT_EQ(outcome_of(std::string(bytes)).status, Status::InvalidProtobuf) << bytes;
}

TEST(Parse, OverrunningLengthsAreNoProtobuf) {
  std::string bytes = small_model().SerializeAsString();
  for (std::string tail :
       {std::string("\x3a\x05"), std::string("\x12\xff\xff\xff\xff\x0f"), std::string("\x3a\x02\x0a\x05")})
    EXPECT_EQ(outcome_of(bytes + tail).status, Status::InvalidProtobuf);
}

TEST(Parse, MoreThanProtobufCanCountIsNoProtobuf) {
  char byte = 0;
  try {
    Model::parse(&byte, size_t{1} << 31, {});
    FAIL() << "2 GiB were accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::InvalidProtobuf);
  }
}

TEST(Parse, EveryTruncationIsRefused) {
  std::string bytes = rich_model().SerializeAsString();
  for (size_t size = 0; size < bytes.size(); ++size) {
    Outcome outcome = outcome_of(bytes.substr(0, size));
    EXPECT_TRUE(is_model_status(outcome.status)) << size << ": " << outcome.text;
  }
}

TEST(Parse, RandomByteFlipsNeverCrash) {
  const std::string original = rich_model().SerializeAsString();
  std::mt19937 random(20260101);
  for (int round = 0; round < 10000; ++round) {
    std::string bytes = original;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) bytes[random() % bytes.size()] = char(random());
    Outcome outcome = outcome_of(bytes);
    ASSERT_TRUE(is_model_status(outcome.status))
        << "round " << round << ": " << status_name(outcome.status) << " " << outcome.text;
  }
}

TEST(Parse, MergedDuplicateFieldsAreHarmless) {
  ModelProto model = small_model(), extra;
  add_node(extra.mutable_graph(), "more", "Neg", {"y"}, {"z"});
  EXPECT_EQ(outcome_of(model.SerializeAsString() + extra.SerializeAsString()).status, Status::Success);
  // Merged twice, every name is there twice.
  EXPECT_EQ(outcome_of(model.SerializeAsString() + model.SerializeAsString()).status, Status::InvalidModel);
}

TEST(Parse, UnknownFieldsAreSkipped) {
  std::string bytes = small_model().SerializeAsString();
  bytes += std::string("\xc2\x3e\x03xyz", 6);  // field 1000
  EXPECT_EQ(outcome_of(bytes).status, Status::Success);
}

TEST(Parse, TheBytesMayGoAway) {
  std::unique_ptr<Model> model;
  {
    std::string bytes = small_model().SerializeAsString();
    model = Model::parse(bytes.data(), bytes.size(), {});
    std::fill(bytes.begin(), bytes.end(), '\x55');
  }
  EXPECT_EQ(model->check().status(), Status::Success);
  EXPECT_NE(model->import({}), nullptr);
}

}  // namespace
}  // namespace sardonyx::importer::test
