// Random graphs: compiled equals interpreted, and so does the graph after a random choice of passes. Each graph is a
// test of its own: its number is the seed, and the name of a failed test, given to --gtest_filter, repeats it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "compiler/passes/pipeline.h"
#include "tests/property/random_graph.h"

namespace sardonyx::property {
namespace {

// As many graphs as the variable says, for long runs; seeds count from 0.
int graphs() {
  const char* text = std::getenv("SARDONYX_TEST_GRAPHS");
  return text != nullptr ? std::atoi(text) : 1000;
}
// Evaluation orders that the error bounds do not know about (contracted products, vector sums).
constexpr double slack = 4;

double tolerance(const Tensor& tensor, double error) {
  if (error == 0) return 0;
  return slack * error + (tensor.dtype() == DType::F64 ? 1e-15 : 1e-7);
}

void expect_equal(const RandomGraph& random, const std::vector<Tensor>& actual, const std::vector<Tensor>& expected,
                  const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_EQ(driver::difference(actual[i], expected[i], tolerance(expected[i], random.errors[i])), "")
        << "output " << i << ", " << what << "\n"
        << graph::to_string(random.graph);
}

// Random passes in random order, fusion at most once and last, as its groups are opaque to the others.
std::string run_random_passes(graph::Graph& graph, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<passes::Pass> chosen;
  for (const passes::Pass& pass : passes::all_passes())
    if (random() % 2 && pass.run != passes::fuse) chosen.push_back(pass);
  std::shuffle(chosen.begin(), chosen.end(), random);
  if (random() % 2) chosen.push_back(*passes::find_pass("fuse"));
  std::string names = "after";
  for (const passes::Pass& pass : chosen) names += str(" ", pass.name);
  SCOPED_TRACE(names);
  passes::PassContext context;
  context.verify = true;
  passes::run_passes(graph, chosen, context);
  return names;
}

class GraphProperty : public testing::TestWithParam<int> {};

TEST_P(GraphProperty, CompiledEqualsInterpreted) {
  const int seed = GetParam();
  const RandomGraph random{uint64_t(seed)};
  static constexpr const char* names[] = {"policy auto", "policy codegen", "policy library", "deterministic"};
  const int choice = seed % 4;
  Settings settings = driver::with_policy(choice < 3 ? Policy(choice) : Policy::Auto);
  settings.deterministic = choice == 3;
  try {
    graph::verify(random.graph);
    const std::vector<Tensor> expected = graph::interpret(random.graph, random.inputs);
    auto rewritten = graph::clone(random.graph);
    const std::string passes = run_random_passes(*rewritten, uint64_t(seed) + 1);
    expect_equal(random, graph::interpret(*rewritten, random.inputs), expected, passes);
    expect_equal(random, driver::run_compiled(random.graph, random.inputs, expected, settings), expected,
                 names[choice]);
  } catch (const Error& error) {
    FAIL() << error.text() << ", " << names[choice] << "\n" << graph::to_string(random.graph);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, GraphProperty, testing::Range(0, graphs()));

}  // namespace
}  // namespace sardonyx::property
