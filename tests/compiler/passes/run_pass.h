// Running one pass on a graph in textual form.
#pragma once
#include <gtest/gtest.h>

#include "compiler/passes/pipeline.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::passes {

inline std::unique_ptr<graph::Graph> parsed(const std::string& text) {
  auto graph = graph::parse(text);
  graph::verify(*graph);
  return graph;
}

// Runs the named passes with the verifier on.
inline void run(graph::Graph& graph, const std::vector<std::string>& names) {
  std::vector<Pass> chosen;
  for (const std::string& name : names) {
    const Pass* pass = find_pass(name);
    ASSERT_NE(pass, nullptr) << name;
    chosen.push_back(*pass);
  }
  PassContext context;
  context.verify = true;
  run_passes(graph, chosen, context);
  EXPECT_EQ(context.timings.size(), names.size());
}

// The kinds of the body's nodes in order, without constants and the yield: "conv binary unary".
inline std::string kinds(const graph::Region& region) {
  std::vector<std::string> names;
  for (const auto& node : region.nodes())
    if (node->op != graph::Op::constant && node->op != graph::Op::yield)
      names.push_back(std::string(graph::op_name(node->op)));
  return join(names, " ");
}
inline std::string kinds(const graph::Graph& graph) { return kinds(graph.body()); }

// The kinds inside each fused group, one string per group in order.
inline std::vector<std::string> groups(const graph::Graph& graph) {
  std::vector<std::string> result;
  for (const auto& node : graph.body().nodes())
    if (node->op == graph::Op::fused) result.push_back(kinds(*node->regions[0]));
  return result;
}

// After `names`, the graph is `expected` (both in textual form) up to the numbering of values.
inline void expect_rewrite(const std::string& text, const std::vector<std::string>& names,
                           const std::string& expected) {
  auto graph = parsed(text);
  run(*graph, names);
  EXPECT_EQ(graph::to_string(*graph), graph::to_string(*parsed(expected)));
}

// After `names`, the graph still computes the same within `tolerance`; returns it.
inline std::unique_ptr<graph::Graph> expect_same_values(const graph::Graph& before,
                                                        const std::vector<std::string>& names, double tolerance,
                                                        const std::vector<Tensor>& inputs) {
  auto after = graph::clone(before);
  run(*after, names);
  const auto expected = graph::interpret(before, inputs), actual = graph::interpret(*after, inputs);
  EXPECT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_EQ(driver::difference(actual[i], expected[i], tolerance), "") << "output " << i;
  return after;
}

}  // namespace sardonyx::passes
