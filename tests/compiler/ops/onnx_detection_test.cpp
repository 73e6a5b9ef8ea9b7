// GridSample, RoiAlign, NonMaxSuppression, Unique, MaxUnpool.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

const Tensor image = f32({1, 1, 2, 2}, {1, 2, 3, 4});

std::vector<double> sampled(const std::vector<double>& grid, const Attributes& attributes) {
  Tensor result = run(OnnxCase{.op = "GridSample",
                               .inputs = {image, f32({1, 1, int64_t(grid.size() / 2), 2}, grid)},
                               .attributes = attributes})[0];
  std::vector<double> values;
  for (int64_t i = 0; i < result.count(); ++i) values.push_back(result.as_double(i));
  return values;
}

TEST(GridSample, InterpolatesBetweenPixels) {
  const Attributes corners = {{"align_corners", int64_t{1}}};
  EXPECT_EQ(sampled({-1, -1, 1, 1, 0, 0}, corners), (std::vector<double>{1, 4, 2.5}));
  Attributes nearest = corners;
  nearest["mode"] = std::string("nearest");
  EXPECT_EQ(sampled({-0.9, -0.9, 0.9, -0.9}, nearest), (std::vector<double>{1, 2}));
}

TEST(GridSample, PadsOutsideTheImage) {
  auto corner = [&](const char* padding) {
    return sampled({-2, -2}, {{"align_corners", int64_t{1}}, {"padding_mode", std::string(padding)}});
  };
  EXPECT_EQ(corner("zeros"), std::vector<double>{0.25});  // half a pixel outside in both directions
  EXPECT_EQ(corner("border"), std::vector<double>{1});
  EXPECT_EQ(corner("reflection"), std::vector<double>{2.5});
}

TEST(RoiAlign, AveragesAndMaximises) {
  const Tensor map = ramp({1, 1, 4, 4});
  const Tensor region = f32({1, 4}, {0, 0, 2, 2});
  Attributes attributes = {{"sampling_ratio", int64_t{1}},
                           {"coordinate_transformation_mode", std::string("output_half_pixel")}};
  auto aligned = [&] {
    return run(OnnxCase{.op = "RoiAlign", .inputs = {map, region, i64({1}, {0})}, .attributes = attributes})[0];
  };
  expect_tensor(aligned(), DType::F32, {1, 1, 1, 1}, {5});  // one sample in the middle, at (1, 1)
  attributes["output_height"] = attributes["output_width"] = int64_t{2};
  expect_tensor(aligned(), DType::F32, {1, 1, 2, 2}, {2.5, 3.5, 6.5, 7.5});
  attributes["sampling_ratio"] = int64_t{0};  // as many as the region is large
  expect_tensor(aligned(), DType::F32, {1, 1, 2, 2}, {2.5, 3.5, 6.5, 7.5});
}

TEST(RoiAlign, ChecksBatchIndices) {
  for (double index : {-1.0, 1.0, 1e9})
    expect_error(Status::InternalError, {"batch index"}, [&] {
      run(OnnxCase{.op = "RoiAlign", .inputs = {ramp({1, 1, 4, 4}), f32({1, 4}, {0, 0, 2, 2}), i64({1}, {index})}});
    });
}

TEST(NonMaxSuppression, KeepsTheBestOfOverlappingBoxes) {
  const Tensor boxes = f32({1, 3, 4}, {0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11});
  const Tensor scores = f32({1, 1, 3}, {0.8, 0.9, 0.7});
  auto selected = [&](double limit, double overlap, double score) {
    return run(OnnxCase{.op = "NonMaxSuppression",
                        .inputs = {boxes, scores, i64({1}, {limit}), f32({1}, {overlap}), f32({1}, {score})},
                        .dynamic = false})[0];
  };
  expect_tensor(selected(3, 0.5, 0), DType::I64, {2, 3}, {0, 0, 1, 0, 0, 2});
  expect_tensor(selected(1, 0.5, 0), DType::I64, {1, 3}, {0, 0, 1});
  expect_tensor(selected(3, 0.5, 0.75), DType::I64, {1, 3}, {0, 0, 1});
  expect_tensor(selected(0, 0.5, 0), DType::I64, {0, 3}, {});
  expect_tensor(selected(3, 0.99, 0), DType::I64, {3, 3}, {0, 0, 1, 0, 0, 0, 0, 0, 2});
}

TEST(Unique, OfElements) {
  auto results = [](int64_t sorted) {
    return run(OnnxCase{.op = "Unique",
                        .inputs = {f32({6}, {2, 1, 1, 3, 4, 3})},
                        .attributes = {{"sorted", sorted}},
                        .outputs = 4,
                        .dynamic = false});
  };
  auto sorted = results(1);
  expect_tensor(sorted[0], DType::F32, {4}, {1, 2, 3, 4});
  expect_tensor(sorted[1], DType::I64, {4}, {1, 0, 3, 4});
  expect_tensor(sorted[2], DType::I64, {6}, {1, 0, 0, 2, 3, 2});
  expect_tensor(sorted[3], DType::I64, {4}, {2, 1, 2, 1});
  auto unsorted = results(0);
  expect_tensor(unsorted[0], DType::F32, {4}, {2, 1, 3, 4});
  expect_tensor(unsorted[2], DType::I64, {6}, {0, 1, 1, 2, 3, 2});
}

TEST(Unique, OfSlicesAndOfNothing) {
  auto columns = run(OnnxCase{.op = "Unique",
                              .inputs = {i64({2, 3}, {1, 0, 1, 2, 5, 2})},
                              .attributes = {{"axis", int64_t{-1}}},
                              .outputs = 4,
                              .dynamic = false});
  expect_tensor(columns[0], DType::I64, {2, 2}, {0, 1, 5, 2});
  expect_tensor(columns[2], DType::I64, {3}, {1, 0, 1});
  auto empty = run(OnnxCase{.op = "Unique", .inputs = {f32({0}, {})}, .outputs = 4, .dynamic = false});
  expect_tensor(empty[0], DType::F32, {0}, {});
}

TEST(MaxUnpool, PutsValuesBack) {
  const Tensor x = f32({1, 1, 2, 2}, {1, 2, 3, 4}), indices = i64({1, 1, 2, 2}, {5, 7, 13, 15});
  const Attributes attributes = {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}};
  expect_tensor(run(OnnxCase{.op = "MaxUnpool", .inputs = {x, indices}, .attributes = attributes})[0], DType::F32,
                {1, 1, 4, 4}, {0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4});
}

TEST(Scan, SumsAndStacks) {
  Subgraph body{{"sum", "next"}, {"sum_out", "scan_out"}, [](Builder& b, const Values& arguments) {
                  Value* sum = b.add(arguments[0], arguments[1]);
                  return Values{sum, sum};
                }};
  auto results = [&](int64_t reverse) {
    return run(OnnxCase{.op = "Scan",
                        .inputs = {f32({2}, {0, 0}), f32({3, 2}, {1, 2, 3, 4, 5, 6})},
                        .attributes = {{"body", body},
                                       {"num_scan_inputs", int64_t{1}},
                                       {"scan_input_directions", std::vector<int64_t>{reverse}},
                                       {"scan_output_directions", std::vector<int64_t>{reverse}},
                                       {"scan_output_axes", std::vector<int64_t>{reverse}}},
                        .outputs = 2,
                        .dynamic = false});
  };
  auto forward = results(0);
  expect_tensor(forward[0], DType::F32, {2}, {9, 12});
  expect_tensor(forward[1], DType::F32, {3, 2}, {1, 2, 4, 6, 9, 12});
  auto backward = results(1);
  expect_tensor(backward[0], DType::F32, {2}, {9, 12});
  expect_tensor(backward[1], DType::F32, {2, 3}, {9, 8, 5, 12, 10, 6});
}

// Two batch entries of three steps: `sum` adds up what comes, and every step gives the sum so far.
OnnxCase batched_scan(const Tensor& lengths, int64_t reverse) {
  Subgraph body{{"sum", "next"}, {"sum_out", "scan_out"}, [](Builder& b, const Values& arguments) {
                  Value* sum = b.add(arguments[0], arguments[1]);
                  return Values{sum, sum};
                }};
  return {
      .op = "Scan",
      .opset = 8,
      .inputs = {lengths, f32({2, 1}, {100, 200}), f32({2, 3, 1}, {1, 2, 3, 4, 5, 6})},
      .attributes = {{"body", body}, {"num_scan_inputs", int64_t{1}}, {"directions", std::vector<int64_t>{reverse}}},
      .outputs = 2,
      .dynamic = false};
}

TEST(Scan, EndsEveryBatchEntryAtItsLength) {
  auto full = run(batched_scan({}, 0));
  expect_tensor(full[0], DType::F32, {2, 1}, {106, 215});
  expect_tensor(full[1], DType::F32, {2, 3, 1}, {101, 103, 106, 204, 209, 215});
  auto longest = run(batched_scan(i64({2}, {3, 3}), 0));
  EXPECT_TRUE(same_bits(longest[0], full[0]) && same_bits(longest[1], full[1]));
  auto part = run(batched_scan(i64({2}, {2, 1}), 0));
  expect_tensor(part[0], DType::F32, {2, 1}, {103, 204});
  expect_tensor(part[1], DType::F32, {2, 3, 1}, {101, 103, 0, 204, 0, 0});
  auto backward = run(batched_scan(i64({2}, {2, 3}), 1));
  expect_tensor(backward[0], DType::F32, {2, 1}, {103, 215});
  expect_tensor(backward[1], DType::F32, {2, 3, 1}, {102, 103, 0, 206, 211, 215});
}

TEST(Scan, OfNoStepsGivesTheInitialState) {
  for (int64_t reverse : {0, 1}) {
    auto results = run(batched_scan(i64({2}, {0, 2}), reverse));
    expect_tensor(results[0], DType::F32, {2, 1}, {100, 209});
    EXPECT_EQ(results[1].as_double(0), 0);
    EXPECT_EQ(results[1].as_double(2), 0);
    EXPECT_EQ(results[1].as_double(5), 0);
  }
}

TEST(Scan, RefusesLengthsOutOfRange) {
  for (double length : {-1.0, 4.0, 1e15}) {
    for (const std::vector<int>& constants : {std::vector<int>{}, {0}}) {
      OnnxCase test = batched_scan(i64({2}, {2, length}), 0);
      test.constants = constants;
      expect_error(Status::MismatchingShape, {"node 'node' (Scan)", "sequence length", "3 elements"},
                   [&] { run(test); });
    }
  }
  expect_error(Status::InvalidModel, {"Scan", "sequence_lens is f32[2]"}, [] {
    run(batched_scan(f32({2}, {1, 1}), 0));
  });
  expect_error(Status::InvalidModel, {"sequence lengths", "must be equal"}, [] {
    run(batched_scan(i64({3}, {1, 1, 1}), 0));
  });
}

TEST(Optimizers, TakeOneStep) {
  auto step = [](const char* op, const std::vector<Tensor>& inputs, const Attributes& attributes) {
    const OnnxOpVersion version = find_onnx_op("ai.onnx.preview.training", op, 1);
    return run(inputs, [&](Builder& builder, Values values) {
      Lowering lowering(builder, "node", op, 1, values, attributes, int(values.size()) - 3);
      return version.lower(lowering);
    });
  };
  const Tensor rate = f32({}, {0.5}), updates = i64({}, {0}), x = f32({1}, {1}), g = f32({1}, {2}),
               state = f32({1}, {0});
  auto adagrad = step("Adagrad", {rate, updates, x, g, state}, {{"epsilon", 0.0}});
  expect_tensor(adagrad[0], DType::F32, {1}, {0.5});
  expect_tensor(adagrad[1], DType::F32, {1}, {4});
  auto momentum = step("Momentum", {rate, updates, x, g, f32({1}, {1})},
                       {{"alpha", 0.5}, {"beta", 0.25}, {"mode", std::string("standard")}});
  expect_tensor(momentum[0], DType::F32, {1}, {-0.25});
  expect_tensor(momentum[1], DType::F32, {1}, {2.5});
  auto adam = step("Adam", {rate, updates, x, g, state, state}, {{"alpha", 0.5}, {"beta", 0.75}, {"epsilon", 0.0}});
  expect_tensor(adam[0], DType::F32, {1}, {0.5});
  expect_tensor(adam[1], DType::F32, {1}, {1});
  expect_tensor(adam[2], DType::F32, {1}, {1});
}

}  // namespace
}  // namespace sardonyx::ops
