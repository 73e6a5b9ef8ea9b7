// Candidate choice: policies, layouts that spread through a chain of groups, reorders where layouts differ.
#include "compiler/driver/select.h"

#include <gtest/gtest.h>

#include "compiler/driver/group_key.h"
#include "compiler/passes/pass.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using graph::Layout;
using graph::Node;
using graph::Op;

// A backend of made-up candidates: `window` groups in blocks or (dearer) plain, everything else plain or blocked.
class FakeBackend : public backends::Backend {
 public:
  std::string_view name() const override { return "fake"; }
  std::vector<backends::DeviceInfo> discover() const override { return {}; }
  runtime::DevicePtr open(const backends::DeviceInfo&, const backends::OpenOptions&) const override { return nullptr; }
  backends::Candidates candidates(const Node& group, const backends::Target&) const override {
    using backends::Candidate;
    ++queries;
    const Op first = group.regions[0]->nodes().front()->op;
    const Layout blocked = Layout::blocked(1, 8);
    const auto entry = [&](Candidate::Kind kind, const char* family, bool blocks, double cost) {
      Candidate candidate;
      candidate.kind = kind;
      candidate.family = family;
      candidate.cost_ns = cost;
      candidate.inputs.assign(group.operands.size(), blocks ? blocked : Layout{});
      candidate.outputs.assign(group.results.size(), blocks ? blocked : Layout{});
      return candidate;
    };
    if (first == Op::reorder) return {{entry(Candidate::Kind::Scheduled, "reorder", false, 100)}, {}};
    if (first == Op::pool)
      return {{entry(Candidate::Kind::Scheduled, "plain", false, plain_cost),
               entry(Candidate::Kind::Vendor, "vendor", true, 1000)},
              {"other: not today"}};
    if (first == Op::reduce) return {{}, {"nobody reduces"}};
    return {
        {entry(Candidate::Kind::Scheduled, "map", false, 1000), entry(Candidate::Kind::Scheduled, "map", true, 1000)},
        {}};
  }
  std::vector<backends::CompiledGroup> compile(std::span<const backends::Chosen>, const backends::Target&,
                                               const Settings&) const override {
    return {};
  }
  double plain_cost = 1e6;
  mutable int queries = 0;
};

const char* const chain = R"(graph(%0:f32[1,8,4,4] "x") {
    %1:f32[1,8,4,4] = pool %0 {fn=max, kernel=[1,1], strides=[1,1], dilations=[1,1], pads=[0,0,0,0], out_dims=[4,4]}
    %2:f32[1,8,4,4] = transpose %1 {perm=[0,1,3,2]}
    %3:f32[1,8,4,4] = pool %2 {fn=max, kernel=[1,1], strides=[1,1], dilations=[1,1], pads=[0,0,0,0], out_dims=[4,4]}
    yield %3 "y"
  })";

int reorders(const graph::Graph& graph) {
  int count = 0;
  for (const auto& node : graph.body().nodes())
    count += node->op == Op::fused && node->regions[0]->nodes().front()->op == Op::reorder;
  return count;
}

std::unique_ptr<graph::Graph> fused(const std::string& text) {
  auto graph = graph::parse(text);
  passes::PassContext context;
  passes::fuse(*graph, context);
  return graph;
}

// On the host alone.
std::map<const Node*, Choice> select_on_host(graph::Graph& graph, const backends::Backend& backend, Policy policy) {
  backends::DeviceInfo info;
  info.backend = "cpu";
  const Place place{&backend, &info};
  Settings settings;
  settings.policy = policy;
  return select(graph, {&place, 1}, settings, 0);
}

TEST(Select, SpreadsLayoutsAndReordersAtTheEnds) {
  auto graph = fused(chain);
  FakeBackend backend;
  const auto choices = select_on_host(*graph, backend, Policy::Auto);
  EXPECT_EQ(reorders(*graph), 2) << graph::to_string(*graph);
  EXPECT_EQ(choices.size(), 5u);
  for (const auto& [group, choice] : choices) {
    if (choice.candidate.family == "reorder") continue;
    EXPECT_EQ(group->result()->type.layout, Layout::blocked(1, 8));
    EXPECT_EQ(group->operand(0)->type.layout, Layout::blocked(1, 8));
  }
  EXPECT_TRUE(graph->body().outputs()[0]->type.layout.row_major());
}

TEST(Select, EqualGroupsAreAskedOnce) {
  auto graph = fused(chain);
  FakeBackend backend;
  select_on_host(*graph, backend, Policy::Auto);
  EXPECT_EQ(backend.queries, 4) << "pool, transpose and two reorders";
}

TEST(Select, CheapEnoughPlainCandidatesAvoidReorders) {
  auto graph = fused(chain);
  FakeBackend backend;
  backend.plain_cost = 1001;
  select_on_host(*graph, backend, Policy::Auto);
  EXPECT_EQ(reorders(*graph), 0) << graph::to_string(*graph);
}

TEST(Select, PolicyIsAPreference) {
  auto graph = fused(chain);
  FakeBackend backend;
  std::map<std::string, int> families;
  for (const auto& [group, choice] : select_on_host(*graph, backend, Policy::Codegen))
    ++families[choice.candidate.family];
  EXPECT_EQ(families, (std::map<std::string, int>{{"plain", 2}, {"map", 1}}));

  graph = fused(chain);
  backend.plain_cost = 1;
  families.clear();
  for (const auto& [group, choice] : select_on_host(*graph, backend, Policy::Library))
    ++families[choice.candidate.family];
  EXPECT_EQ(families["vendor"], 2) << "although dearer";
  EXPECT_EQ(families["map"], 1) << "no library runs it, and everything must run";
}

TEST(Select, SaysWhy) {
  auto graph = fused(chain);
  FakeBackend backend;
  for (const auto& [group, choice] : select_on_host(*graph, backend, Policy::Auto)) {
    if (choice.candidate.family != "vendor") continue;
    EXPECT_NE(choice.reason.find("plain"), std::string::npos) << choice.reason;
    EXPECT_NE(choice.reason.find("other: not today"), std::string::npos) << choice.reason;
  }
}

TEST(Select, NamesGroupsThatNobodyTakes) {
  auto graph = fused(R"(graph(%0:f32[4] "x") {
    %1:f32[] = reduce %0 {fn=sum, axes=[0]} from "the node"
    yield %1 "y"
  })");
  FakeBackend backend;
  try {
    select_on_host(*graph, backend, Policy::Auto);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::UnsupportedOperator);
    EXPECT_NE(error.text().find("the node"), std::string::npos) << error.text();
    EXPECT_NE(error.text().find("nobody reduces"), std::string::npos) << error.text();
  }
}

TEST(Select, GroupsDifferingInNamesShareAKey) {
  auto graph = fused(R"(graph(%0:f32[N,4] "x", %1:f32[M,4] "y", %2:f32[M,5] "z") {
    %3:f32[N,4] = unary %0 {fn=exp} from "a"
    %4:f32[M,4] = unary %1 {fn=exp} from "b"
    %5:f32[M,5] = unary %2 {fn=exp} from "c"
    yield %3 "p", %4 "q", %5 "r"
  })");
  std::vector<std::string> keys;
  for (const auto& node : graph->body().nodes())
    if (node->op == Op::fused) {
      keys.push_back(group_key(*node));
      EXPECT_EQ(group_symbols(*node).size(), 1u);
    }
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_NE(keys[1], keys[2]);
}

}  // namespace
}  // namespace sardonyx::driver
