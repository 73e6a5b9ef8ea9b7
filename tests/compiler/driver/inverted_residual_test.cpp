// Inverted residual blocks of models run as one kernel each and compute the same.
#include "tests/compiler/driver/batch_models.h"

namespace sardonyx::driver {
namespace {

using namespace batch_models;

size_t blocks_of(const runtime::Program& program) {
  return size_t(std::count_if(program.report.begin(), program.report.end(), [](const auto& entry) {
    return entry.candidate.rfind("codegen.inverted_residual", 0) == 0;
  }));
}

// Checks the values and the number of kernels that are whole blocks.
void expect_blocks(Value* (*build)(Builder& b, Value* x), Dims sample, size_t blocks) {
  for (bool symbolic : {false, true})
    for (int64_t batch : {1, 3}) {
      SCOPED_TRACE(str(symbolic ? "any" : "known", " batch ", batch));
      graph::Graph graph;
      std::vector<expr::Expr> dims{symbolic ? graph.symbol("N") : expr::Expr(batch)};
      dims.insert(dims.end(), sample.begin(), sample.end());
      Dims actual{batch};
      actual.insert(actual.end(), sample.begin(), sample.end());
      Builder b(graph);
      Value* x = graph.body().add_parameter({DType::F32, dims, {}}, "x");
      graph.set_outputs({build(b, x)}, {"y"});
      const std::vector<Tensor> inputs{random_tensor(DType::F32, actual, 1)};
      expect_compiled_equals_interpreted(graph, inputs, symbolic ? Policy::Auto : Policy::Library, 4e-6);
      const auto program = compile_copy(graph);
      std::vector<std::string> candidates;
      for (const auto& entry : program->report) candidates.push_back(entry.candidate + entry.reason);
      EXPECT_EQ(blocks_of(*program), blocks) << join(candidates, ", ");
    }
}

TEST(InvertedResidual, RunsAsOneKernel) { expect_blocks(inverted_residuals, {24, 29, 28}, 2); }

TEST(InvertedResidual, WithoutExpansion) {
  expect_blocks(
      [](Builder& b, Value* x) {
        Value* y = x;
        for (int64_t outputs : {32, 48}) {
          const int64_t inputs = *expr::as_int(y->type.dims[1]);
          y = relu(b, conv(b, relu(b, conv(b, y, inputs, 3, outputs == 48 ? 2 : 1, inputs)), outputs, 1));
        }
        return y;
      },
      {16, 31, 30}, 2);
}

TEST(InvertedResidual, BehindAStem) {
  expect_blocks(
      [](Builder& b, Value* x) {
        Value* y = clamped(b, conv(b, x, 32, 3, 2));
        return conv(b, clamped(b, conv(b, y, 32, 3, 1, 32)), 16, 1);
      },
      {3, 40, 41}, 1);
}

// Whatever the pass takes for a block, the family takes, too: without it a group of several sums would run slowly.
TEST(InvertedResidual, NoBlockWithoutItsKernel) {
  std::mt19937 random(5);
  const auto pick = [&](std::initializer_list<int64_t> list) { return list.begin()[random() % list.size()]; };
  for (int i = 0; i < 20; ++i) {
    graph::Graph graph;
    Builder b(graph);
    const Dims dims{pick({1, 2}), pick({16, 24, 40}), pick({18, 31, 47}), pick({19, 30, 56})};
    Value* x = graph.body().add_parameter({DType::F32, {dims.begin(), dims.end()}, {}}, "x");
    Value* y = pick({0, 1}) ? clamped(b, conv(b, x, pick({32, 72}), 1)) : x;
    const int64_t channels = *expr::as_int(y->type.dims[1]);
    graph::ConvAttrs attrs;
    Dims taps{channels, 1};
    for (int axis = 0; axis < 2; ++axis) {
      taps.push_back(pick({1, 2, 3, 5}));
      attrs.strides.push_back(pick({1, 2, 3}));
      attrs.dilations.push_back(pick({1, 1, 2, 3}));
    }
    for (int side = 0; side < 4; ++side) attrs.pads.emplace_back(pick({0, 1, 2, 4}));
    attrs.groups = channels;
    y = clamped(b, b.conv(y, weights(b, taps, 1), attrs));
    graph.set_outputs({conv(b, y, pick({16, 20, 48}), 1)}, {"y"});
    const auto program = compile_copy(graph);
    for (const auto& entry : program->report) {
      const bool block = entry.primitives.rfind("conv") != entry.primitives.find("conv");
      EXPECT_TRUE(!block || entry.candidate.rfind("codegen.inverted_residual", 0) == 0)
          << entry.candidate << ", " << entry.reason << "\n"
          << graph::to_string(graph);
    }
    expect_compiled_equals_interpreted(graph, {random_tensor(DType::F32, dims, 1)}, Policy::Auto, 4e-6);
  }
}

}  // namespace
}  // namespace sardonyx::driver
