// Compiled graphs as a whole: graphs that once compiled to something else than they mean, and the emitted program:
// outputs that are inputs, constants, duplicates or views; dims known only at run time; dims that must agree.
#include "tests/compiler/driver/run_graph.h"

#include <set>

#include "compiler/graph/builder.h"
#include "compiler/ops/lowering.h"

namespace sardonyx::driver {
namespace {

using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::Value;

std::vector<Tensor> inputs_of(const Graph& graph, int64_t symbols = 3) {
  std::vector<Tensor> inputs;
  for (const auto& parameter : graph.body().parameters()) {
    Dims dims;
    for (const Expr& dim : parameter->type.dims) dims.push_back(expr::as_int(dim).value_or(symbols));
    inputs.push_back(random_tensor(parameter->type.dtype, dims, inputs.size() + 1));
  }
  return inputs;
}

void expect_equal_under_all_policies(const std::string& text, int64_t symbols = 3) {
  const auto graph = graph::parse(text);
  for (Policy policy : {Policy::Auto, Policy::Codegen, Policy::Library}) {
    SCOPED_TRACE(int(policy));
    expect_compiled_equals_interpreted(*graph, inputs_of(*graph, symbols), policy);
  }
}

Tensor filled(DType dtype, Dims dims, double value) { return random_tensor(dtype, std::move(dims), 1, value, value); }

TEST(Compile, PacksConstantsOfCollapsedAxes) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {8, 2, 1, 2}, {}}, "x");
  Value* scaled = b.mul(x, b.constant(random_tensor(DType::F32, {8, 2, 1, 2}, 7)));
  graph.set_outputs({b.reduce(graph::ReduceFunction::Sum, scaled, {2, 3}, false)}, {"y"});
  expect_compiled_equals_interpreted(graph, inputs_of(graph), Policy::Codegen);
}

TEST(Compile, ReordersGraphInputs) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {1, 16, 6, 6}, {}}, "x");
  graph::ConvAttrs attrs;
  attrs.strides = attrs.dilations = {1, 1};
  attrs.pads = std::vector<Expr>(4, Expr(0));
  Value* w = b.constant(random_tensor(DType::F32, {16, 16, 3, 3}, 3));
  graph.set_outputs({b.conv(x, w, attrs)}, {"y"});
  for (Policy policy : {Policy::Auto, Policy::Codegen, Policy::Library})
    expect_compiled_equals_interpreted(graph, inputs_of(graph), policy);
}

TEST(Compile, OutputsThatAreInputsConstantsDuplicatesAndViews) {
  expect_equal_under_all_policies(R"(graph(%0:f32[2,3] "x") {
    %1:f32[2] = constant {value=f32[2]{1,2}}
    %2:f32[2,3] = unary %0 {fn=neg}
    %3:f32[6] = reshape %2 {dims=[6]}
    %4:f32[3,2] = reshape %0 {dims=[3,2]}
    yield %0 "input", %1 "constant", %2 "a", %2 "b", %3 "view", %4 "view of input", %0 "input again"
  })");
}

TEST(Compile, ViewsWrittenInPlace) {
  const auto graph = graph::parse(R"(graph(%0:f32[N,4] "x") {
    %1:f32[N,4] = unary %0 {fn=neg}
    %2:f32[N * 4] = reshape %1 {dims=[N * 4]}
    yield %2 "y"
  })");
  const auto program = compile_copy(*graph);
  for (const auto& step : program->main.steps) EXPECT_NE(step.op, runtime::Step::Op::Copy);
  expect_compiled_equals_interpreted(*graph, {random_tensor(DType::F32, {5, 4}, 1)}, Policy::Auto);
}

TEST(Compile, EmptyAndScalarTensors) {
  const std::string text = R"(graph(%0:f32[N,3] "x", %1:f32[] "s") {
    %2:f32[N,3] = unary %0 {fn=exp}
    %3:f32[3] = reduce %2 {fn=sum, axes=[0]}
    %4:f32[] = unary %1 {fn=sqrt}
    yield %2 "a", %3 "b", %4 "c"
  })";
  expect_equal_under_all_policies(text, 0);
  expect_equal_under_all_policies(text, 1);
}

// Hosts may bind any byte as a bool.
TEST(Compile, EveryByteButZeroIsTrue) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::Bool, {6}, {}}, "x");
  Value* y = graph.body().add_parameter({DType::Bool, {6}, {}}, "y");
  graph.set_outputs({b.binary(graph::BinaryFunction::And, x, y), b.logical_not(x), b.cast(x, DType::F32), b.nonzero(y)},
                    {"and", "not", "cast", "nonzero"});
  const auto bytes = [](std::initializer_list<uint8_t> values) {
    Tensor tensor(DType::Bool, {int64_t(values.size())});
    std::copy(values.begin(), values.end(), tensor.raw());
    return tensor;
  };
  const auto run = [&](const Tensor& left, const Tensor& right) {
    const std::vector<Tensor> inputs = {left, right};
    return run_compiled(graph, inputs, graph::interpret(graph, inputs));
  };
  const auto odd = run(bytes({0, 2, 255, 1, 0, 128}), bytes({4, 1, 0, 2, 0, 64}));
  const auto plain = run(bytes({0, 1, 1, 1, 0, 1}), bytes({1, 1, 0, 1, 0, 1}));
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(difference(odd[i], plain[i], 0), "") << "output " << i;
}

TEST(Compile, ResultsThatOneDimMakesEmpty) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 3}, {}}, "x");
  Value* none = b.slice(x, {0, 3}, {graph.symbol("n"), 0}, {1, 1});
  graph.set_outputs({b.unary(graph::UnaryFunction::Neg, none), b.unary(graph::UnaryFunction::Abs, x)}, {"y", "z"});
  expect_compiled_equals_interpreted(graph, inputs_of(graph), Policy::Auto);
}

// The reported shape is the output's own, also when another output has a shape that only the run knows.
TEST(Compile, ReportsShapesOfViewsBesideDataDependentOutputs) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {2, 3}, {}}, "x");
  graph.set_outputs({b.reshape(b.unary(graph::UnaryFunction::Neg, x), {6}), b.nonzero(x)}, {"y", "z"});
  expect_compiled_equals_interpreted(graph, inputs_of(graph), Policy::Auto);
}

TEST(Compile, RunTimeDims) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {4, 5}, {}}, "x");
  Value* positive = b.nonzero(b.less(b.scalar(DType::F32, 0), x));  // I64 [2, k]
  Value* rows = b.reshape(b.slice_axis(positive, 0, 0, 1), {positive->type.dims[1]});
  graph.set_outputs({b.gather(x, rows, 0), positive}, {"rows", "positions"});
  const std::vector<Tensor> inputs = inputs_of(graph), expected = graph::interpret(graph, inputs);
  const auto program = compile_copy(graph);
  EXPECT_TRUE(program->outputs[0].data_dependent);
  const std::vector<Tensor> actual = run_program(program, inputs, {expected[0].dims(), expected[1].dims()});
  EXPECT_EQ(difference(actual[0], expected[0], 0), "");
  EXPECT_EQ(difference(actual[1], expected[1], 0), "");
}

size_t distinct_kernels(const runtime::Program& program) {
  std::set<const runtime::Kernel*> kernels;
  for (const auto& step : program.main.steps)
    if (step.op == runtime::Step::Op::Launch) kernels.insert(step.kernel.get());
  return kernels.size();
}

// round(value * scale) between the bounds, less zero: as codes that are quantized and dequantized.
Value* rounded(Builder& b, Value* value, double scale, double zero) {
  const auto number = [&](double x) { return b.scalar(DType::F32, x); };
  Value* steps = b.unary(graph::UnaryFunction::Round, b.mul(value, number(scale)));
  return b.mul(b.minimum(b.maximum(steps, number(-zero)), number(255 - zero)), number(1 / scale));
}

TEST(Compile, MapsThatDifferInNumbersShareCode) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {5, 37}, {}}, "x");
  Value* codes = graph.body().add_parameter({DType::I32, {5, 37}, {}}, "codes");
  const auto centered = [&](double zero) { return b.sub(codes, b.scalar(DType::I32, zero)); };
  graph.set_outputs({rounded(b, x, 30, 3), rounded(b, x, 77, 13), centered(3), centered(100)}, {"a", "b", "c", "d"});
  EXPECT_EQ(distinct_kernels(*compile_copy(graph)), 2u);
  std::vector<Tensor> inputs = inputs_of(graph);
  const double special[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1e30, 0.05};
  for (size_t i = 0; i < std::size(special); ++i) inputs[0].set_double(int64_t(i) * 17, special[i]);
  expect_compiled_equals_interpreted(graph, inputs, Policy::Codegen, 0);
}

TEST(Compile, ProductsThatDifferInNumbersShareCode) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 64}, {}}, "x");
  const auto product = [&](double scale, double zero, uint64_t seed) {
    return rounded(b, b.matmul(x, b.constant(random_tensor(DType::F32, {64, 48}, seed))), scale, zero);
  };
  graph.set_outputs({product(30, 3, 1), product(77, 13, 2), product(11, 3, 3)}, {"a", "b", "c"});
  EXPECT_EQ(distinct_kernels(*compile_copy(graph, Policy::Codegen)), 1u);
  for (int64_t rows : {0, 1, 5, 40}) {  // a step of a quantum where sums of another order round otherwise
    SCOPED_TRACE(rows);
    expect_compiled_equals_interpreted(graph, inputs_of(graph, rows), Policy::Codegen, 0.05);
  }
}

// The instructions that round and saturate at once, at every bound.
TEST(Compile, QuantizesWhateverIsGiven) {
  for (double zero : {0.0, 3.0, 128.0, 255.0, 2.5, -1.0})
    for (bool round : {true, false}) {
      SCOPED_TRACE(str("zero point ", zero, round ? ", rounded" : ""));
      Graph graph;
      Builder b(graph);
      Value* x = graph.body().add_parameter({DType::F32, {6, 70}, {}}, "x");
      const auto number = [&](double value) { return b.scalar(DType::F32, value); };
      Value* y = b.add(round ? b.unary(graph::UnaryFunction::Round, x) : x, number(zero));
      y = b.minimum(b.maximum(y, number(0)), number(255));
      graph.set_outputs({b.cast(y, DType::U8)}, {"y"});
      std::vector<Tensor> inputs = {random_tensor(DType::F32, {6, 70}, 1, -300, 300)};
      const double special[] = {NAN,   INFINITY, -INFINITY, 0,      -0.0,   0.5,        -0.5,  1.5,
                                2.5,   254.5,    255.5,     255,    256,    2147483520, 2.2e9, -3e9,
                                4.3e9, 1e30,     -1e30,     -128.5, 127.5,  -2.5,       -3.49, -3.5,
                                -3.51, 252.5,    252.49,    1e-30,  -1e-30, 16777217,   -255.5};
      for (size_t i = 0; i < std::size(special); ++i) inputs[0].set_double(int64_t(i) * 13, special[i]);
      expect_compiled_equals_interpreted(graph, inputs, Policy::Codegen, 0);
    }
}

// Code is better for knowing these.
TEST(Compile, SpecialNumbersStayInCode) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {5, 37}, {}}, "x");
  std::vector<Value*> results;
  for (double divisor : {3.0, 4.0, 0.5, 0.0}) results.push_back(b.div(x, b.scalar(DType::F32, divisor)));
  graph.set_outputs(results, {"a", "b", "c", "d"});
  EXPECT_EQ(distinct_kernels(*compile_copy(graph)), 4u);
  expect_compiled_equals_interpreted(graph, inputs_of(graph), Policy::Codegen, 0);
}

// Operands of `build` have the dims [n, 3, k] and [m, 3, l]; every pair of extents runs on one program.
void expect_symbols_broadcast(const std::function<Value*(Builder&, Value*, Value*)>& build) {
  Graph graph;
  Builder b(graph);
  const auto parameter = [&](const char* name, const char* outer, const char* inner) {
    return graph.body().add_parameter({DType::F32, {graph.symbol(outer), 3, graph.symbol(inner)}, {}}, name);
  };
  Value *x = parameter("x", "n", "k"), *y = parameter("y", "m", "l");
  graph.set_outputs({build(b, x, y)}, {"z"});
  const auto program = compile_copy(graph);
  const std::vector<std::pair<Dims, Dims>> fit = {
      {{4, 3, 5}, {4, 3, 5}}, {{1, 3, 5}, {4, 3, 5}}, {{4, 3, 5}, {1, 3, 5}}, {{4, 3, 1}, {1, 3, 37}},
      {{1, 3, 1}, {1, 3, 1}}, {{1, 3, 5}, {0, 3, 5}}, {{2, 3, 0}, {2, 3, 1}}, {{1, 3, 40}, {7, 3, 1}}};
  for (const auto& [left, right] : fit) {
    const std::vector<Tensor> inputs = {random_tensor(DType::F32, left, 1), random_tensor(DType::F32, right, 2)};
    const std::vector<Tensor> expected = graph::interpret(graph, inputs);
    const std::vector<Tensor> actual = run_program(program, inputs, {expected[0].dims()});
    EXPECT_EQ(difference(actual[0], expected[0], 1e-6), "") << join(left, ",") << " and " << join(right, ",");
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(expected[0].dims()[i], left[i] == 1 ? right[i] : left[i]);
  }
  for (const auto& [left, right] : {std::pair<Dims, Dims>{{4, 3, 5}, {3, 3, 5}}, {{4, 3, 0}, {4, 3, 5}}}) {
    try {
      run_program(program, {filled(DType::F32, left, 1), filled(DType::F32, right, 1)}, {left});
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::MismatchingShape) << error.text();
      EXPECT_NE(error.text().find("must be equal, or one of them 1"), std::string::npos) << error.text();
    }
  }
}

TEST(Compile, SymbolsThatMeetBroadcast) {
  expect_symbols_broadcast([](Builder& b, Value* x, Value* y) { return b.add(x, y); });
  // What was broadcast meets its own symbols again.
  expect_symbols_broadcast([](Builder& b, Value* x, Value* y) { return b.mul(b.add(b.add(x, y), x), b.add(y, x)); });
  expect_symbols_broadcast([](Builder& b, Value* x, Value* y) {
    return b.select(b.less(x, b.scalar(DType::F32, 0)), y, b.unary(graph::UnaryFunction::Exp, x));
  });
  expect_symbols_broadcast([](Builder& b, Value* x, Value* y) {
    return b.mul(b.add(x, y), b.softmax(b.add(b.unary(graph::UnaryFunction::Exp, x), y), -1));
  });
}

TEST(Compile, BatchSymbolsOfProductsBroadcast) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 7, 5}, {}}, "x");
  Value* y = graph.body().add_parameter({DType::F32, {graph.symbol("m"), 5, 9}, {}}, "y");
  graph.set_outputs({b.unary(graph::UnaryFunction::Neg, b.matmul(x, y))}, {"z"});
  for (const Policy policy : {Policy::Auto, Policy::Codegen, Policy::Library})
    for (const auto& [n, m] : {std::pair<int64_t, int64_t>{3, 3}, {1, 3}, {3, 1}, {1, 1}, {0, 1}})
      expect_compiled_equals_interpreted(
          graph, {random_tensor(DType::F32, {n, 7, 5}, 1), random_tensor(DType::F32, {m, 5, 9}, 2)}, policy);
}

// Computed dims are read as equal ones.
TEST(Compile, DimsThatMustAgreeAreCheckedWhenBinding) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n")}, {}}, "x");
  Value* y = graph.body().add_parameter({DType::F32, {graph.symbol("m")}, {}}, "y");
  graph.set_outputs({b.add(b.concat({x, x}, 0), y)}, {"z"});
  const auto program = compile_copy(graph);
  const Tensor two = filled(DType::F32, {2}, 1), four = filled(DType::F32, {4}, 1);
  EXPECT_EQ(run_program(program, {two, four}, {{4}})[0].as_double(3), 2);
  try {
    run_program(program, {four, four}, {{4}});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::MismatchingShape) << error.text();
  }
}

TEST(Compile, BranchesAndLoops) {
  Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::F32, {graph.symbol("n"), 3}, {}}, "x");
  Value* c = graph.body().add_parameter({DType::Bool, {}, {}}, "c");
  Value* trips = graph.body().add_parameter({DType::I64, {}, {}}, "trips");
  Value* chosen = b.if_then_else(
      c, [&](Builder& in) { return std::vector<Value*>{in.exp(x)}; },
      [&](Builder&) { return std::vector<Value*>{x}; })[0];
  const auto results = b.loop(trips, nullptr, {chosen}, [&](Builder& in, Value* i, Value*, std::vector<Value*> v) {
    Value* next = in.add(v[0], in.cast(i, DType::F32));
    return std::vector<Value*>{in.scalar(DType::Bool, 1), next, next};
  });
  graph.set_outputs({results[0], results[1]}, {"last", "all"});
  for (int64_t count : {0, 1, 3})
    for (double condition : {0.0, 1.0}) {
      SCOPED_TRACE(str(count, " trips, condition ", condition));
      expect_compiled_equals_interpreted(graph,
                                         {random_tensor(DType::F32, {2, 3}, 5), filled(DType::Bool, {}, condition),
                                          filled(DType::I64, {}, double(count))},
                                         Policy::Auto);
    }
}

TEST(Compile, ScansOfSequencesOfDifferentLengths) {
  Graph graph;
  Builder b(graph);
  const Expr batch = graph.symbol("B"), steps = graph.symbol("T");
  Value* lengths = graph.body().add_parameter({DType::I64, {batch}, {}}, "lengths");
  Value* initial = graph.body().add_parameter({DType::F32, {batch, 4}, {}}, "initial");
  Value* x = graph.body().add_parameter({DType::F32, {batch, steps, 4}, {}}, "x");
  const ops::Subgraph body{{"sum", "next"}, {"sum_out", "scan_out"}, [](Builder& inner, const auto& arguments) {
                             Value* sum = inner.add(arguments[0], arguments[1]);
                             return std::vector<Value*>{sum, inner.exp(sum)};
                           }};
  const std::map<std::string, ops::Attribute> attributes = {{"body", body}, {"num_scan_inputs", int64_t{1}}};
  ops::Lowering scan(b, "scan", "Scan", 8, {lengths, initial, x}, attributes, 2);
  graph.set_outputs(ops::find_onnx_op("", "Scan", 8).lower(scan), {"final", "scanned"});
  const Tensor given = random_tensor(DType::F32, {3, 5, 4}, 2);
  for (const std::vector<int64_t>& counts :
       {std::vector<int64_t>{5, 5, 5}, {2, 0, 5}, {0, 0, 0}, {1, 6, 2}, {-1, 1, 1}}) {
    SCOPED_TRACE(join(counts, ","));
    const std::vector<Tensor> inputs{Tensor::ints(counts), random_tensor(DType::F32, {3, 4}, 1), given};
    if (*std::min_element(counts.begin(), counts.end()) >= 0 && *std::max_element(counts.begin(), counts.end()) <= 5)
      expect_compiled_equals_interpreted(graph, inputs, Policy::Auto);
    else
      EXPECT_THROW(run_program(compile_copy(graph), inputs, {{3, 4}, {3, 5, 4}}), Error);
  }
}

TEST(Compile, ReportsEveryGroup) {
  const auto graph = graph::parse(R"(graph(%0:f32[2,3] "x") {
    %1:f32[2,3] = unary %0 {fn=exp} from "node a"
    %2:f32[2] = reduce %1 {fn=sum, axes=[1]} from "node b"
    yield %2 "y"
  })");
  const auto program = compile_copy(*graph, Policy::Codegen);
  ASSERT_EQ(program->report.size(), 1u);
  EXPECT_EQ(program->report[0].source_nodes, (std::vector<std::string>{"node a", "node b"}));
  EXPECT_EQ(program->report[0].primitives, "exp+reduce");
  EXPECT_EQ(program->report[0].candidate.rfind("codegen.", 0), 0u) << program->report[0].candidate;
}

}  // namespace
}  // namespace sardonyx::driver
