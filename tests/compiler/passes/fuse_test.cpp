// Fusion: what ends up in one group, and that groups have one anchor, one leaving value (beside its copy in
// bf16) and no path out and back in.
#include "compiler/graph/builder.h"
#include "tests/compiler/passes/run_pass.h"

namespace sardonyx::passes {
namespace {

using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Value;

using Groups = std::vector<std::string>;

class Fuse : public testing::Test {
 protected:
  Value* input(std::vector<Expr> dims) {
    return graph.body().add_parameter({DType::F32, std::move(dims), {}}, str("x", number++));
  }
  Value* weights(Dims dims) { return b.constant(driver::random_tensor(DType::F32, std::move(dims), 1)); }
  Value* conv(Value* x, int64_t out) {
    graph::ConvAttrs attrs;
    attrs.strides = attrs.dilations = {1, 1};
    attrs.pads = std::vector<Expr>(4, Expr(0));
    return b.conv(x, weights({out, *expr::as_int(x->type.dims[1]), 1, 1}), attrs);
  }
  Value* depthwise(Value* x, int64_t dilation = 1) {
    const int64_t channels = *expr::as_int(x->type.dims[1]);
    graph::ConvAttrs attrs = driver::same_size(channels);
    attrs.dilations = {dilation, dilation};
    attrs.pads = std::vector<Expr>(4, Expr(dilation));
    return b.conv(x, weights({channels, 1, 3, 3}), attrs);
  }
  Value* relu(Value* x) { return b.maximum(x, b.scalar(DType::F32, 0)); }
  Value* sigmoid(Value* x) { return b.unary(graph::UnaryFunction::Sigmoid, x); }
  Groups fused(std::vector<Value*> outputs) {
    graph.set_outputs(outputs, std::vector<std::string>(outputs.size(), "y"));
    run(graph, {"fuse"});
    return groups(graph);
  }

  Graph graph;
  Builder b{graph};
  int number = 0;
};

TEST_F(Fuse, EpilogueOfAConvolution) {
  Value* x = input({graph.symbol("n"), 16, 8, 8});
  EXPECT_EQ(fused({relu(b.add(conv(x, 32), weights({32, 1, 1})))}), (Groups{"conv broadcast binary broadcast binary"}));
}

TEST_F(Fuse, Residual) {
  Value* x = input({1, 16, 8, 8});
  Value* first = relu(conv(x, 16));
  EXPECT_EQ(fused({relu(b.add(conv(first, 16), x))}),
            (Groups{"conv broadcast binary", "conv binary broadcast binary"}));
}

TEST_F(Fuse, SiluReadsTheAnchorTwice) {
  Value* x = input({1, 16, 8, 8});
  Value* y = conv(x, 16);
  EXPECT_EQ(fused({b.mul(y, sigmoid(y))}), (Groups{"conv unary binary"}));
}

TEST_F(Fuse, InvertedResidualBlocksWhole) {
  Value* x = input({graph.symbol("n"), 16, 14, 14});
  Value* wide = relu(b.add(conv(x, 64), weights({64, 1, 1})));
  Value* filtered = depthwise(wide);
  filtered = b.mul(filtered, sigmoid(filtered));
  EXPECT_EQ(fused({relu(b.add(conv(filtered, 16), x))}),
            (Groups{"conv broadcast binary broadcast binary conv unary binary conv binary broadcast binary"}));
}

TEST_F(Fuse, InvertedResidualBlocksWithoutExpansion) {
  // What is projected last is no expansion of the next block: its pixels are in the block before.
  Value* y = input({1, 16, 14, 14});
  for (int i = 0; i < 2; ++i) y = conv(depthwise(y), 16);
  EXPECT_EQ(fused({y}), (Groups{"conv conv", "conv conv"}));
}

TEST_F(Fuse, InvertedResidualBlocksOthersReadStayApart) {
  Value* wide = conv(input({1, 16, 14, 14}), 64);
  EXPECT_EQ(fused({conv(depthwise(wide), 16), wide}), (Groups{"conv", "conv conv"}));
}

TEST_F(Fuse, InvertedResidualBlocksWhoseWindowOthersReadStayApart) {
  Value* filtered = depthwise(conv(input({1, 16, 14, 14}), 64));
  EXPECT_EQ(fused({conv(filtered, 16), filtered}), (Groups{"conv", "conv", "conv"}));
}

TEST_F(Fuse, InvertedResidualBlocksOfFewPixelsStayApart) {
  EXPECT_EQ(fused({conv(depthwise(conv(input({1, 16, 7, 7}), 64)), 16)}), (Groups{"conv", "conv", "conv"}));
}

TEST_F(Fuse, InvertedResidualBlocksWithAWideWindowStayApart) {
  EXPECT_EQ(fused({conv(depthwise(conv(input({1, 16, 30, 30}), 64), 8), 16)}), (Groups{"conv", "conv", "conv"}));
}

TEST_F(Fuse, InvertedResidualBlocksWithWhatIsNoMapPerChannelStayApart) {
  Value* gate = input({1, 64, 1, 1});
  Value* filtered = b.mul(depthwise(conv(input({1, 16, 14, 14}), 64)), gate);
  const Groups apart = fused({conv(filtered, 16)});
  EXPECT_EQ(apart.size(), 3u);
}

TEST_F(Fuse, AnEpilogueStopsBeforeASecondLeavingValue) {
  Value* x = input({1, 16, 8, 8});
  Value* y = relu(conv(x, 16));
  EXPECT_EQ(fused({y, b.exp(y)}), (Groups{"conv broadcast binary", "unary"}));
}

TEST_F(Fuse, NoPathLeavesAndReEnters) {
  // exp(y) would join y's group, but its other operand goes from y through another anchor.
  Value* x = input({8, 8});
  Value* y = b.matmul(x, weights({8, 8}));
  Value* around = b.matmul(y, weights({8, 8}));
  EXPECT_EQ(fused({b.add(y, around)}), (Groups{"matmul", "matmul binary"}));
  graph::verify(graph);
}

TEST_F(Fuse, NoPathReEntersToADeadNode) {
  Value* y = b.softmax(input({4, 8}), -1);
  Value* total = b.reduce(graph::ReduceFunction::Sum, y, {1}, true);
  b.add(y, total);  // nothing uses it
  EXPECT_EQ(fused({total}).front(), "softmax");
  graph::verify(graph);
}

TEST_F(Fuse, DeadNodesDoNotDelayTheirGroup) {
  Value* y = b.exp(b.matmul(input({4, 8}), weights({8, 8})));
  Value* flipped = b.transpose(y, {1, 0});
  b.neg(b.neg(y));  // nothing uses it
  EXPECT_EQ(fused({y, b.softmax(flipped, -1)}), (Groups{"matmul unary", "transpose", "softmax"}));
  graph::verify(graph);
}

TEST_F(Fuse, EveryUserOfABroadcastGetsItsOwn) {
  Value* bias = b.broadcast(input({16, 1, 1}), {1, 16, 8, 8});
  Value *x = input({1, 16, 8, 8}), *z = input({1, 16, 8, 8});
  EXPECT_EQ(fused({b.add(conv(x, 16), bias), b.add(conv(z, 16), bias)}),
            (Groups{"broadcast conv binary", "conv broadcast binary"}));
}

TEST_F(Fuse, RowsTakeTheirProducers) {
  Value* x = input({4, 100});
  EXPECT_EQ(fused({b.softmax(b.mul(x, b.scalar(DType::F32, 0.125)), -1)}), (Groups{"broadcast binary softmax"}));
}

TEST_F(Fuse, ContractionsReadPlainTensors) {
  Value* x = input({4, 100});
  EXPECT_EQ(fused({b.matmul(b.exp(x), weights({100, 8}))}), (Groups{"unary", "matmul"}));
}

TEST_F(Fuse, PointwiseChainsCollapse) {
  Value* x = input({graph.symbol("n"), 7});
  EXPECT_EQ(fused({b.neg(b.exp(b.transpose(relu(x), {1, 0})))}), (Groups{"broadcast binary transpose unary unary"}));
}

TEST_F(Fuse, ReshapesStayOutsideAsViews) {
  Value* x = input({4, 6});
  EXPECT_EQ(fused({b.exp(b.reshape(b.exp(x), {24}))}), (Groups{"unary", "unary"}));
  EXPECT_EQ(kinds(graph), "fused reshape fused");
}

TEST_F(Fuse, OneAnchorPerGroup) {
  Value* x = input({4, 16});
  EXPECT_EQ(fused({b.softmax(b.matmul(b.softmax(x, -1), weights({16, 16})), -1)}),
            (Groups{"softmax", "matmul", "softmax"}));
}

TEST_F(Fuse, AValueAndItsCopyInBf16LeaveOneGroup) {
  Value* y = relu(conv(input({1, 16, 4, 4}), 16));
  EXPECT_EQ(fused({y, b.cast(y, DType::BF16)}).size(), 1u);
}

TEST_F(Fuse, OtherCopiesAreGroupsOfTheirOwn) {
  Value* y = relu(conv(input({1, 16, 4, 4}), 16));
  EXPECT_EQ(fused({y, b.cast(y, DType::F16)}).size(), 2u);
}

TEST_F(Fuse, OpaqueNodesStandAlone) {
  Value* x = input({4, 16});
  const auto results = b.topk(b.exp(x), 3, -1, true, true);
  fused({b.neg(results[0]), results[1]});
  for (const auto& node : graph.body().nodes()) {
    if (node->op != Op::fused || kinds(*node->regions[0]).find("topk") == std::string::npos) continue;
    EXPECT_EQ(kinds(*node->regions[0]), "topk");
    EXPECT_EQ(node->results.size(), 2u);
  }
}

TEST_F(Fuse, InsideControlFlow) {
  Value* x = input({4, 16});
  Value* c = graph.body().add_parameter({DType::Bool, {}, {}}, "c");
  const auto y = b.if_then_else(
      c, [&](Builder& in) { return std::vector<Value*>{in.neg(in.exp(x))}; },
      [&](Builder& in) { return std::vector<Value*>{in.exp(x)}; });
  fused({y[0]});
  const Node& branch = *graph.body().nodes().front();
  ASSERT_EQ(branch.op, Op::if_);
  EXPECT_EQ(kinds(*branch.regions[0]), "fused");
  EXPECT_EQ(kinds(*branch.regions[1]), "fused");
}

TEST_F(Fuse, KeepsMeaningAndSources) {
  b.set_sources({"first"});
  Value* x = input({3, 16});
  Value* y = b.exp(x);
  b.set_sources({"second"});
  graph.set_outputs({b.softmax(b.add(y, y), -1)}, {"y"});
  auto after = expect_same_values(graph, {"fuse"}, 0, {driver::random_tensor(DType::F32, {3, 16}, 4)});
  EXPECT_EQ(after->body().nodes().front()->sources, (std::vector<std::string>{"first", "second"}));
}

TEST_F(Fuse, TransposesOfWholeRowsJoinAConcatenationOfScatteredPieces) {
  Value* x = b.slice_axis(input({1, 3, 2, 8}), 3, 0, 4);
  EXPECT_EQ(fused({b.concat({input({1, 2, 5, 4}), b.transpose(x, {0, 2, 1, 3})}, 2)}),
            (Groups{"slice transpose concat"}));
}

TEST_F(Fuse, PiecesOfOneImageAreLeftToTheirProducers) {
  Value* x = b.transpose(input({1, 3, 2, 4}), {0, 2, 1, 3});
  EXPECT_EQ(fused({b.concat({input({1, 2, 3, 4}), x}, 1)}), (Groups{"transpose", "concat"}));
}

}  // namespace
}  // namespace sardonyx::passes
