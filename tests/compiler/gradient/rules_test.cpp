// Every rule: first and second derivatives against central differences in F64, with static and with symbolic dims, and
// the compiled gradient against the interpreted one.
#include <gtest/gtest.h>

#include "compiler/gradient/gradient.h"
#include "tests/compiler/driver/run_graph.h"
#include "tests/compiler/gradient/cases.h"

namespace sardonyx::gradient {
namespace {

using graph::Expr;
using graph::Graph;
using graph::ReduceFunction;
using graph::UnaryFunction;

// The sum of all elements, each times a factor of its own.
Value* weighed(Builder& b, Value* x) {
  for (int64_t axis = 0; axis < x->type.rank(); ++axis) {
    Value* place = b.cast(b.iota(DType::I64, {x->type.dims[size_t(axis)]}, 0), x->type.dtype);
    Value* weights = b.add(b.unary(UnaryFunction::Sin, b.mul(place, b.scalar_like(x, 1.7))), b.scalar_like(x, 1.3));
    std::vector<Expr> dims(x->type.dims.size(), Expr(1));
    dims[size_t(axis)] = x->type.dims[size_t(axis)];
    x = b.mul(x, b.reshape(weights, dims));
  }
  graph::Ints axes;
  for (int64_t axis = 0; axis < x->type.rank(); ++axis) axes.push_back(axis);
  return b.reduce(ReduceFunction::Sum, x, axes, false);
}

// The function of a case, its derivative of order 1 or 2, or the function that order 2 is the derivative of.
Values derivative(Builder& b, const Case& test, const Values& xs, int order) {
  if (order == 0) return {weighed(b, test.build(b, xs))};
  return gradients(b, xs, [&](Builder& inner, const Values& arguments) {
    if (order == 1) return derivative(inner, test, arguments, 0)[0];
    Value* sum = nullptr;
    for (Value* first : derivative(inner, test, arguments, 1)) {
      Value* term = weighed(inner, first);
      sum = sum ? inner.add(sum, term) : term;
    }
    return sum;
  });
}

// The sum that `derivative(order)` is the derivative of.
Value* antiderivative(Builder& b, const Case& test, const Values& xs, int order) {
  Value* sum = nullptr;
  for (Value* value : derivative(b, test, xs, order - 1)) {
    Value* term = order == 1 ? value : weighed(b, value);
    sum = sum ? b.add(sum, term) : term;
  }
  return sum;
}

std::unique_ptr<Graph> graph_of(const Case& test, DType dtype, bool symbolic,
                                const std::function<Values(Builder&, const Values&)>& build) {
  auto graph = std::make_unique<Graph>();
  Values xs;
  for (size_t i = 0; i < test.inputs.size(); ++i) {
    graph::TensorType type{dtype, {test.inputs[i].dims.begin(), test.inputs[i].dims.end()}, {}};
    if (symbolic && i == 0)
      for (size_t d = 0; d < type.dims.size(); ++d)
        if (!expr::is_const(type.dims[d], 1)) type.dims[d] = graph->symbol(str("d", d));
    xs.push_back(graph->body().add_parameter(type, str("x", i)));
  }
  Builder b(*graph);
  const Values results = build(b, xs);
  std::vector<std::string> names;
  for (size_t i = 0; i < results.size(); ++i) names.push_back(str("y", i));
  graph->set_outputs(results, names);
  graph::verify(*graph);
  return graph;
}

std::vector<Tensor> inputs_of(const Case& test, DType dtype) {
  std::vector<Tensor> inputs;
  for (const CaseInput& input : test.inputs)
    inputs.push_back(driver::random_tensor(dtype, input.dims, 17 + inputs.size(), input.low, input.high));
  return inputs;
}

class Rules : public testing::TestWithParam<size_t> {
 protected:
  const Case& test_ = cases()[GetParam()];

  void expect_central_differences(int order) {
    const std::vector<Tensor> inputs = inputs_of(test_, DType::F64);
    auto function = graph_of(test_, DType::F64, false,
                             [&](Builder& b, const Values& xs) { return Values{antiderivative(b, test_, xs, order)}; });
    const auto value_at = [&](size_t input, int64_t element, double step) {
      std::vector<Tensor> moved = inputs;
      moved[input] = moved[input].clone();
      moved[input].set_double(element, moved[input].as_double(element) + step);
      return graph::interpret(*function, moved)[0].as_double(0);
    };
    for (bool symbolic : {false, true}) {
      if (symbolic && test_.is_static) continue;
      auto graph = graph_of(test_, DType::F64, symbolic,
                            [&](Builder& b, const Values& xs) { return derivative(b, test_, xs, order); });
      const std::vector<Tensor> actual = graph::interpret(*graph, inputs);
      ASSERT_EQ(actual.size(), inputs.size());
      for (size_t i = 0; i < inputs.size(); ++i) {
        ASSERT_EQ(actual[i].dims(), inputs[i].dims());
        for (int64_t k = 0; k < inputs[i].count(); ++k) {
          // F32 in between, as casts have it, is too coarse for small steps.
          const double step = test_.op == graph::Op::cast ? 1e-2 : 1e-5;
          const double expected = (value_at(i, k, step) - value_at(i, k, -step)) / (2 * step);
          EXPECT_NEAR(actual[i].as_double(k), expected, 1e-5 * std::max(1.0, std::fabs(expected)))
              << "derivative " << order << " by element " << k << " of input " << i
              << (symbolic ? " with symbolic dims" : "");
        }
      }
    }
  }
};

TEST_P(Rules, FirstDerivativeEqualsCentralDifferences) { expect_central_differences(1); }
TEST_P(Rules, SecondDerivativeEqualsCentralDifferences) { expect_central_differences(2); }

TEST_P(Rules, CompiledEqualsInterpreted) {
  for (int order : {1, 2})
    for (bool symbolic : {false, true}) {
      if (symbolic && test_.is_static) continue;
      auto graph = graph_of(test_, DType::F32, symbolic,
                            [&](Builder& b, const Values& xs) { return derivative(b, test_, xs, order); });
      driver::expect_compiled_equals_interpreted(*graph, inputs_of(test_, DType::F32), Policy::Auto, 1e-5);
    }
}

std::string name_of(const testing::TestParamInfo<size_t>& info) {
  std::string name = cases()[info.param].name;
  for (char& c : name)
    if (!isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, Rules, testing::Range(size_t{0}, cases().size()), name_of);

}  // namespace
}  // namespace sardonyx::gradient
