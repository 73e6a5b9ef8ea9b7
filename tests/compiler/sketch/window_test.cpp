#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using expr::Expr;
using tensor::Index;
using tensor::ProgramBuilder;
using tensor::Reduce;
using tensor::Term;

struct Conv {
  int64_t n = 1, ic = 16, h = 10, w = 10, oc = 16, kernel = 3, stride = 1, pad = 1, dilation = 1, groups = 1;
  bool blocked_in = false, blocked_out = false, relu = true;
};

Term image(ProgramBuilder& b, const char* name, const std::vector<int64_t>& d, bool blocked) {
  if (!blocked) return b.input(name, DType::F32, {d[0], d[1], d[2], d[3]});
  Term physical = b.input(name, DType::F32, {d[0], (d[1] + 15) / 16, d[2], d[3], 16});
  return {DType::F32, {d[0], d[1], d[2], d[3]}, [=](const Index& i) {
            return physical.at({i[0], i[1] / Expr(16), i[2], i[3], i[1] % Expr(16)});
          }};
}

void store_image(ProgramBuilder& b, const Term& t, const std::vector<int64_t>& d, bool blocked) {
  if (!blocked) return b.output(t);
  b.output({DType::F32, {d[0], (d[1] + 15) / 16, d[2], d[3], 16}, [=](const Index& i) {
              Expr c = i[1] * Expr(16) + i[4];
              Expr value = t.at({i[0], c, i[2], i[3]});
              return d[1] % 16 ? expr::select(c < Expr(d[1]), value, expr::imm(0, DType::F32)) : value;
            }});
}

Expr inside(const Expr& y, const Expr& x, int64_t h, int64_t w) {
  return Expr(0) <= y && y < Expr(h) && Expr(0) <= x && x < Expr(w);
}

Problem conv_problem(const Conv& c) {
  ProgramBuilder b;
  Term x = image(b, "x", {c.n, c.ic, c.h, c.w}, c.blocked_in);
  Term weights = b.input("w", DType::F32, {c.oc, c.ic / c.groups, c.kernel, c.kernel});
  Term bias = b.input("bias", DType::F32, {c.oc});
  int64_t reach = (c.kernel - 1) * c.dilation + 1;
  int64_t oh = (c.h + 2 * c.pad - reach) / c.stride + 1, ow = (c.w + 2 * c.pad - reach) / c.stride + 1;
  Expr group_outputs = c.oc / c.groups, group_inputs = c.ic / c.groups;
  Term y = b.reduce("conv", Reduce::Sum, DType::F32, {c.n, c.oc, oh, ow}, {group_inputs, c.kernel, c.kernel},
                    [=](const Index& o, const Index& k) {
                      Expr channel = c.groups > 1 ? o[1] / group_outputs * group_inputs + k[0] : k[0];
                      Expr row = o[2] * Expr(c.stride) + k[1] * Expr(c.dilation) - Expr(c.pad);
                      Expr column = o[3] * Expr(c.stride) + k[2] * Expr(c.dilation) - Expr(c.pad);
                      Expr value = x.at({o[0], expr::simplify(channel), row, column});
                      if (c.pad) value = expr::select(inside(row, column, c.h, c.w), value, expr::imm(0, DType::F32));
                      return value * weights.at({o[1], k[0], k[1], k[2]});
                    });
  Term z{DType::F32, y.dims, [=](const Index& i) {
           Expr v = y.at(i) + bias.at({i[1]});
           return c.relu ? expr::max(v, expr::imm(0, DType::F32)) : v;
         }};
  store_image(b, z, {c.n, c.oc, oh, ow}, c.blocked_out);
  return {b.finish(), {false, true, true}};
}

void expect_conv(const Conv& c, bool loops = false) {
  SCOPED_TRACE("conv " + std::to_string(c.ic) + "->" + std::to_string(c.oc) + " @" + std::to_string(c.h) + "x" +
               std::to_string(c.w) + " k" + std::to_string(c.kernel) + " s" + std::to_string(c.stride) + " p" +
               std::to_string(c.pad) + " d" + std::to_string(c.dilation) + " g" + std::to_string(c.groups) +
               (c.blocked_in ? " in16c" : "") + (c.blocked_out ? " out16c" : ""));
  Problem problem = conv_problem(c);
  auto inputs = random_inputs(problem.program, {}, 7, -1, 1);
  if (loops) expect_matches("loops", problem, inputs, {}, 1e-5, 1e-4);
  expect_matches(c.kernel == 1 && !c.pad && c.groups == 1 ? "contraction" : "window", problem, inputs, {}, 1e-5, 1e-4);
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

Problem pool_problem(Reduce kind, bool blocked, int64_t c, int64_t h, int64_t w, int64_t kernel, int64_t stride,
                     int64_t pad) {
  ProgramBuilder b;
  Term x = image(b, "x", {2, c, h, w}, blocked);
  int64_t oh = (h + 2 * pad - kernel) / stride + 1, ow = (w + 2 * pad - kernel) / stride + 1;
  Term y = b.reduce("pool", kind, DType::F32, {2, c, oh, ow}, {kernel, kernel}, [=](const Index& o, const Index& k) {
    Expr row = o[2] * Expr(stride) + k[0] - Expr(pad), column = o[3] * Expr(stride) + k[1] - Expr(pad);
    Expr value = x.at({o[0], o[1], row, column});
    return pad ? expr::select(inside(row, column, h, w), value, tensor::identity_of(kind, DType::F32)) : value;
  });
  Term z{DType::F32, y.dims, [=](const Index& i) {
           return kind == Reduce::Sum ? y.at(i) / expr::imm(double(kernel * kernel), DType::F32) : y.at(i);
         }};
  store_image(b, z, {2, c, oh, ow}, blocked);
  return {b.finish(), {}};
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
