// Hand-built programs over two fake devices, "a" (1) and "b" (2).
//
//   DeviceProgram t;
//   const ValueId up = t.move_to(1, x, {n}), made = t.on(1, {n});
//   t.launch_on(1, affine(2, 0), {up}, {made}, {n});
//   t.open();                                       // context and session
#pragma once
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/plan.h"
#include "tests/runtime/fake_device.h"
#include "tests/runtime/test_program.h"

namespace sardonyx::runtime::test {

class DeviceProgram : public TestProgram {
 public:
  DeviceProgram() { program().devices = {"cpu", "a", "b"}; }

  // A temporary of a device.
  ValueId on(int32_t device, std::vector<DimId> dims, DType dtype = DType::F32) {
    return value({.dtype = dtype, .dims = std::move(dims), .device = device, .name = "d"});
  }
  Step& launch_on(int32_t device, KernelPtr kernel, std::vector<ValueId> inputs, std::vector<ValueId> outputs,
                  std::vector<DimId> dims, std::string label = "device") {
    Step& step = launch(std::move(kernel), std::move(inputs), std::move(outputs), std::move(dims), std::move(label));
    step.device = device;
    return step;
  }
  // A copy of the value in memory of the device.
  ValueId move_to(int32_t device, ValueId from, std::vector<DimId> dims) {
    const ValueId to = on(device, std::move(dims), program().values[size_t(from)].dtype);
    copy(from, to);
    return to;
  }
  void open(const Settings& s = settings()) {
    session.reset();
    context = Context::create(s, {nullptr, a, b});
    session = TestProgram::session(context);
  }
  // What one idle run state holds on the device.
  int64_t arena_bytes(const std::vector<Dims>& shapes, int32_t device) {
    auto analysis = std::make_shared<const Analysis>(std::make_shared<const Program>(program()));
    const std::vector<std::span<const int64_t>> spans(shapes.begin(), shapes.end());
    return make_plan(analysis, spans)->device_arena_bytes[size_t(device)];
  }

  std::shared_ptr<FakeDevice> a = std::make_shared<FakeDevice>("a"), b = std::make_shared<FakeDevice>("b");
  std::shared_ptr<Context> context;
  std::shared_ptr<Session> session;
};

inline EventPtr start(const std::shared_ptr<Session>& session, std::shared_ptr<Binding> binding) {
  auto done = std::make_shared<Event>();
  session->submit(std::move(binding), nullptr, done);
  return done;
}
inline EventPtr start(const std::shared_ptr<Session>& session, const std::vector<HostTensor>& inputs,
                      const std::vector<HostTensor>& outputs) {
  return start(session, session->bind(inputs, outputs));
}

// How often each "label kernel" appears in a trace file.
inline std::map<std::string, int> traced_steps(const std::string& path) {
  std::ifstream file(path);
  const auto trace = nlohmann::json::parse(file);
  std::map<std::string, int> steps;
  for (const auto& event : trace["traceEvents"])
    ++steps[event["name"].get<std::string>() + " " + event["args"]["kernel"].get<std::string>()];
  return steps;
}

}  // namespace sardonyx::runtime::test
