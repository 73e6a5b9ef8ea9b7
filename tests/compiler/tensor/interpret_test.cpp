#include "compiler/tensor/interpret.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {
namespace {

using expr::Function;
using expr::Kind;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Tensor numbers(DType dtype, Dims dims, const std::vector<double>& values) {
  Tensor result(dtype, std::move(dims));
  for (size_t i = 0; i < values.size(); ++i)
    is_float(dtype) ? result.set_double(int64_t(i), values[i]) : result.set_int(int64_t(i), int64_t(values[i]));
  return result;
}

// The values of body(a[i], b[i]) for all i.
std::vector<double> map(DType dtype, const std::vector<double>& a, const std::vector<double>& b,
                        const std::function<Expr(const Expr&, const Expr&)>& body) {
  ProgramBuilder builder;
  int64_t count = int64_t(a.size());
  Term x = builder.input("x", dtype, {count}), y = builder.input("y", dtype, {count});
  VarPtr probe = expr::make_var("probe");
  DType result_dtype = body(x.at({Expr(probe)}), y.at({Expr(probe)}))->type.dtype;
  builder.output(builder.stage("z", result_dtype, {count}, [&](const Index& i) { return body(x.at(i), y.at(i)); }));
  Tensor inputs[] = {numbers(dtype, {count}, a), numbers(dtype, {count}, b)};
  Tensor result = interpret(builder.finish(), inputs, {})[0];
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(is_float(result.dtype()) ? result.as_double(i) : double(result.as_int(i)));
  return values;
}

std::vector<double> binary(Kind kind, DType dtype, const std::vector<double>& a, const std::vector<double>& b) {
  return map(dtype, a, b, [=](const Expr& x, const Expr& y) { return expr::make(kind, x, y); });
}

std::vector<double> unary(Function function, DType dtype, const std::vector<double>& a) {
  return map(dtype, a, a, [=](const Expr& x, const Expr&) { return expr::call(function, {x}); });
}

std::vector<double> cast(DType from, DType to, const std::vector<double>& a) {
  return map(from, a, a, [=](const Expr& x, const Expr&) { return expr::cast(x, to); });
}

using Doubles = std::vector<double>;

TEST(Interpret, NarrowIntegersWrap) {
  EXPECT_EQ(binary(Kind::Add, DType::U8, {200, 255}, {100, 1}), (Doubles{44, 0}));
  EXPECT_EQ(binary(Kind::Sub, DType::U16, {1}, {2}), (Doubles{65535}));
  EXPECT_EQ(binary(Kind::Mul, DType::I8, {100, -128}, {2, -1}), (Doubles{-56, -128}));
  EXPECT_EQ(binary(Kind::Add, DType::I32, {2147483647}, {1}), (Doubles{-2147483648.0}));
  EXPECT_EQ(binary(Kind::TruncDiv, DType::I8, {-128}, {-1}), (Doubles{-128}));
}

TEST(Interpret, DivisionRounds) {
  EXPECT_EQ(binary(Kind::Div, DType::I32, {7, -7, 7, -7}, {2, 2, -2, -2}), (Doubles{3, -4, -4, 3}));
  EXPECT_EQ(binary(Kind::Mod, DType::I32, {7, -7, 7, -7}, {3, 3, -3, -3}), (Doubles{1, 2, -2, -1}));
  EXPECT_EQ(binary(Kind::TruncDiv, DType::I64, {7, -7}, {2, 2}), (Doubles{3, -3}));
  EXPECT_EQ(binary(Kind::TruncRem, DType::I16, {7, -7}, {3, 3}), (Doubles{1, -1}));
  EXPECT_EQ(binary(Kind::Div, DType::F32, {1, -1}, {0, 0}), (Doubles{infinity, -infinity}));
  EXPECT_THROW(binary(Kind::TruncDiv, DType::I64, {7}, {0}), Error);
}

TEST(Interpret, UnsignedSixtyFourBits) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::U64, {2});
  builder.output(builder.stage("less", DType::Bool, {1}, [&](const Index&) { return a.at({0}) < a.at({1}); }));
  builder.output(
      builder.stage("half", DType::U64, {1}, [&](const Index&) { return a.at({1}) / expr::int_imm(2, DType::U64); }));
  builder.output(
      builder.stage("real", DType::F64, {1}, [&](const Index&) { return expr::cast(a.at({1}), DType::F64); }));
  Tensor input(DType::U64, {2});
  input.data<uint64_t>()[0] = 1;
  input.data<uint64_t>()[1] = UINT64_MAX - 1;
  std::vector<Tensor> results = interpret(builder.finish(), std::span(&input, 1), {});
  EXPECT_EQ(results[0].data<uint8_t>()[0], 1);
  EXPECT_EQ(results[1].data<uint64_t>()[0], UINT64_MAX / 2);
  EXPECT_EQ(results[2].data<double>()[0], 18446744073709551616.0);
}

TEST(Interpret, FloatsRoundToTheirType) {
  EXPECT_EQ(binary(Kind::Add, DType::F32, {16777216}, {1}), (Doubles{16777216}));
  EXPECT_EQ(binary(Kind::Add, DType::F64, {16777216}, {1}), (Doubles{16777217}));
  EXPECT_EQ(binary(Kind::Add, DType::F16, {2048}, {1}), (Doubles{2048}));
  EXPECT_EQ(binary(Kind::Mul, DType::BF16, {1.0078125}, {1.0078125}), (Doubles{1.015625}));
}

TEST(Interpret, MinAndMaxKeepNan) {
  for (Kind kind : {Kind::Min, Kind::Max}) {
    Doubles values = binary(kind, DType::F32, {nan, 1, 2}, {1, nan, 3});
    EXPECT_TRUE(std::isnan(values[0]) && std::isnan(values[1]));
    EXPECT_EQ(values[2], kind == Kind::Min ? 2 : 3);
  }
}

TEST(Interpret, ComparisonsWithNanAreFalseExceptNe) {
  EXPECT_EQ(binary(Kind::Eq, DType::F32, {nan, 1}, {nan, 1}), (Doubles{0, 1}));
  EXPECT_EQ(binary(Kind::Ne, DType::F32, {nan, 1}, {nan, 1}), (Doubles{1, 0}));
  EXPECT_EQ(binary(Kind::Lt, DType::F32, {nan, 1}, {1, 2}), (Doubles{0, 1}));
  EXPECT_EQ(binary(Kind::Le, DType::F64, {nan, 2}, {1, 2}), (Doubles{0, 1}));
}

TEST(Interpret, CastsSaturateFromFloatAndWrapBetweenIntegers) {
  EXPECT_EQ(cast(DType::F32, DType::I8, {300, -300, 1.9, -1.9, nan}), (Doubles{127, -128, 1, -1, 0}));
  EXPECT_EQ(cast(DType::F32, DType::U8, {-1, 256, infinity}), (Doubles{0, 255, 255}));
  EXPECT_EQ(cast(DType::F64, DType::I64, {1e300}), (Doubles{9223372036854775807.0}));
  EXPECT_EQ(cast(DType::F32, DType::Bool, {0, -0.0, 0.5, nan}), (Doubles{0, 0, 1, 1}));
  EXPECT_EQ(cast(DType::I32, DType::U8, {300, -1}), (Doubles{44, 255}));
  EXPECT_EQ(cast(DType::I32, DType::Bool, {256, 0}), (Doubles{1, 0}));
  EXPECT_EQ(cast(DType::I64, DType::F32, {16777217}), (Doubles{16777216}));
  EXPECT_EQ(cast(DType::F32, DType::F16, {65520, 1e-9}), (Doubles{infinity, 0}));
  EXPECT_EQ(cast(DType::Bool, DType::F32, {1, 0}), (Doubles{1, 0}));
}

TEST(Interpret, FunctionsOfFloats) {
  struct Case {
    Function function;
    double argument, expected;
  };
  const Case cases[] = {
      {Function::Abs, -2.5, 2.5},
      {Function::Sign, -3, -1},
      {Function::Floor, -1.5, -2},
      {Function::Ceil, -1.5, -1},
      {Function::Round, 2.5, 2},
      {Function::Round, 3.5, 4},
      {Function::Trunc, -1.9, -1},
      {Function::Sqrt, 2, std::sqrt(2)},
      {Function::Exp, 1, std::exp(1)},
      {Function::Log, 2, std::log(2)},
      {Function::Log1p, 0.5, std::log1p(0.5)},
      {Function::Expm1, 0.5, std::expm1(0.5)},
      {Function::Sin, 1, std::sin(1)},
      {Function::Cos, 1, std::cos(1)},
      {Function::Tan, 1, std::tan(1)},
      {Function::Asin, 0.5, std::asin(0.5)},
      {Function::Acos, 0.5, std::acos(0.5)},
      {Function::Atan, 2, std::atan(2)},
      {Function::Sinh, 1, std::sinh(1)},
      {Function::Cosh, 1, std::cosh(1)},
      {Function::Tanh, 1, std::tanh(1)},
      {Function::Asinh, 1, std::asinh(1)},
      {Function::Acosh, 2, std::acosh(2)},
      {Function::Atanh, 0.5, std::atanh(0.5)},
      {Function::Erf, 0.5, std::erf(0.5)},
      {Function::Sigmoid, 0, 0.5},
  };
  for (const Case& c : cases) {
    EXPECT_DOUBLE_EQ(unary(c.function, DType::F64, {c.argument})[0], c.expected) << function_name(c.function);
    EXPECT_FLOAT_EQ(float(unary(c.function, DType::F32, {c.argument})[0]), float(c.expected))
        << function_name(c.function);
  }
  EXPECT_EQ(unary(Function::IsNan, DType::F32, {nan, 1}), (Doubles{1, 0}));
  EXPECT_EQ(unary(Function::IsInf, DType::F32, {-infinity, nan}), (Doubles{1, 0}));
  auto of_two = [](Function function, double a, double b) {
    return map(DType::F32, {a}, {b}, [=](const Expr& x, const Expr& y) { return expr::call(function, {x, y}); })[0];
  };
  EXPECT_EQ(of_two(Function::Pow, 2, 10), 1024);
  EXPECT_EQ(of_two(Function::Fmod, -7.5, 2), -1.5);
  EXPECT_EQ(map(DType::F32, {2}, {3},
                [](const Expr& x, const Expr& y) {
                  return expr::call(Function::Fma, {x, y, y});
                }),
            (Doubles{9}));
}

TEST(Interpret, FunctionsOfIntegers) {
  auto of_two = [](Function function, DType dtype, double a, double b) {
    return map(dtype, {a}, {b}, [=](const Expr& x, const Expr& y) { return expr::call(function, {x, y}); })[0];
  };
  EXPECT_EQ(of_two(Function::BitAnd, DType::U8, 12, 10), 8);
  EXPECT_EQ(of_two(Function::BitOr, DType::U8, 12, 10), 14);
  EXPECT_EQ(of_two(Function::BitXor, DType::U8, 12, 10), 6);
  EXPECT_EQ(of_two(Function::ShiftLeft, DType::U8, 129, 1), 2);
  EXPECT_EQ(of_two(Function::ShiftLeft, DType::U8, 1, 8), 0);
  EXPECT_EQ(of_two(Function::ShiftRight, DType::I32, -8, 1), -4);
  EXPECT_EQ(of_two(Function::ShiftRight, DType::U32, 4294967295.0, 31), 1);
  EXPECT_EQ(of_two(Function::Pow, DType::I32, -2, 3), -8);
  EXPECT_EQ(of_two(Function::Fmod, DType::I32, -7, 3), -1);
  EXPECT_EQ(unary(Function::BitNot, DType::U8, {1}), (Doubles{254}));
  EXPECT_EQ(unary(Function::Abs, DType::I8, {-128, -3}), (Doubles{-128, 3}));
  EXPECT_EQ(unary(Function::Sign, DType::I64, {-5, 0, 9}), (Doubles{-1, 0, 1}));
}

TEST(Interpret, BitsReinterpret) {
  EXPECT_EQ(unary(Function::Bits, DType::F32, {1}), (Doubles{0x3F800000}));
  EXPECT_EQ(unary(Function::Bits, DType::I32, {0x40000000}), (Doubles{2}));
  EXPECT_EQ(unary(Function::Bits, DType::I64, {0x4000000000000000}), (Doubles{2}));
}

TEST(Interpret, MatrixProduct) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {2, 3}), b = builder.input("b", DType::F32, {3, 2});
  builder.output(builder.reduce("c", Reduce::Sum, DType::F32, {2, 2}, {3}, [&](const Index& out, const Index& in) {
    return a.at({out[0], in[0]}) * b.at({in[0], out[1]});
  }));
  Tensor inputs[] = {numbers(DType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}), numbers(DType::F32, {3, 2}, {1, 2, 3, 4, 5, 6})};
  Tensor c = interpret(builder.finish(), inputs, {})[0];
  EXPECT_TRUE(same_bits(c, numbers(DType::F32, {2, 2}, {22, 28, 49, 64})));
}

TEST(Interpret, ReductionsOfAllKinds) {
  struct Case {
    Reduce kind;
    double expected;
  };
  for (auto [kind, expected] : {Case{Reduce::Sum, 10}, {Reduce::Product, 24}, {Reduce::Max, 4}, {Reduce::Min, 1}})
    for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::I32, DType::U8, DType::I64}) {
      ProgramBuilder builder;
      Term a = builder.input("a", dtype, {4});
      builder.output(
          builder.reduce("r", kind, dtype, {}, {4}, [&](const Index&, const Index& in) { return a.at(in); }));
      Tensor input = numbers(dtype, {4}, {3, 1, 4, 2});
      EXPECT_TRUE(same_bits(interpret(builder.finish(), std::span(&input, 1), {})[0], numbers(dtype, {}, {expected})))
          << int(kind) << " " << dtype_name(dtype);
    }
}

TEST(Interpret, EmptyReductionGivesTheIdentity) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {2, 0});
  builder.output(builder.reduce("r", Reduce::Max, DType::F32, {2}, {0}, [&](const Index& out, const Index& in) {
    return a.at({out[0], in[0]});
  }));
  Tensor input(DType::F32, {2, 0});
  Tensor result = interpret(builder.finish(), std::span(&input, 1), {})[0];
  EXPECT_EQ(result.as_double(0), -infinity);
  EXPECT_EQ(result.as_double(1), -infinity);
}

TEST(Interpret, SelectRunsOnlyTheTakenArm) {
  // Zero padding: the load would be out of range in the padding.
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {3});
  builder.output(builder.stage("padded", DType::F32, {5}, [&](const Index& i) {
    Expr inside = Expr(1) <= i[0] && i[0] < Expr(4);
    return expr::select(inside, a.at({i[0] - 1}), expr::imm(0, DType::F32));
  }));
  Tensor input = numbers(DType::F32, {3}, {1, 2, 3});
  EXPECT_TRUE(
      same_bits(interpret(builder.finish(), std::span(&input, 1), {})[0], numbers(DType::F32, {5}, {0, 1, 2, 3, 0})));
}

TEST(Interpret, SelectSharesWhatBothArmsUse) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::I64, {4, 4});
  builder.output(builder.stage("nested", DType::I64, {4, 4}, [&](const Index& i) {
    Expr x = a.at(i), row = a.at({i[0], 0});
    Expr inner = expr::select(row < x, x / (x - row), row * row);
    return expr::select(x == Expr(0), row, expr::select(row == Expr(0), inner + x, inner - x)) + row;
  }));
  std::vector<double> values, expected;
  for (int64_t i = 0; i < 16; ++i) values.push_back(double((i * 7) % 5));
  for (size_t i = 0; i < 16; ++i) {
    int64_t x = int64_t(values[i]), row = int64_t(values[i / 4 * 4]);
    int64_t inner = row < x ? x / (x - row) : row * row;
    expected.push_back(double((x == 0 ? row : row == 0 ? inner + x : inner - x) + row));
  }
  Tensor input = numbers(DType::I64, {4, 4}, values);
  EXPECT_TRUE(
      same_bits(interpret(builder.finish(), std::span(&input, 1), {})[0], numbers(DType::I64, {4, 4}, expected)));
}

TEST(Interpret, IndexOutOfRangeNamesBufferAndIndex) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {3}), at = builder.input("at", DType::I64, {1});
  builder.output(builder.stage("picked", DType::F32, {1}, [&](const Index& i) { return a.at({at.at(i)}); }));
  Tensor inputs[] = {numbers(DType::F32, {3}, {1, 2, 3}), numbers(DType::I64, {1}, {-1})};
  try {
    interpret(builder.finish(), inputs, {});
    FAIL() << "the index is out of range";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::InternalError);
    EXPECT_NE(error.text().find("index [-1] is out of range for buffer a of shape [3]"), std::string::npos)
        << error.text();
  }
}

TEST(Interpret, ScansRunInOrder) {
  // Cumulative sums down the columns, from several columns of the row before.
  ProgramBuilder builder;
  Term a = builder.input("a", DType::I64, {3, 2});
  builder.output(builder.scan("sums", DType::I64, {3, 2}, 0, [&](const Index& i, const Term& self) {
    Expr before = self.at({i[0] - 1, 0}) + self.at({i[0] - 1, 1});
    return a.at(i) + expr::select(i[0] == Expr(0), Expr(0), before);
  }));
  builder.output(builder.scan("right", DType::I64, {3, 2}, 1, [&](const Index& i, const Term& self) {
    return a.at(i) + expr::select(i[1] == Expr(0), Expr(0), self.at({i[0], i[1] - 1}));
  }));
  Tensor input = numbers(DType::I64, {3, 2}, {1, 2, 3, 4, 5, 6});
  std::vector<Tensor> results = interpret(builder.finish(), std::span(&input, 1), {});
  EXPECT_TRUE(same_bits(results[0], numbers(DType::I64, {3, 2}, {1, 2, 6, 7, 18, 19})));
  EXPECT_TRUE(same_bits(results[1], numbers(DType::I64, {3, 2}, {1, 3, 3, 7, 5, 11})));
}

TEST(Interpret, SymbolsBindDims) {
  ProgramBuilder builder;
  VarPtr n = expr::make_var("n", {.min = 1});
  Term a = builder.input("a", DType::F32, {Expr(n)});
  builder.output(
      builder.stage("reversed", DType::F32, {Expr(n)}, [&](const Index& i) { return a.at({Expr(n) - 1 - i[0]}); }));
  Program program = builder.finish();
  ASSERT_EQ(program.symbols.size(), 1u);
  Tensor input = numbers(DType::F32, {3}, {1, 2, 3});
  const int64_t three = 3, four = 4;
  EXPECT_TRUE(same_bits(interpret(program, std::span(&input, 1), std::span(&three, 1))[0],
                        numbers(DType::F32, {3}, {3, 2, 1})));
  EXPECT_THROW(interpret(program, std::span(&input, 1), std::span(&four, 1)), Error);
}

}  // namespace
}  // namespace sardonyx::tensor
