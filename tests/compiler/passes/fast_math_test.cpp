// Products of bf16 in the place of F32's: what is compiled is what the interpreter computes of rounded operands, and
// only where the settings ask for it.
#include "backends/cpu/llvm/compile.h"
#include "compiler/graph/builder.h"
#include "tests/compiler/passes/run_pass.h"

namespace sardonyx::passes {
namespace {

using driver::random_tensor;
using graph::Builder;
using graph::Graph;
using graph::Value;

using Build = Value* (*)(Builder&, Value*);

struct Layer {
  const char* name;
  Dims dims;  // of x
  Build build;
  bool narrow = true;
};

Value* constant(Builder& b, Dims dims, uint64_t seed) {
  return b.constant(random_tensor(DType::F32, std::move(dims), seed));
}

Value* convolution(Builder& b, Value* x, const Dims& weights, int64_t stride, int64_t groups = 1) {
  graph::ConvAttrs attrs;
  attrs.strides = {stride, stride};
  attrs.dilations = {1, 1};
  attrs.pads.assign(4, weights[2] / 2);
  attrs.groups = groups;
  return b.conv(x, constant(b, weights, 5), attrs);
}

Value* relu(Builder& b, Value* x) { return b.maximum(x, b.scalar(DType::F32, 0)); }

const Layer layers[] = {
    {"product",
     {20, 64},
     [](Builder& b, Value* x) {
       return b.add(b.matmul(x, constant(b, {64, 48}, 1)), constant(b, {48}, 2));
     }},
    {"one row",
     {1, 256},
     [](Builder& b, Value* x) {
       return b.matmul(x, constant(b, {256, 80}, 1));
     }},
    {"two products of a norm and its residual sum",
     {4, 10, 32},
     [](Builder& b, Value* x) {
       Value* norm = b.layer_norm(x, constant(b, {32}, 1), constant(b, {32}, 2), 2, 1e-5);
       Value* inner = relu(b, b.matmul(norm, constant(b, {32, 64}, 3)));
       return b.add(norm, b.matmul(inner, constant(b, {64, 32}, 4)));
     }},
    {"1 x 1 convolutions and a residual sum",
     {1, 32, 9, 9},
     [](Builder& b, Value* x) {
       Value* first = relu(b, convolution(b, x, {48, 32, 1, 1}, 1));
       Value* second = relu(b, convolution(b, first, {48, 48, 1, 1}, 1));
       return b.add(first, second);
     }},
    {"strided convolution",
     {1, 32, 15, 15},
     [](Builder& b, Value* x) {
       return convolution(b, x, {64, 32, 3, 3}, 2);
     }},
    {"3 x 3 convolution of a small image",
     {2, 64, 7, 7},
     [](Builder& b, Value* x) {
       return convolution(b, x, {32, 64, 3, 3}, 1);
     }},
    {"3 x 3 convolution",
     {1, 32, 40, 40},
     [](Builder& b, Value* x) {
       return convolution(b, x, {32, 32, 3, 3}, 1);
     },
     false},
    {"stem",
     {1, 3, 20, 20},
     [](Builder& b, Value* x) {
       return convolution(b, x, {32, 3, 3, 3}, 2);
     },
     false},
    {"groups",
     {1, 32, 10, 10},
     [](Builder& b, Value* x) {
       return convolution(b, x, {32, 8, 1, 1}, 1, 4);
     },
     false},
    {"an odd depth",
     {20, 63},
     [](Builder& b, Value* x) {
       return b.matmul(x, constant(b, {63, 48}, 1));
     },
     false},
    {"no constant", {20, 20}, [](Builder& b, Value* x) { return b.matmul(x, x); }, false},
};

std::unique_ptr<Graph> graph_of(const Layer& layer) {
  auto graph = std::make_unique<Graph>();
  Builder b(*graph);
  Value* x = graph->body().add_parameter({DType::F32, {layer.dims.begin(), layer.dims.end()}, {}}, "x");
  graph->set_outputs({layer.build(b, x)}, {"y"});
  return graph;
}

void rewrite(Graph& graph) {
  PassContext context;
  context.bf16_products = true;
  for (const char* name : {"fast_math", "cse"}) EXPECT_TRUE(find_pass(name) != nullptr) << name;
  fast_math(graph, context);
  eliminate_common(graph, context);
  graph::verify(graph);
}

bool narrows(const Graph& graph) {
  for (const auto& node : graph.body().nodes())
    if (node->op == graph::Op::cast) return true;
  return false;
}

double largest(const Tensor& tensor) {
  double result = 0;
  for (int64_t i = 0; i < tensor.count(); ++i) result = std::max(result, std::fabs(tensor.as_double(i)));
  return result;
}

Settings fast() {
  Settings settings;
  settings.fast_math = true;
  return settings;
}

TEST(FastMath, IsWhatRoundedOperandsGive) {
  for (const Layer& layer : layers) {
    SCOPED_TRACE(layer.name);
    const auto made = graph_of(layer);
    const Graph& graph = *made;
    const std::vector<Tensor> inputs = {random_tensor(DType::F32, layer.dims, 7)};
    const auto exact = graph::interpret(graph, inputs);

    auto rewritten = graph::clone(graph);
    rewrite(*rewritten);
    EXPECT_EQ(narrows(*rewritten), layer.narrow);
    const auto rounded = graph::interpret(*rewritten, inputs);
    EXPECT_EQ(driver::difference(rounded[0], exact[0], 0.02 * largest(exact[0])), "");

    // Sums of another order may round an operand of the next product to its neighbour.
    const auto& wanted = cpu::host_target().bf16_products ? rounded : exact;
    const auto compiled = driver::run_compiled(graph, inputs, wanted, fast());
    EXPECT_EQ(driver::difference(compiled[0], wanted[0], 1e-3 * largest(wanted[0])), "");
  }
}

TEST(FastMath, IsOffUnlessWanted) {
  const Layer& layer = layers[0];
  const auto made = graph_of(layer);
  const Graph& graph = *made;
  const std::vector<Tensor> inputs = {random_tensor(DType::F32, layer.dims, 7)};
  const auto exact = graph::interpret(graph, inputs);
  Settings exact_too = fast(), deterministic_too = fast();
  exact_too.exact = true;
  deterministic_too.deterministic = true;
  for (const Settings& settings : {Settings{}, exact_too, deterministic_too})
    EXPECT_EQ(
        driver::difference(driver::run_compiled(graph, inputs, exact, settings)[0], exact[0], 2e-6 * largest(exact[0])),
        "");
}

}  // namespace
}  // namespace sardonyx::passes
