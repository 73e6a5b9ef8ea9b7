// The verifier's refusals and the listing.
#include "runtime/program.h"

#include <gtest/gtest.h>

#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

std::string refusal(const Program& program) {
  try {
    verify(program);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::InternalError);
    return error.text();
  }
  return {};
}

// x[n] -> t -> y[n]
struct Simple {
  Simple() {
    n = t.input_dim(0, 0, "n");
    x = t.input("x", {n});
    h = t.temporary({n});
    y = t.output("y", {n});
    t.launch(affine(1, 1), {x}, {h}, {n}, "first");
    t.launch(affine(1, 1), {h}, {y}, {n}, "second");
  }
  Program& p() { return t.program(); }
  Step& first() { return p().main.steps[0]; }
  Step& second() { return p().main.steps[1]; }
  TestProgram t;
  DimId n;
  ValueId x, h, y;
};

TEST(Verify, AcceptsTheSimpleProgram) { EXPECT_EQ(refusal(Simple().p()), ""); }

TEST(Verify, Operands) {
  {
    Simple s;
    s.first().inputs = {99};
    EXPECT_EQ(refusal(s.p()), "internal error: operand: value 99 of 3");
  }
  {
    Simple s;
    s.first().outputs = {s.x};
    EXPECT_EQ(refusal(s.p()), "internal error: step 'first' writes value 0, an input or a constant");
  }
  {
    Simple s;
    std::swap(s.p().main.steps[0], s.p().main.steps[1]);
    EXPECT_EQ(refusal(s.p()), "internal error: step 'second' reads value 1 before it is written");
  }
  {
    Simple s;
    s.p().main.steps.pop_back();
    EXPECT_EQ(refusal(s.p()), "internal error: step 'first' reads value 2 before it is written");
  }
  {
    Simple s;
    s.second().dims = {7};
    EXPECT_EQ(refusal(s.p()), "internal error: dim operand: dim slot 7 of 1");
  }
  {
    Simple s;
    s.second().kernel = nullptr;
    EXPECT_EQ(refusal(s.p()), "internal error: step 'second' has no kernel");
  }
  {
    Simple s;
    s.first().in_place = {{0, 1}};
    EXPECT_EQ(refusal(s.p()), "internal error: step 'first' works in place on operands that it does not have");
  }
}

TEST(Verify, Dims) {
  {
    Simple s;
    s.t.dim({.op = DimExpr::Op::Add, .a = 0, .b = 1});
    EXPECT_EQ(refusal(s.p()), "internal error: dim slot 1 uses slot 1 before it is defined");
  }
  {
    Simple s;
    s.t.input_dim(0, 3);
    EXPECT_EQ(refusal(s.p()), "internal error: dim slot 1 reads axis 3 of input 0");
  }
  {
    Simple s;
    const DimId late = s.t.runtime_dim("late");
    s.second().dims = {s.t.apply(DimExpr::Op::Add, late, s.n)};
    EXPECT_EQ(refusal(s.p()), "internal error: step 'second' needs dim slot 2 before slot 1 is bound");
  }
  {
    Simple s;
    s.p().outputs[0].dims = {s.t.runtime_dim()};
    EXPECT_EQ(refusal(s.p()), "internal error: output `y` has run-time dims but is not marked data-dependent");
  }
  {
    Simple s;
    s.t.bind_dims(s.x, {s.t.runtime_dim()});
    EXPECT_EQ(refusal(s.p()), "internal error: step 'bind' binds dims from f32");
  }
}

TEST(Verify, Views) {
  Simple s;
  const ValueId view = s.t.view(s.h, {s.n});
  s.second().inputs = {view};
  EXPECT_EQ(refusal(s.p()), "");
  s.p().values[size_t(view)].base = view;
  EXPECT_EQ(refusal(s.p()), "internal error: view 3 of value 3 that is not earlier");
}

TEST(Verify, NestedBlocks) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), flag = t.input("flag", {}, DType::Bool), y = t.output("y", {n});
  ValueId inner = -1;
  Step branch{.op = Step::Op::If, .inputs = {flag}, .outputs = {y}, .label = "if1"};
  for (int i = 0; i < 2; ++i)
    branch.blocks.push_back(t.block([&](Block& block) {
      inner = t.temporary({n});
      t.launch(affine(1, 1), {x}, {inner}, {n});
      block.results = {inner};
    }));
  t.step(std::move(branch));
  EXPECT_EQ(refusal(t.program()), "");
  t.launch(affine(1, 1), {inner}, {t.output("z", {n})}, {n}, "outside");
  EXPECT_EQ(refusal(t.program()), "internal error: step 'outside' reads value 4 before it is written");
  t.program().main.steps.pop_back();
  t.program().main.steps[0].blocks.pop_back();
  EXPECT_EQ(refusal(t.program()), "internal error: step 'if1' has 1 inputs, 1 outputs, 0 dims and 1 blocks");
}

TEST(Verify, Devices) {
  const auto devices = [](auto&& change) {
    Simple s;
    s.p().devices = {"cpu", "gpu"};
    change(s);
    return refusal(s.p());
  };
  EXPECT_EQ(devices([](Simple& s) { s.p().values[size_t(s.h)].device = 2; }),
            "internal error: value 1 is of device 2 of 2");
  EXPECT_EQ(devices([](Simple& s) { s.p().values[size_t(s.x)].device = 1; }),
            "internal error: value 0 is the host's, not of device 1");
  EXPECT_EQ(devices([](Simple& s) { s.first().device = -1; }), "internal error: step 'first' is of device -1 of 2");
  EXPECT_EQ(devices([](Simple& s) { s.first().device = 1; }),
            "internal error: step 'first' on gpu touches value 0 of cpu");
  EXPECT_EQ(devices([](Simple& s) { s.p().values[size_t(s.h)].device = 1; }),
            "internal error: step 'first' on cpu touches value 1 of gpu");
  // Copies go anywhere; views are where their base is.
  const auto relay = [](Simple& s) {
    const ValueId up = s.t.temporary({s.n}), made = s.t.temporary({s.n});
    const ValueId view = s.t.view(made, {s.n});
    s.p().values[size_t(up)].device = s.p().values[size_t(made)].device = 1;
    s.p().main.steps.clear();
    s.t.copy(s.x, up);
    s.t.launch(affine(1, 1), {up}, {view}, {s.n}, "far").device = 1;
    s.t.copy(view, s.y);
  };
  EXPECT_EQ(devices(relay), "");
  EXPECT_EQ(devices([&](Simple& s) {
              relay(s);
              s.p().main.steps[0].device = 1;
            }),
            "internal error: step 'copy' is the host's, not of device 1");
  Simple s;
  s.p().devices = {"cpu", "gpu"};
  relay(s);
  EXPECT_EQ(to_string(s.p()),
            "devices cpu gpu\n"
            "d0 = input 0 axis 0 `n`\n"
            "%0 = input 0 f32[d0] `x`\n"
            "%1 = temporary f32[d0] `t`\n"
            "%2 = output 0 f32[d0] `y`\n"
            "%3 = temporary f32[d0] on gpu `t`\n"
            "%4 = temporary f32[d0] on gpu `t`\n"
            "%5 = view %4 + 0 f32[d0] `view`\n"
            "%3 = copy %0  # copy\n"
            "%5 = launch on gpu [affine] %3 (d0)  # far\n"
            "%2 = copy %5  # copy\n"
            "return %2\n");
}

TEST(Verify, ControlFlowIsTheHosts) {
  TestProgram t;
  t.program().devices = {"cpu", "gpu"};
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), flag = t.input("flag", {}, DType::Bool), y = t.output("y", {n});
  Step branch{.op = Step::Op::If, .inputs = {flag}, .outputs = {y}, .label = "if1"};
  for (int i = 0; i < 2; ++i)
    branch.blocks.push_back(t.block([&](Block& block) {
      const ValueId inner = t.temporary({n});
      t.program().values[size_t(inner)].device = i;
      t.copy(x, inner);
      block.results = {inner};
    }));
  t.step(std::move(branch));
  EXPECT_EQ(refusal(t.program()), "internal error: a block of 'if1' hands over value 4 of gpu");
}

TEST(ProgramText, ListsEverySlotAndStep) {
  Simple s;
  const DimId four = s.t.constant(4);
  s.t.view(s.h, {four}, s.t.apply(DimExpr::Op::Mul, s.n, four));
  Step& check = s.t.step({.op = Step::Op::Check, .dims = {s.n}, .text = "n is zero", .label = "guard"});
  check.status = Status::InvalidShape;
  EXPECT_EQ(to_string(s.p()),
            "d0 = input 0 axis 0 `n`\n"
            "d2 = mul d0 4\n"
            "%0 = input 0 f32[d0] `x`\n"
            "%1 = temporary f32[d0] `t`\n"
            "%2 = output 0 f32[d0] `y`\n"
            "%3 = view %1 + d2 f32[4] `view`\n"
            "%1 = launch [affine] %0 (d0)  # first\n"
            "%2 = launch [affine] %1 (d0)  # second\n"
            "check (d0) \"n is zero\"  # guard\n"
            "return %2\n");
}

TEST(ProgramText, NestsBlocks) {
  TestProgram t;
  const ValueId n = t.input("n", {}, DType::I64), a = t.input("a", {}), y = t.output("y", {});
  Step loop{.op = Step::Op::Loop, .inputs = {n, -1, a}, .outputs = {y}, .label = "loop1"};
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId p = t.temporary({}), next = t.temporary({});
    block.parameters = {-1, -1, p};
    t.launch(affine(1, 1), {p}, {next}, {}, "body");
    block.results = {-1, next};
  }));
  t.step(std::move(loop));
  const std::string text = to_string(t.program());
  EXPECT_NE(text.find("%2 = loop %0 - %1  # loop1\n"
                      "  block - - %3\n"
                      "    %4 = launch [affine] %3  # body\n"
                      "  yield - %4\n"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace sardonyx::runtime::test
