// unary, binary, select and cast.
#include <cstdint>

#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::UnaryFunction;

Tensor apply(UnaryFunction function, const Tensor& x) {
  return run({x}, [&](Builder& b, Values v) { return Values{b.unary(function, v[0])}; })[0];
}

Tensor apply(BinaryFunction function, const Tensor& x, const Tensor& y) {
  return run({x, y}, [&](Builder& b, Values v) { return Values{b.binary(function, v[0], v[1])}; })[0];
}

TEST(Unary, FloatFunctions) {
  const std::vector<double> points{-0.75, -0.25, 0.5, 0.9};
  const struct {
    UnaryFunction function;
    double (*expected)(double);
  } rows[] = {
      {UnaryFunction::Neg, [](double x) { return -x; }},
      {UnaryFunction::Abs, [](double x) { return std::fabs(x); }},
      {UnaryFunction::Floor, [](double x) { return std::floor(x); }},
      {UnaryFunction::Ceil, [](double x) { return std::ceil(x); }},
      {UnaryFunction::Exp, [](double x) { return std::exp(x); }},
      {UnaryFunction::Sin, [](double x) { return std::sin(x); }},
      {UnaryFunction::Cos, [](double x) { return std::cos(x); }},
      {UnaryFunction::Tan, [](double x) { return std::tan(x); }},
      {UnaryFunction::Asin, [](double x) { return std::asin(x); }},
      {UnaryFunction::Acos, [](double x) { return std::acos(x); }},
      {UnaryFunction::Atan, [](double x) { return std::atan(x); }},
      {UnaryFunction::Sinh, [](double x) { return std::sinh(x); }},
      {UnaryFunction::Cosh, [](double x) { return std::cosh(x); }},
      {UnaryFunction::Tanh, [](double x) { return std::tanh(x); }},
      {UnaryFunction::Asinh, [](double x) { return std::asinh(x); }},
      {UnaryFunction::Atanh, [](double x) { return std::atanh(x); }},
      {UnaryFunction::Erf, [](double x) { return std::erf(x); }},
      {UnaryFunction::Sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {UnaryFunction::Sqrt, [](double x) { return std::sqrt(x); }},
      {UnaryFunction::Log, [](double x) { return std::log(x); }},
  };
  for (const auto& row : rows) {
    for (DType dtype : {DType::F32, DType::F64}) {
      SCOPED_TRACE(graph::unary_names[int(row.function)]);
      std::vector<double> expected;
      for (double x : points) expected.push_back(row.expected(x));
      expect_tensor(apply(row.function, make(dtype, {4}, points)), dtype, {4}, expected);
    }
  }
  expect_tensor(apply(UnaryFunction::Acosh, f32({2}, {1, 2})), DType::F32, {2}, {0, std::acosh(2.0)});
}

TEST(Unary, RoundsHalfToEven) {
  expect_tensor(apply(UnaryFunction::Round, f32({6}, {-2.5, -1.5, 0.5, 1.5, 2.5, 2.6})), DType::F32, {6},
                {-2, -2, 0, 2, 2, 3});
}

TEST(Unary, SpecialValues) {
  const Tensor x = f32({4}, {NAN, INFINITY, -INFINITY, 1});
  expect_tensor(apply(UnaryFunction::IsNan, x), DType::Bool, {4}, {1, 0, 0, 0});
  expect_tensor(apply(UnaryFunction::IsInf, x), DType::Bool, {4}, {0, 1, 1, 0});
  expect_tensor(apply(UnaryFunction::Sign, f32({3}, {-3, 0, 2})), DType::F32, {3}, {-1, 0, 1});
  EXPECT_TRUE(std::signbit(apply(UnaryFunction::Neg, f32({1}, {0})).as_double(0)));
}

TEST(Unary, Integers) {
  for (DType dtype : {DType::I8, DType::I16, DType::I32, DType::I64}) {
    const Tensor x = make(dtype, {3}, {-5, 0, 7});
    expect_tensor(apply(UnaryFunction::Neg, x), dtype, {3}, {5, 0, -7});
    expect_tensor(apply(UnaryFunction::Abs, x), dtype, {3}, {5, 0, 7});
    expect_tensor(apply(UnaryFunction::Sign, x), dtype, {3}, {-1, 0, 1});
    expect_tensor(apply(UnaryFunction::Not, x), dtype, {3}, {4, -1, -8});
  }
  const Tensor bytes = make(DType::U8, {2}, {0, 200});
  expect_tensor(apply(UnaryFunction::Abs, bytes), DType::U8, {2}, {0, 200});
  expect_tensor(apply(UnaryFunction::Sign, bytes), DType::U8, {2}, {0, 1});
  expect_tensor(apply(UnaryFunction::Not, bytes), DType::U8, {2}, {255, 55});
  expect_tensor(apply(UnaryFunction::Not, bools({2}, {0, 1})), DType::Bool, {2}, {1, 0});
}

TEST(Unary, HalfPrecision) {
  for (DType dtype : {DType::F16, DType::BF16})
    expect_tensor(apply(UnaryFunction::Exp, make(dtype, {2}, {0, 1})), dtype, {2}, {1, std::exp(1.0)}, 4e-3);
}

TEST(Unary, RejectsTypes) {
  expect_error(Status::InvalidModel, {"exp", "i32[2]"}, [] {
    apply(UnaryFunction::Exp, make(DType::I32, {2}, {1, 2}));
  });
  expect_error(Status::InvalidModel, {"neg", "u8[1]"}, [] { apply(UnaryFunction::Neg, make(DType::U8, {1}, {1})); });
  expect_error(Status::InvalidModel, {"not", "f32[1]"}, [] { apply(UnaryFunction::Not, f32({1}, {1})); });
}

TEST(Binary, FloatArithmetic) {
  const Tensor x = f32({4}, {7, -7, 1, 0}), y = f32({4}, {2, 2, -3, 5});
  const struct {
    BinaryFunction function;
    std::vector<double> expected;
  } rows[] = {
      {BinaryFunction::Add, {9, -5, -2, 5}},   {BinaryFunction::Sub, {5, -9, 4, -5}},
      {BinaryFunction::Mul, {14, -14, -3, 0}}, {BinaryFunction::Div, {3.5, -3.5, -1.0 / 3, 0}},
      {BinaryFunction::Rem, {1, -1, 1, 0}},    {BinaryFunction::Pow, {49, 49, 1, 0}},
      {BinaryFunction::Min, {2, -7, -3, 0}},   {BinaryFunction::Max, {7, 2, 1, 5}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(graph::binary_names[int(row.function)]);
    expect_tensor(apply(row.function, x, y), DType::F32, {4}, row.expected);
  }
}

TEST(Binary, NanWinsMinAndMax) {
  expect_tensor(apply(BinaryFunction::Max, f32({2}, {NAN, 1}), f32({2}, {1, NAN})), DType::F32, {2}, {NAN, NAN});
  expect_tensor(apply(BinaryFunction::Min, f32({2}, {NAN, 1}), f32({2}, {1, NAN})), DType::F32, {2}, {NAN, NAN});
}

TEST(Binary, IntegerDivisionsRound) {
  for (DType dtype : {DType::I8, DType::I16, DType::I32, DType::I64}) {
    const Tensor x = make(dtype, {4}, {7, -7, 7, -7}), y = make(dtype, {4}, {2, 2, -2, -2});
    expect_tensor(apply(BinaryFunction::Div, x, y), dtype, {4}, {3, -3, -3, 3});
    expect_tensor(apply(BinaryFunction::Rem, x, y), dtype, {4}, {1, -1, 1, -1});
    expect_tensor(apply(BinaryFunction::Mod, x, y), dtype, {4}, {1, 1, -1, -1});
  }
  expect_tensor(apply(BinaryFunction::Div, make(DType::U8, {1}, {250}), make(DType::U8, {1}, {100})), DType::U8, {1},
                {2});
}

TEST(Binary, DivisionByZeroFails) { EXPECT_THROW(apply(BinaryFunction::Div, i64({1}, {1}), i64({1}, {0})), Error); }

TEST(Binary, IntegersWrap) {
  expect_tensor(apply(BinaryFunction::Add, make(DType::U8, {1}, {250}), make(DType::U8, {1}, {10})), DType::U8, {1},
                {4});
  expect_tensor(apply(BinaryFunction::Mul, make(DType::I8, {1}, {100}), make(DType::I8, {1}, {2})), DType::I8, {1},
                {-56});
  expect_tensor(apply(BinaryFunction::Pow, i64({4}, {2, -3, 9, 3}), i64({4}, {10, 3, 3, 39})), DType::I64, {4},
                {1024, -27, 729, 4052555153018976267.0});
}

TEST(Binary, BitsAndLogic) {
  const Tensor x = make(DType::U8, {2}, {12, 255}), y = make(DType::U8, {2}, {10, 1});
  expect_tensor(apply(BinaryFunction::And, x, y), DType::U8, {2}, {8, 1});
  expect_tensor(apply(BinaryFunction::Or, x, y), DType::U8, {2}, {14, 255});
  expect_tensor(apply(BinaryFunction::Xor, x, y), DType::U8, {2}, {6, 254});
  expect_tensor(apply(BinaryFunction::ShiftLeft, x, make(DType::U8, {2}, {1, 4})), DType::U8, {2}, {24, 240});
  expect_tensor(apply(BinaryFunction::ShiftRight, x, make(DType::U8, {2}, {1, 4})), DType::U8, {2}, {6, 15});
  const Tensor a = bools({4}, {0, 0, 1, 1}), b = bools({4}, {0, 1, 0, 1});
  expect_tensor(apply(BinaryFunction::And, a, b), DType::Bool, {4}, {0, 0, 0, 1});
  expect_tensor(apply(BinaryFunction::Or, a, b), DType::Bool, {4}, {0, 1, 1, 1});
  expect_tensor(apply(BinaryFunction::Xor, a, b), DType::Bool, {4}, {0, 1, 1, 0});
  expect_tensor(apply(BinaryFunction::Eq, a, b), DType::Bool, {4}, {1, 0, 0, 1});
}

TEST(Binary, Comparisons) {
  const Tensor x = f32({4}, {1, 2, 3, NAN}), y = f32({4}, {2, 2, 2, NAN});
  expect_tensor(apply(BinaryFunction::Eq, x, y), DType::Bool, {4}, {0, 1, 0, 0});
  expect_tensor(apply(BinaryFunction::Lt, x, y), DType::Bool, {4}, {1, 0, 0, 0});
  expect_tensor(apply(BinaryFunction::Le, x, y), DType::Bool, {4}, {1, 1, 0, 0});
  // Unsigned comparison is unsigned.
  Tensor large(DType::U64, {1});
  large.data<uint64_t>()[0] = UINT64_MAX;
  expect_tensor(apply(BinaryFunction::Lt, large, make(DType::U64, {1}, {1})), DType::Bool, {1}, {0});
}

TEST(Binary, Broadcasts) {
  const auto sums = run(
      {ramp({2, 1, 3}), f32({2, 1}, {10, 20})}, [](Builder& b, Values v) { return Values{b.add(v[0], v[1])}; }, false);
  expect_tensor(sums[0], DType::F32, {2, 2, 3}, {10, 11, 12, 20, 21, 22, 13, 14, 15, 23, 24, 25});
}

TEST(Binary, RejectsTypesAndShapes) {
  expect_error(Status::InvalidModel, {"f32[2]", "i64[2]"}, [] {
    apply(BinaryFunction::Add, ramp({2}), i64({2}, {1, 2}));
  });
  expect_error(Status::InvalidModel, {"[2]", "[3]"}, [] { apply(BinaryFunction::Add, ramp({2}), ramp({3})); });
  expect_error(Status::InvalidModel, {"mod", "f32[1]"}, [] { apply(BinaryFunction::Mod, ramp({1}), ramp({1})); });
}

TEST(Select, TakesByCondition) {
  const auto results = run(
      {bools({2, 1}, {1, 0}), ramp({2, 2}), f32({}, {9})},
      [](Builder& b, Values v) { return Values{b.select(v[0], v[1], v[2])}; }, false);
  expect_tensor(results[0], DType::F32, {2, 2}, {0, 1, 9, 9});
}

TEST(Cast, ConvertsBetweenTypes) {
  const auto cast = [](const Tensor& x, DType dtype) {
    return run({x}, [&](Builder& b, Values v) { return Values{b.cast(v[0], dtype)}; })[0];
  };
  expect_tensor(cast(f32({4}, {1.9, -1.9, 0, 3}), DType::I32), DType::I32, {4}, {1, -1, 0, 3});
  expect_tensor(cast(f32({3}, {0, -0.5, 2}), DType::Bool), DType::Bool, {3}, {0, 1, 1});
  expect_tensor(cast(bools({2}, {0, 1}), DType::F64), DType::F64, {2}, {0, 1});
  expect_tensor(cast(i64({2}, {300, -1}), DType::U8), DType::U8, {2}, {44, 255});
  expect_tensor(cast(f32({2}, {1.00048828125, 70000}), DType::F16), DType::F16, {2}, {1, INFINITY});
  expect_tensor(cast(make(DType::F16, {1}, {1.5}), DType::BF16), DType::BF16, {1}, {1.5});
  expect_tensor(cast(f32({2}, {1e30, -1e30}), DType::I32), DType::I32, {2}, {INT32_MAX, INT32_MIN});
}

}  // namespace
}  // namespace sardonyx::ops
