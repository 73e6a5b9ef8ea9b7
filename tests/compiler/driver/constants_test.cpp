// Weights in memory: packed ones replace what they were packed from, all others are used in place.
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using expr::Expr;
using graph::Builder;
using graph::Graph;
using graph::Value;

// y = x w, and with `also_whole` w itself as another output.
std::unique_ptr<Graph> product(Tensor weights, bool also_whole) {
  auto graph = std::make_unique<Graph>();
  Value* x = graph->body().add_parameter({DType::F32, {Expr(5), Expr(64)}, {}}, "x");
  Builder b(*graph);
  Value* w = b.constant(std::move(weights));
  std::vector<Value*> outputs{b.matmul(x, w)};
  std::vector<std::string> names{"y"};
  if (also_whole) {
    outputs.push_back(w);
    names.push_back("whole");
  }
  graph->set_outputs(std::move(outputs), std::move(names));
  return graph;
}

// Whether the weights' bytes are still in memory when the graph is compiled.
bool outlives_compilation(bool also_whole, Policy policy) {
  Tensor weights = ramp({64, 96});
  const std::weak_ptr<uint8_t> bytes = weights.storage();
  auto graph = product(std::move(weights), also_whole);
  CompileOptions options;
  options.settings.policy = policy;
  const auto program = compile(std::move(graph), host(), options);
  return !bytes.expired();
}

TEST(Constants, GoWhenTheyArePacked) {
  EXPECT_FALSE(outlives_compilation(false, Policy::Codegen));
  EXPECT_FALSE(outlives_compilation(false, Policy::Library));
}

TEST(Constants, StayWhereSomethingElseReadsThem) {
  EXPECT_TRUE(outlives_compilation(true, Policy::Codegen));
  EXPECT_TRUE(outlives_compilation(true, Policy::Library));
}

TEST(Constants, OneForTwoProducts) {
  Graph graph;
  Value* x = graph.body().add_parameter({DType::F32, {Expr(5), Expr(64)}, {}}, "x");
  Value* y = graph.body().add_parameter({DType::F32, {Expr(3), Expr(64)}, {}}, "y");
  Builder b(graph);
  Value* w = b.constant(ramp({64, 96}));
  graph.set_outputs({b.matmul(x, w), b.matmul(y, w), w}, {"a", "b", "w"});
  expect_compiled_equals_interpreted(graph, {ramp({5, 64}), ramp({3, 64})}, Policy::Auto);
}

}  // namespace
}  // namespace sardonyx::driver
