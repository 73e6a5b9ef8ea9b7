// Inputs and outputs bound as memory of a device: in place where the program allows it, with exact copies elsewhere.
#include <gtest/gtest.h>

#include "tests/runtime/device_program.h"

namespace sardonyx::runtime::test {
namespace {

using Values = std::vector<float>;

// Memory of a device with values in it.
HostTensor bound(FakeDevice& device, int32_t number, const Values& values) {
  HostTensor tensor;
  tensor.dims = {int64_t(values.size())};
  tensor.memory = device.allocate(int64_t(values.size() * sizeof(float)), {});
  tensor.device = number;
  std::copy(values.begin(), values.end(), FakeDevice::floats(tensor.memory));
  return tensor;
}

Values values_of(const HostTensor& tensor) {
  const float* data = FakeDevice::floats(tensor.memory);
  return {data, data + tensor.dims[0]};
}

// What moved since the last call, on both devices: "upload a", ...
struct Traffic {
  explicit Traffic(DeviceProgram& program) : t(program) { take(); }
  std::map<std::string, int> take() {
    std::map<std::string, int> now, moved;
    for (FakeDevice* device : {t.a.get(), t.b.get()}) {
      now["upload " + device->name] = device->uploads;
      now["download " + device->name] = device->downloads;
      now["copy " + device->name] = device->copies;
    }
    for (const auto& [what, count] : now)
      if (count != before[what]) moved[what] = count - before[what];
    before = now;
    return moved;
  }
  DeviceProgram& t;
  std::map<std::string, int> before;
};
using Moves = std::map<std::string, int>;

// y = 2 x on device a, between copies from the input and to the output.
struct Double : DeviceProgram {
  Double() {
    n = input_dim(0, 0, "n");
    x = input("x", {n});
    first = on(1, {n});
    y = output("y", {n});
    launch_on(1, affine(2, 0), {move_to(1, x, {n})}, {first}, {n});
    copy(first, y);
  }
  DimId n;
  ValueId x, first, y;
};

Status run_once(DeviceProgram& t, const std::vector<HostTensor>& inputs, const std::vector<HostTensor>& outputs) {
  auto done = start(t.session, inputs, outputs);
  EXPECT_EQ(done->wait(), Status::Success) << done->text();
  return done->status();
}

TEST(DeviceMemory, IsUsedInPlace) {
  Double t;
  t.open();
  Traffic traffic(t);
  Values host{7, 8}, result(2);
  HostTensor in = bound(*t.a, 1, {1, 2}), out = bound(*t.a, 1, {0, 0});
  for (int i = 0; i < 3; ++i) {
    // In and out, in, out, and the host's again, with one session.
    run_once(t, {in}, {out});
    EXPECT_EQ(values_of(out), (Values{2, 4}));
    EXPECT_EQ(values_of(in), (Values{1, 2}));
    EXPECT_EQ(traffic.take(), Moves{});
    run_once(t, {in}, {host_tensor(result, {2})});
    EXPECT_EQ(result, (Values{2, 4}));
    EXPECT_EQ(traffic.take(), (Moves{{"download a", 1}}));
    run_once(t, {host_tensor(host, {2})}, {out});
    EXPECT_EQ(values_of(out), (Values{14, 16}));
    EXPECT_EQ(traffic.take(), (Moves{{"upload a", 1}}));
    run_once(t, {host_tensor(host, {2})}, {host_tensor(result, {2})});
    EXPECT_EQ(result, (Values{14, 16}));
    EXPECT_EQ(traffic.take(), (Moves{{"upload a", 1}, {"download a", 1}}));
  }
  t.session->wait_idle();
  EXPECT_EQ(in.memory.use_count(), 1) << "idle sessions keep none of the host's memory";
  EXPECT_EQ(out.memory.use_count(), 1);
}

TEST(DeviceMemory, InAndOutInOneObjectActsAsIfReadFirst) {
  // y is complete before x is read for the second time.
  Double t;
  const ValueId second = t.on(1, {t.n}), up = t.program().main.steps[0].outputs[0];
  t.launch_on(1, affine(10, 0), {up}, {second}, {t.n});
  t.copy(second, t.output("z", {t.n}));
  t.open();
  Traffic traffic(t);
  Values z(2);
  HostTensor both = bound(*t.a, 1, {1, 2});
  run_once(t, {both}, {both, host_tensor(z, {2})});
  EXPECT_EQ(values_of(both), (Values{2, 4}));
  EXPECT_EQ(z, (Values{10, 20}));
  EXPECT_EQ(traffic.take(), (Moves{{"copy a", 1}, {"download a", 1}}));
  // Two runs in a row on the same object.
  auto binding = t.session->bind(std::vector<HostTensor>{both}, std::vector<HostTensor>{both, host_tensor(z, {2})});
  auto one = start(t.session, binding), two = start(t.session, binding);
  EXPECT_EQ(one->wait(), Status::Success);
  EXPECT_EQ(two->wait(), Status::Success);
  EXPECT_EQ(values_of(both), (Values{8, 16}));
}

TEST(DeviceMemory, OfAnotherDeviceGoesThroughTheHost) {
  Double t;
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.b, 2, {1, 2}), out = bound(*t.b, 2, {0, 0});
  run_once(t, {in}, {out});
  EXPECT_EQ(values_of(out), (Values{2, 4}));
  EXPECT_EQ(traffic.take(), (Moves{{"download b", 1}, {"upload a", 1}, {"download a", 1}, {"upload b", 1}}));
}

TEST(DeviceMemory, StepsOfTheHostGetACopy) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), y = t.output("y", {n}), z = t.output("z", {n});
  t.launch(affine(3, 0), {x}, {y}, {n});
  t.launch(add(), {x, y}, {z}, {n});  // reads an output
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.a, 1, {1, 2}), y_out = bound(*t.a, 1, {0, 0}), z_out = bound(*t.b, 2, {0, 0});
  for (int i = 0; i < 2; ++i) {
    run_once(t, {in}, {y_out, z_out});
    EXPECT_EQ(values_of(y_out), (Values{3, 6}));
    EXPECT_EQ(values_of(z_out), (Values{4, 8}));
    EXPECT_EQ(traffic.take(), (Moves{{"download a", 1}, {"upload a", 1}, {"upload b", 1}}));
    Values host_in{10, 20}, host_y(2), host_z(2);
    run_once(t, {host_tensor(host_in, {2})}, {host_tensor(host_y, {2}), host_tensor(host_z, {2})});
    EXPECT_EQ(host_z, (Values{40, 80}));
    EXPECT_EQ(traffic.take(), Moves{});
  }
}

TEST(DeviceMemory, OneTemporaryForSeveralOutputs) {
  Double t;
  t.copy(t.first, t.output("again", {t.n}));
  t.output_of(t.first, "third");
  t.output_of(t.y, "fourth");
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.a, 1, {1, 2});
  std::vector<HostTensor> outs;
  for (int i = 0; i < 4; ++i) outs.push_back(bound(*t.a, 1, {0, 0}));
  run_once(t, {in}, outs);
  for (const HostTensor& out : outs) EXPECT_EQ(values_of(out), (Values{2, 4}));
  EXPECT_EQ(traffic.take(), (Moves{{"copy a", 3}}));
}

TEST(DeviceMemory, PassedThroughTheProgram) {
  // The input reaches outputs without a step in between, and through one temporary for both.
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n});
  const float numbers[] = {5, 6};
  t.output_of(x, "same");
  t.output_of(t.constant(Tensor::of<float>(DType::F32, {2}, numbers)), "constant");
  t.copy(t.move_to(1, x, {n}), t.output("moved", {n}));
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.a, 1, {1, 2}), same = bound(*t.a, 1, {0, 0}), constant = bound(*t.a, 1, {0, 0});
  HostTensor moved = bound(*t.a, 1, {0, 0});
  run_once(t, {in}, {same, constant, moved});
  EXPECT_EQ(values_of(same), (Values{1, 2}));
  EXPECT_EQ(values_of(constant), (Values{5, 6}));
  EXPECT_EQ(values_of(moved), (Values{1, 2}));
  EXPECT_EQ(traffic.take(), (Moves{{"copy a", 2}, {"upload a", 1}}));
}

TEST(DeviceMemory, ViewsAndPartsAreCopied) {
  // Only a half of the input is wanted, and the output comes in two halves.
  DeviceProgram t;
  const DimId two = t.constant(2), four = t.constant(4), eight = t.constant(8);
  const ValueId x = t.input("x", {four}), y = t.output("y", {four});
  const ValueId tail = t.move_to(1, t.view(x, {two}, eight), {two}), first = t.on(1, {two}), second = t.on(2, {two});
  t.launch_on(1, affine(2, 0), {tail}, {first}, {two});
  t.launch_on(2, affine(1, 1), {t.move_to(2, first, {two})}, {second}, {two});
  t.copy(first, t.view(y, {two}));
  t.copy(second, t.view(y, {two}, eight));
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.a, 1, {1, 2, 3, 4}), out = bound(*t.a, 1, {0, 0, 0, 0});
  run_once(t, {in}, {out});
  EXPECT_EQ(values_of(out), (Values{6, 8, 7, 9}));
  EXPECT_EQ(traffic.take(),
            (Moves{{"copy a", 2}, {"download a", 1}, {"upload b", 1}, {"download b", 1}, {"upload a", 1}}));
}

TEST(DeviceMemory, CopiesInsideBranchesAreMade) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n");
  const ValueId x = t.input("x", {n}), flag = t.input("flag", {}, DType::Bool), result = t.temporary({n});
  Step branch{.op = Step::Op::If, .inputs = {flag}, .outputs = {result}, .label = "if"};
  for (int i = 0; i < 2; ++i)
    branch.blocks.push_back(t.block([&](Block& block) {
      const ValueId made = t.on(1, {n}), down = t.temporary({n});
      t.launch_on(1, affine(float(i + 2), 0), {t.move_to(1, x, {n})}, {made}, {n});
      t.copy(made, down);
      block.results = {down};
    }));
  t.step(std::move(branch));
  t.copy(result, t.output("y", {n}));
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.a, 1, {1, 2}), out = bound(*t.a, 1, {0, 0});
  for (uint8_t which : {1, 0}) {
    std::vector<uint8_t> condition{which};
    run_once(t, {in, host_tensor(condition, {})}, {out});
    EXPECT_EQ(values_of(out), which ? (Values{2, 4}) : (Values{3, 6}));
    EXPECT_EQ(traffic.take(), (Moves{{"copy a", 1}, {"download a", 1}, {"upload a", 1}}));
  }
}

TEST(DeviceMemory, DataDependentOutputsAreCopiedAndLimited) {
  DeviceProgram t;
  const DimId n = t.input_dim(0, 0, "n"), m = t.runtime_dim("m");
  const ValueId count = t.input("count", {}, DType::I64), x = t.move_to(1, t.input("x", {n}), {n});
  t.program().dims[size_t(n)].a = 1;
  t.bind_dims(count, {m});
  const ValueId made = t.on(1, {m});
  t.launch_on(1, affine(2, 0), {t.view(x, {m})}, {made}, {m});
  t.copy(made, t.output("y", {m}, DType::F32, true));
  t.open();
  Traffic traffic(t);
  HostTensor in = bound(*t.a, 1, {1, 2, 3}), out = bound(*t.a, 1, {9, 9});
  std::vector<int64_t> wanted{1};
  run_once(t, {host_tensor(wanted, {}), in}, {out});
  EXPECT_EQ(values_of(out), (Values{2, 9}));
  EXPECT_EQ(traffic.take(), (Moves{{"copy a", 1}}));
  wanted = {3};
  auto done = start(t.session, {host_tensor(wanted, {}), in}, {out});
  EXPECT_EQ(done->wait(), Status::MismatchingShape);
  EXPECT_EQ(values_of(out), (Values{2, 9}));
}

TEST(DeviceMemory, TooSmallOrOfNoDeviceIsRefused) {
  Double t;
  t.open();
  Values y(4);
  const auto refused = [&](HostTensor in) {
    try {
      t.session->bind(std::vector<HostTensor>{in}, std::vector<HostTensor>{host_tensor(y, {in.dims[0]})});
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::InternalError);
      return true;
    }
    return false;
  };
  HostTensor in = bound(*t.a, 1, {1, 2});
  EXPECT_FALSE(refused(in));
  in.dims = {3};
  EXPECT_TRUE(refused(in));
  in.dims = {2};
  in.device = 3;
  EXPECT_TRUE(refused(in));
}

TEST(DeviceMemory, ReleasedWhileInFlight) {
  Double t;
  t.open();
  std::weak_ptr<DeviceMemory> weak;
  HostTensor out = bound(*t.a, 1, {0, 0});
  EventPtr done;
  t.a->hold();
  {
    HostTensor in = bound(*t.a, 1, {1, 2});
    weak = in.memory;
    done = start(t.session, {in}, {out});
  }
  EXPECT_FALSE(weak.expired());
  t.a->let_go();
  EXPECT_EQ(done->wait(), Status::Success);
  EXPECT_EQ(values_of(out), (Values{2, 4}));
  t.session->wait_idle();
  for (int i = 0; i < 1000 && !weak.expired(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace sardonyx::runtime::test
