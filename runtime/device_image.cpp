#include "runtime/device_image.h"

#include <atomic>
#include <map>
#include <utility>

#include "runtime/base/status.h"

namespace sardonyx::runtime {

namespace {
class Loader {
 public:
  Loader(const Program& program, std::span<const DevicePtr> devices)
      : program_(std::make_shared<Program>(program)), devices_(devices.begin(), devices.end()) {}

  std::shared_ptr<const DeviceImage> load() {
    check(devices_.size() >= program_->devices.size(), "a program for ", program_->devices.size(), " devices has ",
          devices_.size());
    devices_.resize(program_->devices.size());
    for (size_t d = 1; d < devices_.size(); ++d)
      check(devices_[d] != nullptr, "device '", program_->devices[d], "' is not open");
    kernels_.resize(devices_.size());
    loaded_.resize(devices_.size());
    visit(program_->main, [&](Step& step) { collect(step); });
    for (size_t d = 1; d < devices_.size(); ++d) {
      if (kernels_[d].empty()) continue;
      loaded_[d] = devices_[d]->load(kernels_[d]);
      check(loaded_[d].size() == kernels_[d].size(), "device '", program_->devices[d], "' loaded ", loaded_[d].size(),
            " kernels of ", kernels_[d].size());
    }
    visit(program_->main, [&](Step& step) { replace(step); });
    auto image = std::make_shared<DeviceImage>();
    image->constants = upload();
    image->devices = std::move(devices_);
    image->program = std::move(program_);
    return image;
  }

 private:
  // Calls `body` on every step; nested blocks become the copy's own.
  template <class Body>
  static void visit(Block& block, const Body& body) {
    for (Step& step : block.steps) {
      body(step);
      for (auto& nested : step.blocks) {
        nested = std::make_shared<Block>(*nested);
        visit(*nested, body);
      }
    }
  }

  void collect(const Step& step) {
    if (step.op != Step::Op::Launch || step.device == 0) return;
    auto& kernels = kernels_[size_t(step.device)];
    if (numbers_.try_emplace({step.device, step.kernel.get()}, kernels.size()).second) kernels.push_back(step.kernel);
  }

  void replace(Step& step) const {
    if (step.op != Step::Op::Launch || step.device == 0) return;
    step.kernel = loaded_[size_t(step.device)][numbers_.at({step.device, step.kernel.get()})];
  }

  std::vector<DeviceMemoryPtr> upload() {
    std::vector<DeviceMemoryPtr> memory(program_->values.size());
    std::map<std::pair<int32_t, int32_t>, DeviceMemoryPtr> known;  // by device and constant
    std::vector<std::vector<DeviceCommand>> uploads(devices_.size());
    std::vector<uint8_t> on_host(program_->constants.size(), 0), moved(program_->constants.size(), 0);
    for (size_t i = 0; i < program_->values.size(); ++i) {
      const ValueInfo& info = program_->values[i];
      if (info.kind != ValueInfo::Kind::Constant) continue;
      (info.device == 0 ? on_host : moved)[size_t(info.index)] = 1;
      if (info.device == 0) continue;
      const Constant& constant = program_->constants[size_t(info.index)];
      DeviceMemoryPtr& block = known[{info.device, info.index}];
      const int64_t bytes = constant.tensor.bytes();
      if (block == nullptr) {
        block = devices_[size_t(info.device)]->allocate(bytes, {});
        if (bytes > 0)
          uploads[size_t(info.device)].push_back({.op = DeviceCommand::Op::Upload,
                                                  .operands = {{block, 0}},
                                                  .host = const_cast<uint8_t*>(constant.tensor.raw()),
                                                  .bytes = bytes,
                                                  .label = constant.name});
      }
      memory[i] = block;
    }
    const uint64_t run = next_run_number();
    std::vector<Point> points(devices_.size(), 0);
    for (size_t d = 1; d < devices_.size(); ++d)
      if (!uploads[d].empty()) points[d] = devices_[d]->submit(uploads[d], run);
    std::vector<Completion> ends(devices_.size());
    for (size_t d = 1; d < devices_.size(); ++d) ends[d] = devices_[d]->wait(points[d], nullptr);
    for (const Completion& end : ends)
      if (end.status != Status::Success) throw Error(end.status, end.text);
    for (size_t i = 0; i < moved.size(); ++i)
      if (moved[i] && !on_host[i]) program_->constants[i].tensor = {};
    return memory;
  }

  std::shared_ptr<Program> program_;
  std::vector<DevicePtr> devices_;
  std::vector<std::vector<KernelPtr>> kernels_, loaded_;  // by device
  std::map<std::pair<int32_t, const Kernel*>, size_t> numbers_;
};
}  // namespace

std::shared_ptr<const DeviceImage> load_image(const Program& program, std::span<const DevicePtr> devices) {
  return Loader(program, devices).load();
}

uint64_t next_run_number() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace sardonyx::runtime
