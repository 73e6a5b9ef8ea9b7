// Matrix products by CLBlast: recognised by their strides, run on the device's queue among generated kernels.
#include "backends/opencl/clblast/families.h"
#include "backends/opencl/clblast/gemm.h"
#include "backends/opencl/clblast/library.h"
#include "tests/backends/opencl_runner.h"
#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

namespace clblast = opencl::clblast;

const tensor::Target& target() { return opencl_device().target; }

DeviceResult run_plan(const Problem& problem, const std::vector<Tensor>& inputs, const std::vector<int64_t>& symbols) {
  clblast::Plan plan = clblast::lower(problem, target());
  std::span<const tensor::LoweredKernel> rest(plan.lowered.launches.begin() + 1, plan.lowered.launches.end());
  std::vector<KernelPtr> code = opencl::compile_kernels(rest, target(), Settings{});
  code.insert(code.begin(), plan.gemm);
  return DeviceRunner(problem, plan.lowered, code).run(inputs, symbols);
}

void expect_product(const Matmul& p, bool batched_y, int epilogue, const std::vector<expr::VarPtr>& symbols = {},
                    const std::vector<int64_t>& values = {}) {
  SCOPED_TRACE("m " + expr::to_string(p.m) + " n " + expr::to_string(p.n) + " k " + expr::to_string(p.k) +
               (p.transpose_a ? " ta" : "") + (p.transpose_b ? " tb" : "") + " epilogue " + std::to_string(epilogue));
  Problem problem = matmul_problem(p, batched_y, false, epilogue);
  problem.program.symbols = symbols;
  auto inputs = random_inputs(problem.program, values, 5, -1, 1);
  std::vector<Tensor> want = tensor::interpret(problem.program, inputs, values);
  DeviceResult got = run_plan(problem, inputs, values);
  ASSERT_EQ(got.completion.status, Status::Success) << got.completion.text;
  EXPECT_TRUE(close(got.outputs[0], want[0], 1e-5, 5e-5));
}

TEST(ClBlast, IsInstalledWhereItIsTested) { EXPECT_NE(clblast::library(), nullptr) << "scripts/setup installs it"; }

TEST(ClBlast, ProductsMatchTheInterpreter) {
  for (int t = 0; t < 4; ++t) {
    expect_product({{}, 33, 70, 29, (t & 1) != 0, (t & 2) != 0}, false, t % 3);
    expect_product({{}, 1, 40, 17, (t & 1) != 0, (t & 2) != 0}, false, 0);
  }
  expect_product({{}, 130, 140, 64}, false, 1);
  expect_product({{}, 20, 24, 16, false, true, DType::F64}, false, 0);
}

TEST(ClBlast, BatchesLieAtAStride) {
  expect_product({{2, 3}, 17, 40, 19, false, true}, true, 1);
  expect_product({{4}, 20, 24, 16}, true, 0);
}

TEST(ClBlast, SymbolicDims) {
  auto m = expr::make_var("M", {1, INT64_MAX, 1});
  for (int64_t value : {1, 50}) expect_product({{}, Expr(m), 40, 33}, false, 2, {m}, {value});
}

TEST(ClBlast, PointConvolutionsAreProducts) {
  Conv c;
  c.n = 2, c.kernel = 1, c.pad = 0, c.oc = 24;
  Problem problem = conv_problem(c);
  auto inputs = random_inputs(problem.program, {}, 7, -1, 1);
  DeviceResult got = run_plan(problem, inputs, {});
  ASSERT_EQ(got.completion.status, Status::Success) << got.completion.text;
  EXPECT_TRUE(close(got.outputs[0], tensor::interpret(problem.program, inputs, {})[0], 1e-5, 1e-4));
}

TEST(ClBlast, RefusesWhatIsNoProductOfMatrices) {
  auto refusal = [](const Problem& problem) {
    auto split = clblast::split_product(problem);
    auto* refused = std::get_if<sketch::Refusal>(&split);
    return refused ? refused->reason : "";
  };
  EXPECT_EQ(refusal(conv_problem({})), "a factor is computed");
  EXPECT_EQ(refusal(matmul_problem({{}, 4, 5, 6, false, false, DType::I32}, false, false, 0)), "neither F32 nor F64");
  EXPECT_EQ(refusal(softmax({4, 8}, 1)), "several reductions");
}

}  // namespace
}  // namespace sardonyx::testing
