#include "compiler/sketch/inverted_residual.h"

#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

enum class Map { None, Clamp, HardSwish, Silu, Slopes };

struct Block {
  Conv window;  // its ic is the number of channels between the products
  int64_t in = 16, out = 16;
  bool expands = true, residual = false;
  bool stem = false;  // the expansion is a 3 x 3 convolution with stride 2 of a planar image
  Map map = Map::Clamp;
};

Expr number(double value) { return expr::imm(value, DType::F32); }

// A map per channel behind the bias.
Term mapped(ProgramBuilder& b, const Term& sum, Map map) {
  const Term bias = b.input("bias", DType::F32, {sum.dims[1]}), slopes = b.input("slopes", DType::F32, {sum.dims[1]});
  return {DType::F32, sum.dims, [=](const Index& i) {
            const Expr v = sum.at(i) + bias.at({i[1]});
            const Expr clamped = expr::min(expr::max(v, number(0)), number(6));
            switch (map) {
              case Map::None:
                return v;
              case Map::Clamp:
                return clamped;
              case Map::HardSwish:
                return v * expr::min(expr::max(v + number(3), number(0)), number(6)) * number(1.0 / 6);
              case Map::Silu:
                return v * expr::call(Function::Sigmoid, {v});
              default:
                return expr::select(v < number(0), v * slopes.at({i[1]}), v);
            }
          }};
}

Problem block_problem(const Block& block) {
  ProgramBuilder b;
  const Conv& c = block.window;
  const int64_t inputs = block.expands ? block.in : c.ic;
  Conv expand, project;
  expand.n = project.n = c.n, expand.kernel = project.kernel = 1, expand.pad = project.pad = 0;
  expand.ic = inputs, expand.oc = c.ic, expand.h = c.h, expand.w = c.w;
  if (block.stem) expand.kernel = 3, expand.stride = 2, expand.pad = 1, expand.h = 2 * c.h - 1, expand.w = 2 * c.w;
  project.ic = c.ic, project.oc = block.out, project.h = c.out(c.h), project.w = c.out(c.w);
  std::vector<bool> constant;
  const auto note = [&](size_t count, bool is) { constant.insert(constant.end(), count, is); };
  const Term x = image(b, "x", {c.n, inputs, expand.h, expand.w}, !block.stem);
  note(1, false);
  Term y = x;
  if (block.expands) {
    const Term weights = b.input("expand", DType::F32, {c.ic, inputs, expand.kernel, expand.kernel});
    y = mapped(b, convolution(b, expand, y, weights), block.map);
    note(3, true);
  }
  const Term taps = b.input("taps", DType::F32, {c.ic, 1, c.kernel, c.kernel});
  y = mapped(b, convolution(b, c, y, taps), block.map);
  const Term weights = b.input("project", DType::F32, {block.out, c.ic, 1, 1});
  y = mapped(b, convolution(b, project, y, weights), Map::None);
  note(6, true);
  if (block.residual) {
    const Term sum = y;
    y = {DType::F32, sum.dims, [=](const Index& i) { return sum.at(i) + x.at(i); }};
  }
  store_image(b, y, {c.n, block.out, project.h, project.w}, true);
  return {b.finish(), constant};
}

Block depthwise(int64_t channels, int64_t h, int64_t w, int64_t kernel = 3, int64_t stride = 1) {
  Block block;
  Conv& c = block.window;
  c.ic = c.oc = c.groups = channels;
  c.h = h, c.w = w, c.kernel = kernel, c.stride = stride, c.pad = kernel / 2;
  return block;
}

std::string text(const Block& block) {
  const Conv& c = block.window;
  return str(block.expands ? str(block.in, "-") : "", c.ic, "-", block.out, " @", c.h, "x", c.w, " kernel ", c.kernel,
             " stride ", c.stride, " dilation ", c.dilation, " pad ", c.pad, "+", c.pad_end, " batch ", c.n,
             block.residual ? " residual" : "", " map ", int(block.map));
}

tensor::Target with_cores(tensor::Target target, int cores) {
  target.cores = cores;
  return target;
}

void expect_block(const Block& block, const tensor::Target& target) {
  SCOPED_TRACE(str(text(block), " vectors of ", target.vector_bytes, ", ", target.cores, " cores"));
  const Problem problem = block_problem(block);
  auto inputs = random_inputs(problem.program, {}, 7, -1, 1);
  const double depth = double(block.window.ic * (block.expands ? block.in : 1) * block.window.kernel);
  expect_matches("inverted_residual", problem, inputs, {}, 1e-5, 1e-6 * depth, target);
}

void expect_block(const Block& block) {
  for (int cores : {1, 2, 3}) expect_block(block, with_cores(cpu::host_target(), cores));
}

TEST(InvertedResidual, OfMobileNets) {
  Block block = depthwise(96, 16, 16);
  block.in = block.out = 24;
  block.residual = true;
  expect_block(block);
  block.window.stride = 2;
  block.residual = false;
  expect_block(block);
  Block plain = depthwise(32, 14, 14);
  plain.expands = false;
  expect_block(plain);
}

TEST(InvertedResidual, MapsBetween) {
  for (Map map : {Map::None, Map::HardSwish, Map::Silu, Map::Slopes}) {
    Block block = depthwise(48, 8, 9);
    block.map = map;
    expect_block(block);
  }
}

TEST(InvertedResidual, BehindAStem) {
  Block block = depthwise(32, 15, 17);
  block.in = 3;
  block.stem = true;
  expect_block(block);
  for (const tensor::Target& target : narrow_targets()) expect_block(block, with_cores(target, 2));
}

TEST(InvertedResidual, AnySizes) {
  std::mt19937 random(3);
  const auto pick = [&](std::initializer_list<int64_t> list) { return list.begin()[random() % list.size()]; };
  for (int i = 0; i < 30; ++i) {
    Block block = depthwise(pick({16, 20, 32, 72}), pick({5, 7, 8, 12, 14}), pick({6, 7, 13, 16, 29}), pick({2, 3, 5}),
                            pick({1, 1, 2, 3}));
    Conv& c = block.window;
    c.pad = pick({0, 1, c.kernel / 2}), c.pad_end = pick({0, 0, 1}), c.dilation = pick({1, 1, 2}),
    c.n = pick({1, 1, 3});
    if ((c.kernel - 1) * c.dilation >= std::min(c.h, c.w)) continue;
    if (c.out(c.h) < 2 || c.out(c.w) < 2) continue;
    block.expands = pick({0, 1, 1}) != 0;
    block.in = pick({16, 24, 40});
    block.out = pick({16, 24, 70});
    block.map = Map(pick({0, 1, 2, 4}));
    if (block.expands && c.out(c.h) == c.h && c.out(c.w) == c.w && pick({0, 1})) {
      block.residual = true;
      block.out = block.in;
    }
    expect_block(block, with_cores(cpu::host_target(), int(pick({1, 2, 5}))));
  }
}

TEST(InvertedResidual, NarrowVectors) {
  for (const tensor::Target& target : narrow_targets())
    for (int64_t stride : {1, 2}) {
      Block block = depthwise(40, 9, 12, 3, stride);
      block.in = 24;
      expect_block(block, with_cores(target, 2));
    }
}

// The same bits whatever the number of cores and images.
TEST(InvertedResidual, SharesDoNotChangeBits) {
  Block block = depthwise(64, 12, 12);
  std::optional<Tensor> wanted;
  for (int cores : {1, 2, 3}) {
    const Problem problem = block_problem(block);
    const tensor::Target target = with_cores(cpu::host_target(), cores);
    const auto* family = sketch::family_of("inverted_residual");
    for (const auto& proposal : family->propose(problem, target, nullptr)) {
      const auto lowered = family->lower(problem, proposal.point, target);
      const Runner runner(problem, std::get<Lowered>(lowered));
      const Tensor got = runner.run(random_inputs(problem.program, {}, 7), {}).outputs[0];
      if (!wanted) wanted = got;
      EXPECT_TRUE(close(got, *wanted, 0, 0));
    }
  }
}

std::string refusal(const Problem& problem) {
  auto found = sketch::inverted_residual_problem(problem, cpu::host_target());
  const auto* refused = std::get_if<sketch::Refusal>(&found);
  return refused ? refused->reason : "";
}

TEST(InvertedResidual, RefusesWhatItCannotDo) {
  EXPECT_EQ(refusal(block_problem(depthwise(32, 8, 8))), "");
  Block grouped = depthwise(32, 8, 8);
  grouped.window.groups = 2;
  EXPECT_NE(refusal(block_problem(grouped)), "");
  Problem variable = block_problem(depthwise(32, 8, 8));
  variable.constant.assign(variable.constant.size(), false);
  EXPECT_EQ(refusal(variable), "no inverted residual block: it lacks constant weights");
  EXPECT_EQ(refusal(conv_problem({})), "no inverted residual block: it lacks two or three sums");
}

}  // namespace
}  // namespace sardonyx::testing
