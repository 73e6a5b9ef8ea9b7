// The work of groups in the report, and which steps are whose.
#include "compiler/driver/work.h"

#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/analysis.h"
#include "runtime/dims.h"
#include "runtime/plan.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using graph::Builder;
using graph::Expr;
using graph::Graph;
using graph::Value;
using runtime::Block;
using runtime::GroupReport;
using runtime::Program;

class GroupWork : public testing::Test {
 protected:
  Value* input(std::vector<Expr> dims, DType dtype = DType::F32) {
    return graph.body().add_parameter({dtype, std::move(dims), {}}, str("x", graph.body().parameters().size()));
  }
  Value* weights(Dims dims) { return b.constant(random_tensor(DType::F32, std::move(dims), 7)); }
  std::shared_ptr<const Program> compiled(Value* output, Policy policy = Policy::Codegen) {
    graph.set_outputs({output}, {"y"});
    return compile_copy(graph, policy);
  }
  // Of a graph that is one group.
  GroupReport only_group(Value* output) {
    const auto program = compiled(output);
    EXPECT_EQ(program->report.size(), 1u);
    return program->report.at(0);
  }

  Graph graph;
  Builder b{graph};
};

double flops_of(const Program& program) {
  double flops = 0;
  for (const GroupReport& entry : program.report) flops += entry.flops;
  return flops;
}

void count_steps(const Block& block, std::vector<int64_t>& counts) {
  for (const runtime::Step& step : block.steps) {
    if (step.report >= 0) ++counts.at(size_t(step.report));
    for (const auto& nested : step.blocks) count_steps(*nested, counts);
  }
}

void expect_every_step_is_counted(const Program& program) {
  std::vector<int64_t> counts(program.report.size());
  count_steps(program.main, counts);
  for (size_t i = 0; i < counts.size(); ++i) EXPECT_EQ(counts[i], program.report[i].steps) << program.report[i].name;
}

TEST_F(GroupWork, Matmul) {
  const GroupReport group = only_group(b.exp(b.matmul(input({5, 7, 16}), input({16, 24}))));
  EXPECT_EQ(group.flops, 2.0 * 5 * 7 * 24 * 16 + 5 * 7 * 24);
  EXPECT_EQ(group.bytes, 4.0 * (5 * 7 * 16 + 16 * 24 + 5 * 7 * 24));
}

TEST_F(GroupWork, TransposedMatmul) {
  const GroupReport group = only_group(b.matmul(input({16, 7}), input({24, 16}), true, true));
  EXPECT_EQ(group.flops, 2.0 * 7 * 24 * 16);
}

TEST_F(GroupWork, SymbolicDimsAreTypicalUntilTheyAreBound) {
  const Expr n = graph.symbol("N");
  Value* x = input({n, 16});
  Value* y = input({16, 24});
  const auto program = compiled(b.reshape(b.matmul(x, y), {n * Expr(24)}));
  ASSERT_EQ(program->report.size(), 1u);
  EXPECT_EQ(program->report[0].flops, 2.0 * 64 * 24 * 16);
  EXPECT_EQ(program->report[0].bytes, 4.0 * (64 * 16 + 16 * 24 + 64 * 24));
  const auto analysis = std::make_shared<const runtime::Analysis>(program);
  const Dims first{5, 16}, second{16, 24};
  const std::vector<std::span<const int64_t>> shapes{first, second};
  const GroupReport bound = report_under(*program, bind_dims(*analysis, shapes)).at(0);
  EXPECT_EQ(bound.flops, 2.0 * 5 * 24 * 16);
  EXPECT_EQ(bound.bytes, 4.0 * (5 * 16 + 16 * 24 + 5 * 24));
  EXPECT_EQ(bound.name, program->report[0].name);
}

TEST_F(GroupWork, SizesOfTheRunStayTypical) {
  Value* positions = b.nonzero(input({3, 4}));
  const auto program = compiled(b.exp(b.cast(positions, DType::F32)));
  const auto analysis = std::make_shared<const runtime::Analysis>(program);
  const Dims shape{3, 4};
  const std::vector<std::span<const int64_t>> shapes{shape};
  const auto report = report_under(*program, bind_dims(*analysis, shapes));
  EXPECT_GT(report.back().flops, 0);
  EXPECT_EQ(report.back().flops, program->report.back().flops);
}

TEST_F(GroupWork, Convolution) {
  Value* y = b.exp(b.conv(input({2, 16, 9, 9}), weights({24, 16, 3, 3}), same_size()));
  const double expected = 2.0 * 2 * 24 * 81 * 16 * 9 + 2 * 24 * 81;
  for (Policy policy : {Policy::Auto, Policy::Codegen, Policy::Library}) {
    const auto program = compiled(y, policy);
    EXPECT_EQ(flops_of(*program), expected);
    expect_every_step_is_counted(*program);
  }
}

TEST_F(GroupWork, ConvolutionInGroups) {
  EXPECT_EQ(flops_of(*compiled(b.conv(input({1, 8, 9, 9}), weights({8, 2, 3, 3}), same_size(4)))),
            2.0 * 8 * 81 * 2 * 9);
}

TEST_F(GroupWork, TransposedConvolution) {
  graph::ConvTransposeAttrs attrs;
  attrs.strides = {2, 2};
  attrs.dilations = {1, 1};
  attrs.pads = std::vector<Expr>(4, Expr(0));
  attrs.out_dims = {11, 11};
  EXPECT_EQ(flops_of(*compiled(b.conv_transpose(input({1, 4, 5, 5}), weights({4, 6, 3, 3}), attrs))),
            2.0 * 4 * 25 * 6 * 9);
}

TEST_F(GroupWork, RecurrentLayer) {
  graph::RnnAttrs attrs;
  attrs.kind = graph::RnnKind::Rnn;
  attrs.hidden = 8;
  attrs.activations = "Tanh";
  Value* projected = input({5, 3, 8});
  Value* lengths = input({3}, DType::I32);
  Value* state = input({1, 3, 8});
  EXPECT_EQ(flops_of(*compiled(b.rnn({projected, weights({1, 8, 8}), lengths, state}, attrs)[0])), 2.0 * 5 * 3 * 8 * 8);
}

TEST_F(GroupWork, ReductionsCountTheirOperands) {
  const GroupReport group = only_group(b.reduce(graph::ReduceFunction::Sum, b.exp(input({6, 50})), {1}, false));
  EXPECT_EQ(group.flops, 6 * 50 + 6 * 50);
  EXPECT_EQ(group.bytes, 4 * (6 * 50 + 6));
}

TEST_F(GroupWork, OfATableOnlyWhatIsPickedIsRead) {
  const GroupReport group = only_group(b.gather(input({1000, 16}), input({3}, DType::I64), 0));
  EXPECT_EQ(group.flops, 0);
  EXPECT_EQ(group.bytes, 4 * 3 * 16 + 8 * 3 + 4 * 3 * 16);
}

TEST_F(GroupWork, BlocksCountTheirPadding) {
  const graph::TensorType type{DType::F32, {1, 24, 5, 5}, graph::Layout::blocked(1, 16)};
  EXPECT_EQ(expr::as_int(expr::simplify(physical_bytes(type))), 4 * 32 * 25);
}

TEST_F(GroupWork, ConcatenationsInPlaceCountTheirCopies) {
  Value* x = input({4, 5});
  const auto program = compiled(b.concat({x, b.exp(x), weights({4, 5})}, 0));
  const auto& report = program->report;
  const auto concat =
      std::find_if(report.begin(), report.end(), [](const GroupReport& entry) { return entry.primitives == "concat"; });
  ASSERT_NE(concat, report.end());
  EXPECT_EQ(concat->candidate, "in place, 2 of 3 operands copied");
  EXPECT_EQ(concat->steps, 2);
  EXPECT_EQ(concat->bytes, 2 * 2 * 4 * 20);
  expect_every_step_is_counted(*program);
}

TEST_F(GroupWork, StepsOfLoopsBelongToTheirGroups) {
  Value* x = input({4, 5});
  Value* trips = input({}, DType::I64);
  const auto results = b.loop(trips, nullptr, {x}, [](Builder& in, Value*, Value*, std::vector<Value*> carried) {
    return std::vector<Value*>{in.scalar(DType::Bool, 1), in.exp(carried[0])};
  });
  const auto program = compiled(results[0]);
  ASSERT_GE(program->report.size(), 1u);
  EXPECT_EQ(flops_of(*program), 20);
  expect_every_step_is_counted(*program);
}

}  // namespace
}  // namespace sardonyx::driver
