// Programs over several devices: order, transfers, memory, failures, completion. Bound device memory is in
// device_memory_test.cpp.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/runtime/device_program.h"

namespace sardonyx::runtime::test {
namespace {

using Values = std::vector<float>;

Values iota(size_t count) {
  Values values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

// y = 2 (x + 1) + 3, one step on each of host, a, b and the host again.
struct Relay : DeviceProgram {
  Relay() {
    n = input_dim(0, 0, "n");
    const ValueId h = temporary({n}), y = output("y", {n}), back = temporary({n});
    launch(affine(1, 1), {input("x", {n})}, {h}, {n}, "host1");
    const ValueId first = on(1, {n}), second = on(2, {n});
    launch_on(1, affine(2, 0), {move_to(1, h, {n})}, {first}, {n}, "double");
    launch_on(2, affine(1, 3), {move_to(2, first, {n})}, {second}, {n}, "plus3");
    copy(second, back);
    launch(affine(1, 0), {back}, {y}, {n}, "host2");
    open();
  }
  static Values expected(Values x) {
    for (float& value : x) value = 2 * (value + 1) + 3;
    return x;
  }
  EventPtr submit(Values& x, Values& y) {
    return start(session, {host_tensor(x, {int64_t(x.size())})}, {host_tensor(y, {int64_t(y.size())})});
  }
  DimId n;
};

TEST(Devices, StepsOfOneProgramAlternate) {
  Relay relay;
  for (size_t size : {1, 5, 5, 1000, 0, 1}) {
    Values x = iota(size), y(size);
    auto done = relay.submit(x, y);
    EXPECT_EQ(done->wait(), Status::Success) << done->text();
    EXPECT_EQ(y, Relay::expected(x));
  }
  EXPECT_EQ(relay.a->launches, 5) << "an empty grid needs no launch";
  EXPECT_EQ(relay.a->loaded, 1);
  EXPECT_EQ(relay.b->loaded, 1);
}

TEST(Devices, ConsecutiveStepsGoToTheQueueTogether) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  ValueId last = t.move_to(1, t.input("x", {n}), {n});
  for (int i = 0; i < 10; ++i) {
    const ValueId next = t.on(1, {n});
    t.launch_on(1, affine(1, 1), {last}, {next}, {n});
    last = next;
  }
  t.copy(last, t.output("y", {n}));
  t.open();
  Values x = iota(4), y(4);
  auto done = start(t.session, {host_tensor(x, {4})}, {host_tensor(y, {4})});
  ASSERT_EQ(done->wait(), Status::Success) << done->text();
  EXPECT_EQ(y, (Values{10, 11, 12, 13}));
  EXPECT_EQ(t.a->submits, 1);
  EXPECT_EQ(t.a->launches, 10);
}

TEST(Devices, UploadsKeepTheirSource) {
  // Without care h2 would get the memory of h1 while the slow device has yet to read it.
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n});
  ValueId sum = -1;
  for (int i = 0; i < 4; ++i) {
    const ValueId h = t.temporary({n});
    t.launch(affine(1, float(i)), {x}, {h}, {n});
    const ValueId part = t.move_to(1, h, {n});
    if (i == 0) {
      sum = part;
      continue;
    }
    const ValueId next = t.on(1, {n});
    t.launch_on(1, add(), {sum, part}, {next}, {n});
    sum = next;
  }
  t.copy(sum, t.output("y", {n}));
  t.a->delay = std::chrono::milliseconds(2);
  t.open();
  Values x_values = iota(100), y(100);
  auto done = start(t.session, {host_tensor(x_values, {100})}, {host_tensor(y, {100})});
  ASSERT_EQ(done->wait(), Status::Success) << done->text();
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], 4 * float(i) + 6);
}

TEST(Devices, UploadsKeepRunTimeSizedSources) {
  DeviceProgram t;
  const ValueId x = t.input("x", {t.input_dim(0, 0, "n")});
  const auto grow = host("grow", [](std::span<const Tensor> in) {
    Tensor result(DType::F32, {in[0].dims()[0] + 1});
    for (int64_t i = 0; i < result.count(); ++i) result.set_double(i, double(result.count()));
    return std::vector<Tensor>{result};
  });
  ValueId last = x;
  std::vector<ValueId> parts;
  DimId m = -1;
  for (int i = 0; i < 3; ++i) {
    m = t.runtime_dim();
    const ValueId h = t.temporary({m});
    t.call(grow, {last}, {h});
    parts.push_back(t.move_to(1, h, {m}));
    last = h;
  }
  const ValueId sum = t.on(1, {t.constant(2)});
  t.launch_on(1, add(), {parts[0], parts[1]}, {sum}, {t.constant(2)});
  t.copy(sum, t.output("y", {t.constant(2)}));
  t.a->delay = std::chrono::milliseconds(2);
  t.open();
  Values x_values = iota(3), y(2);
  auto done = start(t.session, {host_tensor(x_values, {3})}, {host_tensor(y, {2})});
  ASSERT_EQ(done->wait(), Status::Success) << done->text();
  EXPECT_EQ(y, (Values{9, 9}));
  t.session->wait_idle();
  EXPECT_EQ(t.a->bytes(), t.arena_bytes({{3}}, 1)) << "run-time-sized values are gone";
}

// out[0] = number of elements of `in` above zero, as i64 (a kernel of a device).
KernelPtr count_positive() {
  return kernel("count", [](void* const* b, const int64_t* d, void*, int64_t begin, int64_t) {
    if (begin != 0) return int32_t(KernelOk);
    int64_t count = 0;
    for (int64_t i = 0; i < d[0]; ++i) count += static_cast<const float*>(b[0])[i] > 0;
    std::memcpy(b[1], &count, sizeof count);
    return int32_t(KernelOk);
  });
}

KernelPtr any_positive() {
  return kernel("any", [](void* const* b, const int64_t* d, void*, int64_t, int64_t) {
    *static_cast<uint8_t*>(b[1]) =
        std::any_of(static_cast<float*>(b[0]), static_cast<float*>(b[0]) + d[0], [](float value) { return value > 0; });
    return int32_t(KernelOk);
  });
}

TEST(Devices, BranchesReadWhatADeviceWrote) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.move_to(1, t.input("x", {n}), {n}), flag = t.on(1, {}, DType::Bool);
  t.launch_on(1, any_positive(), {x}, {flag}, {n});
  const ValueId condition = t.temporary({}, DType::Bool), y = t.output("y", {n});
  t.copy(flag, condition);
  Step branch{.op = Step::Op::If, .inputs = {condition}, .outputs = {y}, .label = "if"};
  for (int i = 0; i < 2; ++i)
    branch.blocks.push_back(t.block([&](Block& block) {
      // Two round trips, so that the branch waits inside.
      const ValueId first = t.on(1, {n}), h = t.temporary({n}), second = t.on(2, {n}), result = t.temporary({n});
      t.launch_on(1, affine(i == 0 ? 10 : -1, 0), {x}, {first}, {n});
      t.copy(first, h);
      const ValueId plus = t.temporary({n});
      t.launch(affine(1, 1), {h}, {plus}, {n});
      t.launch_on(2, affine(1, 0), {t.move_to(2, plus, {n})}, {second}, {n});
      t.copy(second, result);
      block.results = {result};
    }));
  t.step(std::move(branch));
  t.a->delay = std::chrono::microseconds(300);
  t.open();
  for (float sign : {1.0f, -1.0f, 1.0f}) {
    Values in{sign, 2 * sign}, out(2);
    auto done = start(t.session, {host_tensor(in, {2})}, {host_tensor(out, {2})});
    ASSERT_EQ(done->wait(), Status::Success) << done->text();
    EXPECT_EQ(out, sign > 0 ? (Values{11, 21}) : (Values{2, 3}));
  }
}

// m = number of positive x, counted on a device; y[m] = (x[:m] + 1) * 2 on run-time-sized device values.
struct Counted : DeviceProgram {
  Counted() {
    const DimId n = input_dim(0, 0, "n");
    const ValueId x = move_to(1, input("x", {n}), {n}), counted = on(1, {}, DType::I64);
    launch_on(1, count_positive(), {x}, {counted}, {n}, "count");
    const ValueId count = temporary({}, DType::I64);
    copy(counted, count);
    const DimId m = runtime_dim("m");
    bind_dims(count, {m});
    const ValueId first = on(1, {m}), crossed = on(2, {m}), second = on(2, {m}),
                  whole = on(2, {apply(DimExpr::Op::Add, m, m)});
    launch_on(1, affine(1, 1), {view(x, {m})}, {first}, {m}, "plus");
    copy(first, crossed);
    launch_on(2, affine(2, 0), {crossed}, {second}, {m}, "times");
    // Both halves of a run-time-sized value through views.
    const DimId bytes = apply(DimExpr::Op::Mul, m, constant(4));
    launch_on(2, affine(1, 0), {second}, {view(whole, {m})}, {m}, "left");
    launch_on(2, affine(-1, 0), {second}, {view(whole, {m}, bytes)}, {m}, "right");
    copy(whole, output("y", {apply(DimExpr::Op::Add, m, m)}, DType::F32, true));
    open();
  }
};

TEST(Devices, RunTimeSizedValues) {
  Counted t;
  for (size_t positive : {2, 0, 4, 1}) {
    Values in(4, -1), out(8, 99);
    for (size_t i = 0; i < positive; ++i) in[i] = float(i + 1);
    auto done = start(t.session, {host_tensor(in, {4})}, {host_tensor(out, {8})});
    ASSERT_EQ(done->wait(), Status::Success) << done->text();
    EXPECT_EQ(*done->output_shape("y"), (Dims{int64_t(2 * positive)}));
    for (size_t i = 0; i < positive; ++i) {
      EXPECT_EQ(out[i], 2 * (in[i] + 1));
      EXPECT_EQ(out[positive + i], -out[i]);
    }
    EXPECT_EQ(std::count(out.begin(), out.end(), 99), ptrdiff_t(8 - 2 * positive)) << "nothing is stored behind";
  }
  t.session->wait_idle();
  EXPECT_EQ(t.a->bytes(), t.arena_bytes({{4}}, 1));
  EXPECT_EQ(t.b->bytes(), t.arena_bytes({{4}}, 2));
  // Beyond the limit that the host described.
  Values in(4, 1), out(4);
  auto done = start(t.session, {host_tensor(in, {4})}, {host_tensor(out, {4})});
  EXPECT_EQ(done->wait(), Status::MismatchingShape);
  EXPECT_EQ(out, Values(4, 0));
}

TEST(Devices, RunTimeAllocationMayFail) {
  Counted t;
  Values in(4, 1), out(8);
  const auto bind = [&] {
    return t.session->bind(std::vector<HostTensor>{host_tensor(in, {4})},
                           std::vector<HostTensor>{host_tensor(out, {8})});
  };
  auto binding = bind();
  const int64_t idle = t.a->bytes();
  t.a->bytes_limit = idle + 8;
  auto done = start(t.session, binding);
  EXPECT_EQ(done->wait(), Status::NoDeviceMemory);
  EXPECT_EQ(done->text(), "'plus' (affine): device a has no 16 bytes");
  t.session->wait_idle();
  EXPECT_EQ(t.a->bytes(), idle);
  t.a->bytes_limit = INT64_MAX;
  EXPECT_EQ(start(t.session, binding)->wait(), Status::Success);
  EXPECT_EQ(out[0], 4);
}

TEST(Devices, RunTimeAllocationTakesIdleMemory) {
  Counted t;
  Values many(100, 1), sums(200), in(4, 1), out(8);
  ASSERT_EQ(start(t.session, {host_tensor(many, {100})}, {host_tensor(sums, {200})})->wait(), Status::Success);
  t.session->wait_idle();
  auto binding =
      t.session->bind(std::vector<HostTensor>{host_tensor(in, {4})}, std::vector<HostTensor>{host_tensor(out, {8})});
  const int64_t idle = t.a->bytes();
  t.a->bytes_limit = idle + 8;
  auto done = start(t.session, binding);
  EXPECT_EQ(done->wait(), Status::Success) << done->text();
  EXPECT_EQ(out[0], 4);
  t.session->wait_idle();
  EXPECT_LT(t.a->bytes(), idle);
}

TEST(Devices, LoopsWithBodiesOnDevices) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n"), end = t.runtime_dim();
  const ValueId x = t.input("x", {n}), trips = t.input("trips", {}, DType::I64);
  const ValueId outside = t.move_to(2, x, {n});
  const ValueId last = t.temporary({n});
  Step loop{.op = Step::Op::Loop,
            .inputs = {trips, -1, x},
            .outputs = {last, t.output("all", {end, n}, DType::F32, true)},
            .label = "loop"};
  loop.blocks.push_back(t.block([&](Block& block) {
    const ValueId carried = t.temporary({n}), h = t.temporary({n}), next = t.temporary({n});
    block.parameters = {-1, -1, carried};
    // The host overwrites h and the parameter in every iteration; the upload must have read them by then.
    t.launch(affine(1, 1), {carried}, {h}, {n});
    const ValueId first = t.on(1, {n}), second = t.on(2, {n});
    t.launch_on(1, add(), {t.move_to(1, h, {n}), t.move_to(1, carried, {n})}, {first}, {n}, "twice");
    t.launch_on(2, add(), {t.move_to(2, first, {n}), outside}, {second}, {n}, "plus x");
    t.copy(second, next);
    block.results = {-1, next, next};
  }));
  t.step(std::move(loop));
  t.launch(affine(1, 0), {last}, {t.output("last", {n})}, {n});
  t.a->delay = std::chrono::microseconds(200);
  t.open();
  for (int64_t count : {3, 0, 1, 5}) {
    Values in{1, 2, 3}, all(15), final(3);
    std::vector<int64_t> trip_count{count};
    auto done = start(t.session, {host_tensor(in, {3}), host_tensor(trip_count, {})},
                      {host_tensor(all, {5, 3}), host_tensor(final, {3})});
    ASSERT_EQ(done->wait(), Status::Success) << done->text();
    Values expected = in;
    for (int64_t k = 0; k < count; ++k)
      for (size_t i = 0; i < 3; ++i) {
        expected[i] = 2 * expected[i] + 1 + in[i];
        EXPECT_EQ(all[size_t(k) * 3 + i], expected[i]);
      }
    EXPECT_EQ(final, expected);
  }
}

// A body that only launches never waits by itself; the queue of the device stays short all the same.
TEST(Devices, LoopsThatOnlyLaunchDoNotRunAhead) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), trips = t.input("trips", {}, DType::I64);
  const ValueId sum = t.move_to(1, x, {n});
  Step loop{.op = Step::Op::Loop, .inputs = {trips, -1}, .label = "loop"};
  loop.blocks.push_back(t.block([&](Block& block) {
    block.parameters = {-1, -1};
    t.launch_on(1, affine(1, 1), {sum}, {t.on(1, {n})}, {n}, "forgotten");
    block.results = {-1};
  }));
  t.step(std::move(loop));
  t.copy(sum, t.output("y", {n}));
  t.a->delay = std::chrono::microseconds(20);
  t.open();
  Values in{1, 2, 3}, out(3);
  std::vector<int64_t> trip_count{5000};
  auto done = start(t.session, {host_tensor(in, {3}), host_tensor(trip_count, {})}, {host_tensor(out, {3})});
  ASSERT_EQ(done->wait(), Status::Success) << done->text();
  EXPECT_EQ(out, in);
  EXPECT_EQ(t.a->launches, 5000);
  EXPECT_GT(t.a->submits, 5000 / 32);
  EXPECT_LE(t.a->most_queued, 17);

  // A failure ends the loop long before its last iteration.
  t.a->launches = 0;
  t.a->fail_submit = 3;
  done = start(t.session, {host_tensor(in, {3}), host_tensor(trip_count, {})}, {host_tensor(out, {3})});
  EXPECT_EQ(done->wait(), Status::NoDeviceResources);
  EXPECT_LT(t.a->launches, 1000);
}

TEST(Devices, ConstantsAndKernelsGoThereOnce) {
  DeviceProgram t;
  const DimId n = t.constant(3);
  const float values[] = {5, 6, 7};
  const ValueId weights = t.constant(Tensor::of<float>(DType::F32, {3}, values));
  t.program().values[size_t(weights)].device = 1;
  // The same constant once more on the same device, on another and on the host.
  const ValueId again = t.value(t.program().values[size_t(weights)]),
                other = t.value(t.program().values[size_t(weights)]);
  const ValueId host_value = t.value(t.program().values[size_t(weights)]);
  t.program().values[size_t(other)].device = 2;
  t.program().values[size_t(host_value)].device = 0;
  const auto shared = add();
  const ValueId x = t.input("x", {n}), first = t.on(1, {n}), second = t.on(1, {n}), third = t.on(2, {n}),
                down = t.temporary({n});
  t.launch_on(1, shared, {t.move_to(1, x, {n}), weights}, {first}, {n});
  t.launch_on(1, shared, {first, again}, {second}, {n});
  t.launch_on(2, shared, {t.move_to(2, second, {n}), other}, {third}, {n});
  t.copy(third, down);
  t.launch(add(), {down, host_value}, {t.output("y", {n})}, {n});
  t.open();
  EXPECT_EQ(t.a->uploads, 1);
  EXPECT_EQ(t.b->uploads, 1);
  EXPECT_EQ(t.a->loaded, 1);
  for (int i = 0; i < 3; ++i) {
    Values in{1, 2, 3}, out(3);
    auto done = start(t.session, {host_tensor(in, {3})}, {host_tensor(out, {3})});
    ASSERT_EQ(done->wait(), Status::Success) << done->text();
    EXPECT_EQ(out, (Values{21, 26, 31}));
  }
  EXPECT_EQ(t.a->uploads, 1 + 3);
}

TEST(Devices, OutputsThatAreValuesOfDevices) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId first = t.on(1, {n});
  t.launch_on(1, affine(3, 0), {t.move_to(1, t.input("x", {n}), {n})}, {first}, {n});
  t.output_of(first, "y");
  t.open();
  Values in{1, 2}, out(2);
  auto done = start(t.session, {host_tensor(in, {2})}, {host_tensor(out, {2})});
  ASSERT_EQ(done->wait(), Status::Success) << done->text();
  EXPECT_EQ(out, (Values{3, 6}));
}

TEST(Devices, AnInputOverAnOutputActsAsIfReadFirst) {
  // The host writes y while the slow device has yet to read x.
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), up = t.move_to(1, x, {n}), first = t.on(1, {n});
  t.launch_on(1, affine(3, 0), {up}, {first}, {n});
  t.launch(kernel("seven",
                  [](void* const* b, const int64_t*, void*, int64_t begin, int64_t end) {
                    std::fill(static_cast<float*>(b[0]) + begin, static_cast<float*>(b[0]) + end, 7.0f);
                    return 0;
                  }),
           {}, {t.output("y", {n})}, {n});
  t.copy(first, t.output("z", {n}));
  t.a->delay = std::chrono::milliseconds(2);
  t.open();
  Values shared{1, 2}, z(2);
  auto done = start(t.session, {host_tensor(shared, {2})}, {host_tensor(shared, {2}), host_tensor(z, {2})});
  ASSERT_EQ(done->wait(), Status::Success) << done->text();
  EXPECT_EQ(shared, (Values{7, 7}));
  EXPECT_EQ(z, (Values{3, 6}));
}

TEST(Devices, FailuresReachTheEventAndTheNextRunWorks) {
  Relay relay;
  Values x = iota(8), y(8);
  relay.a->delay = relay.b->delay = std::chrono::microseconds(100);
  ASSERT_EQ(relay.submit(x, y)->wait(), Status::Success);
  relay.session->wait_idle();
  const int64_t bytes_a = relay.a->bytes(), bytes_b = relay.b->bytes();
  for (FakeDevice* device : {relay.a.get(), relay.b.get()}) {
    const int before = device->submits;
    ASSERT_EQ(relay.submit(x, y)->wait(), Status::Success);
    const int submits = device->submits - before;
    EXPECT_GE(submits, 1);
    for (int which = 1; which <= submits; ++which) {
      device->fail_submit = which;
      auto done = relay.submit(x, y);
      auto next = relay.submit(x, y);  // waits for the first one's buffers
      EXPECT_EQ(done->wait(), Status::NoDeviceResources);
      EXPECT_NE(done->text().find("failed on " + device->name), std::string::npos) << done->text();
      EXPECT_EQ(next->wait(), Status::Success) << next->text();
      EXPECT_EQ(y, Relay::expected(x));
      relay.session->wait_idle();
      EXPECT_EQ(relay.a->bytes(), bytes_a);
      EXPECT_EQ(relay.b->bytes(), bytes_b);
    }
  }
}

TEST(Devices, AFailureOfTheHostWaitsForTheDevices) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), first = t.on(1, {n});
  t.launch_on(1, affine(3, 0), {t.move_to(1, x, {n})}, {first}, {n});
  t.copy(first, t.output("y", {n}));
  t.launch(kernel("bad", [](auto...) { return int32_t(KernelFailed); }), {x}, {t.output("z", {n})}, {n}, "broken");
  t.open();
  t.a->hold();
  Values in{1, 2}, y(2), z(2);
  auto done = start(t.session, {host_tensor(in, {2})}, {host_tensor(y, {2}), host_tensor(z, {2})});
  EXPECT_FALSE(done->wait_for(std::chrono::milliseconds(30))) << "the device may still write to y";
  t.a->let_go();
  EXPECT_EQ(done->wait(), Status::InternalError);
  EXPECT_EQ(done->text(), "'broken' (bad): kernel failed");
  EXPECT_EQ(y, (Values{3, 6})) << "the device was through before the event";
}

TEST(Devices, NoMemoryAtBindIsSaidThere) {
  Relay relay;
  relay.a->bytes_limit = 1000;
  Values x = iota(1000), y(1000);
  try {
    relay.submit(x, y);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::NoDeviceMemory) << error.text();
  }
  EXPECT_EQ(relay.a->bytes(), 0);
  Values small = iota(2), out(2);
  EXPECT_EQ(relay.submit(small, out)->wait(), Status::Success);
  relay.a->bytes_limit = INT64_MAX;
  EXPECT_EQ(relay.submit(x, y)->wait(), Status::Success);
}

// Memory of shapes that were bound before goes when it stands in the way of others.
TEST(Devices, IdleMemoryGivesWay) {
  Relay relay;
  Values small = iota(1000), out(1000), large = iota(1500), large_out(1500);
  ASSERT_EQ(relay.submit(small, out)->wait(), Status::Success);
  relay.session->wait_idle();
  const int64_t idle = relay.a->bytes();
  ASSERT_GT(idle, 0);
  relay.a->bytes_limit = 2 * idle;  // too little for both shapes
  ASSERT_EQ(relay.submit(large, large_out)->wait(), Status::Success);
  relay.session->wait_idle();
  EXPECT_GT(relay.a->bytes(), idle);
  EXPECT_LE(relay.a->bytes(), 2 * idle);
  ASSERT_EQ(relay.submit(small, out)->wait(), Status::Success);
  ASSERT_EQ(relay.submit(large, large_out)->wait(), Status::Success);
}

TEST(Devices, SubmittingWaitsForNothing) {
  Relay relay;
  relay.a->hold();
  std::vector<Values> xs, ys(12, Values(3));
  for (int i = 0; i < 12; ++i) xs.push_back({float(i), float(i + 1), float(i + 2)});
  std::vector<EventPtr> done;
  for (size_t i = 0; i < xs.size(); ++i) done.push_back(relay.submit(xs[i], ys[i]));
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  for (const auto& event : done) EXPECT_FALSE(event->signalled());
  relay.a->let_go();
  for (size_t i = 0; i < xs.size(); ++i) {
    EXPECT_EQ(done[i]->wait(), Status::Success) << done[i]->text();
    EXPECT_EQ(ys[i], Relay::expected(xs[i]));
  }
}

TEST(Devices, ALateDeviceDoesNotStopOtherGraphs) {
  for (Optimization optimization : {Optimization::LowLatency, Optimization::HighThroughput}) {
    Settings s = settings(2);
    s.optimization = optimization;
    Relay relay;
    relay.open(s);
    TestProgram plain;
    const DimId n = plain.input_dim(0, 0, "n");
    plain.launch(affine(1, 1, 1e6), {plain.input("x", {n})}, {plain.output("y", {n})}, {n});
    auto other = plain.session(relay.context);
    relay.a->hold();
    std::vector<Values> xs(6, iota(3)), ys(6, Values(3));
    std::vector<EventPtr> late;
    for (size_t i = 0; i < xs.size(); ++i) late.push_back(relay.submit(xs[i], ys[i]));
    Values x{1}, y{0};
    for (int i = 0; i < 20; ++i) {
      auto done = start(other, {host_tensor(x, {1})}, {host_tensor(y, {1})});
      ASSERT_TRUE(done->wait_for(std::chrono::seconds(20)));
      EXPECT_EQ(y[0], 2);
    }
    for (const auto& event : late) EXPECT_FALSE(event->signalled());
    relay.a->let_go();
    for (size_t i = 0; i < xs.size(); ++i) {
      EXPECT_EQ(late[i]->wait(), Status::Success);
      EXPECT_EQ(ys[i], Relay::expected(xs[i]));
    }
  }
}

TEST(Devices, RunsThatShareBuffersKeepTheirOrder) {
  Relay relay;
  relay.a->delay = std::chrono::microseconds(200);
  Values cell{1}, expected{1};
  std::vector<EventPtr> done;
  for (int i = 0; i < 12; ++i) {
    done.push_back(relay.submit(cell, cell));
    expected = Relay::expected(expected);
  }
  for (const auto& event : done) EXPECT_EQ(event->wait(), Status::Success);
  EXPECT_EQ(cell, expected);
}

TEST(Devices, SessionsAndDevicesOutliveTheirHandlesUntilTheRunsAreDone) {
  for (int round = 0; round < 20; ++round) {
    Values x = iota(5), y(5);
    std::vector<EventPtr> done;
    std::weak_ptr<FakeDevice> weak;
    {
      Relay relay;
      weak = relay.a;
      relay.a->hold();
      for (int i = 0; i < 3; ++i) done.push_back(relay.submit(x, y));
      relay.session.reset();
      relay.context.reset();
      relay.b.reset();
      relay.a->let_go();
    }
    for (const auto& event : done) EXPECT_EQ(event->wait(), Status::Success);
    EXPECT_EQ(y, Relay::expected(x));
    for (int i = 0; i < 1000 && !weak.expired(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(weak.expired());
  }
}

TEST(Devices, StepsOnDevicesAreTraced) {
  const std::string path = testing::TempDir() + "sardonyx_device_trace.json";
  Settings traced = settings();
  traced.trace_file = path;
  Relay relay;
  relay.open(traced);
  Values x = iota(3), y(3);
  ASSERT_EQ(relay.submit(x, y)->wait(), Status::Success);
  relay.session->wait_idle();
  EXPECT_EQ(traced_steps(path), (std::map<std::string, int>{{"host1 affine", 1},
                                                            {"copy upload", 1},
                                                            {"double affine", 1},
                                                            {"copy download and upload", 1},
                                                            {"plus3 affine", 1},
                                                            {"copy download", 1},
                                                            {"host2 affine", 1}}));
  std::remove(path.c_str());
}

TEST(Devices, CommandsNameTheirGroup) {
  Relay relay;
  std::vector<Step>& steps = relay.program().main.steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    relay.program().report.push_back({.name = str("group", i)});
    steps[i].report = int32_t(i);
  }
  relay.open();
  Values x = iota(3), y(3);
  ASSERT_EQ(relay.submit(x, y)->wait(), Status::Success);
  EXPECT_EQ(relay.a->groups(), (std::vector<std::string>{"group1", "group2", "group3"}));
  EXPECT_EQ(relay.b->groups(), (std::vector<std::string>{"group3", "group4", "group5"}));
}

// Random programs over three devices against the same sums on the host; several runs are in flight at a time.
TEST(Devices, RandomProgramsEqualTheHost) {
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    DeviceProgram t;
    const DimId n = t.input_dim(0, 0, "n");
    struct Known {
      ValueId id[3];        // by device; -1: not there
      float scale, offset;  // value = scale x + offset
    };
    std::vector<Known> values{{{t.input("x", {n}), -1, -1}, 1, 0}};
    const auto at = [&](size_t which, int device) {
      Known& known = values[which];
      if (known.id[device] >= 0) return known.id[device];
      int from = int(random() % 3);
      while (known.id[from] < 0) from = (from + 1) % 3;
      const ValueId moved = t.on(device, {n});
      t.copy(known.id[from], moved);
      // Sometimes the next reader copies again.
      if (random() % 4 != 0) known.id[device] = moved;
      return moved;
    };
    const int steps = 3 + int(random() % 25);
    for (int i = 0; i < steps; ++i) {
      const int device = int(random() % 3);
      const size_t p = random() % values.size(), q = random() % values.size();
      const ValueId in_p = at(p, device), in_q = at(q, device), out = t.on(device, {n});
      Step& step = random() % 2 ? t.launch_on(device, add(), {in_p, in_q}, {out}, {n})
                                : t.launch_on(device, affine(0.5f, 1), {in_p}, {out}, {n});
      const bool sum = step.inputs.size() == 2;
      if (random() % 2) step.in_place = {{0, 0}};
      Known made{{-1, -1, -1}, 0, 0};
      made.scale = sum ? values[p].scale + values[q].scale : values[p].scale / 2;
      made.offset = sum ? values[p].offset + values[q].offset : values[p].offset / 2 + 1;
      made.id[device] = out;
      values.push_back(made);
    }
    std::vector<Known> shown;
    for (int i = 0; i < 3; ++i) {
      const size_t which = values.size() - 1 - random() % std::min<size_t>(values.size(), 4);
      const ValueId from = at(which, int(random() % 3));
      if (random() % 2)
        t.copy(from, t.output("y" + std::to_string(i), {n}));
      else
        t.output_of(from, "y" + std::to_string(i));
      shown.push_back(values[which]);
    }
    t.a->delay = std::chrono::microseconds(random() % 60);
    t.b->delay = std::chrono::microseconds(random() % 60);
    t.open();
    std::vector<Values> in(5), out(15);
    std::vector<EventPtr> done;
    for (size_t r = 0; r < 5; ++r) {
      in[r] = iota(1 + (r % 3) * 50);
      std::vector<HostTensor> outputs;
      for (size_t i = 0; i < 3; ++i) {
        out[r * 3 + i].resize(in[r].size());
        outputs.push_back(host_tensor(out[r * 3 + i], {int64_t(in[r].size())}));
      }
      done.push_back(start(t.session, {host_tensor(in[r], {int64_t(in[r].size())})}, outputs));
    }
    for (const auto& event : done) EXPECT_EQ(event->wait(), Status::Success) << event->text();
    for (size_t r = 0; r < 5; ++r)
      for (size_t i = 0; i < 3; ++i)
        for (size_t k = 0; k < in[r].size(); ++k)
          ASSERT_FLOAT_EQ(out[r * 3 + i][k], shown[i].scale * in[r][k] + shown[i].offset)
              << "output " << i << " of\n"
              << to_string(t.session->program());
  }
}

}  // namespace
}  // namespace sardonyx::runtime::test
