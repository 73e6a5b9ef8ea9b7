// Binding and running simple programs: shapes, plans, aliases, errors of bind.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

std::vector<float> iota(size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

// y = 2 (x + 1) over shape [batch, 4].
struct Chain {
  Chain() {
    batch = t.input_dim(0, 0, "batch");
    four = t.constant(4);
    const ValueId x = t.input("x", {batch, four}), h = t.temporary({batch, four}), y = t.output("y", {batch, four});
    t.launch(first, {x}, {h}, {batch, four}, "plus");
    t.launch(affine(2, 0), {h}, {y}, {batch, four}, "times");
  }
  TestProgram t;
  DimId batch, four;
  std::shared_ptr<FunctionKernel> first = affine(1, 1);
};

std::string message(const std::function<void()>& body, Status expected) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), expected) << error.text();
    return error.text();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Session, RunsAChainForSeveralShapes) {
  Chain chain;
  auto session = chain.t.session(Context::create(settings()));
  for (int64_t batch : {1, 3, 3, 1, 1000}) {
    std::vector<float> x = iota(size_t(batch) * 4), y(x.size());
    auto done = run(session, {host_tensor(x, {batch, 4})}, {host_tensor(y, {batch, 4})});
    EXPECT_EQ(done->status(), Status::Success) << done->text();
    ASSERT_NE(done->output_shape("y"), nullptr);
    EXPECT_EQ(*done->output_shape("y"), (Dims{batch, 4}));
    EXPECT_EQ(done->output_shape("z"), nullptr);
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], 2 * (x[i] + 1));
  }
  EXPECT_EQ(chain.first->prepared, 3) << "three shapes, three plans";
}

TEST(Session, PlanCacheIsBounded) {
  Chain chain;
  auto session = chain.t.session(Context::create(settings()));
  for (int round = 0; round < 2; ++round)
    for (int64_t batch = 1; batch <= 70; ++batch) {
      std::vector<float> x = iota(size_t(batch) * 4), y(x.size());
      EXPECT_EQ(run(session, {host_tensor(x, {batch, 4})}, {host_tensor(y, {batch, 4})})->status(), Status::Success);
    }
  EXPECT_EQ(chain.first->prepared, 140) << "70 shapes in turn never hit a cache of 64";
}

TEST(Session, RejectsShapesThatContradictTheModel) {
  TestProgram t;
  const DimId batch = t.input_dim(0, 0, "batch"), four = t.constant(4);
  const ValueId x = t.input("x", {batch, four}), z = t.input("z", {batch, four}), y = t.output("y", {batch, four});
  t.launch(add(), {x, z}, {y}, {batch, four});
  t.program().equalities.push_back({batch, four, "batch must be four"});
  auto session = t.session(Context::create(settings()));
  std::vector<float> a(64), b(64), c(64);
  const auto bind = [&](Dims x_dims, Dims z_dims, Dims y_dims) {
    session->bind(std::vector<HostTensor>{host_tensor(a, x_dims), host_tensor(b, z_dims)},
                  std::vector<HostTensor>{host_tensor(c, y_dims)});
  };
  EXPECT_EQ(message(
                [&] {
                  bind({4}, {4, 4}, {4, 4});
                },
                Status::MismatchingShape),
            "input `x` has rank 1 but the model declares rank 2");
  EXPECT_EQ(message(
                [&] {
                  bind({4, 5}, {4, 4}, {4, 4});
                },
                Status::MismatchingShape),
            "dimension 1 of input `x` is 5 but 4 in the model");
  EXPECT_EQ(message(
                [&] {
                  bind({4, 4}, {3, 4}, {4, 4});
                },
                Status::MismatchingShape),
            "dimension `batch` of input `z` is 3 but 4 elsewhere");
  EXPECT_EQ(message([&] { bind({3, 4}, {3, 4}, {3, 4}); }, Status::MismatchingShape), "batch must be four: 3 is not 4");
  EXPECT_EQ(message(
                [&] {
                  bind({4, 4}, {4, 4}, {4, 3});
                },
                Status::MismatchingShape),
            "output `y` has shape [4,4], not [4,3]");
  EXPECT_NO_THROW(bind({4, 4}, {4, 4}, {4, 4}));
  EXPECT_EQ(session->infer(std::vector<Dims>{{4, 4}, {4, 4}}), (std::vector<Dims>{{4, 4}}));
  message([&] { session->infer(std::vector<Dims>{{4, 4}, {5, 4}}); }, Status::MismatchingShape);
}

TEST(Session, RefusesSizesBeyondReason) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), square = t.apply(DimExpr::Op::Mul, n, n);
  const ValueId x = t.input("x", {n}), h = t.temporary({square}), y = t.output("y", {n});
  t.launch(affine(1, 0), {x}, {h}, {n});
  t.launch(affine(1, 0), {h}, {y}, {n});
  auto session = t.session(Context::create(settings()));
  float dummy = 0;
  for (int64_t n_value : {int64_t{1} << 20, int64_t{1} << 22, int64_t{1} << 24, int64_t{1} << 40})
    message(
        [&] {
          session->bind(std::vector<HostTensor>{{&dummy, {n_value}}}, std::vector<HostTensor>{{&dummy, {n_value}}});
        },
        Status::UnsupportedShape);
}

TEST(Session, DimArithmetic) {
  using Op = DimExpr::Op;
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), two = t.constant(2), three = t.constant(3);
  const DimId half = t.apply(Op::FloorDiv, n, two), odd = t.apply(Op::FloorMod, n, two);
  const DimId up = t.apply(Op::Add, half, odd);  // ceil(n / 2)
  const DimId big = t.apply(Op::Lt, three, n);   // n > 3
  const DimId chosen = t.apply(Op::Select, big, t.apply(Op::Max, up, three), t.apply(Op::Min, n, two));
  const ValueId x = t.input("x", {n});
  const ValueId y = t.output("y", {chosen});
  t.launch(affine(1, 0), {x}, {y}, {chosen});
  auto session = t.session(Context::create(settings()));
  const auto shape = [&](int64_t value) { return session->infer(std::vector<Dims>{{value}})[0][0]; };
  EXPECT_EQ(shape(1), 1);
  EXPECT_EQ(shape(3), 2);
  EXPECT_EQ(shape(4), 3);
  EXPECT_EQ(shape(9), 5);
}

TEST(Session, DivisionByZeroFailsThePlanOnlyWhereItIsUsed) {
  using Op = DimExpr::Op;
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), m = t.input_dim(0, 1, "m");
  const DimId quotient = t.apply(Op::FloorDiv, n, m);
  const DimId guarded = t.apply(Op::Select, t.apply(Op::Eq, m, t.constant(0)), n, quotient);
  const ValueId x = t.input("x", {n, m});
  t.launch(affine(1, 0), {x}, {t.output("y", {guarded})}, {t.constant(0)});
  auto session = t.session(Context::create(settings()));
  EXPECT_EQ(session->infer(std::vector<Dims>{{6, 2}})[0][0], 3);
  EXPECT_EQ(session->infer(std::vector<Dims>{{6, 0}})[0][0], 6);

  TestProgram u;
  const DimId a = u.input_dim(0, 0), b = u.input_dim(0, 1);
  const ValueId z = u.input("x", {a, b});
  const DimId ratio = u.apply(Op::FloorDiv, a, b);
  u.launch(affine(1, 0), {z}, {u.output("y", {ratio})}, {ratio});
  auto bad = u.session(Context::create(settings()));
  EXPECT_EQ(message(
                [&] {
                  bad->infer(std::vector<Dims>{{6, 0}});
                },
                Status::UnsupportedShape),
            "division by zero in a size");
}

TEST(Session, OutputsThatAliasInputsConstantsAndEachOther) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), two = t.constant(2), eight = t.constant(8);
  const ValueId x = t.input("x", {n});
  const float values[] = {5, 6, 7};
  const ValueId c = t.constant(Tensor::of<float>(DType::F32, {3}, values));
  t.output_of(x, "same");
  t.output_of(c, "constant");
  t.output_of(t.view(x, {two}, eight), "tail");
  const ValueId y = t.output("y", {n});
  t.copy(x, y);
  t.output_of(y, "again");
  auto session = t.session(Context::create(settings()));
  std::vector<float> in = iota(5), same(5), constant(3), tail(2), copied(5), again(5);
  auto done = run(session, {host_tensor(in, {5})},
                  {host_tensor(same, {5}), host_tensor(constant, {3}), host_tensor(tail, {2}), host_tensor(copied, {5}),
                   host_tensor(again, {5})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(same, in);
  EXPECT_EQ(constant, (std::vector<float>{5, 6, 7}));
  EXPECT_EQ(tail, (std::vector<float>{2, 3}));
  EXPECT_EQ(copied, in);
  EXPECT_EQ(again, in);
}

TEST(Session, ConcatenationInPlaceThroughViews) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), bytes = t.apply(DimExpr::Op::Mul, n, t.constant(4));
  const DimId twice = t.apply(DimExpr::Op::Add, n, n);
  const ValueId x = t.input("x", {n}), both = t.temporary({twice});
  t.launch(affine(1, 1), {x}, {t.view(both, {n})}, {n});
  t.launch(affine(-1, 0), {x}, {t.view(both, {n}, bytes)}, {n});
  t.launch(affine(2, 0), {both}, {t.output("y", {twice})}, {twice});
  auto session = t.session(Context::create(settings()));
  std::vector<float> in = iota(3), out(6);
  ASSERT_EQ(run(session, {host_tensor(in, {3})}, {host_tensor(out, {6})})->status(), Status::Success);
  EXPECT_EQ(out, (std::vector<float>{2, 4, 6, 0, -2, -4}));
}

TEST(Session, BufferBoundAsInputAndOutputActsAsIfReadFirst) {
  // y0 is written while x is still needed for y1.
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), y0 = t.output("y0", {n}), y1 = t.output("y1", {n});
  t.launch(affine(0, 7), {x}, {y0}, {n});
  t.launch(affine(10, 0), {x}, {y1}, {n});
  auto session = t.session(Context::create(settings()));
  std::vector<float> shared = iota(4), other(4);
  ASSERT_EQ(run(session, {host_tensor(shared, {4})}, {host_tensor(shared, {4}), host_tensor(other, {4})})->status(),
            Status::Success);
  EXPECT_EQ(shared, (std::vector<float>{7, 7, 7, 7}));
  EXPECT_EQ(other, (std::vector<float>{0, 10, 20, 30}));
  // Overlap by a part, and a later run with buffers of its own again.
  std::vector<float> wide = iota(6);
  ASSERT_EQ(run(session, {{wide.data(), {4}}}, {{wide.data() + 2, {4}}, host_tensor(other, {4})})->status(),
            Status::Success);
  EXPECT_EQ(wide, (std::vector<float>{0, 1, 7, 7, 7, 7}));
  EXPECT_EQ(other, (std::vector<float>{0, 10, 20, 30}));
  std::vector<float> fresh{9, 9, 9, 9};
  ASSERT_EQ(run(session, {host_tensor(fresh, {4})}, {host_tensor(shared, {4}), host_tensor(other, {4})})->status(),
            Status::Success);
  EXPECT_EQ(other, (std::vector<float>{90, 90, 90, 90}));
}

TEST(Session, SwappedOutputsOfPassedThroughInputs) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId a = t.input("a", {n}), b = t.input("b", {n});
  t.output_of(b, "first");
  t.output_of(a, "second");
  auto session = t.session(Context::create(settings()));
  std::vector<float> x{1, 2}, y{3, 4};
  ASSERT_EQ(
      run(session, {host_tensor(x, {2}), host_tensor(y, {2})}, {host_tensor(x, {2}), host_tensor(y, {2})})->status(),
      Status::Success);
  EXPECT_EQ(x, (std::vector<float>{3, 4}));
  EXPECT_EQ(y, (std::vector<float>{1, 2}));
}

TEST(Session, EmptyTensors) {
  Chain chain;
  auto session = chain.t.session(Context::create(settings()));
  EXPECT_EQ(run(session, {{nullptr, {0, 4}}}, {{nullptr, {0, 4}}})->status(), Status::Success);
}

TEST(Session, KernelErrorsFailTheRunAndNameTheStep) {
  struct Row {
    int32_t code;
    Status status;
    const char* text;
  };
  for (const Row& row : {Row{IndexOutOfRange, Status::InternalError, "'gather1' (bad): index out of range"},
                         Row{DivisionByZero, Status::InternalError, "'gather1' (bad): integer division by zero"},
                         Row{KernelFailed, Status::InternalError, "'gather1' (bad): kernel failed"},
                         Row{OutOfMemory, Status::NoSystemMemory, "'gather1' (bad): out of memory"}}) {
    for (double cost : {1.0, 1e6}) {  // inline and on the team
      TestProgram t;
      const DimId n = t.input_dim(0, 0, "n");
      bool broken = true;
      auto bad = kernel(
          "bad",
          [&, code = row.code](void* const*, const int64_t*, void*, int64_t, int64_t) { return broken ? code : 0; },
          cost);
      t.launch(bad, {t.input("x", {n})}, {t.output("y", {n})}, {n}, "gather1");
      auto session = t.session(Context::create(settings()));
      std::vector<float> x(4), y(4);
      auto done = run(session, {host_tensor(x, {4})}, {host_tensor(y, {4})});
      EXPECT_EQ(done->status(), row.status);
      EXPECT_EQ(done->text(), row.text);
      broken = false;
      EXPECT_EQ(run(session, {host_tensor(x, {4})}, {host_tensor(y, {4})})->status(), Status::Success);
    }
  }
}

TEST(Session, InPlaceHintsSaveMemoryAndKeepResults) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n});
  ValueId last = x;
  for (int i = 0; i < 6; ++i) {
    const ValueId next = i == 5 ? t.output("y", {n}) : t.temporary({n});
    t.launch(affine(1, 1), {last}, {next}, {n}).in_place = {{0, 0}};
    last = next;
  }
  auto session = t.session(Context::create(settings()));
  std::vector<float> in = iota(100), out(100);
  ASSERT_EQ(run(session, {host_tensor(in, {100})}, {host_tensor(out, {100})})->status(), Status::Success);
  for (size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], float(i) + 6);
}

}  // namespace
}  // namespace sardonyx::runtime::test
