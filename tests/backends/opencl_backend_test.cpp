// What the OpenCL backend offers for groups of a graph, and what it compiles them to.
#include "backends/opencl/backend.h"

#include <gtest/gtest.h>

#include "backends/opencl/kernel.h"
#include "compiler/graph/graph.h"
#include "compiler/passes/pass.h"

namespace sardonyx::testing {
namespace {

using backends::Candidate;
using graph::Node;
using graph::Op;

const char* const model = R"(graph(%0:f32[1,16,8,8] "x") {
    %1:f32[1,16,8,8] = pool %0 {fn=max, kernel=[1,1], strides=[1,1], dilations=[1,1], pads=[0,0,0,0], out_dims=[8,8]}
    %2:i64[4,k] = nonzero %1
    yield %1 "y", %2 "where"
  })";

tensor::Target target_of(tensor::TargetKind kind) {
  tensor::Target target;
  target.kind = kind;
  target.cores = 4;
  target.vector_bytes = 32;
  target.local_bytes = 32 << 10;
  target.max_group = 256;
  target.fp64 = true;
  return target;
}

// The group around the first node of that kind.
const Node& group_of(const graph::Graph& graph, Op op) {
  for (const auto& node : graph.body().nodes())
    if (node->op == Op::fused && node->regions[0]->nodes().front()->op == op) return *node;
  throw Error(Status::InternalError, "no such group");
}

std::unique_ptr<graph::Graph> fused() {
  auto graph = graph::parse(model);
  passes::PassContext context;
  passes::fuse(*graph, context);
  return graph;
}

TEST(OpenClBackend, OffersFamiliesOfTheKindOfDevice) {
  auto graph = fused();
  const Node& pool = group_of(*graph, Op::pool);
  const backends::Backend& backend = opencl::backend();
  EXPECT_EQ(backend.name(), "opencl");
  auto cpu = backend.candidates(pool, target_of(tensor::TargetKind::OpenClCpu));
  ASSERT_EQ(cpu.list.size(), 2u);  // row-major and in blocks of channels
  EXPECT_TRUE(cpu.list[0].inputs.empty());
  EXPECT_EQ(cpu.list[1].inputs.at(0), graph::Layout::blocked(1, 8));
  auto gpu = backend.candidates(pool, target_of(tensor::TargetKind::OpenClGpu));
  ASSERT_GE(gpu.list.size(), 2u);  // several families, row-major all
  EXPECT_EQ(gpu.list[0].family.substr(0, 11), "opencl.gpu_");
  EXPECT_EQ(gpu.list.back().family, "opencl.loops");
  for (const Candidate& candidate : gpu.list) EXPECT_TRUE(candidate.inputs.empty());
  for (const auto& list : {cpu.list, gpu.list}) {
    for (const Candidate& candidate : list) {
      EXPECT_EQ(candidate.kind, Candidate::Kind::Scheduled);
      EXPECT_GT(candidate.cost_ns, 0);
    }
  }
}

TEST(OpenClBackend, RefusesHostOperatorsWithAReason) {
  auto graph = fused();
  auto answer = opencl::backend().candidates(group_of(*graph, Op::nonzero), target_of(tensor::TargetKind::OpenClCpu));
  EXPECT_TRUE(answer.list.empty());
  EXPECT_EQ(answer.refusals, std::vector<std::string>{"opencl: no tensor expression"});
}

TEST(OpenClBackend, CompilesEveryCandidate) {
  auto graph = fused();
  const Node& pool = group_of(*graph, Op::pool);
  for (auto kind : {tensor::TargetKind::OpenClCpu, tensor::TargetKind::OpenClGpu}) {
    const tensor::Target target = target_of(kind);
    std::vector<backends::Chosen> batch;
    for (const Candidate& candidate : opencl::backend().candidates(pool, target).list)
      batch.push_back({&pool, candidate});
    auto compiled = opencl::backend().compile(batch, target, Settings{});
    ASSERT_EQ(compiled.size(), batch.size());
    for (const backends::CompiledGroup& group : compiled) {
      EXPECT_EQ(group.host, nullptr);
      ASSERT_FALSE(group.launches.empty());
      EXPECT_EQ(group.launches.back().outputs, std::vector<int>{1});  // operand 0 is the input
      for (const auto& launch : group.launches) {
        auto* kernel = dynamic_cast<const opencl::Kernel*>(launch.kernel.get());
        ASSERT_NE(kernel, nullptr);
        EXPECT_NE(kernel->source()->text.find("void " + kernel->entry() + "("), std::string::npos);
      }
    }
  }
  EXPECT_TRUE(opencl::backend().compile({}, target_of(tensor::TargetKind::OpenClCpu), Settings{}).empty());
}

}  // namespace
}  // namespace sardonyx::testing
