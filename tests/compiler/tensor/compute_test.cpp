#include "compiler/tensor/compute.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {
namespace {

TEST(Compute, PointwiseTermsComposeWithoutStages) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {4, 8});
  Term doubled{a.dtype, a.dims, [=](const Index& i) { return a.at(i) + a.at(i); }};
  Term moved{a.dtype, {8, 4}, [=](const Index& i) { return doubled.at({i[1], i[0]}); }};
  EXPECT_EQ(builder.buffer_of(moved), nullptr);
  builder.output(moved);
  Program program = builder.finish();
  ASSERT_EQ(program.stages.size(), 1u);
  EXPECT_EQ(expr::to_string(program.stages[0].body), "a[i1, i0] + a[i1, i0]");
  EXPECT_EQ(program.outputs[0], program.stages[0].output);
  EXPECT_EQ(program.stages[0].axes[0].var->facts.max, 7);
}

TEST(Compute, OutputReusesAStageAndCopiesAnInput) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::I32, {3});
  Term b = builder.stage("b", DType::I32, {3}, [&](const Index& i) { return a.at(i) * a.at(i); });
  ASSERT_NE(builder.buffer_of(b), nullptr);
  builder.output(b);
  builder.output(a);
  builder.output(b);
  Program program = builder.finish();
  ASSERT_EQ(program.outputs.size(), 3u);
  EXPECT_EQ(program.stages.size(), 3u);
  EXPECT_EQ(program.outputs[0]->name, "b");
  EXPECT_NE(program.outputs[1], program.inputs[0]);
  EXPECT_NE(program.outputs[2], program.outputs[0]);
}

TEST(Compute, BufferOfSeesThroughChangedDimsOrElements) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {4});
  EXPECT_EQ(builder.buffer_of(a), builder.buffer_of(Term(a)));
  Term other = a;
  other.dims = {5};
  EXPECT_EQ(builder.buffer_of(other), nullptr);
  other = a;
  other.at = [](const Index&) { return expr::imm(1, DType::F32); };
  EXPECT_EQ(builder.buffer_of(other), nullptr);
}

TEST(Compute, UnusedStagesGoAndSymbolsAreCollected) {
  ProgramBuilder builder;
  VarPtr n = expr::make_var("n", {.min = 1, .max = 64}), m = expr::make_var("m", {.min = 1});
  Term a = builder.input("a", DType::F32, {Expr(n), 3});
  builder.stage("unused", DType::F32, {Expr(m)}, [](const Index&) { return expr::imm(0, DType::F32); });
  Term sum = builder.reduce("sum", Reduce::Sum, DType::F32, {Expr(n)}, {3}, [&](const Index& out, const Index& in) {
    return a.at({out[0], in[0]});
  });
  builder.output(sum);
  Program program = builder.finish();
  ASSERT_EQ(program.stages.size(), 1u);
  EXPECT_EQ(program.stages[0].reduce_axes.size(), 1u);
  EXPECT_EQ(program.symbols, std::vector<VarPtr>{n});
  EXPECT_EQ(program.stages[0].axes[0].var->facts.max, 63);
}

TEST(Compute, IdentitiesAreNeutral) {
  const double infinity = INFINITY;
  EXPECT_EQ(identity_of(Reduce::Max, DType::F32)->float_value, -infinity);
  EXPECT_EQ(identity_of(Reduce::Min, DType::F16)->float_value, infinity);
  EXPECT_EQ(identity_of(Reduce::Max, DType::I64)->int_value, INT64_MIN);
  EXPECT_EQ(identity_of(Reduce::Min, DType::U8)->int_value, 255);
  EXPECT_EQ(identity_of(Reduce::Max, DType::U16)->int_value, 0);
  for (Reduce kind : {Reduce::Sum, Reduce::Product, Reduce::Max, Reduce::Min})
    for (DType dtype : {DType::F32, DType::I8, DType::U32, DType::I64, DType::Bool}) {
      Expr one = expr::imm(1, dtype), zero = expr::imm(0, dtype);
      EXPECT_TRUE(expr::equal(expr::simplify(combine(kind, identity_of(kind, dtype), one)), one));
      EXPECT_TRUE(expr::equal(expr::simplify(combine(kind, identity_of(kind, dtype), zero)), zero));
    }
  EXPECT_THROW(identity_of(Reduce::None, DType::F32), Error);
}

TEST(Compute, RejectsBodiesOfAnotherType) {
  ProgramBuilder builder;
  Term a = builder.input("a", DType::F32, {3});
  EXPECT_THROW(builder.stage("b", DType::F64, {3}, [&](const Index& i) { return a.at(i); }), Error);
}

}  // namespace
}  // namespace sardonyx::tensor
