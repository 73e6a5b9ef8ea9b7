#include "compiler/graph/type.h"

#include <gtest/gtest.h>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {
namespace {

TEST(Layout, PrintsAndParses) {
  EXPECT_EQ(to_string(Layout{}, 4), "");
  EXPECT_EQ(to_string(Layout::blocked(1, 16), 4), "abcd16b");
  EXPECT_EQ(parse_layout("abcd16b"), Layout::blocked(1, 16));
  EXPECT_TRUE(parse_layout("abcd").row_major());
  Layout weights{{0, 2, 3, 1}, {{1, 16}, {0, 64}, {1, 4}}};
  EXPECT_EQ(to_string(weights, 4), "acdb16b64a4b");
  EXPECT_EQ(parse_layout("acdb16b64a4b"), weights);
}

TEST(Layout, RejectsNonsense) {
  for (const char* text : {"abd", "aab", "ab16", "ab16c", "ab0a", "abA"})
    EXPECT_THROW(parse_layout(text), Error) << text;
}

TEST(Layout, PhysicalDimsRoundBlocksUp) {
  Expr n{expr::make_var("N", {0, INT64_MAX, 1})};
  TensorType type{DType::F32, {n, 20, 7, 5}, Layout::blocked(1, 16)};
  auto dims = physical_dims(type);
  ASSERT_EQ(dims.size(), 5u);
  EXPECT_TRUE(expr::equal(dims[0], n));
  EXPECT_TRUE(expr::is_const(dims[1], 2));
  EXPECT_TRUE(expr::is_const(dims[4], 16));
  EXPECT_TRUE(expr::prove_equal(physical_count(type), n * (2 * 7 * 5 * 16)));
  EXPECT_TRUE(expr::prove_equal(element_count(type), n * (20 * 7 * 5)));
}

TEST(Layout, IndicesMapThereAndBack) {
  TensorType type{DType::F32, {64, 32, 3, 3}, Layout{{0, 2, 3, 1}, {{1, 8}, {0, 16}, {1, 2}}}};
  for (int64_t a : {0, 15, 16, 63}) {
    for (int64_t b : {0, 1, 7, 16, 31}) {
      std::vector<Expr> logical{a, b, 2, 1};
      auto physical = physical_index(type, logical);
      ASSERT_EQ(physical.size(), 7u);
      auto back = logical_index(type, physical);
      for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(expr::equal(back[i], logical[i])) << a << ' ' << b << ' ' << i;
    }
  }
  // 31 = 1 * 16 + 7 * 2 + 1
  auto physical = physical_index(type, {0, 31, 0, 0});
  EXPECT_TRUE(expr::is_const(physical[3], 1));
  EXPECT_TRUE(expr::is_const(physical[4], 7));
  EXPECT_TRUE(expr::is_const(physical[6], 1));
}

TEST(TensorType, ComparesAndPrints) {
  Expr n{expr::make_var("N", {0, INT64_MAX, 1})};
  TensorType a{DType::F32, {n + 1, 64}, {}}, b{DType::F32, {1 + n, 64}, {}};
  EXPECT_TRUE(same_type(a, b));
  b.layout = Layout::blocked(1, 16);
  EXPECT_FALSE(same_type(a, b));
  EXPECT_EQ(to_string(b).substr(0, 4), "f32[");
  EXPECT_NE(to_string(b).find(",64]:ab16b"), std::string::npos);
  EXPECT_FALSE(static_dims(a));
  EXPECT_EQ(*static_dims(TensorType{DType::F32, {2, 3}, {}}), (std::vector<int64_t>{2, 3}));
}

}  // namespace
}  // namespace sardonyx::graph
