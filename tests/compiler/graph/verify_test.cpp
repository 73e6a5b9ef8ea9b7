// One broken graph per rule of the verifier.
#include <gtest/gtest.h>

#include "compiler/graph/builder.h"
#include "compiler/graph/graph.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {
namespace {

class VerifyTest : public testing::Test {
 protected:
  void expect_rejected(const std::string& message) {
    try {
      verify(g);
      FAIL() << "accepted:\n" << to_string(g);
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::InternalError);
      EXPECT_NE(error.text().find(message), std::string::npos) << error.text();
    }
  }

  Graph g;
  Builder b{g};
  Expr n = g.symbol("N");
  Value* x = g.body().add_parameter({DType::F32, {n, 3}, {}}, "x");
  Value* c = g.body().add_parameter({DType::Bool, {}, {}}, "c");
};

TEST_F(VerifyTest, AcceptsABuiltGraph) {
  g.set_outputs({b.exp(x)}, {"y"});
  EXPECT_NO_THROW(verify(g));
}

TEST_F(VerifyTest, WrongType) {
  Value* y = b.exp(x);
  y->type.dims[1] = 4;
  g.set_outputs({y}, {"y"});
  expect_rejected("inference gives");
}

TEST_F(VerifyTest, OperandsThatInferenceRefuses) {
  Node* node = g.create(g.body(), nullptr, Op::transpose, std::make_shared<TransposeAttrs>(), {x}, {x->type});
  g.set_outputs({node->result()}, {"y"});
  expect_rejected("transpose");
}

TEST_F(VerifyTest, UseBeforeDefinition) {
  Value* first = b.exp(x);
  Value* second = b.neg(first);
  g.set_outputs({second}, {"y"});
  g.move_before(second->producer, first->producer);
  expect_rejected("not defined before its use");
}

TEST_F(VerifyTest, UseOfAValueInsideARegion) {
  Value* leaked = nullptr;
  auto results = b.if_then_else(
      c, [&](Builder& inner) { return std::vector<Value*>{leaked = inner.exp(x)}; },
      [&](Builder&) { return std::vector<Value*>{x}; });
  g.set_outputs({results[0], leaked}, {"y", "z"});
  expect_rejected("not defined before its use");
}

TEST_F(VerifyTest, MissingUse) {
  Value* y = b.exp(x);
  g.set_outputs({y}, {"y"});
  x->uses.clear();
  expect_rejected("use");
}

TEST_F(VerifyTest, DanglingUse) {
  Value* y = b.exp(x);
  g.set_outputs({y}, {"y"});
  x->uses.push_back({g.body().yield(), 0});
  expect_rejected("use list");
}

TEST_F(VerifyTest, MissingYield) { expect_rejected("does not end in a yield"); }

TEST_F(VerifyTest, YieldInTheMiddle) {
  g.set_outputs({x}, {"y"});
  b.exp(x);
  g.create(g.body(), nullptr, Op::yield, std::make_shared<NoAttrs>(), {x}, {});
  expect_rejected("yield in the middle");
}

TEST_F(VerifyTest, OutputNames) {
  g.set_outputs({x}, {"y"});
  g.output_names.push_back("z");
  expect_rejected("output names");
}

TEST_F(VerifyTest, RegionCountAndArity) {
  Node* node = g.create(g.body(), nullptr, Op::if_, std::make_shared<NoAttrs>(), {c}, {x->type});
  g.set_outputs({node->result()}, {"y"});
  expect_rejected("0 regions, expected 2");
  for (int i = 0; i < 2; ++i) {
    Region* region = g.add_region(node);
    g.create(*region, nullptr, Op::yield, std::make_shared<NoAttrs>(),
             i == 0 ? std::vector<Value*>{x} : std::vector<Value*>{}, {});
  }
  expect_rejected("yields 0 values, expected 1");
}

TEST_F(VerifyTest, FusedBodiesAreClosed) {
  Node* node = g.create(g.body(), nullptr, Op::fused, std::make_shared<FusedAttrs>(), {x}, {x->type});
  Region* region = g.add_region(node);
  Value* inner = region->add_parameter(x->type);
  Builder inside(g);
  inside.insert_at_end(*region);
  Value* y = inside.exp(inner);
  g.create(*region, nullptr, Op::yield, std::make_shared<NoAttrs>(), {y}, {});
  g.set_outputs({node->result()}, {"y"});
  EXPECT_NO_THROW(verify(g));
  g.set_operand(y->producer, 0, x);
  expect_rejected("not defined before its use");
}

TEST_F(VerifyTest, CopiesChangeNothingButTheDevice) {
  auto attributes = std::make_shared<CopyAttrs>();
  attributes->device = 1;
  Node* node = g.create(g.body(), nullptr, Op::copy, attributes, {x}, {x->type});
  g.set_outputs({node->result()}, {"y"});
  EXPECT_NO_THROW(verify(g));
  node->result()->type.layout.order = {1, 0};
  expect_rejected("a copy changes the layout");
}

TEST_F(VerifyTest, GroupsBindWhatTheirNodesBind) {
  graph::TensorType found{DType::I64, {2, g.fresh_symbol("found")}, {}};
  Node* node = g.create(g.body(), nullptr, Op::fused, std::make_shared<FusedAttrs>(), {x}, {found});
  Region* region = g.add_region(node);
  Value* inner = region->add_parameter(x->type);
  Node* search = g.create(*region, nullptr, Op::nonzero, std::make_shared<NoAttrs>(), {inner}, {found});
  g.create(*region, nullptr, Op::yield, std::make_shared<NoAttrs>(), {search->result()}, {});
  g.set_outputs({node->result()}, {"y"});
  EXPECT_NO_THROW(verify(g));
}

TEST_F(VerifyTest, UnboundSymbols) {
  Value* y = b.iota(DType::I64, {g.symbol("M")}, 0);
  g.set_outputs({y}, {"y"});
  expect_rejected("unbound symbol");
}

TEST_F(VerifyTest, SymbolsBoundAfterUse) {
  Value* k = g.body().add_parameter({DType::I64, {1}, {}}, "k");
  auto dims = b.values_of(k, {0, 100, 1});
  Value* y = b.iota(DType::I64, dims, 0);
  g.set_outputs({y}, {"y"});
  EXPECT_NO_THROW(verify(g));
  g.move_before(y->producer, g.body().nodes().front().get());
  expect_rejected("unbound symbol");
}

}  // namespace
}  // namespace sardonyx::graph
