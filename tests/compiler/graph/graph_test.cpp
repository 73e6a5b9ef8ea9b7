#include "compiler/graph/graph.h"

#include <gtest/gtest.h>

#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {
namespace {

class GraphTest : public testing::Test {
 protected:
  Graph g;
  Builder b{g};
  Value* x = g.body().add_parameter({DType::F32, {2, 3}, {}}, "x");
  Value* y = g.body().add_parameter({DType::F32, {2, 3}, {}}, "y");
};

TEST_F(GraphTest, UseListsFollowEdits) {
  Value* sum = b.add(x, y);
  Value* twice = b.add(sum, sum);
  EXPECT_EQ(sum->uses.size(), 2u);
  EXPECT_EQ(x->uses.size(), 1u);
  g.set_operand(twice->producer, 1, x);
  EXPECT_EQ(sum->uses.size(), 1u);
  EXPECT_EQ(x->uses.size(), 2u);
  g.replace_all_uses(sum, y);
  EXPECT_TRUE(sum->uses.empty());
  EXPECT_EQ(twice->producer->operand(0), y);
  g.erase(sum->producer);
  EXPECT_EQ(x->uses.size(), 1u);
  g.set_outputs({twice}, {"out"});
  verify(g);
}

TEST_F(GraphTest, EraseRefusesUsedResults) {
  Value* sum = b.add(x, y);
  g.set_outputs({sum}, {"out"});
  EXPECT_THROW(g.erase(sum->producer), Error);
}

TEST_F(GraphTest, EraseOperandRenumbers) {
  Value* c = b.concat({x, y, x}, 0);
  g.erase_operand(c->producer, 0);
  ASSERT_EQ(c->producer->operands.size(), 2u);
  EXPECT_EQ(c->producer->operand(0), y);
  EXPECT_EQ(y->uses.size(), 1u);
  EXPECT_EQ(y->uses[0].operand, 0);
  EXPECT_EQ(x->uses.size(), 1u);
  EXPECT_EQ(x->uses[0].operand, 1);
}

TEST_F(GraphTest, MoveBeforeReorders) {
  Value* first = b.add(x, y);
  Value* second = b.mul(x, y);
  g.move_before(second->producer, first->producer);
  EXPECT_EQ(g.body().nodes().front().get(), second->producer);
  g.set_outputs({first, second}, {"a", "b"});
  verify(g);
}

TEST_F(GraphTest, SetOutputsReplacesTheYield) {
  g.set_outputs({x}, {"a"});
  g.set_outputs({y, x}, {"b", "c"});
  EXPECT_EQ(g.body().nodes().size(), 1u);
  EXPECT_EQ(g.body().outputs(), (std::vector<Value*>{y, x}));
  EXPECT_EQ(x->uses.size(), 1u);
}

TEST_F(GraphTest, EraseParameterRenumbers) {
  g.set_outputs({y}, {"a"});
  g.body().erase_parameter(0);
  EXPECT_EQ(y->index, 0);
  EXPECT_THROW(g.body().erase_parameter(0), Error);
}

TEST_F(GraphTest, SymbolsAreUniquePerName) {
  Expr n = g.symbol("batch size"), m = g.symbol("batch_size");
  EXPECT_TRUE(expr::equal(n, g.symbol("batch size")));
  EXPECT_FALSE(expr::equal(n, m));
  EXPECT_NE(expr::to_string(n), expr::to_string(m));
  EXPECT_EQ(n->var->facts.min, 0);
  EXPECT_NE(expr::to_string(g.fresh_symbol("v")), expr::to_string(g.fresh_symbol("v")));
}

TEST_F(GraphTest, CloneIsDeepAndEqual) {
  Value* condition = g.body().add_parameter({DType::Bool, {}, {}}, "c");
  auto results = b.if_then_else(
      condition, [&](Builder& inner) { return std::vector<Value*>{inner.add(x, y)}; },
      [&](Builder&) { return std::vector<Value*>{x}; });
  g.set_outputs(results, {"out"});
  auto copy = clone(g);
  verify(*copy);
  EXPECT_EQ(to_string(*copy), to_string(g));
  EXPECT_NE(copy->body().outputs()[0], g.body().outputs()[0]);
}

TEST_F(GraphTest, CanonicalTextIgnoresNamesOnly) {
  auto text_of = [](const char* symbol, const char* name, BinaryFunction function) {
    Graph graph;
    Builder builder(graph);
    Value* a = graph.body().add_parameter({DType::F32, {graph.symbol(symbol), 8}, {}}, name);
    builder.unary(UnaryFunction::Exp, a);
    builder.set_sources({name});
    return canonical_text(*builder.binary(function, a, a)->producer);
  };
  EXPECT_EQ(text_of("N", "x", BinaryFunction::Add), text_of("batch", "input", BinaryFunction::Add));
  EXPECT_NE(text_of("N", "x", BinaryFunction::Add), text_of("N", "x", BinaryFunction::Mul));
}

}  // namespace
}  // namespace sardonyx::graph
