// Generated kernels of recurrent layers against the interpreter, and what they leave to the library.
#include "backends/recurrent.h"

#include "compiler/graph/builder.h"
#include "compiler/passes/pass.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::RnnAttrs;
using graph::RnnKind;
using graph::Value;

struct Case {
  RnnAttrs attrs;
  int64_t time = 5, batch = 1;
  bool symbolic = false;   // steps and batch
  bool peepholes = false;  // of an LSTM
  bool constant_r = true;
  DType dtype = DType::F32;
  std::vector<int64_t> lengths = {};  // empty: random, 0 included
};

RnnAttrs attributes(RnnKind kind, int64_t hidden, const char* direction = "forward") {
  RnnAttrs attrs;
  attrs.kind = kind;
  attrs.hidden = hidden;
  attrs.reverse = std::string(direction) == "reverse";
  attrs.bidirectional = std::string(direction) == "bidirectional";
  attrs.activations = kind == RnnKind::Lstm ? "Sigmoid,Tanh,Tanh" : kind == RnnKind::Gru ? "Sigmoid,Tanh" : "Tanh";
  if (attrs.bidirectional) attrs.activations += "," + attrs.activations;
  return attrs;
}

// The layer as a graph, and inputs for it.
std::vector<Tensor> build(const Case& test, Graph& graph) {
  Builder b(graph);
  const RnnAttrs& attrs = test.attrs;
  const int64_t directions = attrs.directions(), hidden = attrs.hidden, rows = attrs.gates() * hidden;
  const Expr time = test.symbolic ? graph.symbol("T") : Expr(test.time);
  const Expr batch = test.symbolic ? graph.symbol("B") : Expr(test.batch);
  std::vector<Tensor> inputs;
  const auto input = [&](const char* name, std::vector<Expr> dims, Tensor value) {
    inputs.push_back(std::move(value));
    return graph.body().add_parameter({inputs.back().dtype(), std::move(dims), {}}, name);
  };
  const auto values = [&](Dims dims, uint64_t seed, double scale) {
    return random_tensor(test.dtype, std::move(dims), seed, -scale, scale);
  };
  const auto parameters = [&](const char* name, Dims dims, uint64_t seed, bool constant) {
    // Larger weights would make errors of rounding grow from step to step.
    Tensor value = values(dims, seed, 1.5 / std::sqrt(double(hidden)));
    return constant ? b.constant(value) : input(name, {dims.begin(), dims.end()}, value);
  };
  const auto state = [&](const char* name, uint64_t seed) {
    return input(name, {directions, batch, hidden}, values({directions, test.batch, hidden}, seed, 1));
  };
  Tensor lengths = random_tensor(DType::I32, {test.batch}, 5, 0, double(test.time));
  for (size_t i = 0; i < test.lengths.size(); ++i) lengths.set_int(int64_t(i), test.lengths[i]);
  std::vector<Value*> operands;
  operands.push_back(
      input("x", {time, batch, directions * rows}, values({test.time, test.batch, directions * rows}, 1, 2)));
  operands.push_back(parameters("r", {directions, rows, hidden}, 2, test.constant_r));
  operands.push_back(input("lengths", {batch}, lengths));
  operands.push_back(state("h", 3));
  if (attrs.kind == RnnKind::Lstm) {
    operands.push_back(state("c", 4));
    if (test.peepholes) operands.push_back(parameters("p", {directions, 3 * hidden}, 6, true));
  } else if (attrs.kind == RnnKind::Gru && attrs.linear_before_reset) {
    operands.push_back(parameters("b", {directions, hidden}, 7, true));
  }
  const std::vector<Value*> results = b.rnn(operands, attrs);
  std::vector<std::string> names{"y", "y_h", "y_c"};
  names.resize(results.size());
  graph.set_outputs(results, names);
  return inputs;
}

void expect_generated(const Case& test) {
  SCOPED_TRACE(str("hidden ", test.attrs.hidden, ", time ", test.time, ", batch ", test.batch,
                   test.symbolic ? ", symbolic" : ""));
  Graph graph;
  const std::vector<Tensor> inputs = build(test, graph);
  bool generated = false;
  const auto program = compile_copy(graph, Policy::Codegen);
  for (const auto& step : program->main.steps)
    generated = generated || (step.kernel && step.kernel->name() == "recurrent");
  EXPECT_TRUE(generated);
  expect_compiled_equals_interpreted(graph, inputs, Policy::Codegen, test.dtype == DType::F64 ? 1e-13 : 2e-6);
}

const RnnKind kinds[] = {RnnKind::Lstm, RnnKind::Gru, RnnKind::Rnn};

TEST(Recurrent, KindsDirectionsBatches) {
  for (RnnKind kind : kinds)
    for (const char* direction : {"forward", "reverse", "bidirectional"})
      for (int64_t batch : {1, 3, 17}) {
        SCOPED_TRACE(str(graph::rnn_names[int(kind)], " ", direction));
        expect_generated({.attrs = attributes(kind, 20, direction), .batch = batch});
      }
}

TEST(Recurrent, SymbolicStepsAndBatch) {
  for (RnnKind kind : kinds)
    for (int64_t batch : {0, 1, 2, 3, 6, 17})
      for (int64_t time : {0, 1, 4})
        expect_generated(
            {.attrs = attributes(kind, 18, "bidirectional"), .time = time, .batch = batch, .symbolic = true});
}

// Partial vectors, partial panels, several panels, sums whose length is no multiple of the unrolling.
TEST(Recurrent, HiddenSizes) {
  for (RnnKind kind : kinds)
    for (int64_t hidden : {1, 3, 15, 16, 17, 32, 67, 130}) {
      expect_generated({.attrs = attributes(kind, hidden, "reverse")});
      expect_generated({.attrs = attributes(kind, hidden), .batch = 7});
    }
}

TEST(Recurrent, Options) {
  for (const bool linear : {false, true})
    for (double clip : {0.0, 0.4}) {
      RnnAttrs gru = attributes(RnnKind::Gru, 19, "bidirectional");
      gru.linear_before_reset = linear;
      gru.clip = clip;
      expect_generated({.attrs = gru, .batch = 4});
      RnnAttrs lstm = attributes(RnnKind::Lstm, 19, "bidirectional");
      lstm.input_forget = linear;
      lstm.clip = clip;
      expect_generated({.attrs = lstm, .batch = 4, .peepholes = true});
      RnnAttrs simple = attributes(RnnKind::Rnn, 19, "bidirectional");
      simple.clip = clip;
      expect_generated({.attrs = simple, .batch = 4});
    }
}

TEST(Recurrent, Doubles) {
  for (RnnKind kind : kinds)
    expect_generated(
        {.attrs = attributes(kind, 20, "bidirectional"), .batch = 3, .peepholes = true, .dtype = DType::F64});
}

TEST(Recurrent, Activations) {
  for (const char* name : {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh",
                           "HardSigmoid", "Elu", "Softsign", "Softplus"}) {
    SCOPED_TRACE(name);
    RnnAttrs attrs = attributes(RnnKind::Rnn, 5);
    attrs.activations = name;
    expect_generated({.attrs = attrs, .batch = 2});
    attrs.alphas = "0.3", attrs.betas = "0.7";
    expect_generated({.attrs = attrs, .batch = 2});
  }
  // Each direction its own.
  RnnAttrs attrs = attributes(RnnKind::Lstm, 18, "bidirectional");
  attrs.activations = "Sigmoid,Tanh,Softsign,HardSigmoid,ScaledTanh,Tanh";
  attrs.alphas = ",,,0.25,0.5,", attrs.betas = ",,,0.4,2,";
  expect_generated({.attrs = attrs, .batch = 3});
}

TEST(Recurrent, LengthsOfZeroAndAll) {
  for (RnnKind kind : kinds)
    for (const char* direction : {"forward", "reverse"})
      expect_generated({.attrs = attributes(kind, 6, direction), .time = 4, .batch = 6, .lengths = {0, 4, 1, 0, 3, 2}});
}

TEST(Recurrent, LengthsOutOfRangeFail) {
  for (RnnKind kind : kinds)
    for (const bool symbolic : {false, true})
      for (int64_t wrong : {int64_t{5}, int64_t{-1}, int64_t{INT32_MAX}, int64_t{INT32_MIN}})
        for (size_t position : {0, 6}) {
          Case test{.attrs = attributes(kind, 6, "reverse"), .time = 4, .batch = 7, .symbolic = symbolic};
          test.lengths.assign(7, 4);
          test.lengths[position] = wrong;
          Graph graph;
          const std::vector<Tensor> inputs = build(test, graph);
          std::vector<Dims> dims{{4, 1, 7, 6}, {1, 7, 6}};
          if (kind == RnnKind::Lstm) dims.push_back(dims.back());
          EXPECT_THROW(run_program(compile_copy(graph, Policy::Codegen), inputs, dims), Error) << wrong;
          EXPECT_THROW(graph::interpret(graph, inputs), Error) << wrong;
        }
}

// What keeps the library's candidate, and why.
TEST(Recurrent, RefusesRunTimeWeights) {
  Graph graph;
  const Case test{.attrs = attributes(RnnKind::Gru, 4), .batch = 3, .constant_r = false};
  const std::vector<Tensor> inputs = build(test, graph);
  expect_compiled_equals_interpreted(graph, inputs, Policy::Codegen);
  passes::PassContext context;
  passes::fuse(graph, context);
  for (const auto& node : graph.body().nodes()) {
    if (node->op != graph::Op::fused) continue;
    const auto candidates = backends::registry().front()->candidates(*node, host().front().target);
    ASSERT_EQ(candidates.list.size(), 1u);
    EXPECT_EQ(candidates.list[0].family, "library.rnn");
    ASSERT_EQ(candidates.refusals.size(), 1u);
    EXPECT_EQ(candidates.refusals[0], "codegen.recurrent: R is not constant");
  }
}

// Dims that only the run knows and that do not fit are refused, not read out of bounds.
TEST(Recurrent, ChecksDimsOfOperands) {
  Graph graph;
  Builder b(graph);
  const RnnAttrs attrs = attributes(RnnKind::Rnn, 4);
  std::vector<Value*> operands{
      graph.body().add_parameter({DType::F32, {2, graph.symbol("B"), 4}, {}}, "x"),
      b.constant(random_tensor(DType::F32, {1, 4, 4}, 1)),
      graph.body().add_parameter({DType::I32, {graph.symbol("L")}, {}}, "lengths"),
      graph.body().add_parameter({DType::F32, {1, graph.symbol("B"), 4}, {}}, "h"),
  };
  graph.set_outputs(b.rnn(operands, attrs), {"y", "y_h"});
  const std::vector<Tensor> inputs{random_tensor(DType::F32, {2, 3, 4}, 2), random_tensor(DType::I32, {1}, 3, 2, 2),
                                   random_tensor(DType::F32, {1, 3, 4}, 4)};
  for (Policy policy : {Policy::Codegen, Policy::Library}) {
    try {
      run_program(compile_copy(graph, policy), inputs, {{2, 1, 3, 4}, {1, 3, 4}});
      ADD_FAILURE() << "one length for three samples was accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.text().find("dims of operand 2"), std::string::npos) << error.text();
    }
  }
}

}  // namespace
}  // namespace sardonyx::driver
