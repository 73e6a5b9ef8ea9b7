// The search for devices against brute force on small graphs, and clusters that only pay when they move together.
#include "compiler/driver/assignment.h"

#include <random>

#include "compiler/graph/builder.h"
#include "tests/compiler/driver/fake_device.h"

namespace sardonyx::driver {
namespace {

using graph::Graph;
using graph::Value;

// Groups with a candidate per device, of the given costs.
struct Problem {
  std::unique_ptr<Graph> graph;
  std::vector<FakeBackend> backends;
  std::vector<Place> places;
  std::vector<std::vector<backends::Candidate>> candidates;  // by group and device
  std::vector<Group> groups;
};

// `cost(group, device)`; negative: none there.
void finish(Problem& problem, size_t devices, const std::function<double(int, int)>& cost) {
  passes::PassContext context;
  passes::fuse(*problem.graph, context);
  for (size_t i = 0; i < devices; ++i) problem.backends.emplace_back(str("device", i), always(1));
  for (FakeBackend& backend : problem.backends) problem.places.push_back({&backend, &backend.info});
  std::vector<graph::Node*> nodes;
  for (auto& node : problem.graph->body().nodes())
    if (node->op == graph::Op::fused) nodes.push_back(node.get());
  problem.candidates.resize(nodes.size());
  for (size_t g = 0; g < nodes.size(); ++g) {
    problem.candidates[g].resize(devices);
    Group group{nodes[g], {}};
    for (size_t d = 0; d < devices; ++d) {
      problem.candidates[g][d].cost_ns = cost(int(g), int(d));
      if (problem.candidates[g][d].cost_ns >= 0) group.options.push_back({int(d), &problem.candidates[g][d]});
    }
    problem.groups.push_back(std::move(group));
  }
}

double cheapest_by_force(const Problem& problem, const Costs& costs) {
  Assignment assignment(problem.groups.size(), 0);
  double lowest = costs.total(assignment);
  for (;;) {
    size_t i = 0;
    while (i < assignment.size() && ++assignment[i] == int(problem.groups[i].options.size())) assignment[i++] = 0;
    if (i == assignment.size()) return lowest;
    lowest = std::min(lowest, costs.total(assignment));
  }
}

TEST(Assignment, EqualsBruteForceOnSmallGraphs) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(str("seed ", seed));
    std::mt19937_64 random(seed);
    const size_t devices = 2 + seed % 2;
    const int size = devices == 2 ? 9 : 7;
    Problem problem;
    problem.graph = std::make_unique<Graph>();
    graph::Builder b(*problem.graph);
    std::vector<Value*> values = {problem.graph->body().add_parameter({DType::F32, {16, 16}, {}}, "x")};
    for (int i = 0; i < size; ++i) {
      const auto pick = [&] { return values[values.size() - 1 - random() % std::min<size_t>(values.size(), 3)]; };
      values.push_back(b.matmul(pick(), pick()));
    }
    std::vector<Value*> ends;
    for (Value* value : values)
      if (value->uses.empty()) ends.push_back(value);
    problem.graph->set_outputs(ends, std::vector<std::string>(ends.size(), "y"));
    finish(problem, devices,
           [&](int, int device) { return device > 0 && random() % 8 == 0 ? refused : double(random() % 8000); });
    const Costs costs(problem.groups, problem.places);
    EXPECT_EQ(problem.groups.size(), size_t(size));
    EXPECT_NEAR(costs.total(assign(problem.groups, costs)), cheapest_by_force(problem, costs), 1e-6);
  }
}

// A chain on which the middle is faster on the device: no group alone pays for its two copies, all together do.
TEST(Assignment, MovesClusters) {
  Problem problem;
  problem.graph = std::make_unique<Graph>();
  graph::Builder b(*problem.graph);
  Value* x = problem.graph->body().add_parameter({DType::F32, {16, 16}, {}}, "x");
  for (int i = 0; i < 30; ++i) x = b.softmax(x, 1);
  problem.graph->set_outputs({x}, {"y"});
  finish(problem, 2,
         [](int group, int device) { return (group >= 10 && group < 20) == (device == 1) ? 1000. : 1500.; });
  const Costs costs(problem.groups, problem.places);
  const Assignment assignment = assign(problem.groups, costs);
  for (int g = 0; g < 30; ++g) EXPECT_EQ(assignment[size_t(g)], g >= 10 && g < 20 ? 1 : 0) << "group " << g;
}

TEST(Assignment, CountsSharedCopiesOnce) {
  Problem problem;
  problem.graph = std::make_unique<Graph>();
  graph::Builder b(*problem.graph);
  Value* x = problem.graph->body().add_parameter({DType::F32, {16, 16}, {}}, "x");
  problem.graph->set_outputs({b.softmax(x, 0), b.softmax(x, 1)}, {"y", "z"});
  finish(problem, 2, [](int, int) { return 100.; });
  const Costs costs(problem.groups, problem.places);
  const double copy = 1000 + 16 * 16 * 4;
  EXPECT_EQ(costs.total({0, 0}), 200);
  EXPECT_EQ(costs.total({0, 1}), 200 + 2 * copy);
  EXPECT_EQ(costs.total({1, 1}), 200 + 3 * copy) << "one upload, two downloads";
  EXPECT_EQ(costs.around(0, {1, 1}), 100 + 2 * copy);
}

TEST(Assignment, LoopsCountAsOftenAsTheyRun) {
  Problem problem;
  problem.graph = std::make_unique<Graph>();
  graph::Builder b(*problem.graph);
  Value* x = problem.graph->body().add_parameter({DType::F32, {16, 16}, {}}, "x");
  Value* weight = problem.graph->body().add_parameter({DType::F32, {16, 16}, {}}, "w");
  Value* trips = b.scalar(DType::I64, 5);
  const auto results = b.loop(trips, nullptr, {x}, [&](graph::Builder& in, Value*, Value*, std::vector<Value*> v) {
    return std::vector<Value*>{in.scalar(DType::Bool, 1), in.matmul(v[0], weight)};
  });
  problem.graph->set_outputs({results[0]}, {"y"});
  passes::PassContext context;
  passes::fuse(*problem.graph, context);
  problem.backends.emplace_back("host", always(1));
  problem.backends.emplace_back("gpu", always(1));
  for (FakeBackend& backend : problem.backends) problem.places.push_back({&backend, &backend.info});
  backends::Candidate candidate;
  candidate.cost_ns = 100;
  graph::Node* body = results[0]->producer->regions[0]->nodes().front().get();
  while (body->op != graph::Op::fused) body = std::next(body->position)->get();
  problem.groups.push_back({body, {{0, &candidate}, {1, &candidate}}});
  const Costs costs(problem.groups, problem.places);
  const double copy = 1000 + 16 * 16 * 4;
  EXPECT_EQ(costs.total({0}), 5 * 100);
  EXPECT_EQ(costs.total({1}), 5 * 100 + copy + 5 * 2 * copy) << "the weight once, the carried value in and out";
}

}  // namespace
}  // namespace sardonyx::driver
