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

}  // namespace
}  // namespace sardonyx::driver
