// Elements of less than a byte at the boundary: hosts bind packed buffers, programs compute with bytes.
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using expr::Expr;
using graph::Builder;
using graph::Graph;
using graph::Value;

std::vector<uint8_t> run_packed(const Graph& graph, const std::vector<uint8_t>& input, const Dims& input_dims,
                                std::vector<uint8_t> output, const Dims& output_dims, bool in_place = false) {
  auto session = std::make_shared<runtime::Session>(compile_copy(graph), test_context());
  const runtime::HostTensor in{const_cast<uint8_t*>(in_place ? output.data() : input.data()), input_dims};
  const runtime::HostTensor out{output.data(), output_dims};
  auto binding = session->bind({&in, 1}, {&out, 1});
  for (int i = 0; i < 2; ++i) {  // a binding runs more than once
    if (in_place) std::copy(input.begin(), input.end(), output.begin());
    auto done = std::make_shared<runtime::Event>();
    session->submit(binding, nullptr, done);
    EXPECT_EQ(done->wait(), Status::Success) << done->text();
    session->wait_idle();
  }
  return output;
}

// y = x backwards.
std::unique_ptr<Graph> reversed(DType dtype, int64_t count) {
  auto made = std::make_unique<Graph>();
  Graph& graph = *made;
  Value* x = graph.body().add_parameter({dtype, {Expr(count)}, {}}, "x");
  Builder b(graph);
  graph.set_outputs({b.slice(x, {count - 1}, {count}, {-1})}, {"y"});
  return made;
}

TEST(Packed, BuffersAreUnpackedAndPackedAgain) {
  const std::vector<uint8_t> input{0x21, 0x43, 0xf5};  // the high half of the last byte is no element
  for (DType dtype : {DType::I4, DType::U4, DType::F4E2M1})
    EXPECT_EQ(run_packed(*reversed(dtype, 5), input, {5}, {0xcd, 0xcd, 0xcd, 0xcd}, {5}),
              (std::vector<uint8_t>{0x45, 0x23, 0x01, 0xcd}))
        << dtype_name(dtype);
  for (DType dtype : {DType::I2, DType::U2})
    EXPECT_EQ(run_packed(*reversed(dtype, 5), {0xe4, 0xfe}, {5}, {0xcd, 0xcd, 0xcd}, {5}),
              (std::vector<uint8_t>{0x6e, 0x00, 0xcd}))
        << dtype_name(dtype);
}

TEST(Packed, OneBufferMayBeBoth) {
  EXPECT_EQ(run_packed(*reversed(DType::I4, 4), {0x21, 0x43}, {4}, {0, 0}, {4}, true),
            (std::vector<uint8_t>{0x34, 0x12}));
}

TEST(Packed, InputsMayBeOutputs) {
  Graph graph;
  Value* x = graph.body().add_parameter({DType::I4, {graph.symbol("n")}, {}}, "x");
  graph.set_outputs({x}, {"y"});
  EXPECT_EQ(run_packed(graph, {0x21, 0xf3}, {3}, {0xcd, 0xcd, 0xcd}, {3}), (std::vector<uint8_t>{0x21, 0x03, 0xcd}));
}

TEST(Packed, SizesThatOnlyTheRunKnows) {
  Graph graph;
  const Expr n = graph.symbol("n");
  Value* x = graph.body().add_parameter({DType::I4, {n}, {}}, "x");
  Builder b(graph);
  Value* places = b.nonzero(x);  // [1, count]
  graph.set_outputs({b.cast(b.reshape(places, {places->type.dims[1]}), DType::U4)}, {"y"});
  EXPECT_EQ(run_packed(graph, {0x01, 0x30, 0x02}, {5}, {0xcd, 0xcd, 0xcd}, {5}),
            (std::vector<uint8_t>{0x30, 0x04, 0xcd}));
}

}  // namespace
}  // namespace sardonyx::driver
