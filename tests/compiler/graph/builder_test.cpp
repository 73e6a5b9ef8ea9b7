// Inference through the builder, folding, symbolic contents, dims that must agree, and control flow.
#include "compiler/graph/builder.h"

#include <gtest/gtest.h>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {
namespace {

class BuilderTest : public testing::Test {
 protected:
  Value* input(DType dtype, std::vector<Expr> dims, const char* name) {
    return g.body().add_parameter({dtype, std::move(dims), {}}, name);
  }
  Value* f32(std::vector<Expr> dims, const char* name = "x") { return input(DType::F32, std::move(dims), name); }

  void expect_dims(const Value* value, const std::vector<Expr>& dims) {
    EXPECT_TRUE(same_dims(value->type.dims, dims)) << to_string(value->type) << " is not " << Builder::shape_text(dims);
  }

  void expect_rejected(const std::function<void()>& build, const std::string& fragment) {
    try {
      build();
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::InvalidModel);
      EXPECT_NE(error.text().find(fragment), std::string::npos) << error.text();
    }
  }

  Graph g;
  Builder b{g};
  Expr n = g.symbol("N"), m = g.symbol("M");
};

// ---- dims ----

TEST_F(BuilderTest, BroadcastsStaticAndSymbolicDims) {
  Value* x = f32({n, 1, 4});
  Value* y = f32({3, 1});
  expect_dims(b.add(x, y), {n, 3, 4});
  EXPECT_TRUE(g.equalities.empty());
  g.set_outputs({b.add(x, y)}, {"y"});
  verify(g);
}

TEST_F(BuilderTest, SymbolsThatMeetBroadcastAtRunTime) {
  const Expr both = expr::select(m == Expr(1), n, m);
  Value* x = f32({n, 4});
  Value* y = f32({m, 4});
  expect_dims(b.add(x, y), {both, 4});
  expect_dims(b.add(y, x), {both, 4});
  ASSERT_EQ(g.equalities.size(), 1u) << "the same check is recorded once";
  EXPECT_NE(g.equalities[0].text.find("[N,4] and [M,4]: N and M must be equal, or one of them 1"), std::string::npos)
      << g.equalities[0].text;
  expect_dims(b.add(b.add(x, y), x), {both, 4});
  EXPECT_EQ(g.equalities.size(), 1u) << "it fits what it was made of";
  expect_dims(b.add(f32({n, 4}), f32({8, 4})), {8, 4});
  EXPECT_EQ(g.equalities.size(), 2u);
  expect_dims(b.add(f32({n, 4}), f32({0, 4})), {0, 4});
  EXPECT_EQ(g.equalities.size(), 3u);
}

TEST_F(BuilderTest, RecordsEqualitiesOfComputedDims) {
  f32({n});
  expect_dims(b.add(f32({n + 1, 4}), f32({m, 4})), {m, 4});
  ASSERT_EQ(g.equalities.size(), 1u);
  EXPECT_NE(g.equalities[0].text.find("[N + 1,4] and [M,4]"), std::string::npos) << g.equalities[0].text;
  expect_dims(b.add(f32({n * 2, 4}), f32({8, 4})), {8, 4});
  EXPECT_EQ(g.equalities.size(), 2u);
  b.add(f32({n * 2, 4}), f32({8, 4}));
  EXPECT_EQ(g.equalities.size(), 2u) << "the same equality is recorded once";
}

TEST_F(BuilderTest, RefusesShapesThatDoNotFit) {
  expect_rejected([&] { b.add(f32({2, 3}), f32({2, 4})); }, "[2,3] and [2,4]");
  expect_rejected([&] { b.add(f32({2}), input(DType::I64, {2}, "i")); }, "data types differ");
  expect_rejected([&] { b.matmul(f32({2, 3}), f32({4, 5})); }, "inner dims");
  expect_rejected([&] { b.reshape(f32({2, 3}), {7}); }, "element counts");
  expect_rejected([&] { b.squeeze(f32({2, 3}), {0}); }, "squeeze");
  expect_rejected([&] { b.softmax(f32({2, 3}), 2); }, "axis 2 is out of range for rank 2");
  expect_rejected([&] { b.concat({f32({2, 3}), f32({3, 3})}, 1); }, "concat");
  expect_rejected([&] { b.gather(f32({2}), f32({1}), 0); }, "gather");
}

TEST_F(BuilderTest, InfersCommonShapes) {
  Value* x = f32({n, 16, 8, 8});
  expect_dims(b.transpose(x, {0, 2, 3, 1}), {n, 8, 8, 16});
  expect_dims(b.reduce(ReduceFunction::Sum, x, {-1, -2}, true), {n, 16, 1, 1});
  expect_dims(b.mean(x, {2, 3}, false), {n, 16});
  expect_dims(b.matmul(f32({n, 4, 5}), f32({5, 6})), {n, 4, 6});
  expect_dims(b.matmul(f32({5, 4}), f32({6, 5}), true, true), {4, 6});
  expect_dims(b.concat({f32({n, 2}), f32({m, 2})}, 0), {n + m, 2});
  expect_dims(b.unsqueeze(f32({n}), {0, 2}), {1, n, 1});
  expect_dims(b.gather(f32({n, 5}), input(DType::I64, {2, 3}, "i"), 1), {n, 2, 3});
  expect_dims(b.arg_reduce(x, true, false, 1, true), {n, 1, 8, 8});
}

// ---- folding ----

TEST_F(BuilderTest, NoOpsReturnTheirOperand) {
  Value* x = f32({n, 3});
  EXPECT_EQ(b.reshape(x, {n, 3}), x);
  EXPECT_EQ(b.transpose(x, {0, 1}), x);
  EXPECT_EQ(b.transpose(b.transpose(x, {1, 0}), {1, 0}), x);
  EXPECT_EQ(b.broadcast(x, {n, 3}), x);
  EXPECT_EQ(b.cast(x, DType::F32), x);
  EXPECT_EQ(b.slice(x, {0, 0}, {n, 3}, {1, 1}), x);
  EXPECT_EQ(b.pad(x, {0, 0}, {0, 0}, PadMode::Constant), x);
  EXPECT_EQ(b.concat({x}, 0), x);
  EXPECT_EQ(b.concat({f32({0, 3}), x}, 0), x);
  EXPECT_EQ(b.reduce(ReduceFunction::Sum, x, {}, true), x);
}

TEST_F(BuilderTest, ReshapesOfReshapesCollapse) {
  Value* x = f32({n, 3});
  Value* y = b.reshape(b.reshape(x, {n * 3}), {3, n});
  EXPECT_EQ(y->producer->operand(0), x);
  EXPECT_EQ(b.reshape(y, {n, 3}), x);
}

TEST_F(BuilderTest, FoldsSmallConstants) {
  Value* x = b.constant(Tensor::of<float>(DType::F32, {2}, std::vector<float>{1, 2}));
  Value* y = b.mul(b.add(x, b.scalar(DType::F32, 0.5)), x);
  ASSERT_NE(y->constant(), nullptr);
  EXPECT_EQ(y->constant()->as_double(0), 1.5);
  EXPECT_EQ(y->constant()->as_double(1), 5);
  Value* sum = b.reduce(ReduceFunction::Sum, b.ints({1, 2, 3}), {0}, false);
  EXPECT_EQ(b.static_ints(sum), (std::vector<int64_t>{6}));
  Value* large = b.constant(Tensor(DType::F32, {4096}));
  EXPECT_EQ(b.neg(large)->constant(), nullptr) << "large results are left to the fold pass";
  EXPECT_EQ(b.div(b.ints({1}), b.ints({0}))->constant(), nullptr) << "the run reports what cannot be evaluated";
}

TEST_F(BuilderTest, ShapeChainsVanish) {
  // Shape -> Gather -> Mul -> Concat -> Reshape, as exporters write Flatten.
  Value* x = f32({n, 16, 4});
  Value* shape = b.shape_of(x);
  Value* batch = b.gather(shape, b.ints({0}), 0);
  Value* rest = b.mul(b.slice_axis(shape, 0, 1, 1), b.slice_axis(shape, 0, 2, 1));
  Value* target = b.concat({batch, rest}, 0);
  auto dims = b.values_of(target);
  ASSERT_EQ(dims.size(), 2u);
  EXPECT_TRUE(expr::equal(dims[0], n));
  EXPECT_TRUE(expr::is_const(dims[1], 64));
  EXPECT_EQ(b.static_ints(rest), (std::vector<int64_t>{64}));
  expect_dims(b.reshape(x, dims), {n, 64});
}

TEST_F(BuilderTest, ContentsSurviveArithmeticOfEveryKind) {
  Value* shape = b.shape_of(f32({n, 6}));
  Value* half = b.div(shape, b.ints({1, 4}));
  EXPECT_TRUE(expr::prove_equal((*b.contents_of(half))[0], n));
  EXPECT_TRUE(expr::is_const((*b.contents_of(half))[1], 1));
  Value* product = b.reduce(ReduceFunction::Product, shape, {0}, true);
  EXPECT_TRUE(expr::prove_equal((*b.contents_of(product))[0], n * 6));
  Value* narrow = b.cast(b.add(b.cast(shape, DType::I32), b.scalar(DType::I32, 1)), DType::I64);
  ASSERT_TRUE(b.contents_of(narrow));
  EXPECT_TRUE(expr::prove_equal((*b.contents_of(narrow))[0], n + 1));
  // Expand's idiom: Where(shape == -1, 1, shape).
  Value* chosen = b.select(b.equal(shape, b.ints({-1, -1})), b.ints({1, 1}), shape);
  ASSERT_TRUE(b.contents_of(chosen));
  EXPECT_TRUE(expr::equal((*b.contents_of(chosen))[0], n));
  EXPECT_FALSE(b.contents_of(b.cast(shape, DType::F32)));
}

TEST_F(BuilderTest, KnownDimsBecomeOneNode) {
  Value* sum = b.add(b.shape_of(f32({n, 6})), b.ints({1, 1}));
  EXPECT_EQ(sum->producer->op, Op::dims_tensor);
  EXPECT_TRUE(sum->producer->operands.empty());
}

TEST_F(BuilderTest, UnknownIntegersAreBoundOnce) {
  Value* k = input(DType::I32, {2}, "k");
  auto first = b.values_of(k, {0, 10, 1}), second = b.values_of(k);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_TRUE(expr::equal(first[1], second[1]));
  EXPECT_EQ(first[0]->var->facts.max, 10);
  g.set_outputs({b.full(b.scalar(DType::F32, 1), first)}, {"y"});
  verify(g);
  int binds = 0;
  for (const auto& node : g.body().nodes()) binds += node->op == Op::bind_dims;
  EXPECT_EQ(binds, 1);
}

TEST_F(BuilderTest, ChecksFoldAway) {
  b.check(n >= 0, Status::InvalidShape, "never");
  EXPECT_TRUE(g.body().nodes().empty());
  b.check(n <= 4, Status::InvalidShape, "N is at most 4");
  EXPECT_EQ(g.body().nodes().back()->op, Op::check);
  EXPECT_THROW(b.check(Expr(1) == Expr(2), Status::InvalidShape, "always"), Error);
}

// ---- control flow ----

TEST_F(BuilderTest, IfKeepsCommonDimsAndFreshensOthers) {
  Value* x = f32({n, 4});
  Value* c = input(DType::Bool, {}, "c");
  auto results = b.if_then_else(
      c,
      [&](Builder& inner) {
        return std::vector<Value*>{inner.exp(x), x};
      },
      [&](Builder& inner) {
        return std::vector<Value*>{inner.neg(x), inner.concat({x, x}, 1)};
      });
  expect_dims(results[0], {n, 4});
  EXPECT_TRUE(expr::equal(results[1]->type.dims[0], n));
  EXPECT_EQ(results[1]->type.dims[1]->kind, expr::Kind::Var);
  g.set_outputs(results, {"a", "b"});
  verify(g);
}

TEST_F(BuilderTest, IfOfAKnownConditionBuildsOneBranch) {
  Value* x = f32({n, 4});
  auto build = [&](Value* condition) {
    return b.if_then_else(
        condition, [&](Builder& inner) { return std::vector<Value*>{inner.exp(x)}; },
        [&](Builder& inner) { return std::vector<Value*>{inner.neg(x)}; })[0];
  };
  Value* y = build(b.equal(b.gather(b.shape_of(x), b.scalar(DType::I64, 1), 0), b.scalar(DType::I64, 4)));
  ASSERT_EQ(y->producer->op, Op::unary);
  EXPECT_EQ(y->producer->attrs<UnaryAttrs>().function, UnaryFunction::Exp);
  EXPECT_EQ(build(b.less(b.gather(b.shape_of(x), b.scalar(DType::I64, 0), 0), b.scalar(DType::I64, 0)))
                ->producer->attrs<UnaryAttrs>()
                .function,
            UnaryFunction::Neg);
}

// Single elements of different ranks get the higher one; other ranks must not depend on the condition.
TEST_F(BuilderTest, IfOfSingleElementsTakesTheHigherRank) {
  Value* c = input(DType::Bool, {}, "c");
  Value *scalar = f32({}), *vector = f32({1}), *matrix = f32({1, n});
  const auto either = [&](Value* a, Value* other) {
    return b.if_then_else(
        c, [&](Builder& inner) { return std::vector<Value*>{inner.exp(a)}; },
        [&](Builder& inner) { return std::vector<Value*>{inner.neg(other)}; })[0];
  };
  Value *first = either(scalar, vector), *second = either(vector, scalar);
  expect_dims(first, {1});
  expect_dims(second, {1});
  g.set_outputs({first, second}, {"a", "b"});
  verify(g);
  EXPECT_THROW(either(vector, matrix), Error);
}

TEST_F(BuilderTest, LoopWithStaticTripCount) {
  Value* x = f32({n, 4});
  auto results = b.loop(b.scalar(DType::I64, 5), nullptr, {x},
                        [&](Builder& inner, Value*, Value* condition, std::vector<Value*> carried) {
                          return std::vector<Value*>{condition, inner.exp(carried[0]), carried[0]};
                        });
  expect_dims(results[0], {n, 4});
  expect_dims(results[1], {5, n, 4});
  EXPECT_FALSE(results[0]->producer->attrs<LoopAttrs>().has_condition);
  g.set_outputs(results, {"a", "b"});
  verify(g);
}

TEST_F(BuilderTest, LoopWithConditionAndGrowingValue) {
  Value* x = f32({2, 4});
  Value* go_on = input(DType::Bool, {}, "c");
  Value* stop = input(DType::Bool, {}, "s");
  int built = 0;
  auto results = b.loop(nullptr, go_on, {x}, [&](Builder& inner, Value*, Value*, std::vector<Value*> carried) {
    ++built;
    return std::vector<Value*>{stop, inner.concat({carried[0], x}, 0), inner.exp(x)};
  });
  EXPECT_EQ(built, 2);
  EXPECT_EQ(results[0]->type.dims[0]->kind, expr::Kind::Var);
  EXPECT_TRUE(expr::is_const(results[0]->type.dims[1], 4));
  EXPECT_EQ(results[1]->type.dims[0]->kind, expr::Kind::Var);
  EXPECT_TRUE(results[0]->producer->attrs<LoopAttrs>().has_condition);
  g.set_outputs(results, {"a", "b"});
  verify(g);
}

TEST_F(BuilderTest, EqualitiesInsideBranchesAreChecksThere) {
  Value* c = input(DType::Bool, {}, "c");
  Value *x = f32({n, 4}), *y = f32({m, 4});
  auto results = b.if_then_else(
      c, [&](Builder& inner) { return std::vector<Value*>{inner.add(x, y)}; },
      [&](Builder&) { return std::vector<Value*>{x}; });
  EXPECT_TRUE(g.equalities.empty());
  EXPECT_EQ(results[0]->producer->regions[0]->nodes().front()->op, Op::check);
  g.set_outputs(results, {"a"});
  verify(g);
}

}  // namespace
}  // namespace sardonyx::graph
