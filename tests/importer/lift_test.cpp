// Large weights bypass protobuf: the same tensors come out, and unusual bytes are left to protobuf.
#include "importer/lift.h"

#include <random>

#include "importer/limits.h"
#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

constexpr int64_t large = 40000;  // floats: 160 kB

Bytes bytes_of(const std::string& text) { return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()); }

// A length-delimited field on the wire.
std::string delimited(int number, const std::string& payload) {
  std::string result(1, char(number << 3 | 2));
  size_t length = payload.size();
  for (; length >= 0x80; length >>= 7) result += char(length | 0x80);
  return result + char(length) + payload;
}

std::vector<float> ramp(int64_t count) {
  std::vector<float> result;
  for (int64_t i = 0; i < count; ++i) result.push_back(float(i));
  return result;
}

// small_model with large weights "a" and "b" around the small one.
ModelProto large_model() {
  ModelProto model = small_model();
  GraphProto* graph = model.mutable_graph();
  *graph->add_initializer() = floats("a", {large}, ramp(large));
  *graph->add_initializer() = floats("tiny", {1}, {7});
  *graph->add_initializer() = floats("b", {4, large / 4}, ramp(large));
  graph->mutable_initializer()->SwapElements(0, 1);
  return model;
}

const Tensor* constant_of(const graph::Graph& graph, const std::string& name) {
  for (const auto& node : graph.body().nodes())
    if (node->op == graph::Op::constant && node->result()->name == name) return node->result()->constant();
  return nullptr;
}

TEST(Lift, TakesLargePayloadsOut) {
  std::string bytes = large_model().SerializeAsString();
  LiftedModel lifted = lift(bytes_of(bytes));
  ASSERT_EQ(lifted.payloads.size(), 2u);
  EXPECT_EQ(lifted.payloads[0].initializer, 0);
  EXPECT_EQ(lifted.payloads[1].initializer, 3);
  EXPECT_LT(lifted.reduced.size(), 1000u);
  ModelProto reduced, expected = large_model();
  ASSERT_TRUE(reduced.ParseFromString(lifted.reduced));
  for (int i : {0, 3}) {
    EXPECT_EQ(std::string(lifted.payloads[i ? 1 : 0].data.begin(), lifted.payloads[i ? 1 : 0].data.end()),
              expected.graph().initializer(i).raw_data());
    expected.mutable_graph()->mutable_initializer(i)->clear_raw_data();
  }
  EXPECT_EQ(reduced.SerializeAsString(), expected.SerializeAsString());
}

TEST(Lift, GivesTheSameTensors) {
  std::unique_ptr<graph::Graph> graph;
  {
    std::string bytes = large_model().SerializeAsString();
    auto model = Model::parse(bytes.data(), bytes.size(), {});
    std::fill(bytes.begin(), bytes.end(), '\x55');
    graph = model->import({});
  }
  for (const char* name : {"a", "b"}) {
    const Tensor* value = constant_of(*graph, name);
    ASSERT_NE(value, nullptr);
    EXPECT_EQ(value->count(), large);
    EXPECT_EQ(value->as_double(large - 1), double(large - 1));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(value->raw()) % 64, 0u);
  }
}

TEST(Lift, ChecksSizesAndTypesAsEver) {
  ModelProto m = large_model();
  m.mutable_graph()->mutable_initializer(0)->mutable_raw_data()->pop_back();
  Outcome outcome = outcome_of(m);
  EXPECT_EQ(outcome.status, Status::InvalidModel);
  EXPECT_NE(outcome.text.find("initializer 'a' has 159999 bytes of raw_data"), std::string::npos) << outcome.text;
  m = large_model();
  m.mutable_graph()->mutable_initializer(0)->add_float_data(1);
  EXPECT_EQ(outcome_of(m).status, Status::InvalidModel);
  m = large_model();
  m.mutable_graph()->mutable_initializer(0)->set_data_type(TensorProto::FLOAT8E5M2);
  m.mutable_graph()->mutable_initializer(0)->set_dims(0, 4 * large);
  EXPECT_EQ(outcome_of(m).status, Status::Success);
  m = large_model();
  m.mutable_graph()->mutable_initializer(0)->set_data_location(TensorProto::EXTERNAL);
  EXPECT_EQ(outcome_of(m).status, Status::InvalidModel);
}

TEST(Lift, LeavesUnusualBytesAlone) {
  std::string bytes = large_model().SerializeAsString();
  EXPECT_TRUE(lift(bytes_of(bytes + bytes)).payloads.empty());           // two graphs, which protobuf merges
  EXPECT_TRUE(lift(bytes_of(bytes + "\x0b\x0c")).payloads.empty());      // a group
  EXPECT_TRUE(lift(bytes_of(bytes + "\x12\x05")).payloads.empty());      // overruns
  EXPECT_TRUE(lift(bytes_of(bytes + "\xff\xff\xff")).payloads.empty());  // a tag without an end
  // raw_data twice in one tensor: the last one counts.
  std::string tensor = floats("w", {large}, ramp(large)).SerializeAsString();
  std::string twice = delimited(7, delimited(5, tensor + tensor));
  EXPECT_TRUE(lift(bytes_of(twice)).payloads.empty());
  EXPECT_EQ(lift(bytes_of(delimited(7, delimited(5, tensor)))).payloads.size(), 1u);
  EXPECT_TRUE(lift(bytes_of(small_model().SerializeAsString())).payloads.empty());
}

TEST(Lift, EveryKindOfDamageIsHarmless) {
  const std::string original = large_model().SerializeAsString();
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = original;
    // Damage the structure, which lies at the ends of the payloads, more often than their middles.
    for (int flips = 0; flips < 3; ++flips) {
      size_t edge = random() % 2 ? random() % 300 : bytes.size() - 1 - random() % 300;
      bytes[edge] = char(random());
    }
    if (round % 3 == 0) bytes.resize(random() % bytes.size());
    Status status = outcome_of(bytes).status;
    EXPECT_NE(status, Status::InternalError) << "round " << round;
  }
}

}  // namespace
}  // namespace sardonyx::importer::test
