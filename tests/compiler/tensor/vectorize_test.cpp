#include <gtest/gtest.h>

#include "compiler/expr/simplify.h"
#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {
namespace {

using expr::Expr;
using expr::Kind;

expr::BufferPtr flat_buffer(const char* name, DType dtype, int64_t size) {
  auto buffer = std::make_shared<expr::Buffer>();
  buffer->name = name;
  buffer->dtype = dtype;
  buffer->dims = {size};
  buffer->flat = true;
  return buffer;
}

// Lanes that lie side by side are one load, wherever an index in memory puts the first of them.
TEST(Vectorize, RowsThatAnIndexChoosesAreDense) {
  const auto table = flat_buffer("table", DType::F32, 640), out = flat_buffer("out", DType::F32, 16),
             rows = flat_buffer("rows", DType::I64, 4);
  const expr::VarPtr lane = expr::make_var("lane", {0, 15, 1});
  const Expr row = expr::load(rows, {Expr(2)});
  const Expr wrapped = expr::select(row < Expr(0), row + Expr(10), row);
  const Expr element = expr::load(table, {wrapped * 64 + Expr(lane)});
  const Stmt code = vectorize(make_for(ForKind::Vector, lane, 16, make_store(out, {Expr(lane)}, element)));
  ASSERT_EQ(code->kind, StmtKind::Store);
  ASSERT_EQ(code->value->kind, Kind::Load);
  const Expr& index = code->value->args[0];
  ASSERT_EQ(index->kind, Kind::Ramp);
  EXPECT_TRUE(expr::is_const(index->args[1], 1));
}

}  // namespace
}  // namespace sardonyx::tensor
