// The families for GPUs on an OpenCL device of any kind: work-groups, Local memory and barriers keep OpenCL's rules.
#include "tests/backends/opencl_runner.h"
#include "tests/compiler/sketch/gpu_cases.h"

namespace sardonyx::testing {
namespace {

tensor::Target gpu() { return device_targets().back(); }

// The family's best point; no launches when it refuses.
Lowered lowered_at_best(const char* name, const Problem& problem) {
  const sketch::Family* family = sketch::family_of(name);
  auto proposals = family->propose(problem, gpu(), nullptr);
  if (proposals.empty()) return {};
  auto lowered = family->lower(problem, proposals.front().point, gpu());
  return std::holds_alternative<Lowered>(lowered) ? std::get<Lowered>(lowered) : Lowered{};
}

TEST(OpenClFamilies, MatchTheInterpreter) {
  for (const GpuCase& c : GpuCases().list) {
    SCOPED_TRACE(c.name);
    Lowered lowered = lowered_at_best(c.family, c.problem);
    ASSERT_FALSE(lowered.launches.empty());
    auto inputs = random_inputs(c.problem.program, c.symbols, 11, -c.range, c.range);
    std::vector<Tensor> want = tensor::interpret(c.problem.program, inputs, c.symbols);
    DeviceResult got = DeviceRunner(c.problem, lowered, gpu()).run(inputs, c.symbols);
    ASSERT_EQ(got.completion.status, Status::Success) << got.completion.text;
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(close(got.outputs[i], want[i], c.relative, c.absolute)) << "output " << i;
    }
  }
}

TEST(OpenClFamilies, BadIndicesInsideWorkGroupsAreReported) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {40, 64}), index = b.input("index", DType::I64, {64});
  b.output(b.reduce("r", Reduce::Sum, DType::F32, {40}, {64}, [=](const Index& o, const Index& k) {
    return x.at({o[0], index.at({k[0]})});
  }));
  Problem problem{b.finish(), {}};
  Lowered lowered = lowered_at_best("gpu_row_reduction", problem);
  ASSERT_EQ(lowered.launches.size(), 1u);
  ASSERT_GT(lowered.launches[0].lanes, 1);
  DeviceRunner runner(problem, lowered, gpu());
  std::vector<Tensor> inputs = random_inputs(problem.program, {}, 3);
  for (int64_t i = 0; i < 64; ++i) inputs[1].set_int(i, 63 - i);
  DeviceResult good = runner.run(inputs, {});
  ASSERT_EQ(good.completion.status, Status::Success) << good.completion.text;
  EXPECT_TRUE(close(good.outputs[0], tensor::interpret(problem.program, inputs, {})[0], 1e-5, 1e-5));
  inputs[1].set_int(7, 64);
  EXPECT_EQ(runner.run(inputs, {}).completion.status, runtime::kernel_error_status(runtime::IndexOutOfRange));
}

}  // namespace
}  // namespace sardonyx::testing
