// Attention as models write it becomes one group that runs as one kernel and computes the same.
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::Value;

// A graph under construction with values for its parameters.
struct Model {
  Graph graph;
  Builder b{graph};
  std::vector<Tensor> inputs;

  Value* input(std::vector<Expr> dims, Dims actual, DType dtype = DType::F32) {
    const bool flags = dtype == DType::Bool;
    inputs.push_back(random_tensor(dtype, std::move(actual), inputs.size() + 1, flags ? 0 : -2, flags ? 1 : 2));
    return graph.body().add_parameter({dtype, std::move(dims), {}}, str("x", inputs.size()));
  }
  Value* input(Dims dims, DType dtype = DType::F32) { return input({dims.begin(), dims.end()}, dims, dtype); }

  // [batch, length, heads * size] as [batch, heads, length, size], and back.
  Value* heads_of(Value* x, int64_t heads) {
    const std::vector<Expr> dims = x->type.dims;
    return b.transpose(b.reshape(x, {dims[0], dims[1], heads, *expr::as_int(dims[2]) / heads}), {0, 2, 1, 3});
  }
  Value* merged(Value* x) {
    const std::vector<Expr> dims = x->type.dims;
    return b.reshape(b.transpose(x, {0, 2, 1, 3}), {dims[0], dims[2], *expr::as_int(dims[1]) * *expr::as_int(dims[3])});
  }
  Value* scaled(Value* x, double factor) { return b.mul(x, b.scalar(DType::F32, factor)); }
  Value* low(double value = -INFINITY) { return b.scalar(DType::F32, value); }

  // Checks the values, and that one of `groups` groups runs both products.
  void expect_fused(std::vector<Value*> outputs, size_t groups, size_t attentions = 1) {
    std::vector<std::string> names;
    for (size_t i = 0; i < outputs.size(); ++i) names.push_back(str("y", i));
    graph.set_outputs(outputs, names);
    for (Policy policy : {Policy::Auto, Policy::Codegen})
      expect_compiled_equals_interpreted(graph, inputs, policy, 4e-6);
    const auto program = compile_copy(graph);
    std::vector<std::string> candidates;
    for (const auto& entry : program->report) candidates.push_back(entry.candidate);
    const auto is_attention = [](const std::string& c) { return c.rfind("codegen.attention", 0) == 0; };
    EXPECT_EQ(size_t(std::count_if(candidates.begin(), candidates.end(), is_attention)), attentions)
        << join(candidates, ", ");
    EXPECT_EQ(candidates.size(), groups) << join(candidates, ", ");
  }
};

TEST(Attention, OfAnEncoder) {
  Model m;
  Builder& b = m.b;
  Value *q = m.input({2, 9, 48}), *k = m.input({2, 9, 48}), *v = m.input({2, 9, 48}), *mask = m.input({2, 1, 1, 9});
  Value* keys = b.transpose(b.reshape(k, {2, 9, 3, 16}), {0, 2, 3, 1});
  Value* logits = b.add(m.scaled(b.matmul(m.heads_of(q, 3), keys), 0.25), mask);
  m.expect_fused({m.merged(b.matmul(b.softmax(logits, 3), m.heads_of(v, 3)))}, 1);
}

TEST(Attention, OfADecoderWithPastKeys) {
  for (int64_t fresh : {1, 5, 20}) {
    SCOPED_TRACE(fresh);
    Model m;
    Builder& b = m.b;
    const Expr n = m.graph.symbol("n"), past = m.graph.symbol("past");
    Value* joint = m.input({1, n, 96}, {1, fresh, 96});
    std::vector<Value*> parts, old;
    for (int64_t i = 0; i < 3; ++i) parts.push_back(m.heads_of(b.slice_axis(joint, 2, i * 32, 32), 2));
    for (int64_t i = 0; i < 2; ++i) old.push_back(m.input({1, 2, past, 16}, {1, 2, 4, 16}));
    Value *keys = b.concat({old[0], parts[1]}, 2), *values = b.concat({old[1], parts[2]}, 2);
    Value* keep = m.input({1, 1, n, past + n}, {1, 1, fresh, 4 + fresh}, DType::Bool);
    Value* logits = b.select(keep, m.scaled(b.matmul(parts[0], keys, false, true), 0.25), m.low(-1e4));
    m.expect_fused({m.merged(b.matmul(b.softmax(logits, 3), values)), keys, values}, 3);
  }
}

// Of vision models: one projection, whose parts are taken after it was transposed.
TEST(Attention, OfAJointProjection) {
  Model m;
  Builder& b = m.b;
  Value* all = b.transpose(b.reshape(m.input({2, 7, 96}), {2, 7, 3, 2, 16}), {2, 0, 3, 1, 4});
  std::vector<Value*> parts;
  for (int64_t i = 0; i < 3; ++i) parts.push_back(b.reshape(b.slice_axis(all, 0, i, 1), {2, 2, 7, 16}));
  Value* scores = b.matmul(m.scaled(parts[0], 0.5), m.scaled(parts[1], 0.5), false, true);
  m.expect_fused({m.merged(b.matmul(b.softmax(scores, -1), parts[2]))}, 1);
}

// As ONNX's Attention is lowered: heads of queries that share keys as rows of one product, a cap, queries without keys.
TEST(Attention, OfHeadsThatShareKeys) {
  for (int64_t queries : {1, 12}) {
    SCOPED_TRACE(queries);
    Model m;
    Builder& b = m.b;
    Value *q = m.input({2, 6, queries, 8}), *k = m.input({2, 2, 5, 8}), *v = m.input({2, 2, 5, 8});
    Value* scores = b.reshape(b.matmul(b.reshape(q, {2, 2, 3 * queries, 8}), k, false, true), {2, 6, queries, 5});
    Value* capped = m.scaled(b.unary(graph::UnaryFunction::Tanh, m.scaled(scores, 0.5)), 2);
    Value* logits = b.select(m.input({queries, 5}, DType::Bool), capped, m.low());
    m.inputs.back().set_int(0, 1);
    for (int64_t i = 0; i < 5; ++i) m.inputs.back().set_int((queries - 1) * 5 + i, 0);
    Value* largest = b.reduce(graph::ReduceFunction::Max, logits, {3}, true);
    Value* weights = b.select(b.equal(largest, m.low()), b.scalar(DType::F32, 0), b.softmax(logits, 3));
    Value* product = b.matmul(b.reshape(weights, {2, 2, 3 * queries, 5}), v);
    m.expect_fused({m.merged(b.reshape(product, {2, 6, queries, 8}))}, 1);
  }
}

TEST(Attention, ScoresThatAreAResultStayApart) {
  Model m;
  Builder& b = m.b;
  Value* scores = b.matmul(m.input({2, 4, 8}), m.input({2, 5, 8}), false, true);
  Value* result = b.matmul(b.softmax(scores, 2), m.input({2, 5, 8}));
  m.expect_fused({result, scores}, 3, 0);
}

TEST(Attention, TwoProductsInTheScoresStayApart) {
  Model m;
  Builder& b = m.b;
  Value *q = m.input({2, 4, 8}), *k = m.input({2, 5, 8}), *positions = m.input({2, 5, 8});
  Value* scores = b.add(b.matmul(q, k, false, true), b.matmul(q, positions, false, true));
  m.expect_fused({b.matmul(b.softmax(scores, 2), m.input({2, 5, 8}))}, 4, 0);
}

}  // namespace
}  // namespace sardonyx::driver
