// reduce, arg_reduce, cumulate, softmax, layer_norm, lrn.
#include <cstdint>

#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;

Tensor reduced(ReduceFunction function, const Tensor& x, std::vector<int64_t> axes, bool keep = false) {
  return run({x}, [&](Builder& b, Values v) { return Values{b.reduce(function, v[0], axes, keep)}; })[0];
}

TEST(Reduce, Functions) {
  const Tensor x = f32({2, 3}, {1, -2, 3, 4, 5, -6});
  expect_tensor(reduced(ReduceFunction::Sum, x, {1}), DType::F32, {2}, {2, 3});
  expect_tensor(reduced(ReduceFunction::Sum, x, {0}), DType::F32, {3}, {5, 3, -3});
  expect_tensor(reduced(ReduceFunction::Sum, x, {0, 1}), DType::F32, {}, {5});
  expect_tensor(reduced(ReduceFunction::Product, x, {1}), DType::F32, {2}, {-6, -120});
  expect_tensor(reduced(ReduceFunction::Max, x, {-1}, true), DType::F32, {2, 1}, {3, 5});
  expect_tensor(reduced(ReduceFunction::Min, x, {0}), DType::F32, {3}, {1, -2, -6});
  expect_tensor(reduced(ReduceFunction::Sum, ramp({2, 2, 3}), {0, 2}), DType::F32, {2}, {24, 42});
}

TEST(Reduce, Types) {
  for (DType dtype : {DType::U8, DType::I8, DType::I32, DType::I64, DType::F64, DType::F16, DType::BF16}) {
    expect_tensor(reduced(ReduceFunction::Sum, make(dtype, {3}, {1, 2, 4}), {0}), dtype, {}, {7});
    expect_tensor(reduced(ReduceFunction::Max, make(dtype, {3}, {1, 4, 2}), {0}), dtype, {}, {4});
  }
  expect_tensor(reduced(ReduceFunction::Max, bools({2, 2}, {0, 1, 0, 0}), {1}), DType::Bool, {2}, {1, 0});
  expect_tensor(reduced(ReduceFunction::Min, bools({2, 2}, {0, 1, 1, 1}), {1}), DType::Bool, {2}, {0, 1});
  // 2048 + 1 + 1 ... is stuck at 2048 in F16 unless it accumulates in F32.
  Tensor ones(DType::F16, {4096});
  for (int64_t i = 0; i < 4096; ++i) ones.set_double(i, 1);
  expect_tensor(reduced(ReduceFunction::Sum, ones, {0}), DType::F16, {}, {4096});
}

TEST(Reduce, SpecialValues) {
  expect_tensor(reduced(ReduceFunction::Max, f32({2, 2}, {-INFINITY, -INFINITY, NAN, 1}), {1}), DType::F32, {2},
                {-INFINITY, NAN});
  // Reductions over nothing give the neutral element.
  expect_tensor(reduced(ReduceFunction::Sum, f32({2, 0}, {}), {1}), DType::F32, {2}, {0, 0});
  expect_tensor(reduced(ReduceFunction::Product, f32({2, 0}, {}), {1}), DType::F32, {2}, {1, 1});
}

TEST(Reduce, RejectsAxesAndTypes) {
  expect_error(Status::InvalidModel, {"axis 2"}, [] { reduced(ReduceFunction::Sum, ramp({2, 2}), {2}); });
  expect_error(Status::InvalidModel, {"bool[2]"}, [] { reduced(ReduceFunction::Sum, bools({2}, {0, 1}), {0}); });
}

TEST(ArgReduce, FirstAndLast) {
  const Tensor x = f32({2, 4}, {1, 3, 3, 0, -1, -1, -5, -1});
  const auto arg = [&](bool maximum, bool last) {
    return run({x}, [&](Builder& b, Values v) { return Values{b.arg_reduce(v[0], maximum, last, 1, false)}; })[0];
  };
  expect_tensor(arg(true, false), DType::I64, {2}, {1, 0});
  expect_tensor(arg(true, true), DType::I64, {2}, {2, 3});
  expect_tensor(arg(false, false), DType::I64, {2}, {3, 2});
  const auto rows = run({x}, [](Builder& b, Values v) { return Values{b.arg_reduce(v[0], true, false, 0, true)}; });
  expect_tensor(rows[0], DType::I64, {1, 4}, {0, 0, 0, 0});
}

TEST(ArgReduce, NanIsTheExtreme) {
  const auto y = run({f32({4}, {1, NAN, 3, NAN})}, [](Builder& b, Values v) {
    return Values{b.arg_reduce(v[0], true, false, 0, false), b.arg_reduce(v[0], false, true, 0, false)};
  });
  expect_tensor(y[0], DType::I64, {}, {1});
  expect_tensor(y[1], DType::I64, {}, {3});
}

Tensor cumulated(const Tensor& x, int64_t axis, bool exclusive, bool reverse,
                 ReduceFunction function = ReduceFunction::Sum) {
  return run({x},
             [&](Builder& b, Values v) { return Values{b.cumulate(function, v[0], axis, exclusive, reverse)}; })[0];
}

TEST(Cumulate, Directions) {
  const Tensor x = ramp({4}, 1);
  expect_tensor(cumulated(x, 0, false, false), DType::F32, {4}, {1, 3, 6, 10});
  expect_tensor(cumulated(x, 0, true, false), DType::F32, {4}, {0, 1, 3, 6});
  expect_tensor(cumulated(x, 0, false, true), DType::F32, {4}, {10, 9, 7, 4});
  expect_tensor(cumulated(x, 0, true, true), DType::F32, {4}, {9, 7, 4, 0});
  expect_tensor(cumulated(ramp({2, 2}, 1), 0, false, false), DType::F32, {2, 2}, {1, 2, 4, 6});
  expect_tensor(cumulated(ramp({2, 2}, 1, 1, DType::I32), 1, false, false), DType::I32, {2, 2}, {1, 3, 3, 7});
  expect_tensor(cumulated(x, 0, true, false, ReduceFunction::Product), DType::F32, {4}, {1, 1, 2, 6});
}

Tensor softmax(const Tensor& x, int64_t axis, bool log) {
  return run({x}, [&](Builder& b, Values v) { return Values{b.softmax(v[0], axis, log)}; })[0];
}

TEST(Softmax, SumsToOne) {
  const double e = std::exp(1.0);
  expect_tensor(softmax(f32({1, 2}, {0, 1}), 1, false), DType::F32, {1, 2}, {1 / (1 + e), e / (1 + e)});
  expect_tensor(softmax(f32({2, 1}, {0, 1}), 0, false), DType::F32, {2, 1}, {1 / (1 + e), e / (1 + e)});
  expect_tensor(softmax(f32({2}, {0, 1}), 0, true), DType::F32, {2}, {-std::log(1 + e), 1 - std::log(1 + e)});
}

TEST(Softmax, DoesNotOverflow) {
  expect_tensor(softmax(f32({3}, {1e4, 1e4, -1e4}), 0, false), DType::F32, {3}, {0.5, 0.5, 0});
  expect_tensor(softmax(f32({2}, {1e4, 0}), 0, true), DType::F32, {2}, {0, -1e4});
  expect_tensor(softmax(make(DType::F16, {2}, {6e4, 6e4}), 0, false), DType::F16, {2}, {0.5, 0.5});
}

TEST(LayerNorm, NormalisesRows) {
  const auto y = run(
      {f32({2, 2}, {1, 3, 10, 10}), f32({2}, {2, 1}), f32({2}, {0, 5})},
      [](Builder& b, Values v) { return Values{b.layer_norm(v[0], v[1], v[2], -1, 1e-5)}; }, false);
  const double r = 1 / std::sqrt(1 + 1e-5);
  expect_tensor(y[0], DType::F32, {2, 2}, {-2 * r, r + 5, 0, 5});
  // A large mean does not cancel.
  const auto z = run({f32({1, 4}, {100001, 100002, 100003, 100004})}, [](Builder& b, Values v) {
    return Values{b.layer_norm(v[0], b.scalar_like(v[0], 1), b.scalar_like(v[0], 0), 1, 0)};
  });
  const double d = std::sqrt(1.25);
  expect_tensor(z[0], DType::F32, {1, 4}, {-1.5 / d, -0.5 / d, 0.5 / d, 1.5 / d}, 1e-4);
}

TEST(LayerNorm, SeveralAxes) {
  const auto y = run({ramp({2, 1, 2, 2})}, [](Builder& b, Values v) {
    return Values{b.layer_norm(v[0], b.scalar_like(v[0], 1), b.scalar_like(v[0], 0), 2, 0)};
  });
  const double d = std::sqrt(1.25);
  expect_tensor(y[0], DType::F32, {2, 1, 2, 2},
                {-1.5 / d, -0.5 / d, 0.5 / d, 1.5 / d, -1.5 / d, -0.5 / d, 0.5 / d, 1.5 / d}, 1e-5);
}

TEST(Lrn, WindowOverChannels) {
  graph::LrnAttrs attributes;
  attributes.alpha = 0.3;
  attributes.beta = 0.5;
  attributes.bias = 2;
  attributes.size = 3;
  const auto y =
      run({f32({1, 4, 1}, {1, 2, 3, 4})}, [&](Builder& b, Values v) { return Values{b.lrn(v[0], attributes)}; });
  const auto expected = [](double x, double squares) { return x / std::sqrt(2 + 0.1 * squares); };
  expect_tensor(y[0], DType::F32, {1, 4, 1}, {expected(1, 5), expected(2, 14), expected(3, 29), expected(4, 25)});
}

}  // namespace
}  // namespace sardonyx::ops
