// ONNX's convolutions, pools, normalizations, losses and quantized operators: options and versions. Their values on
// plain cases are covered by ONNX's own node tests.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using Ints = std::vector<int64_t>;

Tensor one(const OnnxCase& test) { return run(test)[0]; }

TEST(OnnxConv, AutoPad) {
  const Tensor x = ramp({1, 1, 5}, 1), w = f32({1, 1, 2}, {1, 10});
  const auto conv = [&](const char* auto_pad, int64_t stride) {
    return one({.op = "Conv",
                .inputs = {x, w},
                .attributes = {{"auto_pad", std::string(auto_pad)}, {"strides", Ints{stride}}},
                .constants = {1}});
  };
  expect_tensor(conv("VALID", 1), DType::F32, {1, 1, 4}, {21, 32, 43, 54});
  expect_tensor(conv("SAME_UPPER", 1), DType::F32, {1, 1, 5}, {21, 32, 43, 54, 5});
  expect_tensor(conv("SAME_LOWER", 1), DType::F32, {1, 1, 5}, {10, 21, 32, 43, 54});
  expect_tensor(conv("SAME_UPPER", 2), DType::F32, {1, 1, 3}, {21, 43, 5});
}

TEST(OnnxConv, BiasAndErrors) {
  const Tensor x = ramp({1, 1, 3}), w = f32({2, 1, 1}, {1, 2}), bias = f32({2}, {10, 20});
  expect_tensor(one({.op = "Conv", .inputs = {x, w, bias}, .constants = {1, 2}}), DType::F32, {1, 2, 3},
                {10, 11, 12, 20, 22, 24});
  expect_error(Status::InvalidModel, {"Conv", "kernel_shape"}, [&] {
    one({.op = "Conv", .inputs = {x, w}, .attributes = {{"kernel_shape", Ints{2}}}});
  });
  expect_error(Status::InvalidModel, {"Conv", "strides"}, [&] {
    one({.op = "Conv", .inputs = {x, w}, .attributes = {{"strides", Ints{0}}}});
  });
  expect_error(Status::InvalidModel, {"Conv", "auto_pad"}, [&] {
    one({.op = "Conv", .inputs = {x, w}, .attributes = {{"auto_pad", std::string("MAYBE")}}});
  });
}

TEST(OnnxConvTranspose, OutputShape) {
  const Tensor x = f32({1, 1, 2}, {1, 2}), w = f32({1, 1, 3}, {1, 10, 100});
  const auto transpose = [&](Attributes attributes) {
    attributes["strides"] = Ints{2};
    return one({.op = "ConvTranspose", .inputs = {x, w}, .attributes = attributes, .constants = {1}});
  };
  expect_tensor(transpose({}), DType::F32, {1, 1, 5}, {1, 10, 102, 20, 200});
  expect_tensor(transpose({{"output_padding", Ints{1}}}), DType::F32, {1, 1, 6}, {1, 10, 102, 20, 200, 0});
  expect_tensor(transpose({{"output_shape", Ints{6}}}), DType::F32, {1, 1, 6}, {1, 10, 102, 20, 200, 0});
  expect_tensor(transpose({{"output_shape", Ints{4}}}), DType::F32, {1, 1, 4}, {10, 102, 20, 200});
  expect_tensor(transpose({{"output_shape", Ints{4}}, {"auto_pad", std::string("SAME_UPPER")}}), DType::F32, {1, 1, 4},
                {1, 10, 102, 20});
  expect_tensor(transpose({{"auto_pad", std::string("SAME_UPPER")}}), DType::F32, {1, 1, 4}, {1, 10, 102, 20});
  expect_tensor(transpose({{"pads", Ints{1, 0}}}), DType::F32, {1, 1, 4}, {10, 102, 20, 200});
}

TEST(OnnxPool, Options) {
  const Tensor x = ramp({1, 1, 5}, 1);
  const Attributes pairs{{"kernel_shape", Ints{2}}, {"strides", Ints{2}}};
  Attributes ceil = pairs;
  ceil["ceil_mode"] = int64_t{1};
  expect_tensor(one({.op = "MaxPool", .inputs = {x}, .attributes = pairs}), DType::F32, {1, 1, 2}, {2, 4});
  expect_tensor(one({.op = "MaxPool", .inputs = {x}, .attributes = ceil}), DType::F32, {1, 1, 3}, {2, 4, 5});
  const auto both = run({.op = "MaxPool", .inputs = {x}, .attributes = ceil, .outputs = 2});
  expect_tensor(both[1], DType::I64, {1, 1, 3}, {1, 3, 4});
  // A window that would begin in the end pads does not exist.
  Attributes padded = ceil;
  padded["pads"] = Ints{0, 1};
  padded["strides"] = Ints{3};
  expect_tensor(one({.op = "MaxPool", .inputs = {x}, .attributes = padded}), DType::F32, {1, 1, 2}, {2, 5});
  Attributes include{{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}, {"count_include_pad", int64_t{1}}};
  expect_tensor(one({.op = "AveragePool", .inputs = {x}, .attributes = include}), DType::F32, {1, 1, 5},
                {1, 2, 3, 4, 3});
  include.erase("count_include_pad");
  expect_tensor(one({.op = "AveragePool", .inputs = {x}, .attributes = include}), DType::F32, {1, 1, 5},
                {1.5, 2, 3, 4, 4.5});
  expect_tensor(one({.op = "LpPool", .inputs = {x}, .attributes = pairs}), DType::F32, {1, 1, 2}, {std::sqrt(5), 5});
  expect_tensor(one({.op = "LpPool", .inputs = {x}, .attributes = {{"kernel_shape", Ints{5}}, {"p", int64_t{3}}}}),
                DType::F32, {1, 1, 1}, {std::cbrt(225)});
}

TEST(OnnxPool, Global) {
  const Tensor x = ramp({1, 2, 2, 2}, 1);
  expect_tensor(one({.op = "GlobalAveragePool", .inputs = {x}}), DType::F32, {1, 2, 1, 1}, {2.5, 6.5});
  expect_tensor(one({.op = "GlobalMaxPool", .inputs = {x}}), DType::F32, {1, 2, 1, 1}, {4, 8});
  expect_tensor(one({.op = "GlobalLpPool", .inputs = {x}, .attributes = {{"p", int64_t{1}}}}), DType::F32, {1, 2, 1, 1},
                {10, 26});
  expect_tensor(one({.op = "LpNormalization", .inputs = {f32({1, 2}, {3, 4})}}), DType::F32, {1, 2}, {0.6, 0.8});
}

TEST(OnnxNormalization, Batch) {
  const Tensor x = ramp({1, 2, 2}, 1), scale = f32({2}, {2, 1}), bias = f32({2}, {0, 5}), mean = f32({2}, {1, 3}),
               variance = f32({2}, {4, 1});
  const Attributes exact{{"epsilon", 0.0}};
  for (int opset : {1, 6, 7, 9, 14, 15}) {
    expect_tensor(one({.op = "BatchNormalization",
                       .opset = opset,
                       .inputs = {x, scale, bias, mean, variance},
                       .attributes = exact,
                       .constants = {1, 2, 3, 4}}),
                  DType::F32, {1, 2, 2}, {0, 1, 5, 6});
  }
  const Attributes training{{"epsilon", 0.0}, {"training_mode", int64_t{1}}, {"momentum", 0.5}};
  const auto results = run({.op = "BatchNormalization",
                            .opset = 15,
                            .inputs = {x, scale, bias, mean, variance},
                            .attributes = training,
                            .outputs = 3,
                            .dynamic = false});
  expect_tensor(results[0], DType::F32, {1, 2, 2}, {-2, 2, 4, 6});
  expect_tensor(results[1], DType::F32, {2}, {1.25, 3.25});
  expect_tensor(results[2], DType::F32, {2}, {2.125, 0.625});
  // Before version 14, asking for the statistics trains, and the batch's own come last.
  const auto early = run({.op = "BatchNormalization",
                          .opset = 9,
                          .inputs = {x, scale, bias, mean, variance},
                          .attributes = {{"epsilon", 0.0}, {"momentum", 0.5}},
                          .outputs = 5,
                          .dynamic = false});
  ASSERT_EQ(early.size(), 5u);
  expect_tensor(early[0], DType::F32, {1, 2, 2}, {-2, 2, 4, 6});
  expect_tensor(early[2], DType::F32, {2}, {2.125, 0.625});
  expect_tensor(early[3], DType::F32, {2}, {1.5, 3.5});
  expect_tensor(early[4], DType::F32, {2}, {0.25, 0.25});
}

TEST(OnnxNormalization, InstanceGroupLayerAndRms) {
  const Tensor x = ramp({1, 2, 2}, 1);
  const Attributes exact{{"epsilon", 0.0}};
  expect_tensor(one({.op = "InstanceNormalization",
                     .inputs = {x, f32({2}, {1, 2}), f32({2}, {0, 1})},
                     .attributes = exact,
                     .dynamic = false}),
                DType::F32, {1, 2, 2}, {-1, 1, -1, 3});
  const double d = std::sqrt(1.25);
  const Attributes one_group{{"epsilon", 0.0}, {"num_groups", int64_t{1}}};
  expect_tensor(one({.op = "GroupNormalization",
                     .opset = 18,
                     .inputs = {x, f32({1}, {2}), f32({1}, {1})},
                     .attributes = one_group,
                     .dynamic = false}),
                DType::F32, {1, 2, 2}, {1 - 3 / d, 1 - 1 / d, 1 + 1 / d, 1 + 3 / d});
  expect_tensor(one({.op = "GroupNormalization",
                     .opset = 21,
                     .inputs = {x, f32({2}, {2, 4}), f32({2}, {1, 0})},
                     .attributes = one_group,
                     .dynamic = false}),
                DType::F32, {1, 2, 2}, {1 - 3 / d, 1 - 1 / d, 2 / d, 6 / d});
  const auto layer = run({.op = "LayerNormalization",
                          .inputs = {x, f32({2}, {1, 1})},
                          .attributes = exact,
                          .outputs = 3,
                          .dynamic = false});
  expect_tensor(layer[0], DType::F32, {1, 2, 2}, {-1, 1, -1, 1});
  expect_tensor(layer[1], DType::F32, {1, 2, 1}, {1.5, 3.5});
  expect_tensor(layer[2], DType::F32, {1, 2, 1}, {2, 2});
  expect_tensor(one({.op = "RMSNormalization",
                     .opset = 23,
                     .inputs = {f32({1, 2}, {1, 7}), f32({2}, {1, 10})},
                     .attributes = exact,
                     .dynamic = false}),
                DType::F32, {1, 2}, {0.2, 14});
  expect_tensor(one({.op = "MeanVarianceNormalization", .inputs = {ramp({1, 1, 2, 1})}}), DType::F32, {1, 1, 2, 1},
                {-1, 1});
}

TEST(OnnxLoss, ReductionsAndIgnoredTargets) {
  const Tensor x = f32({3, 2}, {-1, -2, -3, -4, -5, -6}), target = i64({3}, {0, 1, 1}), weight = f32({2}, {1, 3});
  const auto loss = [&](const char* reduction, std::vector<Tensor> inputs, Attributes attributes = {}) {
    attributes["reduction"] = std::string(reduction);
    return one({.op = "NegativeLogLikelihoodLoss",
                .inputs = std::move(inputs),
                .attributes = std::move(attributes),
                .dynamic = false});
  };
  expect_tensor(loss("none", {x, target}), DType::F32, {3}, {1, 4, 6});
  expect_tensor(loss("sum", {x, target, weight}), DType::F32, {}, {31});
  expect_tensor(loss("mean", {x, target, weight}), DType::F32, {}, {31.0 / 7});
  expect_tensor(loss("mean", {x, target}, {{"ignore_index", int64_t{0}}}), DType::F32, {}, {5});
  expect_tensor(loss("mean", {x, i64({3}, {-7, 1, 1})}, {{"ignore_index", int64_t{-7}}}), DType::F32, {}, {5});
  const auto entropy = run({.op = "SoftmaxCrossEntropyLoss",
                            .inputs = {f32({1, 2}, {0, 0}), i64({1}, {1})},
                            .outputs = 2,
                            .dynamic = false});
  expect_tensor(entropy[0], DType::F32, {}, {std::log(2)});
  expect_tensor(entropy[1], DType::F32, {1, 2}, {-std::log(2), -std::log(2)});
}

TEST(OnnxQuantize, RoundsAndSaturates) {
  const Tensor x = f32({6}, {0, 1, 3, 5, 1000, -1000});
  expect_tensor(one({.op = "QuantizeLinear", .inputs = {x, f32({}, {2}), make(DType::U8, {}, {128})}}), DType::U8, {6},
                {128, 128, 130, 130, 255, 0});
  expect_tensor(one({.op = "QuantizeLinear", .inputs = {x, f32({}, {2}), make(DType::I8, {}, {1})}}), DType::I8, {6},
                {1, 1, 3, 3, 127, -128});
  expect_tensor(one({.op = "QuantizeLinear",
                     .inputs = {ramp({1, 2, 2}), f32({2}, {1, 0.5}), make(DType::U8, {2}, {0, 10})},
                     .dynamic = false}),
                DType::U8, {1, 2, 2}, {0, 1, 14, 16});
  expect_tensor(one({.op = "DequantizeLinear",
                     .inputs = {make(DType::U8, {2}, {0, 255}), f32({}, {0.5}), make(DType::U8, {}, {128})}}),
                DType::F32, {2}, {-64, 63.5});
  expect_tensor(one({.op = "DequantizeLinear", .inputs = {make(DType::I32, {1}, {-3}), f32({}, {2})}}), DType::F32, {1},
                {-6});
}

TEST(OnnxQuantize, Dynamic) {
  const auto results = run({.op = "DynamicQuantizeLinear", .inputs = {f32({3}, {-1, 0, 4})}, .outputs = 3});
  expect_tensor(results[0], DType::U8, {3}, {0, 51, 255});
  expect_tensor(results[1], DType::F32, {}, {5.0 / 255});
  expect_tensor(results[2], DType::U8, {}, {51});
}

TEST(OnnxQuantize, IntegerContractions) {
  const Tensor a = make(DType::U8, {2, 2}, {1, 2, 3, 4}), b = make(DType::I8, {2, 2}, {1, -1, 2, -2});
  expect_tensor(one({.op = "MatMulInteger",
                     .inputs = {a, b, make(DType::U8, {}, {1}), make(DType::I8, {2}, {1, 0})},
                     .dynamic = false}),
                DType::I32, {2, 2}, {1, -2, 3, -8});
  expect_tensor(one({.op = "MatMulInteger", .inputs = {a, b, make(DType::U8, {2}, {1, 3})}, .dynamic = false}),
                DType::I32, {2, 2}, {2, -2, 2, -2});
  expect_tensor(
      one({.op = "ConvInteger",
           .inputs = {make(DType::U8, {1, 1, 2}, {5, 7}), make(DType::U8, {1, 1, 1}, {3}), make(DType::U8, {}, {5})},
           .attributes = {{"pads", Ints{1, 0}}},
           .constants = {1}}),
      DType::I32, {1, 1, 3}, {0, 0, 6});
  const Tensor half = f32({}, {0.5});
  expect_tensor(one({.op = "QLinearMatMul",
                     .inputs = {a, half, make(DType::U8, {}, {0}), b, half, make(DType::I8, {}, {0}), half,
                                make(DType::U8, {}, {10})},
                     .dynamic = false}),
                DType::U8, {2, 2}, {12, 8, 16, 4});
  expect_tensor(one({.op = "QLinearConv",
                     .inputs = {make(DType::U8, {1, 1, 1}, {4}), half, make(DType::U8, {}, {0}),
                                make(DType::I8, {2, 1, 1}, {1, -1}), f32({2}, {1, 2}), make(DType::I8, {2}, {0, 0}),
                                half, make(DType::U8, {}, {10}), make(DType::I32, {2}, {2, 1})},
                     .dynamic = false}),
                DType::U8, {1, 2, 1}, {16, 4});
}

TEST(OnnxQuantize, RefusesConvolutionsWithoutGroups) {
  const Tensor x = make(DType::U8, {1, 1, 1}, {4}), w = make(DType::I8, {1, 1, 1}, {1}),
               zero = make(DType::U8, {}, {0}), scale = f32({}, {0.5});
  const std::vector<OnnxCase> cases = {
      {.op = "ConvInteger", .inputs = {x, w}, .attributes = {{"group", int64_t{0}}}},
      {.op = "QLinearConv",
       .inputs = {x, scale, zero, w, scale, make(DType::I8, {}, {0}), scale, zero},
       .attributes = {{"group", int64_t{-1}}}},
  };
  for (const OnnxCase& refused : cases) {
    try {
      run(refused);
      ADD_FAILURE() << refused.op << " ran";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::InvalidModel);
      EXPECT_NE(std::string(error.what()).find("must be positive"), std::string::npos) << error.what();
    }
  }
}

TEST(OnnxDet, Determinants) {
  expect_tensor(one({.op = "Det", .inputs = {f32({2, 2, 2}, {1, 2, 3, 4, 0, 1, 1, 0})}}), DType::F32, {2}, {-2, -1});
  expect_tensor(one({.op = "Det", .inputs = {f32({3, 3}, {2, 0, 1, 1, 3, 2, 1, 1, 4})}}), DType::F32, {}, {18});
}

}  // namespace
}  // namespace sardonyx::ops
