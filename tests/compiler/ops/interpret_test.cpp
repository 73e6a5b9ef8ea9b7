// graph::interpret: control flow, symbols that the run binds, checks, and inputs that do not fit.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::ReduceFunction;

TEST(Interpret, IfRunsOneBranch) {
  const auto choose = [](double condition) {
    return run({ramp({2, 3}), bools({}, {condition})}, [](Builder&, Values v) {
      Builder b(v[0]->region->graph());
      return b.if_then_else(
          v[1], [&](Builder& inner) { return Values{inner.mul(v[0], inner.scalar_like(v[0], 2))}; },
          [&](Builder& inner) { return Values{inner.slice_axis(v[0], 0, 0, 1)}; });
    })[0];
  };
  expect_tensor(choose(1), DType::F32, {2, 3}, {0, 2, 4, 6, 8, 10});
  expect_tensor(choose(0), DType::F32, {1, 3}, {0, 1, 2});
}

TEST(Interpret, LoopCarriesAndStacks) {
  const auto results = run({f32({2}, {1, 2}), i64({}, {3})}, [](Builder& b, Values v) {
    return b.loop(v[1], nullptr, {v[0]}, [](Builder& inner, Value* iteration, Value* go_on, Values carried) {
      Value* next = inner.add(carried[0], inner.cast(iteration, DType::F32));
      return Values{go_on, next, inner.reduce(ReduceFunction::Sum, next, {0}, false)};
    });
  });
  expect_tensor(results[0], DType::F32, {2}, {4, 5});
  expect_tensor(results[1], DType::F32, {3}, {3, 5, 9});
}

TEST(Interpret, LoopStopsByCondition) {
  const auto results = run({f32({}, {1})}, [](Builder& b, Values v) {
    return b.loop(nullptr, b.scalar(DType::Bool, 1), {v[0]}, [](Builder& inner, Value*, Value*, Values carried) {
      Value* next = inner.mul(carried[0], inner.scalar_like(carried[0], 2));
      return Values{inner.less(next, inner.scalar_like(next, 100)), next};
    });
  });
  expect_tensor(results[0], DType::F32, {}, {128});
}

TEST(Interpret, LoopChangesShapes) {
  const auto results = run({f32({1}, {7}), i64({}, {2})}, [](Builder& b, Values v) {
    return b.loop(v[1], nullptr, {v[0]}, [](Builder& inner, Value*, Value* go_on, Values carried) {
      return Values{go_on, inner.concat({carried[0], carried[0]}, 0)};
    });
  });
  expect_tensor(results[0], DType::F32, {4}, {7, 7, 7, 7});
}

TEST(Interpret, LoopWithoutIterations) {
  const auto results = run({f32({2}, {1, 2}), i64({}, {0})}, [](Builder& b, Values v) {
    return b.loop(v[1], nullptr, {v[0]}, [](Builder& inner, Value*, Value* go_on, Values carried) {
      return Values{go_on, inner.neg(carried[0]), carried[0]};
    });
  });
  expect_tensor(results[0], DType::F32, {2}, {1, 2});
  expect_tensor(results[1], DType::F32, {0, 2}, {});
}

TEST(Interpret, DimsFromValues) {
  const auto build = [](Builder& b, Values v) {
    const auto count = b.values_of(v[1], {0, 4, 1});
    return Values{b.slice_axis(v[0], 0, 0, count[0])};
  };
  expect_tensor(run({ramp({4}), i64({1}, {3})}, build)[0], DType::F32, {3}, {0, 1, 2});
  expect_error(Status::MismatchingShape, {"5"}, [&] { run({ramp({4}), i64({1}, {5})}, build); });
}

TEST(Interpret, ChecksFail) {
  expect_error(Status::InvalidShape, {"too small"}, [] {
    run({ramp({3}), i64({1}, {2})}, [](Builder& b, Values v) {
      b.check(b.values_of(v[1])[0] > Expr(2), Status::InvalidShape, "too small");
      return Values{v[0]};
    });
  });
}

TEST(Interpret, InputsMustFit) {
  graph::Graph graph;
  const Expr n = graph.symbol("n");
  Value* x = graph.body().add_parameter({DType::F32, {n, n}, {}}, "x");
  Value* y = graph.body().add_parameter({DType::F32, {graph.symbol("m")}, {}}, "y");
  Builder b(graph);
  graph.set_outputs({b.add(x, y)}, {"z"});
  const auto interpret = [&](const Tensor& a, const Tensor& c) {
    const std::vector<Tensor> inputs{a, c};
    return graph::interpret(graph, inputs)[0];
  };
  expect_tensor(interpret(ramp({2, 2}), ramp({2})), DType::F32, {2, 2}, {0, 2, 2, 4});
  expect_error(Status::MismatchingShape, {"'x'", "[2,3]"}, [&] { interpret(ramp({2, 3}), ramp({3})); });
  expect_error(Status::MismatchingShape, {"n", "m"}, [&] { interpret(ramp({2, 2}), ramp({3})); });
  expect_error(Status::MismatchingShape, {"'y'"}, [&] { interpret(ramp({2, 2}), ramp({2, 1})); });
  expect_error(Status::MismatchingDatatype, {"'y'", "i64"}, [&] { interpret(ramp({2, 2}), i64({2}, {1, 2})); });
}

}  // namespace
}  // namespace sardonyx::ops
