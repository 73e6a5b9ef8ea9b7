#include "compiler/expr/simplify.h"

#include <gtest/gtest.h>

#include "compiler/expr/parse.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {
namespace {

// i in [0, 15], j in [0, 3], w in [0, 7], a in [0, 63], n >= 1, H in [1, 4096], s a multiple of 16 from 16 on,
// W >= 16, everything else unbounded.
class Simplify : public testing::Test {
 protected:
  Simplify() {
    add("i", {0, 15, 1});
    add("j", {0, 3, 1});
    add("w", {0, 7, 1});
    add("a", {0, 63, 1});
    add("n", {1, INT64_MAX, 1});
    add("H", {1, 4096, 1});
    add("s", {16, 1024, 16});
    add("W", {16, 2048, 1});
    for (const char* name : {"x", "y", "z"}) add(name, {});
  }

  void add(const std::string& name, Facts facts) { variables_[name] = make_var(name, facts); }
  Expr parsed(std::string_view text) {
    return parse(text, [&](const std::string& name) {
      auto found = variables_.find(name);
      return found == variables_.end() ? nullptr : found->second;
    });
  }
  std::string simplified(std::string_view text) { return to_string(simplify(parsed(text))); }

  struct Rule {
    const char* from;
    const char* to;
  };
  void expect(std::initializer_list<Rule> rules) {
    for (const Rule& rule : rules) EXPECT_EQ(simplified(rule.from), rule.to) << rule.from;
  }

  std::unordered_map<std::string, VarPtr> variables_;
};

TEST_F(Simplify, LinearForms) {
  expect({
      {"x + 0", "x"},
      {"x - x", "0"},
      {"x + x", "x * 2"},
      {"(x + 1) * 3 - x * 2 - 3", "x"},
      {"y + x", "x + y"},
      {"1 + x * 4 + y * 16", "y * 16 + x * 4 + 1"},
      {"5 - x", "5 - x"},
      {"-x - y", "x * -1 - y"},
      {"(H + 2) - (H + 1)", "1"},
      {"(x + y) * (x - y)", "x * x - y * y"},
      {"x * y - y * x", "0"},
      {"x * (y + 1) * 2", "x * 2 + x * y * 2"},
      {"x * 0", "0"},
  });
}

TEST_F(Simplify, FloorDivision) {
  expect({
      {"floordiv(n * 16 + i, 16)", "n"},
      {"floordiv(x, 1)", "x"},
      {"floordiv(floordiv(x, 4), 8)", "floordiv(x, 32)"},
      {"floordiv(floordiv(x, 4) + 3, 8)", "floordiv(x + 12, 32)"},
      {"floordiv(x * 8, 4)", "x * 2"},
      {"floordiv(x * 4, 8)", "floordiv(x, 2)"},
      {"floordiv(x * 4 + 3, 8)", "floordiv(x, 2)"},
      {"floordiv(x * 4 + y * 6 + 1, 8)", "floordiv(y * 3 + x * 2, 4)"},
      {"floordiv(a * 32 + i * 2 + floordiv(w, 4), 32)", "a"},
      {"floordiv(x * 32 + j * 16 + i, 32)", "x + floordiv(j, 2)"},
      {"floordiv(i, 16)", "0"},
      {"floordiv(i - 16, 16)", "-1"},
      {"floordiv(x, -4)", "floordiv(x * -1, 4)"},
      {"floordiv(x - 1, 2) + 1", "floordiv(x + 1, 2)"},
      {"floordiv(floormod(x, 32), 16)", "floormod(floordiv(x, 16), 2)"},
      {"floordiv(s * 3 + w, 8)", "floordiv(s, 8) * 3"},
      {"floordiv(floordiv(H + 1, 2) + 1, 2)", "floordiv(H + 3, 4)"},
  });
}

TEST_F(Simplify, SymbolicDivision) {
  expect({
      {"floordiv(n, n)", "1"},
      {"floordiv(n * H + n * 2, n)", "H + 2"},
      {"floordiv(x * W + w, W)", "x"},
      {"floordiv(x * W + y, W)", "x + floordiv(y, W)"},
      {"floormod(x * W + w, W)", "w"},
      {"floormod(x * W + y, W)", "floormod(y, W)"},
      {"floordiv(x * 4, n * 2)", "floordiv(x * 2, n)"},
      {"floordiv((H + W) * 3, H + W)", "3"},
      {"floordiv(x, W) * W + floormod(x, W)", "x"},
      {"x - floordiv(x, W) * W", "floormod(x, W)"},
  });
}

TEST_F(Simplify, Remainders) {
  expect({
      {"floormod(n * 16 + i, 16)", "i"},
      {"floormod(x, 1)", "0"},
      {"floormod(x * 17, 16)", "floormod(x, 16)"},
      {"floormod(floormod(x, 32) + y, 16)", "floormod(x + y, 16)"},
      {"floormod(x * 32 + j * 16 + i, 32)", "floormod(j, 2) * 16 + i"},
      {"floormod(x * 4 + 1, 8)", "floormod(x, 2) * 4 + 1"},
      {"floormod(x + 35, 16)", "floormod(x + 3, 16)"},
      {"floormod(s, 8)", "0"},
      {"floormod(i + 16, 16)", "i"},
      {"truncdiv(i, 4) + truncrem(a, 8)", "floordiv(i, 4) + floormod(a, 8)"},
  });
}

TEST_F(Simplify, MixedRadix) {
  expect({
      {"floordiv(x, 16) * 16 + floormod(x, 16)", "x"},
      {"floordiv(x, 64) * 64 + floormod(floordiv(x, 16), 4) * 16 + floormod(x, 16)", "x"},
      {"floormod(floordiv(x, 16), 4) * 16 + floormod(x, 16)", "floormod(x, 64)"},
      {"x - floordiv(x, 16) * 16", "floormod(x, 16)"},
      {"floordiv(n + 15, 16) * 16 - n", "15 - floormod(n + 15, 16)"},
      {"floordiv(s, 16) * 16", "s"},
  });
}

TEST_F(Simplify, MinAndMax) {
  expect({
      {"min(i, 20)", "i"},
      {"max(i, 0)", "i"},
      {"min(x, x)", "x"},
      {"min(x + 1, x + 3)", "x + 1"},
      {"max(min(x, 15), 15)", "15"},
      {"min(min(x, y), x)", "min(x, y)"},
      {"min(min(y, 3), min(x, 5))", "min(min(x, y), 3)"},
      {"max(i * 4 + j, 3 + x * 0)", "max(i * 4 + j, 3)"},
  });
}

TEST_F(Simplify, Comparisons) {
  expect({
      {"i < 16", "true"},
      {"i <= 14", "i < 15"},
      {"x + 3 < y + 5", "x < y + 2"},
      {"x * 4 < 10", "x < 3"},
      {"0 < x * 4 - 3", "1 <= x"},
      {"x <= x + 1", "true"},
      {"x == x + 1", "false"},
      {"x * 2 == 1", "false"},
      {"y == x", "x == y"},
      {"x * 6 != y * 4 + 2", "x * 3 != y * 2 + 1"},
      {"!(x < y)", "y <= x"},
      {"!(x == y)", "x != y"},
      {"n <= floordiv(n + 15, 16) * 16", "true"},
      {"min(x, n) <= n", "true"},
      {"max(min(x, 3), 0) < 4", "true"},
      {"floordiv(x, 4) * 4 <= x", "true"},
      {"floormod(x, 4) * 16 + i < 64", "true"},
      {"s == 20", "false"},
      // Constants without a negation or a neighbour.
      {"x + 9223372036854775807 <= 0", "x < -9223372036854775806"},
      {"x <= 0 - 9223372036854775807 - 1", "x < -9223372036854775807"},
      {"0 - 9223372036854775807 - 1 < x", "-9223372036854775808 < x"},
      {"0 < x - 9223372036854775807", "false"},
      {"0 < x - 9223372036854775806", "9223372036854775807 <= x"},
      {"0 < x * 4 - 9223372036854775807", "2305843009213693952 <= x"},
      {"x - 9223372036854775807 == y", "x == y + 9223372036854775807"},
  });
}

TEST_F(Simplify, Logic) {
  expect({
      {"x < 4 && x < 8", "x < 4"},
      {"x < 4 || x < 8", "x < 8"},
      {"x < 4 && 5 < x", "false"},
      {"x < 4 || 2 < x", "true"},
      {"x < y && x < y", "x < y"},
      {"i < 16 && x == y", "x == y"},
      {"i < 0 || x == y", "x == y"},
      {"(x == y || z == 0) && !(x == y || z == 0)", "false"},
      {"!!(x == y && z == 0)", "x == y && z == 0"},
  });
}

TEST_F(Simplify, Select) {
  expect({
      {"select(i < 16, x, y)", "x"},
      {"select(x < y, z, z)", "z"},
      {"select(x == y && z == 0, select(x == y && z == 0, 1, 2), 3)", "select(x == y && z == 0, 1, 3)"},
      {"select(x < y, 1, select(x < y, 2, 3))", "select(x < y, 1, 3)"},
      {"select(x < y, true, false)", "x < y"},
      {"select(x < y, false, true)", "y <= x"},
      {"select(i < 0, i + H, i)", "i"},
  });
}

TEST_F(Simplify, Casts) {
  expect({
      {"i64(i32(a)) + 1", "a + 1"},
      {"i64(i32(x))", "i64(i32(x))"},
      {"i64(i32(i16(x)))", "i64(i16(x))"},
      {"i64(u8(x)) < 256", "true"},
  });
}

TEST_F(Simplify, NarrowIntegersMayWrapAndKeepTheirForm) {
  Expr x = cast(Expr(variables_["x"]), DType::I32), one = int_imm(1, DType::I32);
  EXPECT_EQ(to_string(simplify(x + one < x)), "i32(x) + i32(1) < i32(x)");
  EXPECT_EQ(to_string(simplify(x + int_imm(0, DType::I32))), "i32(x)");
  EXPECT_TRUE(is_const(simplify(x - x), 0));
}

TEST_F(Simplify, FloatsKeepIeeeSemantics) {
  auto data = std::make_shared<const Buffer>(Buffer{.name = "data", .dtype = DType::F32, .dims = {16}});
  Expr f = load(data, {Expr(variables_["i"])}), zero = float_imm(0, DType::F32), one = float_imm(1, DType::F32);
  for (const Expr& kept : {f * zero, f + zero, f - f, f / f, (f + one) - one, !(f < zero)})
    EXPECT_TRUE(simplify(kept).same_as(kept)) << to_string(kept);
  for (const Expr& same : {f * one, f / one, f - zero, f + float_imm(-0.0, DType::F32)})
    EXPECT_TRUE(simplify(same).same_as(f)) << to_string(same);
  EXPECT_TRUE(simplify(cast(cast(f, DType::F64), DType::F32)).same_as(f));
  EXPECT_FALSE(simplify(cast(cast(f, DType::F16), DType::F32)).same_as(f));
  EXPECT_EQ(simplify(call(Function::Sqrt, {float_imm(4, DType::F32)}))->float_value, 2);
}

TEST_F(Simplify, Vectors) {
  Expr i(variables_["i"]), x(variables_["x"]);
  auto text = [](const Expr& e) { return to_string(simplify(e)); };
  EXPECT_EQ(text(ramp(i * 8, 1, 8) / broadcast(8, 8)), "broadcast(i, 8)");
  EXPECT_EQ(text(ramp(i * 8, 1, 8) % broadcast(8, 8)), "ramp(0, 1, 8)");
  EXPECT_EQ(text(ramp(i, 1, 8) / broadcast(8, 8)), "floordiv(ramp(i, 1, 8), broadcast(8, 8))");
  EXPECT_EQ(text(ramp(x, 2, 4) * broadcast(3, 4) + broadcast(x, 4)), "ramp(x * 4, 6, 4)");
  EXPECT_EQ(text(ramp(x, 1, 4) - ramp(i, 1, 4)), "broadcast(x - i, 4)");
  EXPECT_EQ(text(broadcast(x, 4) * broadcast(2, 4)), "broadcast(x * 2, 4)");
}

TEST_F(Simplify, NothingNewKeepsThePointer) {
  Expr e = parsed("floordiv(x * 3 + y, 4) + min(x, y)");
  EXPECT_TRUE(simplify(e).same_as(e) || !equal(simplify(e), e));
  Expr simple = simplify(e);
  EXPECT_TRUE(simplify(simple).same_as(simple));
}

TEST_F(Simplify, ScopesNarrowWhatVariablesKnow) {
  VarPtr x = variables_["x"];
  Scope scope{{x.get(), {.min = 0, .max = 31, .multiple_of = 8}}};
  EXPECT_EQ(to_string(simplify(parsed("floordiv(x, 32)"), scope)), "0");
  EXPECT_TRUE(prove(parsed("x < 32"), scope));
  EXPECT_FALSE(prove(parsed("x < 32")));
  EXPECT_TRUE(prove_divisible(parsed("x * 2 + 16"), 16, scope));
  EXPECT_FALSE(prove_divisible(parsed("x * 2 + 16"), 16));
  EXPECT_TRUE(is_const(simplify(Expr(x), {{x.get(), {.min = 5, .max = 5}}}), 5));
}

TEST_F(Simplify, Proofs) {
  EXPECT_TRUE(prove_equal(parsed("(x + 1) * 4 - 4"), parsed("x * 4")));
  EXPECT_TRUE(prove_equal(parsed("floordiv(H - 1, 2) + 1"), parsed("floordiv(H + 1, 2)")));
  EXPECT_FALSE(prove_equal(parsed("x"), parsed("y")));
  EXPECT_FALSE(prove_equal(Expr(1), int_imm(1, DType::I32)));
  EXPECT_TRUE(prove_divisible(Expr(0), 7));
  EXPECT_FALSE(prove_divisible(parsed("x"), 0));
  EXPECT_TRUE(prove(parsed("max(x, y) - x >= 0")));
  EXPECT_TRUE(prove(parsed("select(x < y, 3, 5) < 6")));
}

TEST_F(Simplify, FactsOfExpressions) {
  auto expect_facts = [&](const char* text, int64_t min, int64_t max, int64_t multiple) {
    Facts facts = facts_of(parsed(text));
    EXPECT_EQ(facts.min, min) << text;
    EXPECT_EQ(facts.max, max) << text;
    EXPECT_EQ(facts.multiple_of, multiple) << text;
  };
  expect_facts("i * 16 + w * 4", 0, 268, 4);
  expect_facts("floordiv(a, 4)", 0, 15, 1);
  expect_facts("floormod(x, 12)", 0, 11, 1);
  expect_facts("s * 2", 32, 2048, 32);
  expect_facts("floordiv(s, 4)", 4, 256, 4);
  expect_facts("min(x, 7)", INT64_MIN, 7, 1);
  expect_facts("12", 12, 12, 12);
  expect_facts("0", 0, 0, 1);
  expect_facts("n", 1, INT64_MAX, 1);
  expect_facts("n - x", INT64_MIN, INT64_MAX, 1);
}

TEST_F(Simplify, LinearIn) {
  VarPtr x = variables_["x"];
  auto linear = linear_in(parsed("(x + y) * 4 + x * n + 7"), x);
  ASSERT_TRUE(linear.has_value());
  EXPECT_EQ(to_string(linear->coefficient), "n + 4");
  EXPECT_EQ(to_string(linear->rest), "y * 4 + 7");
  EXPECT_FALSE(linear_in(parsed("x * x"), x).has_value());
  EXPECT_FALSE(linear_in(parsed("floordiv(x, 2)"), x).has_value());
  auto constant = linear_in(parsed("y"), x);
  ASSERT_TRUE(constant.has_value());
  EXPECT_TRUE(is_const(constant->coefficient, 0));
}

TEST_F(Simplify, SharedStructuresStayCheap) {
  Expr x(variables_["i"]), y(variables_["a"]), chain = x, product = x, sum = x;
  for (int k = 0; k < 100; ++k) {
    chain = select(chain < y, chain * 2 + y, min(chain / 3, y + k));
    product = (product + k) * (product + y);
    sum = sum + sum;
  }
  EXPECT_TRUE(simplify(chain).defined());
  EXPECT_TRUE(simplify(product).defined());
  EXPECT_TRUE(equal(simplify(sum - sum), Expr(0)));
}

}  // namespace
}  // namespace sardonyx::expr
