// Runs lowered programs on an OpenCL device and compares with the interpreter.
#pragma once
#include "backends/opencl/compile.h"
#include "tests/backends/opencl_harness.h"
#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {

// The device as it is, and as a GPU would describe itself: PoCL runs lanes, local memory and barriers as well.
inline std::vector<tensor::Target> device_targets() {
  tensor::Target gpu = opencl_device().target;
  gpu.kind = tensor::TargetKind::OpenClGpu;
  gpu.vector_bytes = 16;
  gpu.max_group = std::min(gpu.max_group, 256);
  gpu.local_bytes = std::min<int64_t>(gpu.local_bytes, 32 << 10);
  if (opencl_device().target.kind == tensor::TargetKind::OpenClGpu) return {gpu};
  return {opencl_device().target, gpu};
}

struct DeviceResult {
  std::vector<Tensor> outputs;
  Completion completion;
};

// Compiles once, runs with poisoned outputs and temporaries. Operands lie at odd multiples of 64 bytes, between guard
// bytes that must stay as they are.
class DeviceRunner {
 public:
  DeviceRunner(const Problem& problem, const Lowered& lowered, const tensor::Target& target)
      : DeviceRunner(problem, lowered, opencl::compile_kernels(lowered.launches, target, Settings{})) {}
  // `code`: one kernel per launch.
  DeviceRunner(const Problem& problem, const Lowered& lowered, const std::vector<KernelPtr>& code)
      : problem_(problem), lowered_(lowered), kernels_(device()->load(code)) {}

  DeviceResult run(const std::vector<Tensor>& inputs, const std::vector<int64_t>& symbols) const {
    std::unordered_map<const expr::Buffer*, Operand> memory;
    for (auto& [buffer, tensor] : tensors_of(problem_, lowered_, inputs, symbols)) memory[buffer].tensor = tensor;
    std::vector<DeviceCommand> commands;
    for (auto& [buffer, operand] : memory) commands.push_back(operand.upload());
    for (size_t k = 0; k < kernels_.size(); ++k) {
      std::vector<runtime::DeviceRange> operands;
      for (const auto& b : lowered_.launches[k].buffers) operands.push_back({memory.at(b.get()).memory, guard_bytes});
      commands.push_back({Op::Launch, kernels_[k]->prepare(symbols), std::move(operands), nullptr, 0, "launch"});
    }
    for (auto& [buffer, operand] : memory) commands.push_back(operand.download());
    DeviceResult result{{}, run_now(device(), commands, next_run())};
    if (result.completion.status != Status::Success) return result;
    for (auto& [buffer, operand] : memory) EXPECT_TRUE(operand.guards_stand()) << buffer->name << " is overrun";
    for (const auto& b : problem_.program.outputs) result.outputs.push_back(memory.at(b.get()).contents());
    return result;
  }

 private:
  static constexpr int64_t guard_bytes = 64;

  struct Operand {
    Tensor tensor;
    DeviceMemoryPtr memory{};
    std::vector<uint8_t> bytes{};  // guard, elements, guard

    DeviceCommand upload() {
      bytes.assign(size_t(tensor.bytes() + 2 * guard_bytes), 0x5c);
      std::memcpy(bytes.data() + guard_bytes, tensor.raw(), size_t(tensor.bytes()));
      memory = device()->allocate(int64_t(bytes.size()), {});
      return {Op::Upload, nullptr, {{memory, 0}}, bytes.data(), int64_t(bytes.size()), "upload"};
    }
    DeviceCommand download() {
      return {Op::Download, nullptr, {{memory, 0}}, bytes.data(), int64_t(bytes.size()), "download"};
    }
    bool guards_stand() const {
      auto stands = [](uint8_t byte) { return byte == 0x5c; };
      return std::all_of(bytes.begin(), bytes.begin() + guard_bytes, stands) &&
             std::all_of(bytes.end() - guard_bytes, bytes.end(), stands);
    }
    Tensor contents() const {
      Tensor t(tensor.dtype(), tensor.dims());
      std::memcpy(t.raw(), bytes.data() + guard_bytes, size_t(t.bytes()));
      return t;
    }
  };

  static const DevicePtr& device() {
    static const DevicePtr& opened = *new DevicePtr(open_device());  // drivers may be gone when statics are destroyed
    return opened;
  }
  static uint64_t next_run() {
    static uint64_t run = 0;
    return ++run;
  }

  Problem problem_;
  Lowered lowered_;
  std::vector<KernelPtr> kernels_;
};

// What the backend would choose for every target: the first family that fits, at its best point, or `only`. `symbols`
// is a list of values of the symbols, `inputs_of` gives the inputs for one of them. True when something ran for every
// target.
inline bool expect_on_device(const Problem& problem, double relative, double absolute,
                             const std::vector<std::vector<int64_t>>& symbols,
                             const std::function<std::vector<Tensor>(const std::vector<int64_t>&)>& inputs_of,
                             std::string_view only = "") {
  size_t ran = 0;
  for (const tensor::Target& target : device_targets()) {
    for (const sketch::Family& family : sketch::families(target)) {
      if (!only.empty() && only != family.name) continue;
      auto proposals = family.propose(problem, target, nullptr);
      if (proposals.empty()) continue;
      auto lowered = family.lower(problem, proposals.front().point, target);
      if (!std::holds_alternative<Lowered>(lowered)) continue;
      SCOPED_TRACE(family.name);
      DeviceRunner runner(problem, std::get<Lowered>(lowered), target);
      for (const std::vector<int64_t>& values : symbols) {
        const std::vector<Tensor> inputs = inputs_of(values);
        std::vector<Tensor> want = tensor::interpret(problem.program, inputs, values);
        DeviceResult got = runner.run(inputs, values);
        EXPECT_EQ(got.completion.status, Status::Success) << got.completion.text;
        for (size_t i = 0; i < got.outputs.size(); ++i) {
          EXPECT_TRUE(close(got.outputs[i], want[i], relative, absolute)) << "output " << i;
        }
      }
      ++ran;
      break;
    }
  }
  return ran == device_targets().size();
}

// The same on random inputs in [-range, range].
inline bool expect_on_device(const Problem& problem, double relative, double absolute,
                             const std::vector<std::vector<int64_t>>& symbols = {{}}, double range = 2,
                             std::string_view only = "") {
  const auto random = [&](const std::vector<int64_t>& values) {
    return random_inputs(problem.program, values, 7, -range, range);
  };
  return expect_on_device(problem, relative, absolute, symbols, random, only);
}

}  // namespace sardonyx::testing
