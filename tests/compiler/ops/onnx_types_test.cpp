// Mini floats and integers of less than a byte in ONNX's operators: casts, quantization, movement.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

constexpr double inf = INFINITY, nan = NAN;

Tensor one(const OnnxCase& test) { return run(test)[0]; }

Tensor cast(const Tensor& x, DType to, const Attributes& more = {}) {
  Attributes attributes = {{"to", int64_t(to)}};
  attributes.insert(more.begin(), more.end());
  return one({.op = "Cast", .opset = 24, .inputs = {x}, .attributes = attributes});
}

void expect_codes(const Tensor& actual, DType dtype, const std::vector<int>& codes) {
  ASSERT_EQ(actual.dtype(), dtype);
  ASSERT_EQ(actual.count(), int64_t(codes.size()));
  for (size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(int(actual.raw()[i]), codes[i]) << "element " << i;
}

// The columns of ONNX's table for 0, -0, NaN, infinities and numbers out of range.
TEST(CastToFloat8, FollowsTheTableOfSaturation) {
  const Tensor x = f32({7}, {0, -0.0, nan, inf, -inf, 1e6, -1e6});
  expect_codes(cast(x, DType::F8E4M3FN), DType::F8E4M3FN, {0, 0x80, 0x7f, 0x7e, 0xfe, 0x7e, 0xfe});
  expect_codes(cast(x, DType::F8E4M3FNUZ), DType::F8E4M3FNUZ, {0, 0, 0x80, 0x7f, 0xff, 0x7f, 0xff});
  expect_codes(cast(x, DType::F8E5M2), DType::F8E5M2, {0, 0x80, 0x7e, 0x7b, 0xfb, 0x7b, 0xfb});
  expect_codes(cast(x, DType::F8E5M2FNUZ), DType::F8E5M2FNUZ, {0, 0, 0x80, 0x7f, 0xff, 0x7f, 0xff});
  const Attributes open = {{"saturate", int64_t{0}}};
  expect_codes(cast(x, DType::F8E4M3FN, open), DType::F8E4M3FN, {0, 0x80, 0x7f, 0x7f, 0xff, 0x7f, 0xff});
  expect_codes(cast(x, DType::F8E4M3FNUZ, open), DType::F8E4M3FNUZ, {0, 0, 0x80, 0x80, 0x80, 0x80, 0x80});
  expect_codes(cast(x, DType::F8E5M2, open), DType::F8E5M2, {0, 0x80, 0x7e, 0x7c, 0xfc, 0x7c, 0xfc});
  expect_codes(cast(x, DType::F8E5M2FNUZ, open), DType::F8E5M2FNUZ, {0, 0, 0x80, 0x80, 0x80, 0x80, 0x80});
}

TEST(CastToFloat8, RoundsBeforeItJudgesTheRange) {
  // 464 is the middle of 448 and the 480 that E4M3FN lacks; below it numbers round to 448.
  const Tensor x = f32({3}, {464, 463.9, 465});
  const Attributes open = {{"saturate", int64_t{0}}};
  expect_codes(cast(x, DType::F8E4M3FN, open), DType::F8E4M3FN, {0x7e, 0x7e, 0x7f});
  expect_codes(cast(x, DType::F8E4M3FN), DType::F8E4M3FN, {0x7e, 0x7e, 0x7e});
  expect_codes(cast(make(DType::F64, {1}, {1.0625 + 0x1p-40}), DType::F8E4M3FN), DType::F8E4M3FN, {0x39});
  expect_codes(cast(make(DType::I32, {2}, {-3, 1 << 30}), DType::F8E5M2), DType::F8E5M2, {0xc2, 0x7b});
  expect_codes(cast(make(DType::F8E5M2, {2}, {57344, -inf}), DType::F8E4M3FN), DType::F8E4M3FN, {0x7e, 0xfe});
}

TEST(CastToFloat4, SaturatesAlways) {
  const Tensor x = f32({8}, {0.25, 0.75, 5, -5.1, 100, -inf, nan, 3.5});
  expect_codes(cast(x, DType::F4E2M1), DType::F4E2M1, {0, 2, 6, 0xf, 7, 0xf, 8, 6});
  expect_tensor(cast(make(DType::F4E2M1, {4}, {0.5, -1.5, 6, 3}), DType::F16), DType::F16, {4}, {0.5, -1.5, 6, 3});
}

TEST(CastToPowersOfTwo, RoundsByMode) {
  const auto to = [](const Tensor& x, const char* mode, int64_t saturate) {
    return cast(x, DType::F8E8M0, {{"round_mode", std::string(mode)}, {"saturate", saturate}});
  };
  const Tensor x = f32({5}, {1, 1.1, 1.5, 1.9, 0x1.4p-127});
  expect_codes(to(x, "up", 1), DType::F8E8M0, {127, 128, 128, 128, 1});
  expect_codes(to(x, "down", 1), DType::F8E8M0, {127, 127, 127, 127, 0});
  expect_codes(to(x, "nearest", 1), DType::F8E8M0, {127, 127, 128, 128, 0});
  const Tensor special = f32({5}, {0, nan, inf, 0x1.8p127, 0x1p-140});
  expect_codes(to(special, "up", 1), DType::F8E8M0, {0, 255, 254, 254, 0});
  expect_codes(to(special, "nearest", 0), DType::F8E8M0, {255, 255, 255, 255, 255});
  EXPECT_THROW(to(x, "sideways", 1), Error);
  expect_tensor(cast(make(DType::F8E8M0, {2}, {0.25, 8}), DType::F32), DType::F32, {2}, {0.25, 8});
}

TEST(CastToSmallIntegers, RoundsHalfToEvenAndKeepsTheLowBits) {
  const Tensor x = f32({6}, {-9, 0.5, 1.5, 8, 15, 17.4});
  expect_tensor(cast(x, DType::I4), DType::I4, {6}, {7, 0, 2, -8, -1, 1});
  expect_tensor(cast(x, DType::U4), DType::U4, {6}, {7, 0, 2, 8, 15, 1});
  expect_tensor(cast(i64({4}, {-3, 1, 2, 7}), DType::I2), DType::I2, {4}, {1, 1, -2, -1});
  expect_tensor(cast(i64({4}, {-3, 1, 2, 7}), DType::U2), DType::U2, {4}, {1, 1, 2, 3});
  expect_tensor(cast(make(DType::I4, {2}, {-8, 7}), DType::U2), DType::U2, {2}, {0, 3});
  expect_tensor(cast(make(DType::I4, {2}, {-8, 7}), DType::F8E4M3FN), DType::F8E4M3FN, {2}, {-8, 7});
  expect_tensor(cast(make(DType::U4, {2}, {0, 15}), DType::Bool), DType::Bool, {2}, {0, 1});
}

TEST(Cast, RefusesWhatIsNoNumber) {
  EXPECT_THROW(cast(f32({1}, {1}), DType::Complex64), Error);
  EXPECT_THROW(cast(f32({1}, {1}), DType(27)), Error);
  EXPECT_THROW(cast(f32({1}, {1}), DType::None), Error);
}

TEST(CastLike, TakesTypeAndModes) {
  const Tensor x = f32({2}, {1e6, 1.1});
  expect_codes(one({.op = "CastLike",
                    .opset = 24,
                    .inputs = {x, make(DType::F8E5M2, {1}, {1})},
                    .attributes = {{"saturate", int64_t{0}}}}),
               DType::F8E5M2, {0x7c, 0x3c});
}

Tensor quantize(std::vector<Tensor> inputs, const Attributes& attributes = {}, int opset = 25) {
  return one({.op = "QuantizeLinear",
              .opset = opset,
              .inputs = std::move(inputs),
              .attributes = attributes,
              .dynamic = false});
}
Tensor dequantize(std::vector<Tensor> inputs, const Attributes& attributes = {}, int opset = 25) {
  return one({.op = "DequantizeLinear",
              .opset = opset,
              .inputs = std::move(inputs),
              .attributes = attributes,
              .dynamic = false});
}
Attributes output_type(DType dtype) { return {{"output_dtype", int64_t(dtype)}}; }

TEST(QuantizeLinear, SaturatesToSmallIntegers) {
  const Tensor x = f32({5}, {-30, -3, 1, 5, 40}), two = f32({}, {2});
  expect_tensor(quantize({x, two}, output_type(DType::I4)), DType::I4, {5}, {-8, -2, 0, 2, 7});
  expect_tensor(quantize({x, two, make(DType::U4, {}, {3})}), DType::U4, {5}, {0, 1, 3, 5, 15});
  expect_tensor(quantize({x, two}, output_type(DType::I2)), DType::I2, {5}, {-2, -2, 0, 1, 1});
  expect_tensor(quantize({x, two, make(DType::U2, {}, {1})}), DType::U2, {5}, {0, 0, 1, 3, 3});
  expect_tensor(quantize({x, two}, output_type(DType::I16)), DType::I16, {5}, {-15, -2, 0, 2, 20});
}

TEST(QuantizeLinear, RoundsToMiniFloats) {
  const Tensor x = f32({4}, {0.5, -4, 2000, 7}), two = f32({}, {2});
  expect_tensor(quantize({x, two, make(DType::F8E4M3FN, {}, {0})}), DType::F8E4M3FN, {4}, {0.25, -2, 448, 3.5});
  expect_tensor(quantize({x, two}, {{"output_dtype", int64_t(DType::F8E5M2)}, {"saturate", int64_t{0}}}), DType::F8E5M2,
                {4}, {0.25, -2, 1024, 3.5});
  expect_tensor(quantize({x, two}, output_type(DType::F4E2M1)), DType::F4E2M1, {4}, {0, -2, 6, 4});
}

TEST(QuantizeLinear, BlocksShareAScale) {
  const Tensor x = ramp({2, 5}), scales = f32({2, 2}, {1, 2, 0.5, 1});
  const Attributes blocks = {{"block_size", int64_t{3}}, {"axis", int64_t{1}}};
  expect_tensor(quantize({x, scales, make(DType::U8, {2, 2}, {0, 10, 1, 0})}, blocks), DType::U8, {2, 5},
                {0, 1, 2, 12, 12, 11, 13, 15, 8, 9});
  expect_tensor(dequantize({make(DType::I8, {2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), scales}, blocks), DType::F32,
                {2, 5}, {0, 1, 2, 6, 8, 2.5, 3, 3.5, 8, 9});
  const Attributes rows = {{"block_size", int64_t{2}}, {"axis", int64_t{0}}};
  expect_tensor(
      dequantize({make(DType::I4, {3, 1}, {1, 2, 3}), f32({2, 1}, {1, 10}), make(DType::I4, {2, 1}, {1, 0})}, rows),
      DType::F32, {3, 1}, {0, 1, 30});
  EXPECT_THROW(quantize({x, f32({2, 3}, {1, 1, 1, 1, 1, 1})}, blocks), Error);
  EXPECT_THROW(quantize({x, f32({2}, {1, 1})}, blocks), Error);
  EXPECT_THROW(quantize({x, scales}, {{"block_size", int64_t{-1}}}), Error);
  EXPECT_THROW(quantize({x, scales}, {{"block_size", INT64_MAX}}), Error);
}

TEST(QuantizeLinear, DividesInThePrecisionThatIsAsked) {
  // 2049 / 1 is 2048 in f16 and rounds to another number in f32.
  const Tensor x = f32({1}, {2049}), unit = f32({}, {1});
  expect_tensor(quantize({x, unit}, output_type(DType::I16)), DType::I16, {1}, {2049});
  expect_tensor(quantize({x, unit}, {{"output_dtype", int64_t(DType::I16)}, {"precision", int64_t(DType::F16)}}),
                DType::I16, {1}, {2048});
  // Powers of two scale in the type of x.
  expect_tensor(quantize({f32({1}, {3}), make(DType::F8E8M0, {}, {0.5})}, output_type(DType::I8)), DType::I8, {1}, {6});
}

TEST(QuantizeLinear, RefusesTypesThatContradict) {
  const Tensor x = f32({1}, {1}), unit = f32({}, {1});
  EXPECT_THROW(quantize({x, unit, make(DType::U8, {}, {0})}, output_type(DType::I8)), Error);
  EXPECT_THROW(quantize({x, unit}, output_type(DType(99))), Error);
  EXPECT_THROW(quantize({x, unit}, output_type(DType::I64)), Error);
  EXPECT_THROW(quantize({x, unit}, output_type(DType::F32)), Error);
}

TEST(DequantizeLinear, ScalesEveryQuantizedType) {
  const Tensor half = f32({}, {0.5});
  expect_tensor(dequantize({make(DType::I4, {2}, {-8, 7}), half, make(DType::I4, {}, {-8})}), DType::F32, {2},
                {0, 7.5});
  expect_tensor(dequantize({make(DType::U2, {2}, {0, 3}), half, make(DType::U2, {}, {1})}), DType::F32, {2}, {-0.5, 1});
  expect_tensor(dequantize({make(DType::F8E4M3FN, {2}, {448, -0.5}), half}), DType::F32, {2}, {224, -0.25});
  expect_tensor(dequantize({make(DType::F4E2M1, {2}, {6, -1.5}), half}), DType::F32, {2}, {3, -0.75});
  expect_tensor(dequantize({make(DType::U16, {1}, {65535}), make(DType::F16, {}, {0.0625})}), DType::F16, {1}, {4096});
  expect_tensor(dequantize({make(DType::I8, {1}, {3}), half}, output_type(DType::BF16)), DType::BF16, {1}, {1.5});
  EXPECT_THROW(dequantize({make(DType::I8, {1}, {3}), half}, output_type(DType::I32)), Error);
  EXPECT_THROW(dequantize({make(DType::I8, {1}, {3}), make(DType::F8E8M0, {}, {1})}), Error);
}

TEST(QLinearMatMul, MultipliesFloat8) {
  const Tensor a = make(DType::F8E4M3FN, {1, 2}, {1.5, -2}), b = make(DType::F8E4M3FN, {2, 1}, {2, 0.5});
  const Tensor unit = f32({}, {1}), zero = make(DType::F8E4M3FN, {}, {0});
  expect_tensor(one({.op = "QLinearMatMul",
                     .opset = 21,
                     .inputs = {a, unit, zero, b, unit, zero, f32({}, {0.5}), zero},
                     .dynamic = false}),
                DType::F8E4M3FN, {1, 1}, {4});
}

// Every type moves as bytes do: each operator gives the permutation that it gives of their numbers as U8.
TEST(Movement, TakesEveryElementType) {
  const auto moved = [](DType dtype, const OnnxCase& shape, const std::vector<int>& data) {
    OnnxCase test = shape;
    for (int i : data) {
      Tensor& x = test.inputs[size_t(i)];
      Tensor typed(dtype, x.dims());
      for (int64_t k = 0; k < x.count(); ++k) typed.set_double(k, x.as_double(k));
      x = typed;
    }
    return one(test);
  };
  const auto bytes = [](Dims dims, const std::vector<double>& values) { return make(DType::U8, dims, values); };
  const Tensor x = bytes({2, 2}, {0, 1, 1, 0});
  struct Row {
    OnnxCase test;
    std::vector<int> data;  // inputs of the moved type
  };
  const std::vector<Row> rows = {
      {{.op = "Identity", .inputs = {x}}, {0}},
      {{.op = "Transpose", .inputs = {x}, .attributes = {{"perm", std::vector<int64_t>{1, 0}}}}, {0}},
      {{.op = "Reshape", .inputs = {x, i64({1}, {4})}, .dynamic = false, .constants = {1}}, {0}},
      {{.op = "Concat", .inputs = {x, x}, .attributes = {{"axis", int64_t{1}}}, .dynamic = false}, {0, 1}},
      {{.op = "Gather", .inputs = {x, i64({1}, {1})}}, {0}},
      {{.op = "Pad", .inputs = {x, i64({4}, {0, 1, 0, 0}), bytes({}, {1})}, .dynamic = false, .constants = {1}},
       {0, 2}},
      {{.op = "Slice", .inputs = {x, i64({1}, {1}), i64({1}, {2})}, .dynamic = false, .constants = {1, 2}}, {0}},
      {{.op = "Expand", .inputs = {x, i64({3}, {2, 1, 1})}, .dynamic = false, .constants = {1}}, {0}},
      {{.op = "Where", .inputs = {bools({2, 1}, {0, 1}), x, bytes({}, {0})}, .dynamic = false}, {1, 2}},
      {{.op = "Tile", .inputs = {x, i64({2}, {1, 2})}, .dynamic = false, .constants = {1}}, {0}},
      {{.op = "GatherElements", .inputs = {x, i64({1, 2}, {1, 0})}, .dynamic = false}, {0}},
      {{.op = "ScatterElements", .inputs = {x, i64({1, 1}, {1}), bytes({1, 1}, {0})}, .dynamic = false}, {0, 2}},
  };
  for (const Row& row : rows) {
    OnnxCase test = row.test;
    test.opset = 25;
    const Tensor expected = one(test);
    for (DType dtype :
         {DType::Complex64, DType::Complex128, DType::BF16, DType::F16, DType::F8E4M3FN, DType::F8E4M3FNUZ,
          DType::F8E5M2, DType::F8E5M2FNUZ, DType::U4, DType::I4, DType::F4E2M1, DType::U2, DType::I2}) {
      SCOPED_TRACE(str(test.op, " of ", dtype_name(dtype)));
      const Tensor actual = moved(dtype, test, row.data);
      Tensor typed(dtype, expected.dims());
      for (int64_t i = 0; i < expected.count(); ++i) typed.set_double(i, expected.as_double(i));
      EXPECT_TRUE(same_bits(actual, typed));
    }
  }
}

}  // namespace
}  // namespace sardonyx::ops
