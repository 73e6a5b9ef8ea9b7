// matmul, conv, conv_transpose and pool.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using graph::ConvAttrs;
using graph::ConvTransposeAttrs;
using graph::PoolAttrs;
using graph::PoolFunction;

TEST(Matmul, Transposes) {
  // [[0,1],[2,3]] x [[0,1],[2,3]]
  const Tensor x = ramp({2, 2}), y = ramp({2, 2});
  const auto product = [&](bool ta, bool tb) {
    return run({x, y}, [&](Builder& b, Values v) { return Values{b.matmul(v[0], v[1], ta, tb)}; })[0];
  };
  expect_tensor(product(false, false), DType::F32, {2, 2}, {2, 3, 6, 11});
  expect_tensor(product(true, false), DType::F32, {2, 2}, {4, 6, 6, 10});
  expect_tensor(product(false, true), DType::F32, {2, 2}, {1, 3, 3, 13});
  expect_tensor(product(true, true), DType::F32, {2, 2}, {2, 6, 3, 11});
}

TEST(Matmul, BroadcastsBatches) {
  const auto y = run(
      {ramp({2, 1, 1, 2}), ramp({3, 2, 1})}, [](Builder& b, Values v) { return Values{b.matmul(v[0], v[1])}; }, false);
  expect_tensor(y[0], DType::F32, {2, 3, 1, 1}, {1, 3, 5, 3, 13, 23});
}

TEST(Matmul, AccumulatesInTheGivenType) {
  const auto y = run({make(DType::U8, {1, 2}, {200, 200}), make(DType::I8, {2, 1}, {100, -128})},
                     [](Builder& b, Values v) { return Values{b.matmul(v[0], v[1], false, false, DType::I32)}; });
  expect_tensor(y[0], DType::I32, {1, 1}, {-5600});
  const auto half = run({make(DType::F16, {1, 2}, {2048, 1}), make(DType::F16, {2, 1}, {1, 1})},
                        [](Builder& b, Values v) { return Values{b.matmul(v[0], v[1])}; });
  EXPECT_EQ(half[0].dtype(), DType::F16);
}

TEST(Matmul, RejectsShapes) {
  expect_error(Status::InvalidModel, {"f32[2,3]", "f32[2,3]"}, [] {
    run(
        {ramp({2, 3}), ramp({2, 3})}, [](Builder& b, Values v) { return Values{b.matmul(v[0], v[1])}; }, false);
  });
}

ConvAttrs conv_attributes(size_t rank) {
  ConvAttrs attributes;
  attributes.strides = attributes.dilations = graph::Ints(rank, 1);
  attributes.pads = std::vector<Expr>(2 * rank, Expr(0));
  return attributes;
}

// An independent 2-D convolution.
std::vector<double> direct(const Tensor& x, const Tensor& w, const ConvAttrs& a) {
  const auto &xd = x.dims(), &wd = w.dims();
  const auto pad = [&](size_t i) { return *expr::as_int(a.pads[i]); };
  const int64_t oh = (xd[2] + pad(0) + pad(2) - a.dilations[0] * (wd[2] - 1) - 1) / a.strides[0] + 1;
  const int64_t ow = (xd[3] + pad(1) + pad(3) - a.dilations[1] * (wd[3] - 1) - 1) / a.strides[1] + 1;
  std::vector<double> out;
  for (int64_t n = 0; n < xd[0]; ++n)
    for (int64_t m = 0; m < wd[0]; ++m)
      for (int64_t i = 0; i < oh; ++i)
        for (int64_t j = 0; j < ow; ++j) {
          double sum = 0;
          for (int64_t c = 0; c < wd[1]; ++c)
            for (int64_t p = 0; p < wd[2]; ++p)
              for (int64_t q = 0; q < wd[3]; ++q) {
                const int64_t h = i * a.strides[0] - pad(0) + p * a.dilations[0];
                const int64_t k = j * a.strides[1] - pad(1) + q * a.dilations[1];
                if (h < 0 || k < 0 || h >= xd[2] || k >= xd[3]) continue;
                const int64_t channel = m / (wd[0] / a.groups) * wd[1] + c;
                sum += x.as_double(((n * xd[1] + channel) * xd[2] + h) * xd[3] + k) *
                       w.as_double(((m * wd[1] + c) * wd[2] + p) * wd[3] + q);
              }
          out.push_back(sum);
        }
  return out;
}

TEST(Conv, MatchesDirectSums) {
  const Tensor x = ramp({2, 4, 7, 6}, -40, 0.5);
  const struct {
    int64_t groups;
    graph::Ints strides, dilations, pads;
    Dims kernel;
  } rows[] = {
      {1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {3, 3}}, {1, {2, 3}, {1, 1}, {1, 0, 2, 1}, {3, 2}},
      {2, {1, 1}, {2, 1}, {1, 1, 1, 1}, {3, 3}}, {4, {1, 2}, {1, 1}, {1, 1, 1, 1}, {3, 3}},
      {1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(str("groups ", row.groups, " strides ", row.strides));
    ConvAttrs attributes = conv_attributes(2);
    attributes.strides = row.strides;
    attributes.dilations = row.dilations;
    attributes.pads.assign(row.pads.begin(), row.pads.end());
    attributes.groups = row.groups;
    const Tensor w = ramp({4, 4 / row.groups, row.kernel[0], row.kernel[1]}, -3, 0.25);
    const auto y = run({x, w}, [&](Builder& b, Values v) { return Values{b.conv(v[0], v[1], attributes)}; });
    expect_tensor(y[0], DType::F32, y[0].dims(), direct(x, w, attributes), 1e-5);
  }
}

TEST(Conv, OneAndThreeDims) {
  ConvAttrs one = conv_attributes(1);
  const auto y = run({ramp({1, 1, 4}), f32({1, 1, 2}, {1, -1})},
                     [&](Builder& b, Values v) { return Values{b.conv(v[0], v[1], one)}; });
  expect_tensor(y[0], DType::F32, {1, 1, 3}, {-1, -1, -1});
  const auto z = run({ramp({1, 1, 2, 2, 2}), f32({1, 1, 2, 2, 2}, std::vector<double>(8, 1))},
                     [](Builder& b, Values v) { return Values{b.conv(v[0], v[1], conv_attributes(3))}; });
  expect_tensor(z[0], DType::F32, {1, 1, 1, 1, 1}, {28});
}

TEST(Conv, IntegersAccumulateWide) {
  ConvAttrs attributes = conv_attributes(1);
  attributes.dtype = DType::I32;
  const auto y = run({make(DType::U8, {1, 1, 2}, {255, 255}), make(DType::U8, {1, 1, 2}, {255, 255})},
                     [&](Builder& b, Values v) { return Values{b.conv(v[0], v[1], attributes)}; });
  expect_tensor(y[0], DType::I32, {1, 1, 1}, {130050});
}

TEST(Conv, RejectsShapes) {
  const auto conv = [](const Tensor& x, const Tensor& w, ConvAttrs attributes) {
    run(
        {x, w}, [&](Builder& b, Values v) { return Values{b.conv(v[0], v[1], attributes)}; }, false);
  };
  expect_error(Status::InvalidModel, {"f32[1,3,4,4]", "f32[2,2,3,3]"}, [&] {
    conv(ramp({1, 3, 4, 4}), ramp({2, 2, 3, 3}), conv_attributes(2));
  });
  expect_error(Status::InvalidModel, {"kernel", "f32[1,1,2,2]"}, [&] {
    conv(ramp({1, 1, 2, 2}), ramp({1, 1, 3, 3}), conv_attributes(2));
  });
  ConvAttrs grouped = conv_attributes(2);
  grouped.groups = 2;
  expect_error(Status::InvalidModel, {"3", "2 groups"}, [&] { conv(ramp({1, 2, 3, 3}), ramp({3, 1, 1, 1}), grouped); });
}

TEST(ConvTranspose, SpreadsInputs) {
  ConvTransposeAttrs attributes;
  attributes.strides = {2};
  attributes.dilations = {1};
  attributes.pads = {0, 0};
  attributes.out_dims = {5};
  const auto y = run({f32({1, 1, 2}, {1, 10}), f32({1, 1, 3}, {1, 2, 3})},
                     [&](Builder& b, Values v) { return Values{b.conv_transpose(v[0], v[1], attributes)}; });
  expect_tensor(y[0], DType::F32, {1, 1, 5}, {1, 2, 13, 20, 30});
  attributes.pads = {1, 1};
  attributes.out_dims = {3};
  const auto z = run({f32({1, 1, 2}, {1, 10}), f32({1, 1, 3}, {1, 2, 3})},
                     [&](Builder& b, Values v) { return Values{b.conv_transpose(v[0], v[1], attributes)}; });
  expect_tensor(z[0], DType::F32, {1, 1, 3}, {2, 13, 20});
}

// Kernel and stride are equal: every output comes from one input.
TEST(ConvTranspose, WithoutOverlap) {
  ConvTransposeAttrs attributes;
  attributes.strides = {2, 3};
  attributes.dilations = {1, 1};
  attributes.pads = {0, 0, 0, 0};
  attributes.out_dims = {4, 6};
  attributes.groups = 2;
  const Tensor x = ramp({2, 4, 2, 2}, -3), w = ramp({4, 3, 2, 3}, 1, 0.5);
  std::vector<double> expected;
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t m = 0; m < 6; ++m)
      for (int64_t i = 0; i < 4; ++i)
        for (int64_t j = 0; j < 6; ++j) {
          double sum = 0;
          for (int64_t c = m / 3 * 2; c < m / 3 * 2 + 2; ++c)
            sum += x.as_double(((n * 4 + c) * 2 + i / 2) * 2 + j / 3) *
                   w.as_double(((c * 3 + m % 3) * 2 + i % 2) * 3 + j % 3);
          expected.push_back(sum);
        }
  const auto y = run({x, w}, [&](Builder& b, Values v) { return Values{b.conv_transpose(v[0], v[1], attributes)}; });
  expect_tensor(y[0], DType::F32, {2, 6, 4, 6}, expected);
}

TEST(ConvTranspose, GroupsAndDilations) {
  ConvTransposeAttrs attributes;
  attributes.strides = {1};
  attributes.dilations = {2};
  attributes.pads = {0, 0};
  attributes.out_dims = {4};
  attributes.groups = 2;
  // Two groups of one input and two output channels.
  const auto y = run({f32({1, 2, 2}, {1, 2, 3, 4}), f32({2, 2, 2}, {1, 10, 2, 20, 3, 30, 4, 40})},
                     [&](Builder& b, Values v) { return Values{b.conv_transpose(v[0], v[1], attributes)}; });
  expect_tensor(y[0], DType::F32, {1, 4, 4}, {1, 2, 10, 20, 2, 4, 20, 40, 9, 12, 90, 120, 12, 16, 120, 160});
}

PoolAttrs pool_attributes(PoolFunction function, graph::Ints kernel, graph::Ints strides, graph::Ints pads,
                          std::vector<Expr> out_dims) {
  PoolAttrs pool;
  pool.function = function;
  pool.dilations = graph::Ints(kernel.size(), 1);
  pool.kernel = std::move(kernel);
  pool.strides = std::move(strides);
  pool.pads.assign(pads.begin(), pads.end());
  pool.out_dims = std::move(out_dims);
  return pool;
}

Tensor pooled(const Tensor& x, const PoolAttrs& attributes) {
  return run({x}, [&](Builder& b, Values v) { return Values{b.pool(v[0], attributes)}; })[0];
}

TEST(Pool, MaximumAverageSum) {
  const Tensor x = f32({1, 1, 4}, {-4, -2, -3, -1});
  expect_tensor(pooled(x, pool_attributes(PoolFunction::Max, {2}, {1}, {1, 1}, {5})), DType::F32, {1, 1, 5},
                {-4, -2, -2, -1, -1});
  expect_tensor(pooled(x, pool_attributes(PoolFunction::Sum, {2}, {2}, {0, 0}, {2})), DType::F32, {1, 1, 2}, {-6, -4});
  expect_tensor(pooled(x, pool_attributes(PoolFunction::Average, {2}, {1}, {1, 1}, {5})), DType::F32, {1, 1, 5},
                {-4, -3, -2.5, -2, -1});
  PoolAttrs included = pool_attributes(PoolFunction::Average, {2}, {1}, {1, 1}, {5});
  included.include_pad = true;
  expect_tensor(pooled(x, included), DType::F32, {1, 1, 5}, {-2, -3, -2.5, -2, -0.5});
}

TEST(Pool, CeilModeWindowsReachBeyond) {
  // The last window covers element 4 alone; with include_pad nothing beyond the pads counts.
  const Tensor x = ramp({1, 1, 5}, 1);
  expect_tensor(pooled(x, pool_attributes(PoolFunction::Average, {2}, {2}, {0, 0}, {3})), DType::F32, {1, 1, 3},
                {1.5, 3.5, 5});
  PoolAttrs included = pool_attributes(PoolFunction::Average, {2}, {2}, {0, 0}, {3});
  included.include_pad = true;
  expect_tensor(pooled(x, included), DType::F32, {1, 1, 3}, {1.5, 3.5, 5});
  expect_tensor(pooled(x, pool_attributes(PoolFunction::Max, {2}, {2}, {0, 0}, {3})), DType::F32, {1, 1, 3}, {2, 4, 5});
}

TEST(Pool, PositionsOfMaxima) {
  const Tensor x = f32({1, 2, 2, 3}, {1, 5, 2, 5, 0, 3, 9, 9, 9, 9, 9, 9});
  PoolAttrs pool = pool_attributes(PoolFunction::ArgMax, {2, 2}, {1, 1}, {0, 0, 0, 0}, {1, 2});
  expect_tensor(pooled(x, pool), DType::I64, {1, 2, 1, 2}, {1, 1, 6, 7});
  pool.column_major = true;
  expect_tensor(pooled(x, pool), DType::I64, {1, 2, 1, 2}, {2, 2, 6, 8});
}

TEST(Pool, Dilations) {
  PoolAttrs pool = pool_attributes(PoolFunction::Max, {2}, {1}, {0, 0}, {3});
  pool.dilations = {2};
  expect_tensor(pooled(f32({1, 1, 5}, {5, 1, 2, 3, 0}), pool), DType::F32, {1, 1, 3}, {5, 3, 2});
  expect_tensor(pooled(make(DType::U8, {1, 1, 5}, {5, 1, 2, 3, 0}), pool), DType::U8, {1, 1, 3}, {5, 3, 2});
}

}  // namespace
}  // namespace sardonyx::ops
