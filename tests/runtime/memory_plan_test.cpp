// Packing of lifetimes, and the plans of whole programs.
#include "runtime/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

#include "runtime/plan.h"
#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

int64_t padded(int64_t bytes) { return std::max<int64_t>((bytes + 63) / 64 * 64, 64); }

void expect_disjoint(const std::vector<ArenaBlock>& blocks, int64_t end) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_EQ(blocks[i].offset % arena_alignment, 0);
    ASSERT_GE(blocks[i].offset, 0);
    ASSERT_LE(blocks[i].offset + blocks[i].bytes, end);
    for (size_t k = 0; k < i; ++k) {
      const bool together = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last;
      const bool apart = blocks[i].offset + blocks[i].bytes <= blocks[k].offset ||
                         blocks[k].offset + blocks[k].bytes <= blocks[i].offset;
      ASSERT_TRUE(!together || apart || blocks[i].bytes == 0 || blocks[k].bytes == 0) << i << " and " << k;
    }
  }
}

// The most bytes alive at one position: no packing can do better.
int64_t lower_bound(const std::vector<ArenaBlock>& blocks) {
  int64_t most = 0;
  for (const ArenaBlock& at : blocks) {
    int64_t alive = 0;
    for (const ArenaBlock& other : blocks)
      if (other.first <= at.first && at.first <= other.last) alive += padded(other.bytes);
    most = std::max(most, alive);
  }
  return most;
}

TEST(MemoryPlan, RandomLifetimesNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<ArenaBlock> blocks(random() % 60);
    for (ArenaBlock& block : blocks) {
      block.bytes = random() % 5 == 0 ? 0 : int64_t(random() % 4000);
      block.first = int32_t(random() % 50);
      block.last = block.first + int32_t(random() % 10);
    }
    for (auto assign : {assign_offsets, assign_offsets_by_size, assign_offsets_by_time}) {
      const int64_t end = assign(blocks);
      expect_disjoint(blocks, end);
      EXPECT_GE(end, lower_bound(blocks));
    }
  }
}

TEST(MemoryPlan, ChainsNeedTwoBuffers) {
  std::vector<ArenaBlock> blocks;
  for (int32_t i = 0; i < 1000; ++i) blocks.push_back({640, i, i + 1, 0});
  EXPECT_EQ(assign_offsets_by_size(blocks), 1280);
  EXPECT_EQ(assign_offsets_by_time(blocks), 1280);
}

TEST(MemoryPlan, LongProgramsPlanQuickly) {
  std::mt19937 random(11);
  std::vector<ArenaBlock> blocks(200'000);
  int32_t position = 0;
  for (ArenaBlock& block : blocks)
    block = {int64_t(random() % 100'000), position, position++ + int32_t(random() % 20), 0};
  const int64_t end = assign_offsets(blocks);
  EXPECT_LT(end, int64_t{20} * 100'000);
}

std::shared_ptr<const Plan> plan_of(TestProgram& t, std::vector<Dims> shapes) {
  verify(t.program());
  auto analysis = std::make_shared<const Analysis>(std::make_shared<const Program>(t.program()));
  std::vector<std::span<const int64_t>> spans(shapes.begin(), shapes.end());
  return make_plan(analysis, spans);
}

TEST(Plan, ReusesMemoryOfDeadTemporaries) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  ValueId last = t.input("x", {n});
  for (int i = 0; i < 20; ++i) {
    const ValueId next = i == 19 ? t.output("y", {n}) : t.temporary({n});
    t.launch(affine(1, 1), {last}, {next}, {n});
    last = next;
  }
  EXPECT_EQ(plan_of(t, {{1024}})->arena_bytes, 2 * 4096);
  for (Step& step : t.program().main.steps) step.in_place = {{0, 0}};
  EXPECT_EQ(plan_of(t, {{1024}})->arena_bytes, 4096) << "in place: one buffer";
}

TEST(Plan, InPlaceNeedsADyingOperandUsedOnce) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), a = t.temporary({n}), b = t.temporary({n}), c = t.temporary({n});
  t.launch(affine(1, 1), {x}, {a}, {n});
  t.launch(affine(1, 1), {a}, {b}, {n}).in_place = {{0, 0}};  // a is read again below
  t.launch(add(), {a, a}, {c}, {n}).in_place = {{0, 0}};      // a is operand 1 as well
  t.launch(add(), {b, c}, {t.output("y", {n})}, {n});
  auto plan = plan_of(t, {{16}});
  EXPECT_NE(plan->arena_offset[size_t(a)], plan->arena_offset[size_t(b)]);
  EXPECT_NE(plan->arena_offset[size_t(a)], plan->arena_offset[size_t(c)]);
}

TEST(Plan, ValuesReadInALoopLiveToItsEnd) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), outside = t.temporary({n}), end = t.temporary({n});
  t.launch(affine(1, 1), {x}, {outside}, {n});
  const ValueId trips = t.constant(Tensor::scalar(DType::I64, 3));
  Step loop{.op = Step::Op::Loop, .inputs = {trips, -1, x}, .outputs = {end}, .label = "loop"};
  std::vector<ValueId> inside;
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId u = t.temporary({n});
    block.parameters = {-1, -1, u};
    ValueId last = u;
    for (int i = 0; i < 4; ++i) {
      inside.push_back(t.temporary({n}));
      if (i == 0)
        t.launch(add(), {last, outside}, {inside.back()}, {n});
      else
        t.launch(affine(1, 1), {last}, {inside.back()}, {n});
      last = inside.back();
    }
    block.results = {-1, last};
  }));
  t.step(std::move(loop));
  t.launch(affine(1, 0), {end}, {t.output("y", {n})}, {n});
  auto plan = plan_of(t, {{16}});
  for (ValueId id : inside) EXPECT_NE(plan->arena_offset[size_t(id)], plan->arena_offset[size_t(outside)]);
}

// Random straight-line programs on poisoned memory: every kernel checks that its operands still hold what was written.
TEST(Plan, RandomProgramsKeepLiveTemporariesApart) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    TestProgram t;
    const DimId n = t.input_dim(0, 0, "n");
    std::vector<ValueId> values{t.input("x", {n})};
    std::vector<int> tags{0};
    const int steps = 5 + int(random() % 40);
    for (int i = 1; i <= steps; ++i) {
      const size_t a = random() % values.size(), b = random() % values.size();
      const DimId extent = t.apply(DimExpr::Op::Mul, n, t.constant(1 + int64_t(random() % 5)));
      const ValueId out = i == steps ? t.output("y", {n}) : t.temporary({extent});
      const bool first_a = tags[a] == 0, first_b = tags[b] == 0;
      Step& step = t.launch(kernel("tag",
                                   [=, tag_a = float(tags[a]), tag_b = float(tags[b])](
                                       void* const* p, const int64_t* d, void*, int64_t, int64_t) -> int32_t {
                                     if (!first_a && *static_cast<const float*>(p[0]) != tag_a) return KernelFailed;
                                     if (!first_b && *static_cast<const float*>(p[1]) != tag_b) return KernelFailed;
                                     std::fill_n(static_cast<float*>(p[2]), d[0], float(i));
                                     return KernelOk;
                                   }),
                            {values[a], values[b]}, {out}, {i == steps ? n : extent});
      if (random() % 2 == 0) step.in_place = {{0, 0}, {1, 0}};
      values.push_back(out);
      tags.push_back(i);
    }
    auto session = t.session(Context::create(settings(1)));
    for (int64_t size : {1, 17, 300}) {
      std::vector<float> x(static_cast<size_t>(size)), y(x.size());
      auto done = run(session, {host_tensor(x, {size})}, {host_tensor(y, {size})});
      ASSERT_EQ(done->status(), Status::Success) << done->text() << "\n" << to_string(session->program());
    }
  }
}

}  // namespace
}  // namespace sardonyx::runtime::test
