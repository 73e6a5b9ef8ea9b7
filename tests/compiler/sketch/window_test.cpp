#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

void expect_conv(const Conv& c, bool loops = false, const tensor::Target& target = cpu::host_target()) {
  SCOPED_TRACE("conv " + std::to_string(c.ic) + "->" + std::to_string(c.oc) + " @" + std::to_string(c.h) + "x" +
               std::to_string(c.w) + " k" + std::to_string(c.kernel) + " s" + std::to_string(c.stride) + " p" +
               std::to_string(c.pad) + " d" + std::to_string(c.dilation) + " g" + std::to_string(c.groups) +
               (c.blocked_in ? " in16c" : "") + (c.blocked_out ? " out16c" : ""));
  Problem problem = conv_problem(c);
  auto inputs = random_inputs(problem.program, {}, 7, -1, 1);
  if (loops) expect_matches("loops", problem, inputs, {}, 1e-5, 1e-4);
  expect_matches(c.kernel == 1 && !c.pad && c.groups == 1 ? "contraction" : "window", problem, inputs, {}, 1e-5, 1e-4,
                 target);
}

TEST(Window, BlockedConvolutions) {
  for (auto [h, w] : {std::pair<int64_t, int64_t>{10, 10}, {7, 7}, {14, 14}, {28, 9}, {5, 33}, {1, 1}}) {
    for (int64_t kernel : {1, 3, 5}) {
      Conv c;
      c.h = h, c.w = w, c.kernel = kernel, c.pad = kernel / 2;
      c.ic = 32, c.oc = 48;
      c.blocked_in = c.blocked_out = true;
      expect_conv(c);
    }
  }
}

TEST(Window, StridesDilationsAndOddChannels) {
  for (int64_t stride : {1, 2}) {
    for (int64_t dilation : {1, 2}) {
      Conv c;
      c.h = 13, c.w = 17, c.stride = stride, c.dilation = dilation, c.pad = dilation;
      c.blocked_in = c.blocked_out = true;
      c.oc = 40;
      expect_conv(c);
      c.blocked_in = c.blocked_out = false;
      c.ic = 5, c.oc = 7;
      expect_conv(c, true);
    }
  }
}

TEST(Window, WideKernelsStaySmall) {
  Conv c;
  c.h = 3, c.w = 40, c.kernel = 25, c.pad = 12;
  c.blocked_in = c.blocked_out = true;
  expect_conv(c);
}

TEST(Window, PartialChannelBlocks) {
  for (int64_t channels : {24, 40}) {
    for (int64_t kernel : {1, 3}) {
      Conv c;
      c.ic = channels, c.oc = 24, c.kernel = kernel, c.pad = kernel / 2;
      c.blocked_in = c.blocked_out = true;
      expect_conv(c);
    }
    Conv d;
    d.ic = d.oc = d.groups = channels;
    d.blocked_in = d.blocked_out = true;
    expect_conv(d);
  }
}

TEST(Window, PlanarStemIntoBlocks) {
  Conv c;
  c.ic = 3, c.oc = 32, c.h = 30, c.w = 31, c.kernel = 7, c.stride = 2, c.pad = 3;
  c.blocked_out = true;
  expect_conv(c);
}

TEST(Window, GroupsAndDepthwise) {
  Conv c;
  c.ic = 8, c.oc = 12, c.groups = 4, c.h = 9, c.w = 11;
  expect_conv(c, true);
  c.ic = 64, c.oc = 96, c.groups = 2;
  c.blocked_in = c.blocked_out = true;
  expect_conv(c);
  c.ic = c.oc = c.groups = 32;
  for (int64_t stride : {1, 2}) {
    c.stride = stride;
    c.blocked_in = c.blocked_out = true;
    expect_conv(c);
    c.blocked_in = c.blocked_out = false;
    expect_conv(c, true);
  }
}

// Prefetches of the next line, which may lie behind the image, change no result; images in L2 need none.
TEST(Window, LinesOfLargeImagesArePrefetched) {
  Conv c;
  c.ic = c.oc = 48, c.h = 9, c.w = 23, c.pad = 1;
  c.blocked_in = c.blocked_out = true;
  tensor::Target small = cpu::host_target();
  small.l2_bytes = 4096;
  for (int64_t groups : {1, 48}) {
    c.groups = groups;
    expect_conv(c, false, small);
    const Problem problem = conv_problem(c);
    for (const tensor::Target& target : {cpu::host_target(), small}) {
      const auto proposals = sketch::family_of("window")->propose(problem, target, nullptr);
      ASSERT_FALSE(proposals.empty());
      const auto lowered = sketch::family_of("window")->lower(problem, proposals[0].point, target);
      const std::string text = tensor::to_string(std::get<Lowered>(lowered).launches[0].body);
      const bool wanted = groups == 1 && target.l2_bytes == small.l2_bytes;
      EXPECT_EQ(text.find("prefetch x[") != std::string::npos, wanted) << text;
    }
  }
}

// A packed constant fills its last panel with zeros, by which nothing must be divided.
TEST(Window, DividesByConstantsInPartialPanels) {
  ProgramBuilder b;
  Term x = b.input("x", DType::I64, {3}), divisor = b.input("divisor", DType::I64, {2, 3});
  b.output(b.reduce("product", Reduce::Product, DType::I64, {2}, {3}, [=](const Index& out, const Index& in) {
    return expr::make(expr::Kind::TruncRem, x.at({in[0]}), divisor.at({out[0], in[0]}));
  }));
  const Problem problem{b.finish(), {false, true}};
  Tensor numbers(DType::I64, {3}), divisors(DType::I64, {2, 3});
  for (int64_t i = 0; i < 3; ++i) numbers.set_int(i, 11 + i);
  for (int64_t i = 0; i < 6; ++i) divisors.set_int(i, 3 + i);
  expect_matches("window", problem, {numbers, divisors}, {}, 0, 0);
}

TEST(Window, Pooling) {
  for (Reduce kind : {Reduce::Max, Reduce::Sum}) {
    for (bool blocked : {false, true}) {
      for (auto [kernel, stride, pad] :
           {std::tuple<int64_t, int64_t, int64_t>{3, 2, 1}, {2, 2, 0}, {3, 1, 1}, {7, 7, 0}}) {
        Problem problem = pool_problem(kind, blocked, 32, 14, 21, kernel, stride, pad);
        auto inputs = random_inputs(problem.program, {}, 9);
        SCOPED_TRACE(std::to_string(int(kind)) + (blocked ? " blocked k" : " k") + std::to_string(kernel));
        expect_matches("window", problem, inputs, {}, 1e-5, 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace sardonyx::testing
