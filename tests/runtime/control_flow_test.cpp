// Run-time sizes, host functions, If and Loop.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {
namespace {

using Values = std::vector<float>;

// Indices of the positive elements of a vector, i64.
std::shared_ptr<FunctionHost> positives() {
  return host("positives", [](std::span<const Tensor> inputs) {
    std::vector<int64_t> found;
    for (int64_t i = 0; i < inputs[0].count(); ++i)
      if (inputs[0].data<float>()[i] > 0) found.push_back(i);
    return std::vector<Tensor>{Tensor::ints(found)};
  });
}

// out[i] = data[index[i]]
std::shared_ptr<FunctionKernel> gather() {
  return kernel("gather", [](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      static_cast<float*>(b[2])[i] = static_cast<const float*>(b[0])[static_cast<const int64_t*>(b[1])[i]];
    return KernelOk;
  });
}

// out[0] = fn(in[0]) on i64 scalars.
std::shared_ptr<FunctionKernel> integers(std::function<int64_t(int64_t)> fn) {
  return kernel("integers", [fn](void* const* b, const int64_t*, void*, int64_t, int64_t) {
    *static_cast<int64_t*>(b[1]) = fn(*static_cast<const int64_t*>(b[0]));
    return KernelOk;
  });
}

// out[0] (bool) = fn(in[0]) on an i64 scalar.
std::shared_ptr<FunctionKernel> predicate(std::function<bool(int64_t)> fn) {
  return kernel("predicate", [fn](void* const* b, const int64_t*, void*, int64_t, int64_t) {
    *static_cast<bool*>(b[1]) = fn(*static_cast<const int64_t*>(b[0]));
    return KernelOk;
  });
}

// The positive elements of x, doubled: everything after the host call has a run-time size.
struct Compress {
  Compress() {
    n = t.input_dim(0, 0, "n");
    found = t.runtime_dim("found");
    const ValueId x = t.input("x", {n}), index = t.temporary({found}, DType::I64, "index");
    const ValueId picked = t.temporary({found}), y = t.output("y", {found}, DType::F32, true);
    t.call(positives(), {x}, {index}, "nonzero1");
    t.launch(gather(), {x, index}, {picked}, {found}, "gather1");
    t.launch(twice, {picked}, {y}, {found}, "double1");
  }
  TestProgram t;
  DimId n, found;
  std::shared_ptr<FunctionKernel> twice = affine(2, 0);
};

TEST(RuntimeSizes, ResultIsDenseAndItsShapeRecorded) {
  Compress c;
  auto session = c.t.session(Context::create(settings()));
  EXPECT_EQ(session->infer(std::vector<Dims>{{5}}), (std::vector<Dims>{{-1}}));
  Values x{1, -1, 2, -2, 3}, y(5, 99);
  for (int i = 0; i < 3; ++i) {
    auto done = run(session, {host_tensor(x, {5})}, {host_tensor(y, {5})});
    ASSERT_EQ(done->status(), Status::Success) << done->text();
    EXPECT_EQ(*done->output_shape("y"), Dims{3});
    EXPECT_EQ(y, (Values{2, 4, 6, 99, 99}));
  }
  EXPECT_EQ(c.twice->prepared, 1) << "an invocation for the same run-time dims is prepared once";
  Values negative{-1, -1, -1, -1, -1};
  auto done = run(session, {host_tensor(negative, {5})}, {host_tensor(y, {5})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{0});
}

TEST(RuntimeSizes, BeyondTheLimitFailsAndStoresNothing) {
  Compress c;
  auto session = c.t.session(Context::create(settings()));
  Values x{1, 1, 1, 1}, y(8, 99);
  auto done = run(session, {host_tensor(x, {4})}, {{y.data() + 2, {3}}});
  EXPECT_EQ(done->status(), Status::MismatchingShape);
  EXPECT_EQ(done->text(), "'double1' (affine): output `y` gets shape [4], beyond its limit [3]");
  EXPECT_EQ(y, Values(8, 99));
  Values fewer{1, 1, 1, -1};
  done = run(session, {host_tensor(fewer, {4})}, {{y.data() + 2, {3}}});
  EXPECT_EQ(done->status(), Status::Success);
  EXPECT_EQ(y, (Values{99, 99, 2, 2, 2, 99, 99, 99}));
}

TEST(RuntimeSizes, HostResultStraightToTheOutput) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), found = t.runtime_dim();
  t.call(positives(), {t.input("x", {n})}, {t.output("y", {found}, DType::I64, true)});
  auto session = t.session(Context::create(settings()));
  Values x{0, 4, 0, 5};
  std::vector<int64_t> y(4, -7);
  auto done = run(session, {host_tensor(x, {4})}, {host_tensor(y, {4})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(y, (std::vector<int64_t>{1, 3, -7, -7}));
  done = run(session, {host_tensor(x, {4})}, {host_tensor(y, {1})});
  EXPECT_EQ(done->status(), Status::MismatchingShape);
}

TEST(RuntimeSizes, FailuresOfHostFunctionsReachTheEvent) {
  int mode = 0;
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  t.call(host("thrower",
              [&](std::span<const Tensor> inputs) -> std::vector<Tensor> {
                if (mode == 0) fail(Status::InvalidShape, "no good");
                if (mode == 1) throw std::runtime_error("boom");
                if (mode == 2) throw std::bad_alloc();
                if (mode == 3) return {};
                if (mode == 4) return {Tensor(DType::F32, {inputs[0].count() + 1})};
                return {inputs[0]};
              }),
         {t.input("x", {n})}, {t.output("y", {n})}, "op7");
  auto session = t.session(Context::create(settings()));
  Values x{1, 2}, y(2);
  const std::pair<Status, const char*> expected[] = {
      {Status::InvalidShape, "'op7' (thrower): no good"},
      {Status::InternalError, "'op7' (thrower): boom"},
      {Status::NoSystemMemory, "'op7' (thrower): out of memory"},
      {Status::InternalError, "'op7' (thrower): internal error: expected 1 results, got 0"},
      {Status::MismatchingShape, "'op7' (thrower): `y` gets shape [3] where dimension 0 is 2"},
      {Status::Success, ""}};
  for (mode = 0; mode < 6; ++mode) {
    auto done = run(session, {host_tensor(x, {2})}, {host_tensor(y, {2})});
    EXPECT_EQ(done->status(), expected[mode].first);
    EXPECT_EQ(done->text(), expected[mode].second);
  }
  EXPECT_EQ(y, x) << "a result that is the input itself is copied";
}

TEST(RuntimeSizes, BoundFromDataAndChecked) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), size = t.runtime_dim("size");
  const DimId fits = t.apply(DimExpr::Op::Le, size, n);
  const ValueId x = t.input("x", {n}), k = t.input("k", {}, DType::I64);
  t.bind_dims(k, {size});
  Step& check = t.step({.op = Step::Op::Check});
  check.dims = {fits};
  check.status = Status::InvalidShape;
  check.text = "k exceeds n";
  check.label = "slice1";
  const DimId tail = t.apply(DimExpr::Op::Mul, t.apply(DimExpr::Op::Sub, n, size), t.constant(4));
  // The last `size` elements: a view at a run-time offset, and of a run-time-sized temporary as well.
  const ValueId all = t.temporary({t.apply(DimExpr::Op::Add, n, t.apply(DimExpr::Op::Mul, size, t.constant(0)))});
  t.launch(affine(2, 1), {x}, {all}, {n});
  t.launch(affine(1, 0), {t.view(all, {size}, tail)}, {t.output("y", {size}, DType::F32, true)}, {size});
  auto session = t.session(Context::create(settings()));
  Values in{1, 2, 3, 4}, out(4);
  std::vector<int64_t> k_value{3};
  const auto attempt = [&](int64_t value) {
    k_value[0] = value;
    out.assign(4, 0);
    return run(session, {host_tensor(in, {4}), host_tensor(k_value, {})}, {host_tensor(out, {4})});
  };
  auto done = attempt(3);
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{3});
  EXPECT_EQ(out, (Values{5, 7, 9, 0}));
  done = attempt(5);
  EXPECT_EQ(done->status(), Status::InvalidShape);
  EXPECT_EQ(done->text(), "'slice1': k exceeds n");
  done = attempt(-1);
  EXPECT_EQ(done->status(), Status::MismatchingShape);
  EXPECT_EQ(done->text(), "'bind': dimension `size` gets the negative value -1");
  done = attempt(int64_t{1} << 62);
  EXPECT_EQ(done->status(), Status::InvalidShape);
  EXPECT_EQ(attempt(0)->status(), Status::Success);
}

// Values such as the starts of a slice may be negative; the sizes made from them may not.
TEST(RuntimeSizes, ValuesFromDataKeepTheirLeast) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), back = t.runtime_dim("back");
  const ValueId x = t.input("x", {n}), k = t.input("k", {}, DType::I64);
  t.bind_dims(k, {back}).least = {-2};
  const DimId size = t.apply(DimExpr::Op::Sub, t.constant(0), back);
  t.launch(affine(1, 0), {x}, {t.output("y", {size}, DType::F32, true)}, {size});
  auto session = t.session(Context::create(settings()));
  Values in{1, 2, 3, 4}, out(4);
  std::vector<int64_t> k_value{-2};
  const auto attempt = [&](int64_t value) {
    k_value[0] = value;
    return run(session, {host_tensor(in, {4}), host_tensor(k_value, {})}, {host_tensor(out, {4})});
  };
  auto done = attempt(-2);
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{2});
  EXPECT_EQ(attempt(-3)->status(), Status::MismatchingShape);
  EXPECT_NE(attempt(1)->status(), Status::Success);
}

TEST(RuntimeSizes, HugeSizesFromDataFailTheRunOnly) {
  TestProgram t;
  const DimId size = t.runtime_dim("size"), squared = t.apply(DimExpr::Op::Mul, size, size);
  const ValueId k = t.input("k", {}, DType::I64), huge = t.temporary({squared}, DType::F32, "huge");
  t.bind_dims(k, {size});
  t.launch(kernel("fill", [](auto...) { return 0; }), {k}, {huge}, {t.constant(1)}, "fill1");
  t.launch(kernel("use", [](auto...) { return 0; }), {huge}, {t.output("y", {t.constant(1)})}, {t.constant(1)});
  auto session = t.session(Context::create(settings()));
  std::vector<int64_t> value{0};
  Values y(1);
  for (auto [size_value, status] : {std::pair{int64_t{1} << 40, Status::UnsupportedShape},
                                    {int64_t{1} << 24, Status::UnsupportedShape},
                                    {int64_t{1} << 22, Status::NoSystemMemory},
                                    {int64_t{10}, Status::Success}}) {
    value[0] = size_value;
    auto done = run(session, {host_tensor(value, {})}, {host_tensor(y, {1})});
    EXPECT_EQ(done->status(), status) << size_value << ": " << done->text();
  }
}

TEST(If, TakesABranchAndBindsItsShape) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), twice = t.apply(DimExpr::Op::Add, n, n), any = t.runtime_dim();
  const DimId bytes = t.apply(DimExpr::Op::Mul, n, t.constant(4));
  const ValueId x = t.input("x", {n}), condition = t.input("condition", {}, DType::Bool);
  const ValueId shifted = t.temporary({n});
  t.launch(affine(1, 100), {x}, {shifted}, {n});
  Step branch{.op = Step::Op::If, .inputs = {condition}, .label = "if1"};
  branch.blocks.push_back(t.block([&](Block& block) {
    const ValueId both = t.temporary({twice});
    t.launch(affine(1, 0), {shifted}, {t.view(both, {n})}, {n});
    t.launch(affine(-1, 0), {shifted}, {t.view(both, {n}, bytes)}, {n});
    block.results = {both};
  }));
  branch.blocks.push_back(t.block([&](Block& block) { block.results = {shifted}; }));
  const ValueId chosen = t.temporary({any});
  branch.outputs = {chosen};
  t.step(std::move(branch));
  t.launch(affine(2, 0), {chosen}, {t.output("y", {any}, DType::F32, true)}, {any});
  auto session = t.session(Context::create(settings()));
  Values in{1, 2}, out(4);
  std::vector<uint8_t> flag{1};
  auto done = run(session, {host_tensor(in, {2}), host_tensor(flag, {})}, {host_tensor(out, {4})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{4});
  EXPECT_EQ(out, (Values{202, 204, -202, -204}));
  flag[0] = 0;
  done = run(session, {host_tensor(in, {2}), host_tensor(flag, {})}, {host_tensor(out, {4})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{2});
  EXPECT_EQ(out, (Values{202, 204, -202, -204}));
}

// The branch for long inputs takes all but the first four elements: nonsense for short ones, and then not taken.
TEST(If, AnUntakenBranchMayHoldImpossibleSizes) {
  TestProgram t;
  const DimId n = t.input_dim(0, 0, "n"), rest = t.apply(DimExpr::Op::Sub, n, t.constant(4)), any = t.runtime_dim();
  const ValueId x = t.input("x", {n}), is_long = t.input("is_long", {}, DType::Bool);
  Step branch{.op = Step::Op::If, .inputs = {is_long}, .outputs = {t.temporary({any})}, .label = "if1"};
  branch.blocks.push_back(t.block([&](Block& block) {
    const ValueId tail = t.temporary({rest}, DType::F32, "tail");
    t.launch(affine(1, 0), {t.view(x, {rest}, t.constant(16))}, {tail}, {rest}, "slice1");
    block.results = {tail};
  }));
  branch.blocks.push_back(t.block([&](Block& block) { block.results = {x}; }));
  const ValueId chosen = branch.outputs[0];
  t.step(std::move(branch));
  t.launch(affine(1, 0), {chosen}, {t.output("y", {any}, DType::F32, true)}, {any});
  auto session = t.session(Context::create(settings()));
  Values in{1, 2, 3, 4, 5, 6}, out(6);
  std::vector<uint8_t> flag{1};
  const auto attempt = [&](int64_t n_value) {
    return run(session, {{in.data(), {n_value}}, host_tensor(flag, {})}, {{out.data(), {n_value}}});
  };
  auto done = attempt(6);
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{2});
  EXPECT_EQ(out[0], 5);
  flag[0] = 0;
  done = attempt(3);
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(*done->output_shape("y"), Dims{3});
  flag[0] = 1;
  done = attempt(3);
  EXPECT_EQ(done->status(), Status::UnsupportedShape);
  EXPECT_EQ(done->text(), "'slice1' (affine): `view` gets the negative dimension -1");
}

// sum and power: (a, b) -> (a + step, 2 b) per iteration; scans a. Static shapes throughout.
struct Counter {
  explicit Counter(bool with_condition) {
    const DimId trips = t.runtime_dim("trips");
    const ValueId limit = t.input("limit", {}, DType::I64);
    const ValueId a0 = t.input("a", {}, DType::I64), b0 = t.input("b", {}, DType::I64);
    Step loop{.op = Step::Op::Loop, .inputs = {limit, -1, a0, b0}, .label = "loop1"};
    loop.blocks.push_back(t.block([&](Block& block) {
      const ValueId i = t.temporary({}, DType::I64), go = t.temporary({}, DType::Bool);
      const ValueId a = t.temporary({}, DType::I64), b = t.temporary({}, DType::I64);
      const ValueId a1 = t.temporary({}, DType::I64), b1 = t.temporary({}, DType::I64),
                    more = t.temporary({}, DType::Bool);
      block.parameters = {i, go, a, b};
      t.launch(kernel("sum",
                      [](void* const* p, const int64_t*, void*, int64_t, int64_t) {
                        *static_cast<int64_t*>(p[2]) = *static_cast<int64_t*>(p[0]) + *static_cast<int64_t*>(p[1]);
                        return 0;
                      }),
               {a, i}, {a1}, {});
      t.launch(integers([](int64_t v) { return 2 * v; }), {b}, {b1}, {});
      t.launch(predicate([=](int64_t v) { return !with_condition || v < 10; }), {a1}, {more}, {});
      block.results = {more, a1, b1, a1};
    }));
    loop.outputs = {t.output("a_final", {}, DType::I64), t.output("b_final", {}, DType::I64),
                    t.output("history", {trips}, DType::I64, true)};
    t.step(std::move(loop));
  }
  TestProgram t;
};

struct CounterRun {
  EventPtr done;
  int64_t a, b;
  std::vector<int64_t> history;
};

CounterRun count(const std::shared_ptr<Session>& session, int64_t limit, size_t history_limit = 64) {
  std::vector<int64_t> limit_v{limit}, a{0}, b{1}, a_final{-1}, b_final{-1}, history(history_limit, -1);
  auto done = run(session, {host_tensor(limit_v, {}), host_tensor(a, {}), host_tensor(b, {})},
                  {host_tensor(a_final, {}), host_tensor(b_final, {}), host_tensor(history, {int64_t(history_limit)})});
  if (done->status() == Status::Success) history.resize(size_t((*done->output_shape("history"))[0]));
  return {done, a_final[0], b_final[0], history};
}

TEST(Loop, CountsCarriesAndStacks) {
  Counter counter(false);
  auto session = counter.t.session(Context::create(settings()));
  CounterRun five = count(session, 5);
  ASSERT_EQ(five.done->status(), Status::Success) << five.done->text();
  EXPECT_EQ(five.a, 0 + 0 + 1 + 2 + 3 + 4);
  EXPECT_EQ(five.b, 32);
  EXPECT_EQ(five.history, (std::vector<int64_t>{0, 1, 3, 6, 10}));
  for (int64_t none : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    CounterRun zero = count(session, none);
    ASSERT_EQ(zero.done->status(), Status::Success) << zero.done->text();
    EXPECT_EQ(zero.a, 0);
    EXPECT_EQ(zero.b, 1);
    EXPECT_TRUE(zero.history.empty());
  }
  CounterRun over = count(session, 5, 4);
  EXPECT_EQ(over.done->status(), Status::MismatchingShape);
  EXPECT_EQ(over.history.back(), 6) << "the elements that fit are there, nothing behind them";
}

TEST(Loop, ConditionEndsAHugeTripCount) {
  Counter counter(true);
  auto session = counter.t.session(Context::create(settings()));
  CounterRun result = count(session, INT64_MAX);
  ASSERT_EQ(result.done->status(), Status::Success) << result.done->text();
  EXPECT_EQ(result.history, (std::vector<int64_t>{0, 1, 3, 6, 10}));
}

// Carried vectors that grow by one element per iteration, and swap places: (u, v) -> (v, u ++ [i]).
TEST(Loop, CarriedShapesChangeAndRotate) {
  TestProgram t;
  const DimId n = t.input_dim(1, 0, "n"), m = t.input_dim(2, 0, "m");
  const DimId p = t.runtime_dim("p"), q = t.runtime_dim("q"), p_end = t.runtime_dim(), q_end = t.runtime_dim();
  const DimId p1 = t.apply(DimExpr::Op::Add, p, t.constant(1));
  const ValueId limit = t.input("limit", {}, DType::I64), u0 = t.input("u", {n}), v0 = t.input("v", {m});
  Step loop{.op = Step::Op::Loop, .inputs = {limit, -1, u0, v0}, .label = "loop1"};
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId i = t.temporary({}, DType::I64), u = t.temporary({p}), v = t.temporary({q}),
                  grown = t.temporary({p1});
    block.parameters = {i, -1, u, v};
    t.launch(kernel("append",
                    [](void* const* b, const int64_t* d, void*, int64_t, int64_t) {
                      const size_t count = size_t(d[0]);
                      if (count > 0) std::memcpy(b[2], b[0], count * sizeof(float));
                      static_cast<float*>(b[2])[count] = float(*static_cast<const int64_t*>(b[1]));
                      return 0;
                    }),
             {u, i}, {grown}, {p});
    block.results = {-1, v, grown};
  }));
  loop.outputs = {t.output("u_end", {p_end}, DType::F32, true), t.output("v_end", {q_end}, DType::F32, true)};
  t.step(std::move(loop));
  auto session = t.session(Context::create(settings()));
  for (int64_t trips = 0; trips < 6; ++trips) {
    Values u{100}, v{200, 201}, u_end(16), v_end(16), a = u, b = v;
    for (int64_t i = 0; i < trips; ++i) {
      a.push_back(float(i));
      std::swap(a, b);
    }
    std::vector<int64_t> limit_v{trips};
    auto done = run(session, {host_tensor(limit_v, {}), host_tensor(u, {1}), host_tensor(v, {2})},
                    {host_tensor(u_end, {16}), host_tensor(v_end, {16})});
    ASSERT_EQ(done->status(), Status::Success) << done->text();
    u_end.resize(size_t((*done->output_shape("u_end"))[0]));
    v_end.resize(size_t((*done->output_shape("v_end"))[0]));
    EXPECT_EQ(u_end, a) << trips;
    EXPECT_EQ(v_end, b) << trips;
  }
}

TEST(Loop, StaticRotationOfThree) {
  TestProgram t;
  const ValueId limit = t.input("limit", {}, DType::I64);
  std::vector<ValueId> in;
  for (const char* name : {"a", "b", "c"}) in.push_back(t.input(name, {}, DType::I64));
  Step loop{.op = Step::Op::Loop, .inputs = {limit, -1, in[0], in[1], in[2]}, .label = "loop1"};
  loop.blocks.push_back(t.block([&](Block& block) {
    std::vector<ValueId> p;
    for (int i = 0; i < 3; ++i) p.push_back(t.temporary({}, DType::I64));
    block.parameters = {-1, -1, p[0], p[1], p[2]};
    block.results = {-1, p[2], p[0], t.view(p[1], {})};
  }));
  for (const char* name : {"x", "y", "z"}) loop.outputs.push_back(t.output(name, {}, DType::I64));
  t.step(std::move(loop));
  auto session = t.session(Context::create(settings()));
  std::vector<int64_t> a{1}, b{2}, c{3}, x(1), y(1), z(1), n{4};
  auto done = run(session, {host_tensor(n, {}), host_tensor(a, {}), host_tensor(b, {}), host_tensor(c, {})},
                  {host_tensor(x, {}), host_tensor(y, {}), host_tensor(z, {})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ((std::vector<int64_t>{x[0], y[0], z[0]}), (std::vector<int64_t>{3, 1, 2}));
}

// for i < n: for j < i: total += capture. The inner trip count is the outer iteration; `capture` comes from outside.
TEST(Loop, NestedWithCaptures) {
  TestProgram t;
  const ValueId n = t.input("n", {}, DType::I64), seed = t.input("seed", {}, DType::I64);
  const ValueId capture = t.temporary({}, DType::I64), zero = t.constant(Tensor::scalar(DType::I64, 0));
  t.launch(integers([](int64_t v) { return v + 1; }), {seed}, {capture}, {});
  const auto sum = kernel("sum", [](void* const* p, const int64_t*, void*, int64_t, int64_t) {
    *static_cast<int64_t*>(p[2]) = *static_cast<int64_t*>(p[0]) + *static_cast<int64_t*>(p[1]);
    return 0;
  });
  const DimId trips = t.runtime_dim();
  Step outer{.op = Step::Op::Loop, .inputs = {n, -1, zero}, .label = "outer"};
  outer.blocks.push_back(t.block([&](Block& block) {
    const ValueId i = t.temporary({}, DType::I64), total = t.temporary({}, DType::I64),
                  after = t.temporary({}, DType::I64);
    block.parameters = {i, -1, total};
    Step inner{.op = Step::Op::Loop, .inputs = {i, -1, total}, .outputs = {after}, .label = "inner"};
    inner.blocks.push_back(t.block([&](Block& nested) {
      const ValueId inner_total = t.temporary({}, DType::I64), next = t.temporary({}, DType::I64);
      const ValueId copy = t.temporary({}, DType::I64);
      nested.parameters = {-1, -1, inner_total};
      t.launch(integers([](int64_t v) { return v; }), {capture}, {copy}, {});
      t.launch(sum, {inner_total, copy}, {next}, {});
      nested.results = {-1, next};
    }));
    t.step(std::move(inner));
    block.results = {-1, after, after};
  }));
  outer.outputs = {t.output("total", {}, DType::I64), t.output("totals", {trips}, DType::I64, true)};
  t.step(std::move(outer));
  auto session = t.session(Context::create(settings()));
  std::vector<int64_t> n_v{5}, seed_v{6}, total(1), totals(8);
  auto done =
      run(session, {host_tensor(n_v, {}), host_tensor(seed_v, {})}, {host_tensor(total, {}), host_tensor(totals, {8})});
  ASSERT_EQ(done->status(), Status::Success) << done->text();
  EXPECT_EQ(total[0], 7 * (0 + 1 + 2 + 3 + 4));
  totals.resize(5);
  EXPECT_EQ(totals, (std::vector<int64_t>{0, 7, 21, 42, 70}));
}

TEST(Loop, ScanOfRunTimeSizeIntoATemporary) {
  // Stacks x + i into a temporary of run-time size, then adds one to all of it.
  TestProgram t;
  const DimId n = t.input_dim(1, 0, "n"), trips = t.runtime_dim("trips"), size = t.apply(DimExpr::Op::Mul, trips, n);
  const ValueId limit = t.input("limit", {}, DType::I64), x = t.input("x", {n});
  const ValueId stacked = t.temporary({trips, n});
  Step loop{.op = Step::Op::Loop, .inputs = {limit, -1}, .outputs = {stacked}, .label = "loop1"};
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId i = t.temporary({}, DType::I64), shifted = t.temporary({n});
    block.parameters = {i, -1};
    t.launch(kernel("shift",
                    [](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
                      for (int64_t k = begin; k < end; ++k)
                        static_cast<float*>(b[2])[k] =
                            static_cast<const float*>(b[0])[k] + float(*static_cast<const int64_t*>(b[1]));
                      return 0;
                    }),
             {x, i}, {shifted}, {n});
    block.results = {-1, shifted};
  }));
  t.step(std::move(loop));
  t.launch(affine(1, 1), {stacked}, {t.output("y", {trips, n}, DType::F32, true)}, {size});
  auto session = t.session(Context::create(settings()));
  for (int64_t count : {0, 1, 2, 100}) {
    std::vector<int64_t> limit_v{count};
    Values in{10, 20, 30}, out(300);
    auto done = run(session, {host_tensor(limit_v, {}), host_tensor(in, {3})}, {host_tensor(out, {100, 3})});
    ASSERT_EQ(done->status(), Status::Success) << done->text();
    EXPECT_EQ(*done->output_shape("y"), (Dims{count, 3}));
    for (int64_t i = 0; i < count; ++i)
      for (int64_t k = 0; k < 3; ++k) ASSERT_EQ(out[size_t(i * 3 + k)], in[size_t(k)] + float(i) + 1);
  }
}

TEST(Loop, ErrorInsideNamesTheInnerStepAndLeavesTheSessionUsable) {
  TestProgram t;
  const DimId n = t.input_dim(1, 0, "n"), p = t.runtime_dim(), end = t.runtime_dim();
  const ValueId limit = t.input("limit", {}, DType::I64), x = t.input("x", {n});
  Step loop{.op = Step::Op::Loop, .inputs = {limit, -1, x}, .label = "loop1"};
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId i = t.temporary({}, DType::I64), u = t.temporary({p}), next = t.temporary({p});
    block.parameters = {i, -1, u};
    t.launch(kernel("third",
                    [](void* const* b, const int64_t*, void*, int64_t begin, int64_t last) -> int32_t {
                      if (*static_cast<const int64_t*>(b[1]) == 2) return IndexOutOfRange;
                      for (int64_t k = begin; k < last; ++k)
                        static_cast<float*>(b[2])[k] = static_cast<float*>(b[0])[k];
                      return 0;
                    }),
             {u, i}, {next}, {p}, "inner7");
    block.results = {-1, next};
  }));
  loop.outputs = {t.output("y", {end}, DType::F32, true)};
  t.step(std::move(loop));
  auto session = t.session(Context::create(settings()));
  Values in{1, 2}, out(2);
  for (auto [trips, status] : {std::pair{2, Status::Success}, {3, Status::InternalError}, {2, Status::Success}}) {
    std::vector<int64_t> limit_v{trips};
    auto done = run(session, {host_tensor(limit_v, {}), host_tensor(in, {2})}, {host_tensor(out, {2})});
    EXPECT_EQ(done->status(), status);
    EXPECT_EQ(done->text(), status == Status::Success ? "" : "'inner7' (third): index out of range");
  }
}

}  // namespace
}  // namespace sardonyx::runtime::test
