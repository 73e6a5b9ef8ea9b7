#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

void expect_contraction(const Matmul& p, bool batched_y, bool constant_y, int epilogue,
                        const std::vector<expr::VarPtr>& symbols = {}, const std::vector<int64_t>& values = {},
                        const tensor::Target& target = cpu::host_target()) {
  SCOPED_TRACE(std::string("m ") + expr::to_string(p.m) + " n " + expr::to_string(p.n) + " k " + expr::to_string(p.k) +
               (p.transpose_a ? " ta" : "") + (p.transpose_b ? " tb" : "") + (constant_y ? " constant" : "") +
               " epilogue " + std::to_string(epilogue));
  Problem problem = matmul_problem(p, batched_y, constant_y, epilogue);
  problem.program.symbols = symbols;
  auto inputs = random_inputs(problem.program, values, 5, -1, 1);
  expect_matches("contraction", problem, inputs, values, 1e-5, 2e-5, target);
}

TEST(Contraction, ShapesTransposesAndEpilogues) {
  const int64_t shapes[][3] = {{1, 40, 30},  {5, 17, 9},   {14, 32, 20}, {15, 33, 7},
                               {29, 70, 33}, {64, 48, 40}, {3, 100, 1}};
  for (auto& s : shapes) {
    for (int t = 0; t < 4; ++t) {
      Matmul p{{}, s[0], s[1], s[2], (t & 1) != 0, (t & 2) != 0, DType::F32};
      expect_contraction(p, false, t % 2 == 0, t % 3);
      expect_contraction(p, false, t % 2 == 1, (t + 1) % 3);
    }
  }
}

TEST(Contraction, Batches) {
  for (bool batched : {false, true}) {
    expect_contraction({{2, 3}, 17, 40, 19}, batched, false, 1);
    expect_contraction({{4}, 20, 24, 16, false, true}, batched, false, 0);
  }
  expect_contraction({{2, 5}, 8, 33, 12}, false, true, 2);
}

TEST(Contraction, SymbolicRowsAndColumns) {
  auto m = expr::make_var("M", {1, INT64_MAX, 1}), n = expr::make_var("N", {1, INT64_MAX, 1});
  for (int64_t value : {1, 3, 14, 15, 31, 100}) {
    expect_contraction({{}, Expr(m), 40, 33}, false, true, 1, {m}, {value});
    expect_contraction({{2}, 6, Expr(n), 16}, true, false, 0, {n}, {value});
    expect_contraction({{2}, Expr(m), Expr(m), 16, false, true}, true, false, 0, {m}, {value});
  }
}

// Whole tiles, those a few rows shorter, and a rest.
TEST(Contraction, RowsThatTheRunCounts) {
  auto m = expr::make_var("M", {1, INT64_MAX, 1});
  for (int64_t value : {2, 4, 13, 26, 27, 70, 83, 84, 85, 128, 181}) {
    expect_contraction({{}, Expr(m), 64, 12}, false, true, 1, {m}, {value});
  }
}

// Weights that stay in L2, that do not, and lines of several images; bands whose last one is shorter.
TEST(Contraction, EveryOrderOfTheGrid) {
  tensor::Target target = cpu::host_target();
  target.l2_bytes = 64 << 10;
  for (int cores : {1, 2, 3}) {
    target.cores = cores;
    for (int64_t rows : {49, 57, 196}) {
      expect_contraction({{}, rows, 64, 30}, false, true, 1, {}, {}, target);
      expect_contraction({{}, rows, 160, 100}, false, true, 0, {}, {}, target);
      expect_contraction({{}, rows, 400, 70}, false, true, 2, {}, {}, target);
    }
    expect_contraction({{3}, 29, 96, 40}, true, true, 0, {}, {}, target);
  }
}

TEST(Contraction, OtherTypes) {
  for (DType dtype : {DType::F64, DType::I32, DType::I64})
    expect_contraction({{}, 9, 21, 13, false, false, dtype}, false, true, 0);
}

TEST(Contraction, RefusesAnAxisWithoutPoints) {
  const Problem problem = matmul_problem({{}, 5, 0, 3}, false, true, 0);
  std::string why;
  EXPECT_TRUE(sketch::family_of("contraction")->propose(problem, cpu::host_target(), &why).empty());
  EXPECT_EQ(why, "an axis has no points");
}

// [B, H, S, D] product stored as [B, S, H * D].
TEST(Contraction, TransposedStore) {
  ProgramBuilder b;
  Term p = b.input("p", DType::F32, {2, 3, 20, 20}), v = b.input("v", DType::F32, {2, 20, 3, 32});
  Term c = b.reduce("pv", Reduce::Sum, DType::F32, {2, 3, 20, 32}, {20}, [=](const Index& o, const Index& k) {
    return p.at({o[0], o[1], o[2], k[0]}) * v.at({o[0], k[0], o[1], o[3]});
  });
  b.output({DType::F32, {2, 20, 96}, [=](const Index& i) {
              return c.at({i[0], i[2] / Expr(32), i[1], i[2] % Expr(32)});
            }});
  Problem problem{b.finish(), {}};
  expect_matches("contraction", problem, random_inputs(problem.program, {}, 5), {}, 1e-5, 2e-5);
}

// Each tap of the kernel is a product of its own, whose results are stored `scale` pixels apart.
TEST(Contraction, TransposedConvolutionsWithoutOverlap) {
  for (const auto& [scale, blocked] : {std::pair<int64_t, bool>{2, true}, {2, false}, {3, true}, {3, false}}) {
    for (int64_t width : {1, 5, 16}) {
      SCOPED_TRACE(str("scale ", scale, " width ", width, blocked ? " in blocks" : ""));
      const int64_t channels = 32, outputs = 48, s = scale;
      ProgramBuilder b;
      Term x = image(b, "x", {2, channels, 4, width}, blocked);
      Term w = b.input("w", DType::F32, {channels, outputs, s, s}), bias = b.input("bias", DType::F32, {outputs});
      Term y = b.reduce("conv_transpose", Reduce::Sum, DType::F32, {2, outputs, 4 * s, width * s}, {channels},
                        [=](const Index& o, const Index& k) {
                          return x.at({o[0], k[0], o[2] / Expr(s), o[3] / Expr(s)}) *
                                 w.at({k[0], o[1], o[2] % Expr(s), o[3] % Expr(s)});
                        });
      Term z{DType::F32, y.dims, [=](const Index& i) { return y.at(i) + bias.at({i[1]}); }};
      store_image(b, z, {2, outputs, 4 * s, width * s}, blocked);
      const Problem problem{b.finish(), {false, true, true}};
      expect_matches("contraction", problem, random_inputs(problem.program, {}, 5), {}, 1e-5, 2e-5);
    }
  }
}

}  // namespace
}  // namespace sardonyx::testing
