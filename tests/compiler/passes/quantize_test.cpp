// Quantized graphs as the importer makes them: the pass contracts codes, and what is compiled behind all passes is
// within one quantum of what the interpreter computes of the graph before them.
#include <cmath>

#include "compiler/graph/builder.h"
#include "tests/compiler/passes/run_pass.h"

namespace sardonyx::passes {
namespace {

using graph::Builder;
using graph::Value;

struct Parameters {
  std::vector<float> scale;
  std::vector<int> zero;  // empty: none; else as many as scales
};

Tensor tensor_of(DType dtype, Dims dims, const std::vector<double>& values) {
  Tensor tensor(dtype, std::move(dims));
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_double(i, values[size_t(i)]);
  return tensor;
}

Tensor random_codes(DType dtype, Dims dims, unsigned seed, int low, int high) {
  std::mt19937 random(seed);
  Tensor tensor(dtype, std::move(dims));
  for (int64_t i = 0; i < tensor.count(); ++i) tensor.set_int(i, low + int64_t(random() % unsigned(high - low + 1)));
  return tensor;
}

Tensor random_bytes(DType dtype, Dims dims, unsigned seed) {
  return random_codes(dtype, std::move(dims), seed, dtype == DType::I8 ? -128 : 0, dtype == DType::I8 ? 127 : 255);
}

// A scale or zero point along `axis`, as import leaves it: not folded when large.
template <class T>
Value* along(Builder& b, DType dtype, const std::vector<T>& values, int axis, int rank) {
  Value* constant = b.constant(tensor_of(dtype, {int64_t(values.size())}, {values.begin(), values.end()}));
  if (values.size() == 1) return b.reshape(constant, {});
  std::vector<expr::Expr> dims(size_t(rank - axis), 1);
  dims[0] = int64_t(values.size());
  return b.reshape(constant, dims);
}

Value* dequantized(Builder& b, Value* codes, const Parameters& p, int axis = 0) {
  const int rank = codes->type.rank();
  Value* value = b.cast(codes, DType::I32);
  if (!p.zero.empty()) value = b.sub(value, b.cast(along(b, codes->type.dtype, p.zero, axis, rank), DType::I32));
  return b.mul(b.cast(value, DType::F32), along(b, DType::F32, p.scale, axis, rank));
}

Value* quantized(Builder& b, Value* x, DType dtype, const Parameters& p) {
  Value* value = b.unary(graph::UnaryFunction::Round, b.div(x, along(b, DType::F32, p.scale, 0, 1)));
  if (!p.zero.empty()) value = b.add(value, b.cast(along(b, dtype, p.zero, 0, 1), DType::F32));
  const double low = dtype == DType::I8 ? -128 : 0;
  value = b.minimum(b.maximum(value, b.scalar_like(value, low)), b.scalar_like(value, low + 255));
  return b.cast(value, dtype);
}

// Codes within one quantum, floats within the rounding of F32.
void expect_close(const Tensor& got, const Tensor& want) {
  ASSERT_EQ(got.dims(), want.dims());
  double magnitude = 0;
  for (int64_t i = 0; i < want.count(); ++i) magnitude = std::max(magnitude, std::fabs(want.as_double(i)));
  const double tolerance = is_integer(want.dtype()) ? 1 : magnitude * 1e-5;
  for (int64_t i = 0; i < want.count(); ++i)
    ASSERT_LE(std::fabs(got.as_double(i) - want.as_double(i)), tolerance) << "element " << i;
}

int64_t contractions_of_codes(const graph::Graph& graph) {
  int64_t count = 0;
  for (const auto& node : graph.body().nodes())
    count += (node->op == graph::Op::conv || node->op == graph::Op::matmul) &&
             node->result()->type.dtype == DType::I32 && size_of(node->operand(0)->type.dtype) == 1;
  return count;
}

// The pass alone and all passes with the code behind them, against the graph as it is.
void expect_quantizes(const graph::Graph& before, const std::vector<Tensor>& inputs, int64_t contractions = 1) {
  const auto want = graph::interpret(before, inputs);
  auto after = graph::clone(before);
  run(*after, {"quantize"});
  EXPECT_EQ(contractions_of_codes(*after), contractions);
  const auto rewritten = graph::interpret(*after, inputs);
  std::vector<Dims> dims;
  for (const Tensor& tensor : want) dims.push_back(tensor.dims());
  const auto compiled = driver::run_program(driver::compile_copy(before), inputs, dims);
  for (size_t i = 0; i < want.size(); ++i) {
    SCOPED_TRACE("output " + std::to_string(i));
    expect_close(rewritten[i], want[i]);
    expect_close(compiled[i], want[i]);
  }
}

struct ConvCase {
  int64_t inputs, outputs, size, kernel, stride = 1, groups = 1;
  int64_t pad = 0;
};

enum Epilogue { Plain = 0, Bias = 1, Relu = 2, Residual = 4, Codes = 8 };

std::vector<float> scales(int64_t count, bool per_channel) {
  std::vector<float> result;
  for (int64_t i = 0; i < (per_channel ? count : 1); ++i) result.push_back(0.01f + 0.003f * float(i % 7));
  return result;
}

void expect_convolution(const ConvCase& c, DType x_dtype, int x_zero, DType w_dtype, bool per_channel, int epilogue) {
  SCOPED_TRACE(str("conv ", c.inputs, ",", c.outputs, ",", c.size, ",", c.kernel, " groups ", c.groups, " pad ", c.pad,
                   " of ", dtype_name(x_dtype), " zero ", x_zero, " by ", dtype_name(w_dtype),
                   per_channel ? " per channel" : "", " epilogue ", epilogue));
  graph::Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({x_dtype, {1, c.inputs, c.size, c.size}, {}}, "x");
  std::vector<Tensor> inputs{random_bytes(x_dtype, {1, c.inputs, c.size, c.size}, 1)};
  const Parameters w{scales(c.outputs, per_channel),
                     std::vector<int>(per_channel ? size_t(c.outputs) : 1, w_dtype == DType::U8 ? 128 : 0)};
  Value* weights = b.constant(random_bytes(w_dtype, {c.outputs, c.inputs / c.groups, c.kernel, c.kernel}, 2));
  graph::ConvAttrs attributes;
  attributes.strides = {c.stride, c.stride}, attributes.dilations = {1, 1}, attributes.groups = c.groups;
  attributes.pads.assign(4, c.pad);
  Value* y = b.conv(dequantized(b, x, {{0.02f}, {x_zero}}), dequantized(b, weights, w), attributes);
  if (epilogue & Bias)
    y = b.add(y, b.reshape(dequantized(b, b.constant(random_bytes(DType::I8, {c.outputs}, 3)), {{0.1f}, {}}),
                           {c.outputs, 1, 1}));
  const float step = 0.02f * 0.02f * 100 * std::sqrt(float(c.inputs / c.groups * c.kernel * c.kernel));
  if (epilogue & Residual) {
    // As a tool writes it: the result is quantized and dequantized before the sum.
    Value* other = graph.body().add_parameter({DType::U8, y->type.dims, {}}, "other");
    inputs.push_back(random_bytes(DType::U8, *graph::static_dims(y->type), 4));
    y = dequantized(b, quantized(b, y, DType::U8, {{step}, {120}}), {{step}, {120}});
    y = b.add(y, dequantized(b, other, {{step / 2}, {7}}));
  }
  if (epilogue & Relu) y = b.maximum(y, b.scalar_like(y, 0));
  if (epilogue & Codes) y = quantized(b, y, x_dtype, {{step}, {epilogue & Relu ? 0 : 13}});
  graph.set_outputs({y}, {"y"});
  expect_quantizes(graph, inputs);
}

TEST(Quantize, ZeroPointsTypesAndScales) {
  const ConvCase c{32, 40, 9, 3, 1, 1, 1};
  for (DType x : {DType::U8, DType::I8})
    for (int zero : {0, 3, 127, -20})
      for (DType w : {DType::I8, DType::U8})
        for (bool per_channel : {false, true})
          if (zero >= 0 || x == DType::I8) expect_convolution(c, x, zero, w, per_channel, Bias | Codes);
}

TEST(Quantize, Epilogues) {
  for (int epilogue = 0; epilogue < 16; ++epilogue) {
    expect_convolution({32, 48, 7, 1}, DType::U8, 5, DType::I8, true, epilogue);
    expect_convolution({16, 16, 8, 3, 1, 1, 1}, DType::U8, 0, DType::I8, true, epilogue);
  }
}

TEST(Quantize, Convolutions) {
  const ConvCase cases[] = {{3, 32, 21, 3, 2, 1, 1},   {3, 64, 20, 7, 2, 1, 3}, {64, 64, 14, 3, 2, 1, 1},
                            {24, 144, 10, 1},          {144, 24, 10, 1},        {96, 96, 12, 3, 1, 96, 1},
                            {96, 96, 13, 3, 2, 96, 1}, {32, 300, 5, 1},         {8, 32, 9, 3, 1, 1, 1},
                            {20, 18, 6, 5, 1, 1, 2}};
  for (const ConvCase& c : cases)
    for (int zero : {0, 130}) expect_convolution(c, DType::U8, zero, DType::I8, true, Bias | Codes);
}

TEST(Quantize, WhatNoKernelSuitsStaysFloat) {
  graph::Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::U8, {5, 30}, {}}, "x");  // 30 products are no multiple of 4
  Value* w = b.constant(random_bytes(DType::I8, {30, 9}, 2));
  graph.set_outputs({b.matmul(dequantized(b, x, {{0.1f}, {3}}), dequantized(b, w, {{0.2f}, {0}}))}, {"y"});
  expect_quantizes(graph, {random_bytes(DType::U8, {5, 30}, 1)}, 0);
}

void expect_product(expr::Expr rows, int64_t k, int64_t n, bool transposed, DType dtype, int zero, bool output) {
  SCOPED_TRACE(
      str("product ", k, " x ", n, transposed ? " transposed" : "", " of ", dtype_name(dtype), " zero ", zero));
  graph::Graph graph;
  Builder b(graph);
  const bool symbolic = !expr::as_int(rows);
  if (symbolic) rows = graph.symbol("N");
  Value* x = graph.body().add_parameter({dtype, {2, rows, k}, {}}, "x");
  Value* w = b.constant(random_bytes(DType::I8, transposed ? Dims{n, k} : Dims{k, n}, 2));
  Value* y = b.matmul(dequantized(b, x, {{0.03f}, {zero}}),
                      dequantized(b, w, {scales(n, true), std::vector<int>(size_t(n), 0)}, transposed ? 0 : 1), false,
                      transposed);
  y = b.add(y, b.constant(tensor_of(DType::F32, {n}, std::vector<double>(size_t(n), 0.5))));
  if (output) y = quantized(b, y, dtype, {{2.5f}, {11}});
  graph.set_outputs({y}, {"y"});
  for (int64_t m : symbolic ? std::vector<int64_t>{1, 2, 5, 31} : std::vector<int64_t>{*expr::as_int(rows)})
    expect_quantizes(graph, {random_bytes(dtype, {2, m, k}, 5)});
}

TEST(Quantize, Products) {
  for (bool transposed : {false, true})
    for (bool output : {false, true}) {
      expect_product(17, 64, 50, transposed, DType::U8, 131, output);
      expect_product(1, 128, 300, transposed, DType::U8, 0, output);
      expect_product(9, 36, 33, transposed, DType::I8, -5, output);
      expect_product(expr::Expr(expr::make_var("any")), 48, 40, transposed, DType::U8, 7, output);
    }
}

// ConvInteger and MatMulInteger: centered operands and sums in I32, exact.
TEST(Quantize, IntegerContractions) {
  graph::Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::U8, {7, 32}, {}}, "x");
  Value* zero = graph.body().add_parameter({DType::U8, {}, {}}, "zero");  // as of DynamicQuantizeLinear
  Value* w = b.cast(b.constant(random_bytes(DType::I8, {32, 24}, 2)), DType::I32);
  Value* centered = b.sub(b.cast(x, DType::I32), b.cast(zero, DType::I32));
  graph.set_outputs({b.matmul(centered, w, false, false, DType::I32)}, {"y"});
  const std::vector<Tensor> inputs{random_bytes(DType::U8, {7, 32}, 1), tensor_of(DType::U8, {}, {77})};
  const auto want = graph::interpret(graph, inputs);
  auto after = graph::clone(graph);
  run(*after, {"quantize"});
  EXPECT_EQ(contractions_of_codes(*after), 1);
  EXPECT_TRUE(same_bits(graph::interpret(*after, inputs)[0], want[0]));
  EXPECT_TRUE(same_bits(driver::run_program(driver::compile_copy(graph), inputs, {{7, 24}})[0], want[0]));
}

TEST(Quantize, WeightsThatDoNotFitAByteStay) {
  graph::Graph graph;
  Builder b(graph);
  Value* x = b.cast(graph.body().add_parameter({DType::U8, {7, 32}, {}}, "x"), DType::I32);
  Value* w = b.sub(b.cast(b.constant(random_bytes(DType::U8, {32, 24}, 2)), DType::I32), b.scalar(DType::I32, 3));
  graph.set_outputs({b.matmul(x, w, false, false, DType::I32)}, {"y"});
  expect_quantizes(graph, {random_bytes(DType::U8, {7, 32}, 1)}, 0);
}

TEST(Quantize, CodesMoveAsCodes) {
  graph::Graph graph;
  Builder b(graph);
  Value* x = graph.body().add_parameter({DType::U8, {1, 16, 8, 8}, {}}, "x");
  const Parameters p{{0.3f}, {9}};
  const auto again = [&](Value* y) { return dequantized(b, quantized(b, y, DType::U8, p), p); };
  graph::PoolAttrs pool;
  pool.function = graph::PoolFunction::Max;
  pool.kernel = {3, 3}, pool.strides = {2, 2}, pool.dilations = {1, 1};
  pool.pads.assign(4, 1), pool.out_dims = {4, 4};
  Value* y = again(b.pool(dequantized(b, x, p), pool));
  y = again(b.transpose(y, {0, 2, 3, 1}));
  graph.set_outputs({quantized(b, b.reshape(y, {16, 16}), DType::U8, p)}, {"y"});
  auto after = graph::clone(graph);
  run(*after, {"quantize"});
  EXPECT_EQ(kinds(*after), "pool transpose reshape");
  const std::vector<Tensor> inputs{random_bytes(DType::U8, {1, 16, 8, 8}, 1)};
  EXPECT_TRUE(same_bits(graph::interpret(*after, inputs)[0], graph::interpret(graph, inputs)[0]));
}

}  // namespace
}  // namespace sardonyx::passes
