#include "compiler/expr/expr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {
namespace {

BufferPtr buffer(std::string name, DType dtype, std::vector<Expr> dims) {
  return std::make_shared<const Buffer>(Buffer{.name = std::move(name), .dtype = dtype, .dims = std::move(dims)});
}

TEST(Expr, ConstantsFoldAtOnce) {
  EXPECT_TRUE(is_const(Expr(3) + 4, 7));
  EXPECT_TRUE(is_const(Expr(-7) / 2, -4));
  EXPECT_TRUE(is_const(Expr(-7) % 3, 2));
  EXPECT_TRUE(is_const(make(Kind::TruncDiv, -7, 2), -3));
  EXPECT_TRUE(is_const(make(Kind::TruncRem, -7, 3), -1));
  EXPECT_TRUE(is_const(Expr(3) < 4, 1));
  EXPECT_TRUE(is_const(min(3, 4), 3));
  EXPECT_TRUE(is_const(select(bool_imm(false), 3, 4), 4));
  EXPECT_EQ((float_imm(1, DType::F32) / float_imm(0, DType::F32))->float_value, INFINITY);
  EXPECT_FALSE(as_int(Expr(1) / 0).has_value());
}

TEST(Expr, NarrowConstantsWrap) {
  EXPECT_EQ((int_imm(200, DType::U8) + int_imm(100, DType::U8))->int_value, 44);
  EXPECT_EQ(int_imm(300, DType::I8)->int_value, 44);
  EXPECT_EQ((int_imm(-1, DType::U64) / int_imm(2, DType::U64))->int_value, INT64_MAX);
  EXPECT_EQ(float_imm(0.1, DType::F32)->float_value, double(0.1F));
}

TEST(Expr, CastsOfConstants) {
  EXPECT_EQ(cast(float_imm(-1.9, DType::F32), DType::I32)->int_value, -1);
  EXPECT_EQ(cast(float_imm(1e10, DType::F32), DType::I32)->int_value, INT32_MAX);
  EXPECT_EQ(cast(float_imm(NAN, DType::F32), DType::I32)->int_value, 0);
  EXPECT_EQ(cast(int_imm(-1, DType::U64), DType::F64)->float_value, 18446744073709551616.0);
  EXPECT_EQ(cast(int_imm(256), DType::Bool)->int_value, 1);
  Expr x(make_var("x"));
  EXPECT_TRUE(cast(x, DType::I64).same_as(x));
}

TEST(Expr, OperandsMustAgreeInType) {
  Expr x(make_var("x"));
  EXPECT_THROW(x + int_imm(1, DType::I32), Error);
  EXPECT_THROW(x && x, Error);
  EXPECT_THROW(select(x, x, x), Error);
  EXPECT_THROW(make(Kind::Mod, float_imm(1, DType::F32), float_imm(2, DType::F32)), Error);
  EXPECT_THROW(load(buffer("a", DType::F32, {4, 4}), {x, x, x}), Error);
  EXPECT_THROW(call(Function::Pow, {x}), Error);
}

TEST(Expr, EqualityIsStructuralAndVariablesAreByIdentity) {
  VarPtr x = make_var("x"), other = make_var("x");
  EXPECT_TRUE(equal(Expr(x) + 1, Expr(x) + 1));
  EXPECT_EQ((Expr(x) + 1)->hash, (Expr(x) + 1)->hash);
  EXPECT_FALSE(equal(Expr(x) + 1, Expr(other) + 1));
  EXPECT_FALSE(equal(Expr(x) + 1, 1 + Expr(x)));
  EXPECT_FALSE(equal(float_imm(0.0, DType::F32), float_imm(-0.0, DType::F32)));
  EXPECT_FALSE(equal(int_imm(1), int_imm(1, DType::I32)));
}

TEST(Expr, SharedStructuresCompareInLinearTime) {
  Expr x(make_var("x")), a = x, b = x;
  for (int i = 0; i < 200; ++i) {
    a = call(Function::BitXor, {a, a});
    b = call(Function::BitXor, {b, b});
  }
  EXPECT_TRUE(equal(a, b));
  EXPECT_TRUE(equal(simplify(a), a));
  EXPECT_FALSE(uses_var(a, make_var("y").get()));
}

TEST(Expr, TypesFollowOperands) {
  Expr x(make_var("x"));
  EXPECT_EQ((x < 1)->type, (Type{DType::Bool, 1}));
  Expr lanes = ramp(x, 1, 8);
  EXPECT_EQ((lanes < broadcast(x, 8))->type, (Type{DType::Bool, 8}));
  Expr vector = load(buffer("a", DType::F32, {64}), {lanes});
  EXPECT_EQ(vector->type, (Type{DType::F32, 8}));
  EXPECT_EQ(call(Function::ReduceAdd, {vector})->type, (Type{DType::F32, 1}));
  EXPECT_EQ(call(Function::IsNan, {vector})->type, (Type{DType::Bool, 8}));
  EXPECT_EQ(call(Function::Bits, {vector})->type, (Type{DType::I32, 8}));
  EXPECT_EQ(cast(vector, DType::F16)->type, (Type{DType::F16, 8}));
  EXPECT_TRUE(equal(rebuild(lanes, {x + 1, 2}), ramp(x + 1, 2, 8)));
}

TEST(Expr, Text) {
  Expr h(make_var("H")), w(make_var("W"));
  EXPECT_EQ(to_string((h + 1) / 2), "floordiv(H + 1, 2)");
  EXPECT_EQ(to_string((h + 1) * (w - (h - 2))), "(H + 1) * (W - (H - 2))");
  EXPECT_EQ(to_string(h - w - 1), "H - W - 1");
  EXPECT_EQ(to_string(!(h < w) || (h == w && w != 0)), "!(H < W) || H == W && W != 0");
  EXPECT_EQ(to_string(select(h <= w, min(h, 3), h % w)), "select(H <= W, min(H, 3), floormod(H, W))");
  EXPECT_EQ(to_string(cast(cast(h, DType::I32), DType::I64)), "i64(i32(H))");
  EXPECT_EQ(to_string(load(buffer("a", DType::F32, {4, 4}), {h, w + 1}) * float_imm(0.5, DType::F32)),
            "a[H, W + 1] * 0.5");
  EXPECT_EQ(to_string(ramp(h, 2, 8)), "ramp(H, 2, 8)");
  EXPECT_EQ(to_string(float_imm(-INFINITY, DType::F32)), "f32(-inf)");
  EXPECT_EQ(to_string(call(Function::Exp, {float_imm(1, DType::F64)})), "exp(f64(1.0))");
}

TEST(Expr, NegationKeepsTheSignOfZero) {
  EXPECT_TRUE(std::signbit((-float_imm(0.0, DType::F32))->float_value));
  EXPECT_TRUE(is_const(-Expr(5), -5));
}

TEST(Visit, SubstituteAndMutateKeepWhatDoesNotChange) {
  VarPtr x = make_var("x"), y = make_var("y");
  Expr e = min(Expr(x) * 4, Expr(y) + 1);
  EXPECT_EQ(to_string(substitute(e, {{x.get(), Expr(y) + 2}})), "min((y + 2) * 4, y + 1)");
  EXPECT_TRUE(substitute(e, {{make_var("z").get(), Expr(1)}}).same_as(e));
  EXPECT_TRUE(mutate(e, [](const Expr& node) { return node; }).same_as(e));
  EXPECT_TRUE(is_const(substitute(e, {{x.get(), Expr(1)}, {y.get(), Expr(2)}}), 3));
}

TEST(Visit, OrderAndPruning) {
  Expr x(make_var("x"));
  std::vector<Kind> kinds;
  visit((x + 1) * (x / 2), [&](const Expr& e) {
    kinds.push_back(e->kind);
    return e->kind != Kind::Div;
  });
  EXPECT_EQ(kinds, (std::vector<Kind>{Kind::Mul, Kind::Add, Kind::Var, Kind::IntImm, Kind::Div}));
}

TEST(Evaluate, Values) {
  VarPtr x = make_var("x"), y = make_var("y");
  std::unordered_map<const Variable*, int64_t> values{{x.get(), -7}, {y.get(), 2}};
  auto value = [&](const Expr& e) { return evaluate(e, values); };
  Expr a(x), b(y);
  EXPECT_EQ(value(a / b), -4);
  EXPECT_EQ(value(a % b), 1);
  EXPECT_EQ(value(make(Kind::TruncDiv, a, b)), -3);
  EXPECT_EQ(value(make(Kind::TruncRem, a, b)), -1);
  EXPECT_EQ(value(max(a, b) * 3 - min(a, b)), 13);
  EXPECT_EQ(value(a < b && a != b), 1);
  EXPECT_EQ(value(call(Function::Abs, {a})), 7);
  EXPECT_EQ(value(cast(cast(a, DType::U8), DType::I64)), 249);
  Expr scaled = cast(a, DType::F32) * float_imm(0.5, DType::F32);
  EXPECT_EQ(value(cast(call(Function::Floor, {scaled}), DType::I64)), -4);
  EXPECT_EQ(value(select(b == 0, a / b, b)), 2);
}

TEST(Evaluate, Errors) {
  VarPtr x = make_var("x");
  auto status_of = [&](const Expr& e) {
    try {
      evaluate(e, {{x.get(), 0}});
    } catch (const Error& error) {
      return error.status();
    }
    return Status::Success;
  };
  EXPECT_EQ(status_of(Expr(1) / Expr(x)), Status::MismatchingShape);
  EXPECT_EQ(status_of(Expr(x) % Expr(x)), Status::MismatchingShape);
  EXPECT_EQ(status_of(Expr(make_var("y"))), Status::InternalError);
  EXPECT_EQ(status_of(float_imm(1, DType::F32)), Status::InternalError);
  EXPECT_EQ(status_of(load(buffer("a", DType::I64, {4}), {Expr(x)})), Status::InternalError);
}

}  // namespace
}  // namespace sardonyx::expr
