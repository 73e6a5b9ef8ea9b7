// ONNX's element-wise operators, reductions and softmax family: versions, options, special values.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using Ints = std::vector<int64_t>;

Tensor one(const OnnxCase& test) { return run(test)[0]; }

TEST(OnnxBinary, LegacyBroadcastAxis) {
  const Tensor x = ramp({2, 3, 2}), y = f32({3}, {10, 20, 30});
  const Attributes axis{{"broadcast", int64_t{1}}, {"axis", int64_t{1}}};
  expect_tensor(one({.op = "Add", .opset = 6, .inputs = {x, y}, .attributes = axis}), DType::F32, {2, 3, 2},
                {10, 11, 22, 23, 34, 35, 16, 17, 28, 29, 40, 41});
  // Without axis the last dims match.
  expect_tensor(one({.op = "Mul",
                     .opset = 6,
                     .inputs = {ramp({2, 2}), f32({2}, {1, 10})},
                     .attributes = {{"broadcast", int64_t{1}}}}),
                DType::F32, {2, 2}, {0, 10, 2, 30});
}

TEST(OnnxReduce, BoolsOverRunTimeAxes) {
  const auto reduced = [](const char* op) {
    return run(OnnxCase{
        .op = op, .opset = 20, .inputs = {bools({2, 3}, {0, 1, 0, 1, 1, 1}), i64({1}, {1})}, .dynamic = false})[0];
  };
  expect_tensor(reduced("ReduceMax"), DType::Bool, {2, 1}, {1, 1});
  expect_tensor(reduced("ReduceMin"), DType::Bool, {2, 1}, {0, 1});
}

TEST(OnnxBinary, PowMixesTypes) {
  expect_tensor(one({.op = "Pow", .inputs = {f32({2}, {2, 3}), i64({2}, {3, 2})}}), DType::F32, {2}, {8, 9});
  expect_tensor(one({.op = "Pow", .inputs = {i64({2}, {4, 9}), f32({}, {0.5})}}), DType::I64, {2}, {2, 3});
}

TEST(OnnxBinary, ModForms) {
  expect_tensor(one({.op = "Mod", .inputs = {i64({2}, {-4, 7}), i64({2}, {3, -3})}}), DType::I64, {2}, {2, -2});
  const Attributes fmod{{"fmod", int64_t{1}}};
  expect_tensor(one({.op = "Mod", .inputs = {i64({2}, {-4, 7}), i64({2}, {3, -3})}, .attributes = fmod}), DType::I64,
                {2}, {-1, 1});
  expect_tensor(one({.op = "Mod", .inputs = {f32({1}, {-4.3}), f32({1}, {2.1})}, .attributes = fmod}), DType::F32, {1},
                {-0.1}, 1e-5);
  expect_error(Status::InvalidModel, {"Mod", "fmod"}, [] { one({.op = "Mod", .inputs = {ramp({1}), ramp({1})}}); });
}

TEST(OnnxBinary, ComparisonsAndShifts) {
  const Tensor x = f32({3}, {1, 2, 3}), y = f32({1}, {2});
  expect_tensor(one({.op = "Greater", .inputs = {x, y}}), DType::Bool, {3}, {0, 0, 1});
  expect_tensor(one({.op = "GreaterOrEqual", .inputs = {x, y}}), DType::Bool, {3}, {0, 1, 1});
  expect_tensor(one({.op = "LessOrEqual", .inputs = {x, y}}), DType::Bool, {3}, {1, 1, 0});
  expect_tensor(one({.op = "BitShift",
                     .inputs = {make(DType::U8, {1}, {6}), make(DType::U8, {1}, {1})},
                     .attributes = {{"direction", std::string("RIGHT")}}}),
                DType::U8, {1}, {3});
  expect_error(Status::InvalidModel, {"BitShift", "UP"}, [] {
    one({.op = "BitShift",
         .inputs = {make(DType::U8, {1}, {6}), make(DType::U8, {1}, {1})},
         .attributes = {{"direction", std::string("UP")}}});
  });
}

TEST(OnnxVariadic, FoldInputs) {
  const std::vector<Tensor> inputs{f32({2}, {1, 6}), f32({1}, {4}), f32({2}, {7, 2})};
  expect_tensor(one({.op = "Sum", .inputs = inputs}), DType::F32, {2}, {12, 12});
  expect_tensor(one({.op = "Mean", .inputs = inputs}), DType::F32, {2}, {4, 4});
  expect_tensor(one({.op = "Max", .inputs = inputs}), DType::F32, {2}, {7, 6});
  expect_tensor(one({.op = "Min", .inputs = {inputs[0]}}), DType::F32, {2}, {1, 6});
}

TEST(OnnxActivation, Values) {
  const std::vector<double> points{-3, -0.5, 0, 0.5, 3};
  const double e = std::exp(-3), h = std::exp(-0.5);
  const struct {
    const char* op;
    int opset;
    Attributes attributes;
    std::vector<double> expected;
  } rows[] = {
      {"Relu", 14, {}, {0, 0, 0, 0.5, 3}},
      {"LeakyRelu", 16, {{"alpha", 0.1}}, {-0.3, -0.05, 0, 0.5, 3}},
      {"Elu", 6, {{"alpha", 2.0}}, {2 * (e - 1), 2 * (h - 1), 0, 0.5, 3}},
      {"Celu", 12, {{"alpha", 0.5}}, {0.5 * (std::exp(-6) - 1), 0.5 * (std::exp(-1) - 1), 0, 0.5, 3}},
      {"Selu", 6, {{"alpha", 2.0}, {"gamma", 3.0}}, {6 * (e - 1), 6 * (h - 1), 0, 1.5, 9}},
      {"ThresholdedRelu", 10, {{"alpha", 0.5}}, {0, 0, 0, 0, 3}},
      {"HardSigmoid", 6, {}, {0, 0.4, 0.5, 0.6, 1}},
      {"HardSwish", 14, {}, {0, -0.5 * 2.5 / 6, 0, 0.5 * 3.5 / 6, 3}},
      {"Softplus", 1, {}, {std::log1p(e), std::log1p(h), std::log(2), 0.5 + std::log1p(h), 3 + std::log1p(e)}},
      {"Softsign", 1, {}, {-0.75, -1.0 / 3, 0, 1.0 / 3, 0.75}},
      {"Shrink", 9, {{"lambd", 0.6}, {"bias", 0.1}}, {-2.9, 0, 0, 0, 2.9}},
      {"Gelu",
       20,
       {},
       {-1.5 * (1 + std::erf(-3 / std::sqrt(2))), -0.25 * (1 + std::erf(-0.5 / std::sqrt(2))), 0,
        0.25 * (1 + std::erf(0.5 / std::sqrt(2))), 1.5 * (1 + std::erf(3 / std::sqrt(2)))}},
      {"Mish",
       18,
       {},
       {-3 * std::tanh(std::log1p(e)), -0.5 * std::tanh(std::log1p(h)), 0, 0.5 * std::tanh(0.5 + std::log1p(h)),
        3 * std::tanh(3 + std::log1p(e))}},
      {"Clip", 6, {{"min", -1.0}, {"max", 1.0}}, {-1, -0.5, 0, 0.5, 1}},
      {"Reciprocal", 13, {}, {-1.0 / 3, -2, INFINITY, 2, 1.0 / 3}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.op);
    expect_tensor(one({.op = row.op, .opset = row.opset, .inputs = {f32({5}, points)}, .attributes = row.attributes}),
                  DType::F32, {5}, row.expected, 2e-6);
  }
}

TEST(OnnxActivation, SoftplusDoesNotOverflow) {
  expect_tensor(one({.op = "Softplus", .inputs = {f32({2}, {1000, -1000})}}), DType::F32, {2}, {1000, 0});
}

TEST(OnnxActivation, ClipInputs) {
  const Tensor x = ramp({5}, -2);
  expect_tensor(one({.op = "Clip", .inputs = {x, f32({}, {-1}), f32({}, {1})}}), DType::F32, {5}, {-1, -1, 0, 1, 1});
  expect_tensor(one({.op = "Clip", .inputs = {x, {}, f32({}, {0})}}), DType::F32, {5}, {-2, -1, 0, 0, 0});
  expect_tensor(one({.op = "Clip", .inputs = {ramp({3}, -1, 1, DType::I8), make(DType::I8, {}, {0})}}), DType::I8, {3},
                {0, 0, 1});
  expect_error(Status::InvalidModel, {"Clip", "i64", "f32"}, [&] { one({.op = "Clip", .inputs = {x, i64({}, {0})}}); });
}

TEST(OnnxActivation, PReluSlopes) {
  const Tensor x = f32({1, 2, 2}, {-1, -2, -3, 4});
  expect_tensor(one({.op = "PRelu", .inputs = {x, f32({2, 1}, {0.5, 2})}}), DType::F32, {1, 2, 2}, {-0.5, -1, -6, 4});
  // Before opset 7 the slope of one dim goes along the channels.
  expect_tensor(one({.op = "PRelu", .opset = 6, .inputs = {x, f32({2}, {0.5, 2})}}), DType::F32, {1, 2, 2},
                {-0.5, -1, -6, 4});
}

TEST(OnnxUnary, IsInfDirections) {
  const Tensor x = f32({4}, {INFINITY, -INFINITY, NAN, 1});
  expect_tensor(one({.op = "IsInf", .inputs = {x}}), DType::Bool, {4}, {1, 1, 0, 0});
  expect_tensor(one({.op = "IsInf", .inputs = {x}, .attributes = {{"detect_negative", int64_t{0}}}}), DType::Bool, {4},
                {1, 0, 0, 0});
  expect_tensor(one({.op = "IsInf", .inputs = {x}, .attributes = {{"detect_positive", int64_t{0}}}}), DType::Bool, {4},
                {0, 1, 0, 0});
}

TEST(OnnxReduce, Maps) {
  const Tensor x = f32({2, 2}, {1, -2, 3, 4});
  const struct {
    const char* op;
    std::vector<double> expected;
  } rows[] = {
      {"ReduceSum", {-1, 7}},
      {"ReduceMean", {-0.5, 3.5}},
      {"ReduceProd", {-2, 12}},
      {"ReduceMax", {1, 4}},
      {"ReduceMin", {-2, 3}},
      {"ReduceL1", {3, 7}},
      {"ReduceL2", {std::sqrt(5), 5}},
      {"ReduceSumSquare", {5, 25}},
      {"ReduceLogSum", {NAN, std::log(7)}},
      {"ReduceLogSumExp", {std::log(std::exp(1) + std::exp(-2)), 4 + std::log1p(std::exp(-1))}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.op);
    const bool sum = std::string(row.op) == "ReduceSum";
    expect_tensor(
        one({.op = row.op, .opset = 11, .inputs = {x}, .attributes = {{"axes", Ints{1}}, {"keepdims", int64_t{0}}}}),
        DType::F32, {2}, row.expected);
    expect_tensor(one({.op = row.op,
                       .opset = sum ? 13 : 18,
                       .inputs = {x, Tensor::ints(std::vector<int64_t>{-1})},
                       .constants = {1}}),
                  DType::F32, {2, 1}, row.expected);
  }
}

TEST(OnnxReduce, AxesForms) {
  const Tensor x = ramp({2, 2}, 1);
  expect_tensor(one({.op = "ReduceSum", .inputs = {x}}), DType::F32, {1, 1}, {10});
  expect_tensor(one({.op = "ReduceSum", .inputs = {x}, .attributes = {{"noop_with_empty_axes", int64_t{1}}}}),
                DType::F32, {2, 2}, {1, 2, 3, 4});
  expect_tensor(one({.op = "ReduceLogSumExp", .inputs = {f32({2}, {1000, -INFINITY})}}), DType::F32, {1}, {1000});
  expect_tensor(one({.op = "ReduceLogSumExp", .inputs = {f32({2}, {-INFINITY, -INFINITY})}}), DType::F32, {1},
                {-INFINITY});
  expect_error(Status::InvalidModel, {"ReduceMax", "axis 2"}, [&] {
    one({.op = "ReduceMax", .opset = 13, .inputs = {x}, .attributes = {{"axes", Ints{2}}}});
  });
}

TEST(OnnxReduce, RunTimeAxes) {
  const Tensor x = ramp({2, 3}, 1), axes = i64({1}, {-1});
  expect_tensor(one({.op = "ReduceSum", .inputs = {x, axes}}), DType::F32, {2, 1}, {6, 15});
  const Attributes drop{{"keepdims", int64_t{0}}};
  expect_tensor(one({.op = "ReduceMean", .opset = 18, .inputs = {x, axes}, .attributes = drop}), DType::F32, {2},
                {2, 5});
  expect_tensor(one({.op = "ReduceMax", .opset = 18, .inputs = {x, i64({1}, {0})}, .attributes = drop}), DType::F32,
                {3}, {4, 5, 6});
  expect_tensor(one({.op = "ReduceL2", .opset = 18, .inputs = {f32({1, 2}, {3, 4}), axes}}), DType::F32, {1, 1}, {5});
  expect_tensor(one({.op = "ReduceSum", .inputs = {x, i64({0}, {})}}), DType::F32, {1, 1}, {21});
  expect_error(Status::MismatchingShape, {"axis 2"}, [&] { one({.op = "ReduceSum", .inputs = {x, i64({1}, {2})}}); });
}

TEST(OnnxSoftmax, CoercesBeforeOpset13) {
  const Tensor x = ramp({1, 2, 2}, 0, 0.5);
  const auto share = [](const std::vector<double>& v, size_t i) {
    double sum = 0;
    for (double value : v) sum += std::exp(value);
    return std::exp(v[i]) / sum;
  };
  const std::vector<double> all{0, 0.5, 1, 1.5};
  expect_tensor(one({.op = "Softmax", .opset = 11, .inputs = {x}}), DType::F32, {1, 2, 2},
                {share(all, 0), share(all, 1), share(all, 2), share(all, 3)});
  expect_tensor(one({.op = "Softmax", .inputs = {x}, .attributes = {{"axis", int64_t{1}}}}), DType::F32, {1, 2, 2},
                {share({0, 1}, 0), share({0, 1}, 0), share({0, 1}, 1), share({0, 1}, 1)});
  expect_tensor(one({.op = "Hardmax", .inputs = {f32({2, 3}, {1, 3, 3, 2, 0, 1})}}), DType::F32, {2, 3},
                {0, 1, 0, 1, 0, 0});
  expect_tensor(one({.op = "Hardmax", .opset = 11, .inputs = {f32({1, 2, 2}, {1, 3, 7, 2})}}), DType::F32, {1, 2, 2},
                {0, 0, 1, 0});
}

TEST(OnnxMatmul, VectorsAndGemm) {
  expect_tensor(one({.op = "MatMul", .inputs = {ramp({3}), ramp({3, 2})}}), DType::F32, {2}, {10, 13});
  expect_tensor(one({.op = "MatMul", .inputs = {ramp({2, 2, 3}), ramp({3})}}), DType::F32, {2, 2}, {5, 14, 23, 32});
  expect_tensor(one({.op = "MatMul", .inputs = {ramp({3}), ramp({3})}}), DType::F32, {}, {5});
  const Attributes scaled{{"alpha", 0.5}, {"beta", 2.0}, {"transA", int64_t{1}}, {"transB", int64_t{1}}};
  // A' B' = [[0*0+2*1, 0*2+2*3], [1*0+3*1, 1*2+3*3]]
  expect_tensor(one({.op = "Gemm", .inputs = {ramp({2, 2}), ramp({2, 2}), f32({2, 1}, {1, 10})}, .attributes = scaled}),
                DType::F32, {2, 2}, {3, 5, 21.5, 25.5});
  expect_tensor(one({.op = "Gemm", .inputs = {ramp({2, 2}), ramp({2, 2})}}), DType::F32, {2, 2}, {2, 3, 6, 11});
  expect_error(Status::InvalidModel, {"Gemm", "f32[2]"}, [] {
    one({.op = "Gemm", .inputs = {ramp({2}), ramp({2, 2})}});
  });
}

TEST(OnnxEinsum, Equations) {
  const auto einsum = [](const char* equation, std::vector<Tensor> inputs) {
    return one({.op = "Einsum", .inputs = std::move(inputs), .attributes = {{"equation", std::string(equation)}}});
  };
  const Tensor m = ramp({2, 3}), n = ramp({3, 2});
  expect_tensor(einsum("ij->ji", {m}), DType::F32, {3, 2}, {0, 3, 1, 4, 2, 5});
  expect_tensor(einsum("ij->i", {m}), DType::F32, {2}, {3, 12});
  expect_tensor(einsum("ij", {m}), DType::F32, {2, 3}, {0, 1, 2, 3, 4, 5});
  expect_tensor(einsum("ij, jk -> ik", {m, n}), DType::F32, {2, 2}, {10, 13, 28, 40});
  expect_tensor(einsum("ij,jk", {m, n}), DType::F32, {2, 2}, {10, 13, 28, 40});
  expect_tensor(einsum("ii->i", {ramp({2, 2})}), DType::F32, {2}, {0, 3});
  expect_tensor(einsum("ii", {ramp({2, 2})}), DType::F32, {}, {3});
  expect_tensor(einsum("i,j->ij", {ramp({2}, 1), ramp({2}, 1)}), DType::F32, {2, 2}, {1, 2, 2, 4});
  expect_tensor(einsum("i,i", {ramp({3}), ramp({3})}), DType::F32, {}, {5});
  expect_tensor(einsum("bij,bjk->bki", {ramp({2, 1, 2}), ramp({2, 2, 1})}), DType::F32, {2, 1, 1}, {1, 13});
  expect_tensor(einsum("...ij,...jk->...ik", {ramp({2, 1, 2}), ramp({2, 1})}), DType::F32, {2, 1, 1}, {1, 3});
  expect_tensor(einsum("i,ij,j->", {ramp({2}, 1), ramp({2, 2}), ramp({2}, 1)}), DType::F32, {}, {18});
  expect_error(Status::InvalidModel, {"Einsum", "ij"}, [&] { einsum("ij->i", {ramp({2})}); });
}

}  // namespace
}  // namespace sardonyx::ops
