// ONNX operators that move, select and reshape: symbolic dims, run-time shapes, refusals. Their values on static shapes
// are covered by ONNX's own node tests.
#include <gtest/gtest.h>

#include <numeric>

#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {
namespace {

using Attributes = std::map<std::string, Attribute>;
using Ints = std::vector<int64_t>;

class OnnxMovementTest : public testing::Test {
 protected:
  Value* input(DType dtype, std::vector<Expr> dims, const char* name = "x") {
    return g.body().add_parameter({dtype, std::move(dims), {}}, name);
  }
  Value* f32(std::vector<Expr> dims) { return input(DType::F32, std::move(dims)); }

  std::vector<Value*> lower(const std::string& op, int opset, std::vector<Value*> inputs,
                            const Attributes& attributes = {}, int outputs = 1) {
    auto found = find_onnx_op("", op, opset);
    EXPECT_NE(found.lower, nullptr) << op;
    Lowering in(b, "node", op, found.since, std::move(inputs), attributes, outputs);
    return found.lower(in);
  }

  void expect_dims(const Value* value, const std::vector<Expr>& dims) {
    EXPECT_TRUE(graph::same_dims(value->type.dims, dims))
        << graph::to_string(value->type) << " is not " << Builder::shape_text(dims);
  }

  void expect_rejected(Status status, const std::string& fragment, const std::function<void()>& build) {
    try {
      build();
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), status) << error.text();
      EXPECT_NE(error.text().find(fragment), std::string::npos) << error.text();
    }
  }

  std::vector<Tensor> run(std::vector<Value*> outputs, std::vector<Tensor> inputs) {
    g.set_outputs(outputs, std::vector<std::string>(outputs.size(), "y"));
    graph::verify(g);
    return graph::interpret(g, inputs);
  }

  static Tensor counting(Dims dims) {
    Tensor tensor(DType::F32, dims);
    std::iota(tensor.data<float>(), tensor.data<float>() + tensor.count(), 0.f);
    return tensor;
  }
  static void expect_values(const Tensor& tensor, const Dims& dims, const std::vector<double>& values) {
    EXPECT_EQ(tensor.dims(), dims);
    ASSERT_EQ(tensor.count(), int64_t(values.size()));
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(tensor.as_double(int64_t(i)), values[i]) << i;
  }

  graph::Graph g;
  Builder b{g};
  Expr n = g.symbol("N"), m = g.symbol("M");
};

TEST_F(OnnxMovementTest, ReshapeInfersFromSymbols) {
  Value* x = f32({n, m, 768});
  expect_dims(lower("Reshape", 13, {x, b.ints({0, -1, 12, 64})})[0], {n, m, 12, 64});
  expect_dims(lower("Reshape", 13, {x, b.dims_tensor({n, -1}, {2})})[0], {n, m * 768});
  expect_dims(lower("Reshape", 1, {x}, {{"shape", Ints{-1, 768}}})[0], {n * m, 768});
  EXPECT_TRUE(g.equalities.empty());
}

TEST_F(OnnxMovementTest, ReshapeToARunTimeShape) {
  Value* x = f32({n, 6});
  Value* shape = input(DType::I64, {3}, "shape");
  Value* y = lower("Reshape", 13, {x, shape})[0];
  expect_values(run({y}, {counting({2, 6}), Tensor::ints(Ints{0, -1, 3})})[0], {2, 2, 3},
                {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
}

TEST_F(OnnxMovementTest, ReshapeRefusals) {
  Value* x = f32({2, 3});
  expect_rejected(Status::InvalidModel, "more than one -1", [&] { lower("Reshape", 13, {x, b.ints({-1, -1})}); });
  expect_rejected(Status::InvalidModel, "node 'node' (Reshape", [&] { lower("Reshape", 13, {x, b.ints({2, 3, 0})}); });
  expect_rejected(Status::InvalidModel, "element counts", [&] { lower("Reshape", 13, {x, b.ints({4, 2})}); });
  expect_rejected(Status::InvalidModel, "must be a vector of i64", [&] { lower("Reshape", 13, {x, x}); });
}

TEST_F(OnnxMovementTest, SliceClampsSymbolicBounds) {
  Value* x = f32({n, 10});
  expect_dims(lower("Slice", 10, {x, b.ints({0}), b.ints({INT64_MAX}), b.ints({0})})[0], {n, 10});
  expect_dims(lower("Slice", 10, {x, b.ints({-3}), b.ints({-1}), b.ints({1})})[0], {n, 2});
  expect_dims(lower("Slice", 10, {x, b.ints({9}), b.ints({INT64_MIN}), b.ints({1}), b.ints({-2})})[0], {n, 5});
  expect_dims(lower("Slice", 1, {x}, {{"starts", Ints{1}}, {"ends", Ints{4}}, {"axes", Ints{1}}})[0], {n, 3});
  Value* last = lower("Slice", 10, {x, b.ints({-1}), b.ints({INT64_MAX}), b.ints({0})})[0];
  expect_values(run({last}, {counting({3, 10})})[0], {1, 10}, {20, 21, 22, 23, 24, 25, 26, 27, 28, 29});
}

TEST_F(OnnxMovementTest, SliceWithRunTimeBounds) {
  Value* x = f32({n});
  Value *start = input(DType::I64, {1}, "start"), *end = input(DType::I64, {1}, "end");
  Value* y = lower("Slice", 13, {x, start, end})[0];
  Tensor data = counting({6});
  expect_values(run({y}, {data, Tensor::ints(Ints{-4}), Tensor::ints(Ints{100})})[0], {4}, {2, 3, 4, 5});
  EXPECT_EQ(graph::interpret(g, std::vector<Tensor>{data, Tensor::ints(Ints{5}), Tensor::ints(Ints{2})})[0].count(), 0);
}

TEST_F(OnnxMovementTest, SliceWithRunTimeAxesAndSteps) {
  Value* x = f32({2, n});
  Value *axes = input(DType::I64, {1}, "axes"), *steps = input(DType::I64, {1}, "steps");
  Value* y = lower("Slice", 13, {x, b.ints({-1}), b.ints({0}), axes, steps})[0];
  expect_values(run({y}, {counting({2, 5}), Tensor::ints(Ints{-1}), Tensor::ints(Ints{-2})})[0], {2, 2}, {4, 2, 9, 7});
}

TEST_F(OnnxMovementTest, RunTimeAxesOfSqueezeAndUnsqueeze) {
  Value* x = f32({2, 1, 3});
  Value* axes = input(DType::I64, {1}, "axes");
  Value* inserted = input(DType::I64, {2}, "inserted");
  Value* y = lower("Squeeze", 13, {x, axes})[0];
  Value* z = lower("Unsqueeze", 13, {y, inserted})[0];
  auto result = run({y, z}, {counting({2, 1, 3}), Tensor::ints(Ints{-2}), Tensor::ints(Ints{3, 0})});
  EXPECT_EQ(result[0].dims(), (Dims{2, 3}));
  EXPECT_EQ(result[1].dims(), (Dims{1, 2, 3, 1}));
}

TEST_F(OnnxMovementTest, SplitsEvenlyAndUnevenly) {
  Value* x = f32({n, 7});
  auto parts = lower("Split", 18, {x}, {{"axis", int64_t{1}}, {"num_outputs", int64_t{3}}}, 3);
  expect_dims(parts[0], {n, 3});
  expect_dims(parts[2], {n, 1});
  auto given = lower("Split", 13, {x, b.ints({2, 5})}, {{"axis", int64_t{-1}}}, 2);
  expect_dims(given[1], {n, 5});
  expect_rejected(Status::InvalidModel, "sum of the parts", [&] {
    lower("Split", 13, {x, b.ints({2, 4})}, {{"axis", int64_t{1}}}, 2);
  });
  expect_rejected(Status::InvalidModel, "sum of the parts", [&] {
    lower("Split", 11, {x}, {{"axis", int64_t{1}}}, 2);
  });
}

TEST_F(OnnxMovementTest, ExpandsWithOnesOnEitherSide) {
  Value* x = f32({n, 1, 4});
  expect_dims(lower("Expand", 8, {x, b.ints({2, 1, 3, 1})})[0], {2, n, 3, 4});
  Value* shape = input(DType::I64, {3}, "shape");
  Value* y = lower("Expand", 8, {x, shape})[0];
  auto result = run({y}, {counting({1, 1, 4}), Tensor::ints(Ints{1, 2, 1})});
  expect_values(result[0], {1, 2, 4}, {0, 1, 2, 3, 0, 1, 2, 3});
}

TEST_F(OnnxMovementTest, TilesSymbolicDims) {
  Value* x = f32({n, 2});
  Value* y = lower("Tile", 6, {x, b.ints({1, 3})})[0];
  expect_dims(y, {n, 6});
  expect_values(run({y}, {counting({1, 2})})[0], {1, 6}, {0, 1, 0, 1, 0, 1});
}

TEST_F(OnnxMovementTest, PadsAndCrops) {
  Value* x = f32({n, 3});
  Value* y = lower("Pad", 13, {x, b.ints({0, -1, 1, 2}), b.scalar(DType::F32, 9)})[0];
  expect_dims(y, {n + 1, 4});
  expect_values(run({y}, {counting({1, 3})})[0], {2, 4}, {1, 2, 9, 9, 9, 9, 9, 9});
  expect_dims(lower("Pad", 18, {x, b.ints({1, 1}), nullptr, b.ints({-1})})[0], {n, 5});
  expect_rejected(Status::InvalidModel, "mode 'mirror'", [&] {
    lower("Pad", 13, {x, b.ints({0, 0, 0, 0})}, {{"mode", std::string("mirror")}});
  });
}

TEST_F(OnnxMovementTest, RangesOfIntegersAndFloats) {
  f32({n});
  expect_dims(lower("Range", 11, {b.scalar(DType::I64, 0), b.dims_tensor({n}, {}), b.scalar(DType::I64, 2)})[0],
              {expr::ceil_div(n, 2)});
  Value* backward = lower("Range", 11, {b.scalar(DType::I32, 5), b.scalar(DType::I32, 0), b.scalar(DType::I32, -2)})[0];
  EXPECT_EQ(b.static_ints(backward), (Ints{5, 3, 1}));
  Value* limit = input(DType::F32, {}, "limit");
  Value* y = lower("Range", 11, {b.scalar(DType::F32, 1), limit, b.scalar(DType::F32, 0.5)})[0];
  expect_values(run({y}, {counting({1}), Tensor::scalar(DType::F32, 2.25)})[0], {3}, {1, 1.5, 2});
}

TEST_F(OnnxMovementTest, ResizesSymbolicDims) {
  Value* x = f32({1, 1, n, 4});
  Value* scales = b.constant(Tensor::of<float>(DType::F32, {4}, std::vector<float>{1, 1, 2, 0.5}));
  Value* y = lower("Resize", 11, {x, nullptr, scales}, {{"mode", std::string("linear")}})[0];
  expect_dims(y, {1, 1, n * 2, 2});
  // Columns (0,1) and (2,3) are averaged; rows are interpolated at -0.25, 0.25, 0.75, 1.25.
  expect_values(run({y}, {counting({1, 1, 2, 4})})[0], {1, 1, 4, 2}, {0.5, 2.5, 1.5, 3.5, 3.5, 5.5, 4.5, 6.5});
}

TEST_F(OnnxMovementTest, NearestDoublingIsARepetition) {
  Value* x = f32({1, 2, 3, 3});
  Value* scales = b.constant(Tensor::of<float>(DType::F32, {4}, std::vector<float>{1, 1, 2, 2}));
  Value* y = lower("Resize", 11, {x, nullptr, scales})[0];
  expect_dims(y, {1, 2, 6, 6});
  for (const auto& node : g.body().nodes()) EXPECT_NE(node->op, graph::Op::gather);
}

TEST_F(OnnxMovementTest, LoopStacksScans) {
  Value* x = f32({2});
  Subgraph body;
  body.inputs = {"i", "c", "v"};
  body.outputs = {"c", "w", "s"};
  body.build = [](Builder& builder, const std::vector<Value*>& arguments) {
    Value* next = builder.add(arguments[2], builder.cast(arguments[0], DType::F32));
    return std::vector<Value*>{arguments[1], next, arguments[2]};
  };
  auto results = lower("Loop", 13, {b.scalar(DType::I64, 3), nullptr, x}, {{"body", body}}, 2);
  expect_dims(results[1], {3, 2});
  auto values = run(results, {counting({2})});
  expect_values(values[0], {2}, {3, 4});
  expect_values(values[1], {3, 2}, {0, 1, 0, 1, 1, 2});
}

TEST_F(OnnxMovementTest, NamesWhatIsNotSupported) {
  Value* x = f32({2, 3});
  expect_rejected(Status::UnsupportedDatatype, "casts of data type", [&] {
    lower("Cast", 13, {x}, {{"to", int64_t{14}}});
  });
  expect_rejected(Status::InvalidModel, "none of the value attributes", [&] { lower("Constant", 13, {}); });
}

}  // namespace
}  // namespace sardonyx::ops
