#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using expr::Expr;
using tensor::Index;
using tensor::ProgramBuilder;
using tensor::Term;

void expect_both(const Problem& problem, const std::vector<int64_t>& symbols = {}) {
  auto inputs = random_inputs(problem.program, symbols, 1);
  expect_matches("loops", problem, inputs, symbols, 1e-6, 1e-6);
  expect_matches("pointwise", problem, inputs, symbols, 1e-6, 1e-6);
}

TEST(Pointwise, AddsWithBroadcast) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {3, 5, 7}), y = b.input("y", DType::F32, {5});
  b.output({DType::F32, {3, 5, 7}, [=](const Index& i) { return x.at(i) + y.at({i[1]}); }});
  expect_both({b.finish(), {}});
}

TEST(Pointwise, CollapsesSmallInnerDims) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {6, 11, 3}), y = b.input("y", DType::F32, {6, 11, 3});
  b.output(
      {DType::F32, {6, 11, 3}, [=](const Index& i) { return expr::max(x.at(i) * y.at(i), expr::imm(0, DType::F32)); }});
  expect_both({b.finish(), {}});
}

TEST(Pointwise, SymbolicDims) {
  auto n = expr::make_var("N", {1, INT64_MAX, 1});
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {Expr(n), 10});
  b.output({DType::F32, {10, Expr(n)}, [=](const Index& i) { return x.at({i[1], i[0]}) - expr::imm(1, DType::F32); }});
  Problem problem{b.finish(), {}};
  problem.program.symbols = {n};
  for (int64_t value : {1, 5, 16, 37}) expect_both(problem, {value});
}

TEST(Pointwise, Transposes) {
  for (auto [m, n] : {std::pair<int64_t, int64_t>{64, 48}, {33, 70}, {17, 16}, {100, 3}, {3, 100}}) {
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {2, m, n}), y = b.input("y", DType::I8, {n, m});
    b.output({DType::F32, {2, n, m}, [=](const Index& i) {
                return x.at({i[0], i[2], i[1]}) + expr::cast(y.at({i[1], i[2]}), DType::F32);
              }});
    expect_both({b.finish(), {}});
  }
}

TEST(Pointwise, LargeFlatDomainSplitsIntoBlocks) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {100003});
  b.output({DType::F32, {100003}, [=](const Index& i) { return x.at(i) * x.at(i); }});
  expect_both({b.finish(), {}});
}

TEST(Pointwise, EveryDtypeAddsAndSelects) {
  for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8, DType::U8, DType::I16, DType::U16,
                      DType::I32, DType::U32, DType::I64, DType::U64}) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    ProgramBuilder b;
    Term x = b.input("x", dtype, {4, 37}), y = b.input("y", dtype, {4, 37}), c = b.input("c", DType::Bool, {37});
    b.output({dtype, {4, 37}, [=](const Index& i) {
                return expr::select(c.at({i[1]}), x.at(i) + y.at(i), expr::min(x.at(i), y.at(i)));
              }});
    b.output({DType::Bool, {4, 37}, [=](const Index& i) { return x.at(i) < y.at(i); }});
    Problem problem{b.finish(), {}};
    auto inputs = random_inputs(problem.program, {}, 3);
    double eps = dtype == DType::F16 ? 1e-3 : dtype == DType::BF16 ? 1e-2 : 1e-6;
    expect_matches("loops", problem, inputs, {}, eps, eps);
    expect_matches("pointwise", problem, inputs, {}, eps, eps);
  }
}

TEST(Pointwise, CastsBetweenAllTypes) {
  std::vector<DType> all = {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8,  DType::U8,  DType::I16,
                            DType::U16, DType::I32, DType::U32, DType::I64,  DType::U64, DType::Bool};
  all.insert(all.end(), std::begin(byte_dtypes), std::end(byte_dtypes));
  for (DType from : all) {
    ProgramBuilder b;
    Term x = b.input("x", from, {53});
    for (DType to : all) {
      if (to != from) b.output({to, {53}, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    }
    SCOPED_TRACE(std::string(dtype_name(from)));
    Problem problem{b.finish(), {}};
    auto inputs = random_inputs(problem.program, {}, 5, -300, 300);
    expect_matches("loops", problem, inputs, {}, 0, 0);
    expect_matches("pointwise", problem, inputs, {}, 0, 0);
  }
}

TEST(Pointwise, NumbersBecomeNarrowTypesAsInTheInterpreter) {
  tensor::Target target = cpu::host_target();
  target.bf16_products = false;  // as without fast_math, with which numbers below the normal ones become 0
  for (DType from : {DType::F32, DType::F64}) {
    ProgramBuilder b;
    const Tensor numbers = boundary_numbers(from);
    Term x = b.input("x", from, {numbers.count()});
    for (DType to : byte_dtypes) b.output({to, x.dims, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    for (DType to : {DType::F16, DType::BF16})
      b.output({to, x.dims, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    Problem problem{b.finish(), {}};
    expect_matches("loops", problem, {numbers}, {}, 0, 0, target);
    expect_matches("pointwise", problem, {numbers}, {}, 0, 0, target);
  }
}

// NaN, infinities and what is out of range, with and without bounds in front of the cast.
TEST(Pointwise, FloatsSaturateAsShortIntegers) {
  ProgramBuilder b;
  const Tensor numbers = boundary_numbers(DType::F32);
  Term x = b.input("x", DType::F32, {numbers.count()});
  for (DType to : {DType::I8, DType::U8, DType::I16, DType::U16}) {
    const double low = to == DType::I8 ? -128 : to == DType::I16 ? -32768 : 0;
    const double high = low + (size_of(to) == 1 ? 255 : 65535);
    const Expr bottom = expr::imm(low, DType::F32), top = expr::imm(high, DType::F32),
               above = expr::imm(high + 1, DType::F32);
    b.output({to, x.dims, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    b.output({to, x.dims, [=](const Index& i) { return expr::cast(expr::min(expr::max(x.at(i), bottom), top), to); }});
    b.output({to, x.dims, [=](const Index& i) { return expr::cast(expr::max(top, expr::min(bottom, x.at(i))), to); }});
    b.output(
        {to, x.dims, [=](const Index& i) { return expr::cast(expr::min(expr::max(x.at(i), bottom), above), to); }});
    b.output({to, x.dims, [=](const Index& i) { return expr::cast(expr::min(x.at(i), top), to); }});
  }
  Problem problem{b.finish(), {}};
  expect_matches("loops", problem, {numbers}, {}, 0, 0);
  expect_matches("pointwise", problem, {numbers}, {}, 0, 0);
}

TEST(Pointwise, EveryCodeOfByteTypesConvertsMovesAndCompares) {
  for (DType dtype : byte_dtypes) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    const Tensor codes = all_codes(dtype);
    ProgramBuilder b;
    Term x = b.input("x", dtype, {codes.count()});
    for (DType to : {DType::F32, DType::F64, DType::F16, DType::I32, DType::U8, DType::Bool})
      b.output({to, x.dims, [=](const Index& i) { return expr::cast(x.at(i), to); }});
    const Expr one = expr::imm(1, dtype), last = codes.count() - 1;
    b.output({dtype, x.dims, [=](const Index& i) { return expr::select(i[0] < Expr(3), one, x.at({last - i[0]})); }});
    b.output({dtype, x.dims, [=](const Index& i) { return x.at(i) + one; }});
    b.output({DType::Bool, x.dims, [=](const Index& i) { return x.at(i) < one; }});
    Problem problem{b.finish(), {}};
    expect_matches("loops", problem, {codes}, {}, 0, 0);
    expect_matches("pointwise", problem, {codes}, {}, 0, 0);
  }
}

TEST(Pointwise, MovedCodesKeepTheirBits) {
  for (DType dtype : {DType::F8E5M2, DType::F16, DType::BF16}) {
    const Tensor codes = all_codes(dtype);
    ProgramBuilder b;
    Term x = b.input("x", dtype, {codes.count()});
    const Expr last = codes.count() - 1;
    b.output({dtype, x.dims, [=](const Index& i) { return x.at({last - i[0]}); }});
    Problem problem{b.finish(), {}};
    for (const char* family : {"loops", "pointwise"}) {
      const auto proposals = sketch::family_of(family)->propose(problem, cpu::host_target(), nullptr);
      ASSERT_FALSE(proposals.empty());
      const auto lowered = sketch::family_of(family)->lower(problem, proposals[0].point, cpu::host_target());
      const Tensor moved = Runner(problem, std::get<Lowered>(lowered)).run({codes}, {}).outputs[0];
      const size_t size = size_of(dtype);
      for (size_t i = 0; i < size_t(codes.count()); ++i)
        ASSERT_EQ(std::memcmp(moved.raw() + i * size, codes.raw() + (size_t(codes.count()) - 1 - i) * size, size), 0)
            << dtype_name(dtype) << " " << i;
    }
  }
}

TEST(Pointwise, ComplexNumbersMove) {
  for (DType dtype : {DType::Complex64, DType::Complex128}) {
    Tensor numbers(dtype, {5, 21});
    for (int64_t i = 0; i < numbers.bytes(); ++i) numbers.raw()[i] = uint8_t(i * 37 + i / 256);
    ProgramBuilder b;
    Term x = b.input("x", dtype, {5, 21}), c = b.input("c", DType::Bool, {5});
    b.output({dtype, {21, 5}, [=](const Index& i) {
                return expr::select(c.at({i[1]}), x.at({i[1], i[0]}), x.at({i[1], Expr(20) - i[0]}));
              }});
    const Problem problem{b.finish(), {}};
    const std::vector<Tensor> inputs{numbers,
                                     Tensor::of<uint8_t>(DType::Bool, {5}, std::vector<uint8_t>{1, 0, 1, 1, 0})};
    const Tensor want = tensor::interpret(problem.program, inputs, {})[0];
    for (int64_t i = 0; i < 21; ++i)
      for (int64_t k = 0; k < 5; ++k) {
        const int64_t from = k * 21 + (k == 1 || k == 4 ? 20 - i : i), size = int64_t(size_of(dtype));
        ASSERT_EQ(std::memcmp(want.raw() + (i * 5 + k) * size, numbers.raw() + from * size, size_t(size)), 0);
      }
    for (const char* family : {"loops", "pointwise"})
      for (const auto& proposal : sketch::family_of(family)->propose(problem, cpu::host_target(), nullptr)) {
        const auto lowered = sketch::family_of(family)->lower(problem, proposal.point, cpu::host_target());
        EXPECT_TRUE(same_bits(Runner(problem, std::get<Lowered>(lowered)).run(inputs, {}).outputs[0], want)) << family;
      }
  }
}

TEST(Pointwise, IntegerDivisionFloorsAndTruncates) {
  for (DType dtype : {DType::I8, DType::U8, DType::I32, DType::I64}) {
    ProgramBuilder b;
    Term x = b.input("x", dtype, {64}), y = b.input("y", dtype, {64});
    for (auto kind : {expr::Kind::Div, expr::Kind::Mod, expr::Kind::TruncDiv, expr::Kind::TruncRem}) {
      b.output({dtype, {64}, [=](const Index& i) {
                  Expr divisor = y.at(i);
                  Expr one = expr::imm(1, dtype);
                  return expr::make(kind, x.at(i), expr::select(divisor == expr::imm(0, dtype), one, divisor));
                }});
    }
    Problem problem{b.finish(), {}};
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    auto inputs = random_inputs(problem.program, {}, 7);
    expect_matches("loops", problem, inputs, {}, 0, 0);
    expect_matches("pointwise", problem, inputs, {}, 0, 0);
  }
}

TEST(Pointwise, ConcatReadsOnlyWhatIsThere) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {3, 4}), y = b.input("y", DType::F32, {3, 9});
  b.output({DType::F32, {3, 13}, [=](const Index& i) {
              return expr::select(i[1] < Expr(4), x.at(i), y.at({i[0], i[1] - Expr(4)}));
            }});
  expect_both({b.finish(), {}});
}

// Parts of `extents` along each axis, one of them computed, and an expression of the whole.
TEST(Pointwise, ConcatsRunPieceByPiece) {
  for (size_t axis = 0; axis < 3; ++axis) {
    for (const std::vector<int64_t>& extents : {std::vector<int64_t>{3, 5, 2}, {1, 40}, {4, 0, 4}}) {
      ProgramBuilder b;
      std::vector<Term> parts;
      std::vector<int64_t> begins{0};
      for (int64_t extent : extents) {
        std::vector<Expr> dims{3, 4, 5};
        dims[axis] = extent;
        parts.push_back(b.input("part", DType::F32, dims));
        begins.push_back(begins.back() + extent);
      }
      std::vector<Expr> dims{3, 4, 5};
      dims[axis] = begins.back();
      const auto whole = [=](const Index& index) {
        Expr value;
        for (size_t k = parts.size(); k-- > 0;) {
          Index source = index;
          source[axis] = index[axis] - Expr(begins[k]);
          const Expr part = k == 1 ? parts[k].at(source) * expr::imm(2, DType::F32) : parts[k].at(source);
          value = value.defined() ? expr::select(index[axis] < Expr(begins[k + 1]), part, value) : part;
        }
        return value;
      };
      b.output({DType::F32, dims, whole});
      const Problem problem{b.finish(), {}};
      expect_matches("pointwise", problem, random_inputs(problem.program, {}, 3), {}, 0, 0);
    }
  }
}

TEST(Pointwise, ConcatsOfOpenDimsRunPieceByPiece) {
  const auto past = expr::make_var("past", {0, INT64_MAX, 1}), now = expr::make_var("now", {0, INT64_MAX, 1});
  for (const auto& [old_extent, new_extent] : {std::pair<int64_t, int64_t>{5, 1}, {0, 7}, {3, 0}}) {
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {2, Expr(past), 9}), y = b.input("y", DType::F32, {2, Expr(now), 9});
    b.output({DType::F32, {2, Expr(past) + Expr(now), 9}, [=](const Index& i) {
                return expr::select(i[1] < Expr(past), x.at(i), y.at({i[0], i[1] - Expr(past), i[2]}));
              }});
    Problem problem{b.finish(), {}};
    problem.program.symbols = {past, now};
    const std::vector<int64_t> symbols{old_extent, new_extent};
    expect_matches("pointwise", problem, random_inputs(problem.program, symbols, 3), symbols, 0, 0);
    auto lowered = sketch::family_of("pointwise")->lower(problem, {}, cpu::host_target());
    EXPECT_EQ(std::get<Lowered>(lowered).launches.at(0).name, "piecewise");
  }
}

TEST(Pointwise, GatherChecksIndices) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {6, 20}), index = b.input("index", DType::I64, {5});
  b.output({DType::F32, {5, 20}, [=](const Index& i) { return x.at({index.at({i[0]}), i[1]}); }});
  Problem problem{b.finish(), {}};
  std::mt19937 random(1);
  Tensor data = random_tensor(DType::F32, {6, 20}, random);
  std::vector<int64_t> good{0, 5, 3, 3, 1}, bad{0, 5, 6, 3, 1}, negative{0, -1, 2, 3, 1};
  expect_matches("pointwise", problem, {data, Tensor::ints(good)}, {}, 0, 0);
  for (const char* name : {"loops", "pointwise"}) {
    auto lowered = sketch::family_of(name)->lower(problem, {}, cpu::host_target());
    Runner runner(problem, std::get<Lowered>(lowered));
    EXPECT_EQ(runner.run({data, Tensor::ints(good)}, {}).code, 0);
    EXPECT_EQ(runner.run({data, Tensor::ints(bad)}, {}).code, runtime::IndexOutOfRange);
    EXPECT_EQ(runner.run({data, Tensor::ints(negative)}, {}).code, runtime::IndexOutOfRange);
  }
}

TEST(Pointwise, DivisionByLoadedZeroIsReported) {
  ProgramBuilder b;
  Term x = b.input("x", DType::I32, {40}), y = b.input("y", DType::I32, {40});
  b.output({DType::I32, {40}, [=](const Index& i) { return expr::make(expr::Kind::TruncDiv, x.at(i), y.at(i)); }});
  Problem problem{b.finish(), {}};
  Tensor one(DType::I32, {40}), zero(DType::I32, {40});
  for (int i = 0; i < 40; ++i) one.set_int(i, i + 1), zero.set_int(i, i);
  for (const char* name : {"loops", "pointwise"}) {
    auto lowered = sketch::family_of(name)->lower(problem, {}, cpu::host_target());
    Runner runner(problem, std::get<Lowered>(lowered));
    EXPECT_EQ(runner.run({one, one}, {}).code, 0);
    EXPECT_EQ(runner.run({one, zero}, {}).code, runtime::DivisionByZero);
  }
}

TEST(Pointwise, NanWinsMinAndMax) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {4}), y = b.input("y", DType::F32, {4});
  b.output({DType::F32, {4}, [=](const Index& i) { return expr::max(x.at(i), y.at(i)); }});
  b.output({DType::F32, {4}, [=](const Index& i) { return expr::min(x.at(i), expr::imm(1, DType::F32)); }});
  Problem problem{b.finish(), {}};
  float nan = std::nanf("");
  std::vector<float> a{nan, 1, 2, nan}, c{1, nan, 3, nan};
  expect_matches("pointwise", problem, {Tensor::of<float>(DType::F32, {4}, a), Tensor::of<float>(DType::F32, {4}, c)},
                 {}, 0, 0);
}

}  // namespace
}  // namespace sardonyx::testing
