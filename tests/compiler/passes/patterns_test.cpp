// The rewrites of larger patterns: batch normalisation into weights, layer normalisation, transposed convolutions.
#include "compiler/graph/builder.h"
#include "tests/compiler/passes/run_pass.h"

namespace sardonyx::passes {
namespace {

using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::Value;

Tensor random(Dims dims, uint64_t seed, double low = -1, double high = 1) {
  return driver::random_tensor(DType::F32, std::move(dims), seed, low, high);
}

// (conv(x, w) + bias - mean) / deviation * scale + shift, per channel.
TEST(FoldBatchNorm, IntoConvolutions) {
  for (int64_t groups : {1, 2, 6}) {
    Graph graph;
    Builder b(graph);
    Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 6, 5, 5}, {}}, "x");
    const auto channel = [&](uint64_t seed, double low) { return b.constant(random({12, 1, 1}, seed, low, low + 1)); };
    Value* y = b.conv(x, b.constant(random({12, 6 / groups, 3, 3}, 1)), driver::same_size(groups));
    y = b.sub(b.add(y, channel(2, -0.5)), channel(3, -0.5));
    y = b.add(b.mul(b.div(y, channel(4, 0.5)), channel(5, 0.5)), channel(6, 0));
    graph.set_outputs({b.maximum(y, b.scalar(DType::F32, 0))}, {"y"});
    auto after = expect_same_values(graph, {"fold_batch_norm", "dce"}, 3e-5, {random({2, 6, 5, 5}, 9)});
    EXPECT_EQ(kinds(*after), "conv broadcast binary broadcast binary") << "one bias, then the activation";
  }
}

TEST(FoldBatchNorm, IntoMatmuls) {
  for (bool transposed : {false, true}) {
    Graph graph;
    Builder b(graph);
    Value* x = graph.body().add_parameter({DType::F32, {3, 4, 8}, {}}, "x");
    Value* w = b.constant(random(transposed ? Dims{20, 8} : Dims{8, 20}, 1));
    Value* y = b.matmul(x, w, false, transposed);
    y = b.sub(b.constant(random({20}, 2)), b.mul(y, b.constant(random({20}, 3))));
    graph.set_outputs({y}, {"y"});
    auto after = expect_same_values(graph, {"fold_batch_norm", "dce"}, 1e-5, {random({3, 4, 8}, 9)});
    EXPECT_EQ(kinds(*after), "matmul broadcast binary");
  }
}

TEST(FoldBatchNorm, KeepsWhatOthersUseAndWhatVariesElsewhere) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {1, 4, 6, 6}, {}}, "x");
  Value* shared = b.conv(x, b.constant(random({8, 4, 3, 3}, 1)), driver::same_size());
  Value* scaled = b.mul(shared, b.constant(random({8, 1, 1}, 2)));
  Value* rows = b.conv(x, b.constant(random({8, 4, 3, 3}, 3)), driver::same_size());
  Value* by_row = b.mul(rows, b.constant(random({6, 1}, 4)));
  graph.set_outputs({shared, scaled, by_row}, {"a", "b", "c"});
  const std::string before = graph::to_string(graph);
  run(graph, {"fold_batch_norm"});
  EXPECT_EQ(graph::to_string(graph), before);
}

// What exporters write for layer normalisation over the last axis.
Value* norm_chain(Builder& b, Value* x, bool power) {
  Value* deviation = b.sub(x, b.mean(x, {-1}, true));
  Value* square =
      power ? b.binary(graph::BinaryFunction::Pow, deviation, b.scalar(DType::F32, 2)) : b.mul(deviation, deviation);
  Value* root = b.sqrt(b.add(b.mean(square, {-1}, true), b.scalar(DType::F32, 1e-3)));
  return b.div(deviation, root);
}

TEST(RecognizeNorm, WithAndWithoutScaleAndBias) {
  for (int parts = 0; parts < 3; ++parts)
    for (bool power : {false, true}) {
      SCOPED_TRACE(str(parts, " of scale and bias, power ", power));
      Graph graph;
      Builder b(graph);
      Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 5, 32}, {}}, "x");
      Value* y = norm_chain(b, x, power);
      if (parts > 0) y = b.mul(y, b.constant(random({32}, 1)));
      if (parts > 1) y = b.add(b.constant(random({32}, 2)), y);
      graph.set_outputs({y}, {"y"});
      auto after = expect_same_values(graph, {"simplify", "recognize_norm", "dce"}, 2e-5, {random({2, 5, 32}, 3)});
      EXPECT_NE(kinds(*after).find("layer_norm"), std::string::npos) << graph::to_string(*after);
      EXPECT_EQ(kinds(*after).find("reduce"), std::string::npos) << graph::to_string(*after);
    }
}

TEST(RecognizeNorm, LeavesLookalikes) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {4, 32}, {}}, "x");
  Value* z = graph.body().add_parameter({DType::F32, {4, 32}, {}}, "z");
  Value* deviation = b.sub(x, b.mean(z, {-1}, true));  // the mean of something else
  Value* root = b.sqrt(b.add(b.mean(b.mul(deviation, deviation), {-1}, true), b.scalar(DType::F32, 1e-3)));
  graph.set_outputs({b.div(deviation, root)}, {"y"});
  const std::string before = graph::to_string(graph);
  run(graph, {"recognize_norm"});
  EXPECT_EQ(graph::to_string(graph), before);
}

// Rows are flattened for a product and restored behind it; bias, activation and residual follow.
TEST(MoveReshapes, BehindWhatFollowsAProduct) {
  Graph graph;
  Builder b(graph);
  const Expr n = graph.symbol("n");
  Value* x = graph.body().add_parameter({DType::F32, {n, 3, 8}, {}}, "x");
  Value* residual = graph.body().add_parameter({DType::F32, {n, 3, 4}, {}}, "r");
  Value* y = b.matmul(b.reshape(x, {n * 3, 8}), b.constant(random({8, 4}, 1)));
  y = b.add(b.reshape(y, {n, 3, 4}), b.constant(random({4}, 2)));
  y = b.add(b.maximum(y, b.scalar(DType::F32, 0)), residual);
  graph.set_outputs({b.softmax(y, 2)}, {"y"});
  auto after = expect_same_values(graph, {"move_reshapes"}, 0, {random({2, 3, 8}, 3), random({2, 3, 4}, 4)});
  EXPECT_EQ(kinds(*after), "reshape matmul broadcast binary broadcast binary reshape binary reshape softmax");
  run(*after, {"fuse"});
  EXPECT_EQ(groups(*after).size(), 2u);
}

TEST(MoveReshapes, StaysWhereRowsAreBroadcast) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {6, 8}, {}}, "x");
  Value* y = b.reshape(b.matmul(x, b.constant(random({8, 4}, 1))), {2, 3, 4});
  y = b.add(y, b.constant(random({3, 1}, 2)));
  graph.set_outputs({y}, {"y"});
  auto after = expect_same_values(graph, {"move_reshapes"}, 0, {random({6, 8}, 3)});
  EXPECT_EQ(kinds(*after), "matmul reshape broadcast binary");
}

TEST(MoveReshapes, AheadOfASliceOfTheSplitAxis) {
  for (int64_t start : {0, 8, 4}) {
    Graph graph;
    Builder b(graph);
    Value* x = graph.body().add_parameter({DType::F32, {2, 3, 24}, {}}, "x");
    Value* part = b.reshape(b.slice_axis(x, 2, start, 8), {2, 3, 1, 8});
    graph.set_outputs({b.transpose(part, {0, 2, 1, 3})}, {"y"});
    auto after = expect_same_values(graph, {"move_reshapes"}, 0, {random({2, 3, 24}, 3)});
    EXPECT_EQ(kinds(*after), start % 8 == 0 ? "reshape slice transpose" : "slice reshape transpose");
  }
}

}  // namespace
}  // namespace sardonyx::passes
