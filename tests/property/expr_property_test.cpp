// Random expressions: simplification keeps the value for all values of the variables within their facts, is idempotent,
// and the proofs and facts that it derives are true. A failure prints the seed and the expression.
#include <gtest/gtest.h>

#include <random>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {
namespace {

constexpr uint64_t expressions = 10'000;
constexpr int assignments = 24;

using Values = std::unordered_map<const Variable*, int64_t>;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {
    static constexpr int64_t multiples[] = {1, 1, 1, 2, 4, 16};
    static constexpr int64_t lows[] = {0, 0, 0, 1, -20};
    static constexpr int64_t widths[] = {0, 1, 3, 7, 15, 31, 100};
    for (const char* name : {"a", "b", "c", "d", "n"}) {
      Facts facts{.min = pick(lows), .max = 0, .multiple_of = pick(multiples)};
      facts.max = facts.min + pick(widths);
      facts.min = floor_div(facts.min + facts.multiple_of - 1, facts.multiple_of) * facts.multiple_of;
      facts.max = std::max(facts.min, floor_div(facts.max, facts.multiple_of) * facts.multiple_of);
      variables_.push_back(make_var(name, facts));
    }
  }

  Expr integer(int depth) {
    if (depth == 0) return below(3) == 0 ? Expr(constant()) : variable();
    auto sub = [&] { return integer(below(depth)); };
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return sub() + sub();
      case 3:
      case 4:
        return sub() - sub();
      case 5:
        return sub() * sub();
      case 6:
      case 7:
        return sub() * Expr(constant());
      case 8:
      case 9:
        return sub() / Expr(divisor());
      case 10:
      case 11:
        return sub() % Expr(divisor());
      case 12:
        return min(sub(), sub());
      case 13:
        return max(sub(), sub());
      case 14:
        return select(boolean(depth - 1), sub(), sub());
      default:
        switch (below(7)) {
          case 0:
            return make(Kind::TruncDiv, sub(), Expr(divisor()));
          case 1:
            return make(Kind::TruncRem, sub(), Expr(divisor()));
          case 2:
            return call(Function::Abs, {sub()});
          case 3:
            return cast(cast(sub(), below(2) ? DType::I32 : DType::U8), DType::I64);
          case 4:
            return mixed_radix();
          case 5:
            return sub() / variable();
          default:
            return sub() % variable();
        }
    }
  }

  Expr boolean(int depth) {
    auto sub = [&] { return integer(std::max(depth, 0)); };
    if (depth <= 0 || below(3)) {
      static constexpr Kind kinds[] = {Kind::Eq, Kind::Ne, Kind::Lt, Kind::Le};
      return make(kinds[below(4)], sub(), sub());
    }
    switch (below(3)) {
      case 0:
        return boolean(depth - 1) && boolean(depth - 1);
      case 1:
        return boolean(depth - 1) || boolean(depth - 1);
      default:
        return !boolean(depth - 1);
    }
  }

  Values values() {
    Values result;
    for (const VarPtr& var : variables_) {
      int64_t steps = (var->facts.max - var->facts.min) / var->facts.multiple_of;
      int64_t step = below(4) == 0 ? (below(2) ? steps : 0) : int64_t(below(int(steps + 1)));
      result[var.get()] = var->facts.min + step * var->facts.multiple_of;
    }
    return result;
  }

  int below(int bound) { return int(random_() % uint64_t(bound)); }

  std::string facts_text(const Values& values) const {
    std::string text;
    for (const VarPtr& var : variables_)
      text += str(' ', var->name, "=", values.at(var.get()), " in [", var->facts.min, ",", var->facts.max, "]*",
                  var->facts.multiple_of);
    return text;
  }

 private:
  template <size_t n>
  int64_t pick(const int64_t (&values)[n]) {
    return values[below(int(n))];
  }

  Expr variable() { return Expr(variables_[size_t(below(int(variables_.size())))]); }
  int64_t constant() {
    static constexpr int64_t values[] = {0, 1, 1, 2, 3, 4, 5, 8, 15, 16, 16, 17, 32, 48, -1, -2, -3, -16};
    return pick(values);
  }
  int64_t divisor() {
    static constexpr int64_t values[] = {1, 2, 3, 4, 4, 8, 16, 16, 32, 48, 7, -1, -2, -16};
    return pick(values);
  }
  // An index taken apart and put together, as reshapes make them.
  Expr mixed_radix() {
    static constexpr int64_t radices[] = {2, 3, 4, 16};
    int64_t r = pick(radices), s = pick(radices);
    Expr x = integer(1);
    return (x / Expr(r * s)) * Expr(r * s) + (x / Expr(r) % Expr(s)) * Expr(r) + x % Expr(r);
  }

  std::mt19937_64 random_;
  std::vector<VarPtr> variables_;
};

std::optional<int64_t> value_of(const Expr& e, const Values& values) {
  try {
    return evaluate(e, values);
  } catch (const Error&) {
    return std::nullopt;  // a division by zero somewhere
  }
}

void expect_sound(uint64_t seed) {
  Generator generator(seed);
  Expr e = seed % 5 == 0 ? generator.boolean(4) : generator.integer(1 + int(seed % 5));
  Expr simple = simplify(e);
  std::string text = str("seed ", seed, ": ", to_string(e), "  ->  ", to_string(simple));
  Expr again = simplify(simple);
  EXPECT_TRUE(equal(again, simple)) << text << "  ->  " << to_string(again);
  Facts facts = facts_of(e);
  for (int i = 0; i < assignments; ++i) {
    Values values = generator.values();
    auto expected = value_of(e, values);
    if (!expected) continue;
    auto got = value_of(simple, values);
    ASSERT_EQ(expected, got) << text << " at" << generator.facts_text(values);
    if (e->type.dtype != DType::I64) continue;
    EXPECT_LE(facts.min, *expected) << text << " at" << generator.facts_text(values);
    EXPECT_GE(facts.max, *expected) << text << " at" << generator.facts_text(values);
    EXPECT_EQ(*expected % facts.multiple_of, 0)
        << text << " multiple of " << facts.multiple_of << " at" << generator.facts_text(values);
  }
}

TEST(ExprProperty, SimplifyKeepsValuesAndIsIdempotent) {
  for (uint64_t seed = 1; seed <= expressions && !HasFailure(); ++seed) expect_sound(seed);
}

TEST(ExprProperty, LinearDecompositionRebuildsTheExpression) {
  for (uint64_t seed = 1; seed <= 2000 && !HasFailure(); ++seed) {
    Generator generator(seed);
    Expr e = generator.integer(3);
    VarPtr var;
    visit(e, [&](const Expr& node) {
      if (node->kind == Kind::Var) var = node->var;
      return var == nullptr;
    });
    if (!var) continue;
    auto linear = linear_in(e, var);
    if (!linear) continue;
    EXPECT_FALSE(uses_var(linear->coefficient, var.get()) || uses_var(linear->rest, var.get()));
    Expr rebuilt = linear->coefficient * Expr(var) + linear->rest;
    for (int i = 0; i < assignments; ++i) {
      Values values = generator.values();
      if (auto expected = value_of(e, values)) {
        ASSERT_EQ(expected, value_of(rebuilt, values)) << "seed " << seed << ": " << to_string(e);
      }
    }
  }
}

}  // namespace
}  // namespace sardonyx::expr
