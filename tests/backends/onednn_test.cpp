// oneDNN candidates against the interpreter, through the whole compiler with policy `library`: convolutions, matrix
// products and pools with what models put behind them. Each case says whether oneDNN is expected to take it.
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::backends {
namespace {

using driver::random_tensor;
using graph::BinaryFunction;
using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::Ints;
using graph::UnaryFunction;
using graph::Value;

// Appends `epilogue` ("bias relu residual ...") to y, the result of a contraction with channels on `axis`.
class Epilogue {
 public:
  Epilogue(Graph& graph, Builder& builder, int axis) : graph_(graph), b_(builder), axis_(axis) {}

  Value* apply(const std::string& epilogue, Value* y) {
    std::istringstream words(epilogue);
    for (std::string word; words >> word;) y = one(word, y);
    return y;
  }

 private:
  Value* number(double value) { return b_.scalar(DType::F32, value); }
  Value* unary(UnaryFunction function, Value* x) { return b_.unary(function, x); }
  Value* one(const std::string& word, Value* y) {
    if (word == "bias") {
      Dims dims(y->type.dims.size() - size_t(axis_), 1);
      dims[0] = *expr::as_int(y->type.dims[size_t(axis_)]);
      return b_.add(y, b_.constant(random_tensor(DType::F32, dims, 77)));
    }
    if (word == "residual") return b_.add(y, graph_.body().add_parameter(y->type, "residual"));
    if (word == "minus") return b_.sub(y, graph_.body().add_parameter(y->type, "minus"));
    if (word == "constant") {
      Dims dims;
      for (const Expr& dim : y->type.dims) dims.push_back(*expr::as_int(dim));
      return b_.add(y, b_.constant(random_tensor(DType::F32, dims, 78)));
    }
    if (word == "relu") return b_.maximum(y, number(0));
    if (word == "clip") return b_.minimum(b_.maximum(y, number(0)), number(6));
    if (word == "sigmoid") return unary(UnaryFunction::Sigmoid, y);
    if (word == "tanh") return unary(UnaryFunction::Tanh, y);
    if (word == "silu") return b_.mul(y, unary(UnaryFunction::Sigmoid, y));
    if (word == "leaky") return b_.select(b_.less(y, number(0)), b_.mul(y, number(0.1)), y);
    if (word == "hardswish")
      return b_.mul(y, b_.div(b_.minimum(b_.maximum(b_.add(y, number(3)), number(0)), number(6)), number(6)));
    if (word == "gelu") {
      Value* gate = b_.add(unary(UnaryFunction::Erf, b_.div(y, number(std::sqrt(2.0)))), number(1));
      return b_.mul(b_.mul(y, gate), number(0.5));
    }
    if (word == "softcap") return b_.mul(unary(UnaryFunction::Tanh, b_.mul(y, number(0.5))), number(2));
    fail(Status::InternalError, "no epilogue '", word, "'");
  }

  Graph& graph_;
  Builder& b_;
  int axis_;
};

// Runs the graph with random inputs whose symbols are `symbol`, and checks who ran the groups that have an anchor.
void expect_case(const Graph& graph, const std::string& family, bool taken, int64_t symbol) {
  std::vector<Tensor> inputs;
  for (const auto& parameter : graph.body().parameters()) {
    Dims dims;
    for (const Expr& dim : parameter->type.dims) dims.push_back(expr::as_int(dim).value_or(symbol));
    inputs.push_back(random_tensor(DType::F32, dims, inputs.size() + 1));
  }
  const std::vector<Tensor> expected = graph::interpret(graph, inputs);
  const auto program = driver::compile_copy(graph, Policy::Library);
  int found = 0;
  std::string reasons;
  for (const auto& report : program->report) {
    found += report.candidate.rfind(family, 0) == 0;
    reasons += str(report.primitives, ": ", report.candidate, ", ", report.reason, "\n");
  }
  EXPECT_EQ(found > 0, taken) << reasons;
  const std::vector<Tensor> actual = driver::run_program(program, inputs, {expected[0].dims()});
  double largest = 0;
  for (int64_t i = 0; i < expected[0].count(); ++i) largest = std::max(largest, std::fabs(expected[0].as_double(i)));
  EXPECT_EQ(driver::difference(actual[0], expected[0], 3e-6 * largest), "") << reasons;
}

struct ConvCase {
  Dims x;  // a dim of 0 is symbolic
  int64_t out;
  Ints kernel;
  int64_t groups = 1;
  Ints strides = {1, 1}, dilations = {1, 1}, pads = {0, 0, 0, 0};
  std::string epilogue = "";
  bool taken = true;
};

TEST(OneDnn, Convolution) {
  const ConvCase cases[] = {
      {.x = {1, 16, 7, 9}, .out = 32, .kernel = {1, 1}},
      {.x = {2, 32, 7, 9}, .out = 16, .kernel = {3, 3}, .pads = {1, 1, 1, 1}, .epilogue = "bias relu"},
      {.x = {3, 3, 17, 15}, .out = 32, .kernel = {7, 7}, .strides = {2, 2}, .pads = {3, 3, 3, 3}, .epilogue = "bias"},
      {.x = {1, 1, 9, 9}, .out = 16, .kernel = {5, 5}, .pads = {2, 1, 2, 3}},
      {.x = {1, 24, 8, 8}, .out = 32, .kernel = {1, 1}, .epilogue = "bias clip"},
      {.x = {1, 32, 8, 8}, .out = 24, .kernel = {1, 1}, .epilogue = "bias"},
      {.x = {2, 24, 8, 8}, .out = 40, .kernel = {3, 3}, .strides = {2, 1}, .pads = {0, 1, 1, 1}, .epilogue = "relu"},
      {.x = {1, 16, 12, 12}, .out = 16, .kernel = {3, 3}, .dilations = {2, 2}, .pads = {2, 2, 2, 2}},
      {.x = {2, 32, 9, 9}, .out = 32, .kernel = {3, 3}, .groups = 32, .pads = {1, 1, 1, 1}, .epilogue = "bias clip"},
      {.x = {1, 24, 9, 9},
       .out = 24,
       .kernel = {3, 3},
       .groups = 24,
       .strides = {2, 2},
       .pads = {1, 1, 1, 1},
       .epilogue = "bias"},
      {.x = {2, 64, 6, 6}, .out = 32, .kernel = {3, 3}, .groups = 2, .pads = {1, 1, 1, 1}, .epilogue = "bias"},
      {.x = {1, 12, 6, 6}, .out = 12, .kernel = {3, 3}, .groups = 3, .taken = false},
      {.x = {1, 16, 7, 9}, .out = 16, .kernel = {1, 1}, .epilogue = "bias residual relu"},
      {.x = {2, 16, 7, 9}, .out = 48, .kernel = {1, 1}, .epilogue = "bias residual"},
      {.x = {1, 16, 7, 9}, .out = 24, .kernel = {1, 1}, .epilogue = "residual"},
      {.x = {1, 16, 5, 5}, .out = 16, .kernel = {1, 1}, .epilogue = "minus"},
      {.x = {1, 16, 3, 1}, .out = 8, .kernel = {1, 1}, .epilogue = "constant"},
      {.x = {2, 16, 3, 5}, .out = 16, .kernel = {1, 1}, .epilogue = "bias constant relu"},
      {.x = {1, 16, 7, 9}, .out = 16, .kernel = {1, 1}, .epilogue = "bias sigmoid"},
      {.x = {1, 16, 7, 9}, .out = 16, .kernel = {1, 1}, .epilogue = "bias silu"},
      {.x = {1, 16, 7, 9}, .out = 16, .kernel = {1, 1}, .epilogue = "bias hardswish"},
      {.x = {1, 16, 7, 9}, .out = 16, .kernel = {1, 1}, .epilogue = "bias tanh residual"},
      {.x = {1, 16, 7, 9}, .out = 20, .kernel = {1, 1}, .epilogue = "bias sigmoid", .taken = false},  // pads to 0.5
      {.x = {1, 16, 20},
       .out = 32,
       .kernel = {3},
       .strides = {2},
       .dilations = {1},
       .pads = {1, 1},
       .epilogue = "bias"},
      {.x = {1, 16, 4, 5, 6},
       .out = 16,
       .kernel = {3, 1, 2},
       .strides = {1, 1, 2},
       .dilations = {1, 1, 1},
       .pads = {1, 0, 0, 1, 0, 1},
       .epilogue = "bias relu"},
      {.x = {0, 16, 7, 9}, .out = 32, .kernel = {3, 3}, .pads = {1, 1, 1, 1}, .epilogue = "bias relu"},
      {.x = {1, 3, 0, 0}, .out = 16, .kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}, .epilogue = "relu"},
  };
  for (const ConvCase& c : cases) {
    SCOPED_TRACE(str("x ", c.x, " out ", c.out, " kernel ", c.kernel, " groups ", c.groups, " ", c.epilogue));
    Graph graph;
    Builder b(graph);
    graph::TensorType type{DType::F32, {c.x.begin(), c.x.end()}, {}};
    for (size_t i = 0; i < c.x.size(); ++i)
      if (c.x[i] == 0) type.dims[i] = graph.symbol("s");
    Value* x = graph.body().add_parameter(type, "x");
    graph::ConvAttrs attrs;
    attrs.strides = c.strides;
    attrs.dilations = c.dilations;
    attrs.pads.assign(c.pads.begin(), c.pads.end());
    attrs.groups = c.groups;
    Dims w = {c.out, c.x[1] / c.groups};
    w.insert(w.end(), c.kernel.begin(), c.kernel.end());
    Value* y = b.conv(x, b.constant(random_tensor(DType::F32, w, 5)), attrs);
    graph.set_outputs({Epilogue(graph, b, 1).apply(c.epilogue, y)}, {"y"});
    expect_case(graph, "onednn.conv", c.taken, 6);
  }
}

TEST(OneDnn, ChainsOfConvolutionsKeepTheirLayout) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {2, 3, 16, 16}, {}}, "x");
  graph::ConvAttrs attrs;
  attrs.strides = attrs.dilations = {1, 1};
  attrs.pads.assign(4, Expr(1));
  Value* y = x;
  for (int64_t out : {32, 32, 64})
    y = b.maximum(
        b.conv(y, b.constant(random_tensor(DType::F32, {out, *expr::as_int(y->type.dims[1]), 3, 3}, 5)), attrs),
        b.scalar(DType::F32, 0));
  graph.set_outputs({y}, {"y"});
  const auto program = driver::compile_copy(graph, Policy::Library);
  EXPECT_EQ(program->report.size(), 4u) << "three convolutions and one reorder at the end";
  driver::expect_compiled_equals_interpreted(graph, {random_tensor(DType::F32, {2, 3, 16, 16}, 1)}, Policy::Library);
}

struct MatmulCase {
  Dims a, b;  // a dim of 0 is symbolic
  bool constant = true;
  bool ta = false, tb = false;
  std::string epilogue = "";
  bool taken = true;
};

TEST(OneDnn, Matmul) {
  const MatmulCase cases[] = {
      {.a = {1, 16}, .b = {16, 8}, .epilogue = "bias"},
      {.a = {7, 33}, .b = {33, 19}, .epilogue = "bias relu"},
      {.a = {128, 64}, .b = {64, 96}, .epilogue = "bias gelu"},
      {.a = {2, 9, 24}, .b = {24, 40}, .epilogue = "bias residual"},
      {.a = {2, 9, 24}, .b = {24, 40}, .epilogue = "residual bias"},
      {.a = {33, 7}, .b = {33, 19}, .ta = true},
      {.a = {7, 33}, .b = {19, 33}, .tb = true, .epilogue = "bias sigmoid"},
      {.a = {33, 7}, .b = {19, 33}, .constant = false, .ta = true, .tb = true},
      {.a = {3, 5, 8}, .b = {3, 8, 6}, .constant = false},
      {.a = {3, 5, 8}, .b = {3, 6, 8}, .constant = false, .tb = true, .epilogue = "tanh"},
      {.a = {3, 8, 5}, .b = {3, 8, 6}, .constant = false, .ta = true, .epilogue = "residual"},
      {.a = {3, 4, 8}, .b = {3, 6, 8}, .constant = false, .tb = true, .epilogue = "softcap", .taken = false},
      {.a = {2, 3, 4, 8},
       .b = {2, 3, 6, 8},
       .constant = false,
       .tb = true,
       .epilogue = "residual softcap",
       .taken = false},
      {.a = {7, 33}, .b = {33, 19}, .epilogue = "bias softcap"},  // the weights take the first factor
      {.a = {2, 3, 5, 8}, .b = {2, 3, 8, 6}, .constant = false},
      {.a = {4, 5, 8}, .b = {1, 8, 6}, .constant = false},
      {.a = {2, 1, 5, 8}, .b = {2, 3, 8, 6}, .constant = false, .taken = false},  // broadcast in part
      {.a = {0, 32}, .b = {32, 24}, .epilogue = "bias gelu"},
      {.a = {2, 0, 32}, .b = {32, 24}, .epilogue = "bias silu residual"},
      {.a = {2, 3, 0, 8}, .b = {2, 3, 8, 0}, .constant = false},
      {.a = {2, 3, 0, 8}, .b = {2, 3, 0, 8}, .constant = false, .tb = true},
      {.a = {3, 4}, .b = {4, 5}, .epilogue = "constant"},
  };
  for (const MatmulCase& c : cases)
    for (int64_t symbol : {1, 5}) {
      SCOPED_TRACE(str("a ", c.a, " b ", c.b, " ", c.ta, c.tb, " ", c.epilogue, " symbol ", symbol));
      Graph graph;
      Builder b(graph);
      const auto parameter = [&](const Dims& dims, const char* name) {
        graph::TensorType type{DType::F32, {dims.begin(), dims.end()}, {}};
        for (size_t i = 0; i < dims.size(); ++i)
          if (dims[i] == 0) type.dims[i] = graph.symbol("s");
        return graph.body().add_parameter(type, name);
      };
      Value* left = parameter(c.a, "a");
      Value* right = c.constant ? b.constant(random_tensor(DType::F32, c.b, 5)) : parameter(c.b, "b");
      Value* y = b.matmul(left, right, c.ta, c.tb);
      graph.set_outputs({Epilogue(graph, b, y->type.rank() - 1).apply(c.epilogue, y)}, {"y"});
      expect_case(graph, "onednn.matmul", c.taken, symbol);
    }
}

struct PoolCase {
  Dims x;
  graph::PoolFunction function;
  Ints kernel, strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  bool include_pad = false, ceil = false, taken = true;
};

TEST(OneDnn, Pool) {
  using graph::PoolFunction;
  const PoolCase cases[] = {
      {.x = {1, 16, 8, 8}, .function = PoolFunction::Max, .kernel = {2, 2}, .strides = {2, 2}},
      {.x = {2, 32, 9, 7}, .function = PoolFunction::Max, .kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
      {.x = {2, 32, 9, 7}, .function = PoolFunction::Max, .kernel = {3, 2}, .strides = {2, 1}, .pads = {0, 1, 1, 0}},
      {.x = {1, 16, 9, 9}, .function = PoolFunction::Max, .kernel = {3, 3}, .strides = {2, 2}, .ceil = true},
      {.x = {1, 16, 10, 10}, .function = PoolFunction::Max, .kernel = {3, 3}, .strides = {2, 2}, .ceil = true},
      {.x = {1, 16, 9, 9}, .function = PoolFunction::Max, .kernel = {2, 2}, .dilations = {2, 2}},
      {.x = {2, 16, 8, 9}, .function = PoolFunction::Average, .kernel = {3, 3}, .pads = {1, 1, 1, 1}},
      {.x = {2, 16, 8, 9},
       .function = PoolFunction::Average,
       .kernel = {3, 3},
       .pads = {1, 1, 1, 1},
       .include_pad = true},
      {.x = {1, 16, 7, 7}, .function = PoolFunction::Average, .kernel = {7, 7}},
      {.x = {1, 16, 10, 10},
       .function = PoolFunction::Average,
       .kernel = {3, 3},
       .strides = {2, 2},
       .ceil = true,
       .taken = false},
      {.x = {1, 24, 8, 8}, .function = PoolFunction::Max, .kernel = {2, 2}, .taken = false},
  };
  for (const PoolCase& c : cases) {
    SCOPED_TRACE(str("x ", c.x, " kernel ", c.kernel, " pads ", c.pads, " function ", int(c.function)));
    Graph graph;
    Builder b(graph);
    graph::PoolAttrs attrs;
    attrs.function = c.function;
    attrs.kernel = c.kernel;
    attrs.strides = c.strides;
    attrs.dilations = c.dilations;
    attrs.pads.assign(c.pads.begin(), c.pads.end());
    attrs.include_pad = c.include_pad;
    for (size_t i = 0; i < 2; ++i) {
      const int64_t span = c.x[i + 2] + c.pads[i] + c.pads[i + 2] - c.dilations[i] * (c.kernel[i] - 1) - 1;
      attrs.out_dims.emplace_back((span + (c.ceil ? c.strides[i] - 1 : 0)) / c.strides[i] + 1);
    }
    Value* x = graph.body().add_parameter({DType::F32, {c.x.begin(), c.x.end()}, {}}, "x");
    graph.set_outputs({b.pool(x, attrs)}, {"y"});
    // 24 channels fit a block of 8.
    const bool taken = c.taken || (c.x[1] == 24 && devices().front().target.vector_bytes < 64);
    expect_case(graph, "onednn.pool", taken, 1);
  }
}

TEST(OneDnn, GlobalAverage) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {2, 32, 7, 5}, {}}, "x");
  graph.set_outputs({b.mean(x, {2, 3}, true)}, {"y"});
  expect_case(graph, "onednn.pool", true, 1);
}

}  // namespace
}  // namespace sardonyx::backends
