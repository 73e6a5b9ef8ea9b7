// The families for GPUs. Their kernels run on the host, one lane after the other.
#include "tests/compiler/sketch/gpu_cases.h"

namespace sardonyx::testing {
namespace {

tensor::Target gpu() { return as_gpu(cpu::host_target()); }

// The launches of the family's best point; none when it refuses.
std::vector<tensor::LoweredKernel> launches(const char* family, const Problem& problem) {
  const sketch::Family* f = sketch::family_of(family);
  auto proposals = f->propose(problem, gpu(), nullptr);
  if (proposals.empty()) return {};
  auto lowered = f->lower(problem, proposals[0].point, gpu());
  auto* done = std::get_if<Lowered>(&lowered);
  return done ? done->launches : std::vector<tensor::LoweredKernel>{};
}

TEST(GpuFamilies, MatchTheInterpreter) {
  for (const GpuCase& c : GpuCases().list) {
    SCOPED_TRACE(c.name);
    auto inputs = random_inputs(c.problem.program, c.symbols, 11, -c.range, c.range);
    expect_matches(c.family, c.problem, inputs, c.symbols, c.relative, c.absolute, gpu());
  }
}

TEST(GpuFamilies, FollowTheKindOfTarget) {
  EXPECT_STREQ(sketch::families(gpu()).front().name, "gpu_pointwise");
  EXPECT_STREQ(sketch::families(gpu()).back().name, "loops");
  tensor::Target cpu_device = gpu();
  cpu_device.kind = tensor::TargetKind::OpenClCpu;
  EXPECT_STREQ(sketch::families(cpu_device).front().name, "pointwise");
}

TEST(GpuFamilies, LargeMapsTakeVectors) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {1000, 64});
  b.output({DType::F32, {1000, 64}, [=](const Index& i) { return x.at(i) * x.at(i); }});
  EXPECT_EQ(expr::as_int(launches("gpu_pointwise", {b.finish(), {}})[0].grid.back().extent), 16000);
}

TEST(GpuFamilies, TransposesGoThroughLocalMemoryUnlessTheyAreNarrow) {
  for (auto [m, n] : {std::pair<int64_t, int64_t>{64, 48}, {17, 16}, {100, 3}, {3, 100}}) {
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {m, n});
    b.output({DType::F32, {n, m}, [=](const Index& i) { return x.at({i[1], i[0]}); }});
    EXPECT_EQ(launches("gpu_pointwise", {b.finish(), {}})[0].lanes > 1, m >= 8 && n >= 16) << m << " " << n;
  }
}

TEST(GpuFamilies, SoftmaxKeepsItsElementsInRegisters) {
  std::string body = tensor::to_string(launches("gpu_row_reduction", softmax({64, 768}, 1))[0].body);
  EXPECT_NE(body.find("register f32 exp_row"), std::string::npos) << body;
  EXPECT_NE(body.find("local f32 sum_parts"), std::string::npos) << body;
}

TEST(GpuFamilies, GathersReportBadIndices) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {6, 20}), index = b.input("index", DType::I64, {5});
  b.output({DType::F32, {5, 20}, [=](const Index& i) { return x.at({index.at({i[0]}), i[1]}); }});
  Problem problem{b.finish(), {}};
  std::mt19937 random(1);
  Tensor data = random_tensor(DType::F32, {6, 20}, random);
  std::vector<int64_t> good{0, 5, 3, 3, 1}, bad{0, 5, 6, 3, 1};
  expect_matches("gpu_pointwise", problem, {data, Tensor::ints(good)}, {}, 0, 0, gpu());
  auto lowered = sketch::family_of("gpu_pointwise")->lower(problem, {}, gpu());
  EXPECT_EQ(Runner(problem, std::get<Lowered>(lowered)).run({data, Tensor::ints(bad)}, {}).code,
            runtime::IndexOutOfRange);
}

TEST(GpuFamilies, NanWinsMaxima) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {2, 40});
  b.output(b.reduce("m", Reduce::Max, DType::F32, {2}, {40}, [=](const Index& o, const Index& k) {
    return x.at({o[0], k[0]});
  }));
  std::mt19937 random(1);
  Tensor t = random_tensor(DType::F32, {2, 40}, random);
  t.set_double(17, std::nan(""));
  expect_matches("gpu_row_reduction", {b.finish(), {}}, {t}, {}, 0, 0, gpu());
}

TEST(GpuFamilies, TilesKeepToTheLimitsOfTheDevice) {
  tensor::Target small = gpu();
  small.max_group = 64;
  small.local_bytes = 6 << 10;
  Problem problem = matmul_problem({{}, 256, 256, 64}, false, false, 0);
  auto proposals = sketch::family_of("gpu_contraction")->propose(problem, small, nullptr);
  ASSERT_FALSE(proposals.empty());
  for (const auto& proposal : proposals) {
    auto lowered = sketch::family_of("gpu_contraction")->lower(problem, proposal.point, small);
    ASSERT_TRUE(std::holds_alternative<Lowered>(lowered));
    EXPECT_LE(std::get<Lowered>(lowered).launches[0].lanes, 64);
  }
  small.local_bytes = 128;
  std::string why;
  EXPECT_TRUE(sketch::family_of("gpu_contraction")->propose(problem, small, &why).empty());
  EXPECT_EQ(why, "no tile fits the device");
}

TEST(GpuFamilies, DepthwiseConvolutionsAreNoProducts) {
  Conv c;
  c.ic = c.oc = c.groups = 8;
  std::string why;
  EXPECT_TRUE(sketch::family_of("gpu_window")->propose(conv_problem(c), gpu(), &why).empty());
  EXPECT_EQ(why, "no tile: one factor depends on every axis");
}

}  // namespace
}  // namespace sardonyx::testing
