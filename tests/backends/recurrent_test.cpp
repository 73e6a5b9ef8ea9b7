// Kernels of recurrent layers on targets with narrower vectors than the host's: smaller tiles, more partial panels.
// What they compute with the host's own is tests/compiler/driver/recurrent_test.cpp.
#include "backends/recurrent.h"

#include "compiler/graph/builder.h"
#include "compiler/passes/pass.h"
#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {
namespace {

using graph::RnnAttrs;
using graph::RnnKind;
using graph::Value;

void expect_right_on(const tensor::Target& target, const RnnAttrs& attrs, int64_t batch, unsigned seed) {
  const int64_t time = 4, directions = attrs.directions(), rows = attrs.gates() * attrs.hidden;
  std::mt19937 random(seed);
  graph::Graph graph;
  graph::Builder b(graph);
  std::vector<Tensor> inputs{random_tensor(DType::F32, {time, batch, directions * rows}, random),
                             random_tensor(DType::F32, {directions, rows, attrs.hidden}, random, -0.3, 0.3),
                             Tensor(DType::I32, {batch}),
                             random_tensor(DType::F32, {directions, batch, attrs.hidden}, random)};
  for (int64_t i = 0; i < batch; ++i) inputs[2].set_int(i, i % (time + 1));
  if (attrs.kind == RnnKind::Lstm) {
    inputs.push_back(random_tensor(DType::F32, {directions, batch, attrs.hidden}, random));
    inputs.push_back(random_tensor(DType::F32, {directions, 3 * attrs.hidden}, random));
  } else if (attrs.linear_before_reset) {
    inputs.push_back(random_tensor(DType::F32, {directions, attrs.hidden}, random));
  }
  std::vector<Value*> operands;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<expr::Expr> dims(inputs[i].dims().begin(), inputs[i].dims().end());
    operands.push_back(i == 1 ? b.constant(inputs[i])
                              : graph.body().add_parameter({inputs[i].dtype(), dims, {}}, str("x", i)));
  }
  const std::vector<Value*> results = b.rnn(operands, attrs);
  std::vector<std::string> names;
  for (size_t i = 0; i < results.size(); ++i) names.push_back(str("y", i));
  graph.set_outputs(results, names);
  passes::PassContext context;
  passes::fuse(graph, context);
  const auto is_group = [](const auto& node) { return node->op == graph::Op::fused; };
  const auto group = std::find_if(graph.body().nodes().begin(), graph.body().nodes().end(), is_group);
  ASSERT_NE(group, graph.body().nodes().end());

  const backends::LoweredRecurrence layer = backends::lower_recurrent(**group, target);
  const RunResult got = Runner(layer.problem, layer.lowered, target).run(inputs, {});
  ASSERT_EQ(got.code, 0);
  const std::vector<Tensor> want = graph::op_def(graph::Op::rnn).reference(attrs, inputs);
  for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(close(got.outputs[i], want[i], 1e-5, 1e-5)) << "output " << i;
}

TEST(RecurrentKernels, NarrowTargets) {
  for (const tensor::Target& target : narrow_targets()) {
    const int bytes = target.vector_bytes;
    for (RnnKind kind : {RnnKind::Lstm, RnnKind::Gru, RnnKind::Rnn})
      for (const bool linear : {false, true})
        for (int64_t batch : {1, 5}) {
          SCOPED_TRACE(str(bytes, " bytes, ", graph::rnn_names[int(kind)], ", batch ", batch));
          RnnAttrs attrs;
          attrs.kind = kind;
          attrs.hidden = 21;
          attrs.bidirectional = true;
          attrs.linear_before_reset = linear && kind == RnnKind::Gru;
          attrs.activations = kind == RnnKind::Lstm  ? "Sigmoid,Tanh,Tanh,Sigmoid,Tanh,Tanh"
                              : kind == RnnKind::Gru ? "Sigmoid,Tanh,Sigmoid,Tanh"
                                                     : "Tanh,Tanh";
          expect_right_on(target, attrs, batch, unsigned(bytes + batch));
        }
  }
}

}  // namespace
}  // namespace sardonyx::testing
