#include "compiler/sketch/winograd.h"

#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

// The error of F(4 x 4) is below 5e-6 of the largest result (docs/accuracy.md).
constexpr double relative_error = 1e-5;

Conv blocked(int64_t ic, int64_t oc, int64_t h, int64_t w, int64_t pad = 1, int64_t n = 1) {
  Conv c;
  c.ic = ic, c.oc = oc, c.h = h, c.w = w, c.pad = pad, c.n = n;
  c.blocked_in = c.blocked_out = true;
  return c;
}

// Vectors of eight in sixteen registers, as of AVX2.
tensor::Target narrow() {
  tensor::Target target = cpu::host_target();
  target.vector_bytes = 32;
  target.vector_registers = 16;
  return target;
}

void expect_winograd(const Conv& c, const tensor::Target& target = cpu::host_target()) {
  SCOPED_TRACE(str("conv ", c.ic, "->", c.oc, " @", c.h, "x", c.w, " pad ", c.pad, " batch ", c.n));
  Problem problem = conv_problem(c);
  auto inputs = random_inputs(problem.program, {}, 7, -1, 1);
  // Results are sums of 9 ic products of numbers in [-1, 1).
  expect_matches("winograd", problem, inputs, {}, 0, relative_error * std::sqrt(double(c.ic)) * 3, target);
}

TEST(Winograd, TilesOfEverySize) {
  for (auto [h, w] : {std::pair<int64_t, int64_t>{8, 8}, {7, 7}, {14, 14}, {28, 9}, {5, 33}, {2, 3}}) {
    for (int64_t pad : {0, 1, 2}) {
      if (h + 2 * pad > 2 && w + 2 * pad > 4) expect_winograd(blocked(32, 48, h, w, pad));
    }
  }
}

TEST(Winograd, ManyChannelsAndImages) {
  expect_winograd(blocked(128, 64, 13, 13));
  expect_winograd(blocked(48, 80, 20, 20, 1, 3));
  expect_winograd(blocked(32, 40, 9, 9));  // the last block of channels is partial
}

TEST(Winograd, NarrowVectors) {
  for (int64_t size : {7, 12}) expect_winograd(blocked(32, 40, size, size + 3), narrow());
}

std::string refusal(const Conv& c) {
  auto found = sketch::winograd_problem(conv_problem(c), cpu::host_target());
  const auto* refused = std::get_if<sketch::Refusal>(&found);
  return refused ? refused->reason : "";
}

TEST(Winograd, RefusesWhatItCannotDo) {
  Conv strided = blocked(32, 32, 9, 9);
  strided.stride = 2;
  EXPECT_EQ(refusal(strided), "the window does not slide by one");
  Conv dilated = blocked(32, 32, 9, 9);
  dilated.dilation = 2;
  EXPECT_EQ(refusal(dilated), "the window does not slide by one");
  Conv wide = blocked(32, 32, 9, 9);
  wide.kernel = 5;
  EXPECT_EQ(refusal(wide), "the kernel is not 3 x 3");
  EXPECT_EQ(refusal(blocked(32, 16, 9, 9)), "few channels");
  EXPECT_EQ(refusal(blocked(40, 32, 9, 9)), "channels are no whole vectors");
  Conv grouped = blocked(64, 64, 9, 9);
  grouped.groups = 2;
  EXPECT_NE(refusal(grouped), "");
  Conv planar = blocked(32, 32, 9, 9);
  planar.blocked_in = false;
  EXPECT_EQ(refusal(planar), "channels are not in blocks");
  EXPECT_EQ(refusal(blocked(32, 32, 9, 9)), "");
}

// Of each F, the maximal error over the largest result, against sums in double precision.
TEST(Winograd, ErrorIsBounded) {
  Conv c = blocked(256, 32, 16, 16);
  c.relu = false;
  const Problem problem = conv_problem(c);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  auto inputs = random_inputs(problem.program, {}, 7);
  for (size_t i = 0; i < 2; ++i)
    for (int64_t k = 0; k < inputs[i].count(); ++k) inputs[i].data<float>()[k] = normal(random);
  const auto found = sketch::winograd_problem(problem, cpu::host_target());
  for (const auto& [outputs, bound] : {std::pair{4, 5e-6}, {2, 1.2e-6}}) {
    auto lowered =
        sketch::lower_winograd(std::get<sketch::WinogradProblem>(found), {outputs, 2, 8, 1}, cpu::host_target(), 1);
    const Runner runner(problem, std::get<Lowered>(lowered));
    const Tensor got = runner.run(inputs, {}).outputs[0];
    double error = 0, largest = 0;
    for (int64_t oc = 0; oc < c.oc; ++oc)
      for (int64_t y = 0; y < c.h; ++y)
        for (int64_t x = 0; x < c.w; ++x) {
          double want = inputs[2].as_double(oc);
          for (int64_t ic = 0; ic < c.ic; ++ic)
            for (int64_t k = 0; k < 9; ++k) {
              const int64_t row = y + k / 3 - 1, column = x + k % 3 - 1;
              if (row < 0 || row >= c.h || column < 0 || column >= c.w) continue;
              want += inputs[0].as_double(((ic / 16 * c.h + row) * c.w + column) * 16 + ic % 16) *
                      inputs[1].as_double((oc * c.ic + ic) * 9 + k);
            }
          largest = std::max(largest, std::fabs(want));
          error = std::max(error, std::fabs(want - got.as_double(((oc / 16 * c.h + y) * c.w + x) * 16 + oc % 16)));
        }
    EXPECT_LT(error / largest, bound) << "F(" << outputs << ")";
    RecordProperty("error", std::to_string(error / largest));
  }
}

}  // namespace
}  // namespace sardonyx::testing
