#include "compiler/expr/parse.h"

#include <gtest/gtest.h>

#include <map>

#include "runtime/base/status.h"

namespace sardonyx::expr {
namespace {

class Parse : public testing::Test {
 protected:
  Expr parsed(std::string_view text) {
    return parse(text, [&](const std::string& name) -> VarPtr {
      if (name[0] == '_') return nullptr;
      VarPtr& var = variables_[name];
      if (!var) var = make_var(name);
      return var;
    });
  }
  std::map<std::string, VarPtr> variables_;
};

TEST_F(Parse, RoundTrips) {
  for (const char* text : {
           "H",
           "-5",
           "9223372036854775807",
           "-9223372036854775808",
           "floordiv(H + 1, 2)",
           "H - W - 1",
           "H - (W - 1)",
           "H * (W + -3)",
           "x * -1 - y",
           "min(floormod(n, 16), max(x, truncdiv(y, truncrem(z, 3))))",
           "select(H < W && W != 0 || !(H == 1), H, W)",
           "i64(i32(x) + i32(7))",
           "i64(u8(255) * u8(x))",
           "abs(x) + bitand(x, 15)",
           "(x < y) == (y < z)",
           "x < y && (y < z || z < x)",
           "true",
           "!(false || x <= y)",
       }) {
    Expr once = parsed(text);
    EXPECT_TRUE(equal(parsed(to_string(once)), once)) << text << " prints as " << to_string(once);
  }
  EXPECT_EQ(to_string(parsed("H - W - 1")), "H - W - 1");
  EXPECT_EQ(to_string(parsed("H - (W - 1)")), "H - (W - 1)");
  EXPECT_EQ(to_string(parsed("select(H<W,H,W)")), "select(H < W, H, W)");
}

TEST_F(Parse, ReadsMoreThanIsPrinted) {
  EXPECT_EQ(to_string(parsed(" H>W ")), "W < H");
  EXPECT_EQ(to_string(parsed("H >= W")), "W <= H");
  EXPECT_EQ(to_string(parsed("-H + 2 * 3")), "0 - H + 6");
  EXPECT_EQ(to_string(parsed("((H))")), "H");
}

TEST_F(Parse, RejectsWithAPosition) {
  struct Case {
    const char* text;
    const char* message;
  };
  for (auto [text, message] : {
           Case{"", "column 1: expected a value"},
           Case{"H +", "column 4: expected a value"},
           Case{"H H", "column 3: expected an operator"},
           Case{"(H", "column 3: expected ')'"},
           Case{"min(H)", "min takes 2 operands, got 1"},
           Case{"nothing(H)", "unknown function 'nothing'"},
           Case{"_H", "unknown variable '_H'"},
           Case{"99999999999999999999", "more than 64 bits"},
           Case{"H && W", "logic on i64"},
           Case{"H + i32(1)", "operands of different types"},
           Case{"select(H, 1, 2)", "condition"},
           Case{"pow(H)", "pow with 1 operands"},
           Case{"H < W < 3", "expected an operator"},
       }) {
    try {
      parsed(text);
      ADD_FAILURE() << text << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::InvalidModel);
      EXPECT_NE(error.text().find(message), std::string::npos) << error.text();
    }
  }
  EXPECT_THROW(parsed(std::string(100'000, '(')), Error);
  EXPECT_THROW(parsed(std::string(100'000, '-') + "x"), Error);
}

}  // namespace
}  // namespace sardonyx::expr
