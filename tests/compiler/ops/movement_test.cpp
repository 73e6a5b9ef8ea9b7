// Data movement: broadcast, reshape, transpose, slice, concat, pad, gathers, scatters, iota, dims_tensor, topk,
// nonzero.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using graph::PadMode;
using graph::ScatterReduce;

TEST(Broadcast, RightAligns) {
  const auto y = run(
      {f32({3, 1}, {1, 2, 3})},
      [](Builder& b, Values v) {
        return Values{b.broadcast(v[0], {2, 3, 2})};
      },
      false);
  expect_tensor(y[0], DType::F32, {2, 3, 2}, {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3});
  expect_error(Status::InvalidModel, {"f32[3]"}, [] {
    run(
        {ramp({3})}, [](Builder& b, Values v) { return Values{b.broadcast(v[0], {4})}; }, false);
  });
}

TEST(Reshape, KeepsRowMajorOrder) {
  const std::pair<Dims, Dims> rows[] = {
      {{2, 3, 4}, {6, 4}},  {{2, 3, 4}, {2, 12}},   {{4, 6}, {3, 8}}, {{24}, {2, 1, 3, 4}},
      {{1, 24, 1}, {4, 6}}, {{2, 3, 4}, {4, 3, 2}}, {{1}, {}},        {{6, 4}, {6, 2, 2}}};
  for (const auto& [from, to] : rows) {
    SCOPED_TRACE(str(from, " to ", to));
    const Tensor x = ramp(from);
    const std::vector<Expr> dims(to.begin(), to.end());
    const auto y = run({x}, [&](Builder& b, Values v) { return Values{b.reshape(v[0], dims)}; });
    EXPECT_TRUE(same_bits(y[0], x.reshaped(to)));
  }
}

TEST(Reshape, SymbolicDimsSplitAndMerge) {
  const Tensor x = ramp({2, 3, 8});
  const auto split = run({x}, [](Builder& b, Values v) {
    const auto& dims = v[0]->type.dims;
    return Values{b.reshape(v[0], {dims[0], dims[1], Expr(2), dims[2] / Expr(2)})};
  });
  EXPECT_TRUE(same_bits(split[0], x.reshaped({2, 3, 2, 4})));
  const auto merged = run({x}, [](Builder& b, Values v) {
    const auto& dims = v[0]->type.dims;
    return Values{b.reshape(v[0], {dims[0] * dims[1], dims[2]})};
  });
  EXPECT_TRUE(same_bits(merged[0], x.reshaped({6, 8})));
}

TEST(Reshape, RejectsOtherCounts) {
  expect_error(Status::InvalidModel, {"f32[2,3]"}, [] {
    run(
        {ramp({2, 3})}, [](Builder& b, Values v) { return Values{b.reshape(v[0], {7})}; }, false);
  });
}

TEST(Transpose, Permutes) {
  const auto y = run({ramp({2, 3})}, [](Builder& b, Values v) { return Values{b.transpose(v[0], {1, 0})}; });
  expect_tensor(y[0], DType::F32, {3, 2}, {0, 3, 1, 4, 2, 5});
  const auto z = run({ramp({2, 2, 2})}, [](Builder& b, Values v) { return Values{b.transpose(v[0], {2, 0, 1})}; });
  expect_tensor(z[0], DType::F32, {2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7});
}

TEST(Slice, StepsInBothDirections) {
  const auto y = run(
      {ramp({2, 6})},
      [](Builder& b, Values v) {
        return Values{b.slice(v[0], {1, 4}, {1, 3}, {1, -2})};
      },
      false);
  expect_tensor(y[0], DType::F32, {1, 3}, {10, 8, 6});
  expect_error(Status::InvalidModel, {"f32[4]", "[2, 5]"}, [] {
    run(
        {ramp({4})}, [](Builder& b, Values v) { return Values{b.slice(v[0], {2}, {4}, {1})}; }, false);
  });
}

TEST(Concat, PutsSideBySide) {
  const auto y = run({ramp({2, 2}), ramp({2, 1}, 10), ramp({2, 3}, 20)}, [](Builder& b, Values v) {
    return Values{b.concat({v[0], v[1], v[2]}, 1)};
  });
  expect_tensor(y[0], DType::F32, {2, 6}, {0, 1, 10, 20, 21, 22, 2, 3, 11, 23, 24, 25});
  expect_error(Status::InvalidModel, {"f32[2,2]", "f32[3,2]"}, [] {
    run(
        {ramp({2, 2}), ramp({3, 2})},
        [](Builder& b, Values v) {
          return Values{b.concat({v[0], v[1]}, 1)};
        },
        false);
  });
}

Tensor padded(const Tensor& x, std::vector<Expr> before, std::vector<Expr> after, PadMode mode) {
  return run({x},
             [&](Builder& b, Values v) { return Values{b.pad(v[0], before, after, mode, b.scalar_like(v[0], 9))}; })[0];
}

TEST(Pad, Modes) {
  const Tensor x = ramp({3}, 1);
  expect_tensor(padded(x, {2}, {1}, PadMode::Constant), DType::F32, {6}, {9, 9, 1, 2, 3, 9});
  expect_tensor(padded(x, {2}, {1}, PadMode::Edge), DType::F32, {6}, {1, 1, 1, 2, 3, 3});
  expect_tensor(padded(x, {2}, {1}, PadMode::Reflect), DType::F32, {6}, {3, 2, 1, 2, 3, 2});
  expect_tensor(padded(x, {2}, {1}, PadMode::Wrap), DType::F32, {6}, {2, 3, 1, 2, 3, 1});
  expect_tensor(padded(x, {5}, {6}, PadMode::Reflect), DType::F32, {14}, {2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2, 1});
  expect_tensor(padded(ramp({2, 2}), {0, 1}, {1, 0}, PadMode::Constant), DType::F32, {3, 3},
                {9, 0, 1, 9, 2, 3, 9, 9, 9});
}

TEST(Gather, TakesAndCountsFromTheEnd) {
  for (DType dtype : {DType::I32, DType::I64}) {
    const auto y = run({ramp({3, 2}), make(dtype, {2, 2}, {0, -1, 1, 0})},
                       [](Builder& b, Values v) { return Values{b.gather(v[0], v[1], 0)}; });
    expect_tensor(y[0], DType::F32, {2, 2, 2}, {0, 1, 4, 5, 2, 3, 0, 1});
    const auto z = run({ramp({2, 3}), make(dtype, {2}, {2, -3})},
                       [](Builder& b, Values v) { return Values{b.gather(v[0], v[1], 1)}; });
    expect_tensor(z[0], DType::F32, {2, 2}, {2, 0, 5, 3});
  }
}

TEST(Gather, OutOfRangeFails) {
  for (double index : {3.0, -4.0})
    EXPECT_THROW(
        run({ramp({3}), i64({1}, {index})}, [](Builder& b, Values v) { return Values{b.gather(v[0], v[1], 0)}; }),
        Error);
}

TEST(GatherElements, TakesAlongAxis) {
  const auto y = run({ramp({3, 3}), i64({2, 3}, {1, 2, 0, 2, -3, 0})},
                     [](Builder& b, Values v) { return Values{b.gather_elements(v[0], v[1], 0)}; });
  expect_tensor(y[0], DType::F32, {2, 3}, {3, 7, 2, 6, 1, 2});
}

TEST(GatherNd, TuplesAndBatches) {
  const auto y = run({ramp({2, 2, 2}), i64({2, 2}, {0, 1, 1, -2})},
                     [](Builder& b, Values v) { return Values{b.gather_nd(v[0], v[1], 0)}; });
  expect_tensor(y[0], DType::F32, {2, 2}, {2, 3, 4, 5});
  const auto z = run({ramp({2, 2, 2}), i64({2, 1}, {1, 0})},
                     [](Builder& b, Values v) { return Values{b.gather_nd(v[0], v[1], 1)}; });
  expect_tensor(z[0], DType::F32, {2, 2}, {2, 3, 4, 5});
}

TEST(ScatterElements, WritesAndReduces) {
  const auto scatter = [](ScatterReduce reduction) {
    return run({ramp({5}, 1), i64({3}, {1, -2, 1}), f32({3}, {10, 20, 0.5})},
               [&](Builder& b, Values v) { return Values{b.scatter_elements(v[0], v[1], v[2], 0, reduction)}; })[0];
  };
  expect_tensor(scatter(ScatterReduce::None), DType::F32, {5}, {1, 0.5, 3, 20, 5});
  expect_tensor(scatter(ScatterReduce::Add), DType::F32, {5}, {1, 12.5, 3, 24, 5});
  expect_tensor(scatter(ScatterReduce::Mul), DType::F32, {5}, {1, 10, 3, 80, 5});
  expect_tensor(scatter(ScatterReduce::Max), DType::F32, {5}, {1, 10, 3, 20, 5});
  expect_tensor(scatter(ScatterReduce::Min), DType::F32, {5}, {1, 0.5, 3, 4, 5});
  const auto two = run({ramp({2, 3}), i64({2, 1}, {2, 0}), f32({2, 1}, {7, 8})}, [](Builder& b, Values v) {
    return Values{b.scatter_elements(v[0], v[1], v[2], 1, ScatterReduce::None)};
  });
  expect_tensor(two[0], DType::F32, {2, 3}, {0, 1, 7, 8, 4, 5});
}

TEST(ScatterNd, WritesSlices) {
  const auto y = run({ramp({3, 2}), i64({2, 1}, {2, 0}), f32({2, 2}, {10, 11, 12, 13})},
                     [](Builder& b, Values v) { return Values{b.scatter_nd(v[0], v[1], v[2], ScatterReduce::None)}; });
  expect_tensor(y[0], DType::F32, {3, 2}, {12, 13, 2, 3, 10, 11});
  EXPECT_THROW(run({ramp({3}), i64({1, 1}, {3}), f32({1}, {1})},
                   [](Builder& b, Values v) { return Values{b.scatter_nd(v[0], v[1], v[2], ScatterReduce::None)}; }),
               Error);
}

TEST(Iota, CountsAlongAxis) {
  const auto y =
      run({ramp({2, 3})}, [](Builder& b, Values v) { return Values{b.iota(DType::I32, v[0]->type.dims, 1)}; });
  expect_tensor(y[0], DType::I32, {2, 3}, {0, 1, 2, 0, 1, 2});
}

TEST(DimsTensor, HoldsDimExpressions) {
  const auto y = run({ramp({2, 3})}, [](Builder& b, Values v) {
    const auto& dims = v[0]->type.dims;
    return Values{b.dims_tensor({dims[1] + 1, dims[0], dims[0] * dims[1], Expr(5)}, {2, 2}, DType::I32)};
  });
  expect_tensor(y[0], DType::I32, {2, 2}, {4, 2, 6, 5});
}

TEST(TopK, SelectsInOrder) {
  const Tensor x = f32({2, 4}, {1, 3, 3, 2, 8, 5, 7, 6});
  const auto top = run({x}, [](Builder& b, Values v) { return b.topk(v[0], 2, -1, true, true); });
  expect_tensor(top[0], DType::F32, {2, 2}, {3, 3, 8, 7});
  expect_tensor(top[1], DType::I64, {2, 2}, {1, 2, 0, 2});
  const auto low = run({x}, [](Builder& b, Values v) { return b.topk(v[0], 1, 0, false, true); });
  expect_tensor(low[0], DType::F32, {1, 4}, {1, 3, 3, 2});
  expect_tensor(low[1], DType::I64, {1, 4}, {0, 0, 0, 0});
}

TEST(TopK, CountFromADim) {
  const auto top =
      run({ramp({2, 4})}, [](Builder& b, Values v) { return b.topk(v[0], v[0]->type.dims[0], 1, true, true); });
  expect_tensor(top[1], DType::I64, {2, 2}, {3, 2, 3, 2});
}

TEST(NonZero, ListsIndices) {
  const auto y = run({f32({2, 3}, {0, 1, 0, 2, 0, 3})}, [](Builder& b, Values v) { return Values{b.nonzero(v[0])}; });
  expect_tensor(y[0], DType::I64, {2, 3}, {0, 1, 1, 1, 0, 2});
  // The count flows into later shapes.
  const auto sums = run({f32({4}, {0, 5, 0, 6})}, [](Builder& b, Values v) {
    Value* hits = b.squeeze(b.nonzero(v[0]), {0});
    return Values{b.mul(b.gather(v[0], hits, 0), b.cast(hits, DType::F32))};
  });
  expect_tensor(sums[0], DType::F32, {2}, {5, 18});
}

}  // namespace
}  // namespace sardonyx::ops
