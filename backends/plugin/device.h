// Device, memory and kernels over a plug-in's table. Only the plug-in's backend makes them.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/plugin/call.h"
#include "runtime/device.h"

namespace sardonyx::plugin {

// What compile gave for one group: to be loaded before it can run.
class Code : public runtime::Kernel {
 public:
  Code(std::string name, double cost_ns, Object object)
      : name_(std::move(name)), cost_ns_(cost_ns), object_(std::move(object)) {}
  std::string name() const override { return name_; }
  double cost_ns() const { return cost_ns_; }
  sardonyxObject* object() const { return object_.get(); }
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override;

 private:
  std::string name_;
  double cost_ns_;
  Object object_;
};

// An open device of the plug-in. Memory, kernels and commands in flight share it, so it goes last.
struct OpenDevice {
  OpenDevice(const sardonyxBackend& table, Object object) : table(table), object(std::move(object)) {}
  ~OpenDevice();
  // Has the plug-in broken the contract? Then every point ends with this from now on.
  runtime::Completion failure();

  const sardonyxBackend& table;
  Object object;
  std::mutex mutex;  // of what follows
  runtime::Point last = 0;
  runtime::Completion broken;
};

class PluginDevice : public runtime::Device {
 public:
  explicit PluginDevice(std::shared_ptr<OpenDevice> device) : device_(std::move(device)) {}
  runtime::DeviceMemoryPtr allocate(int64_t bytes, const runtime::MemoryUse& use) override;
  std::vector<runtime::KernelPtr> load(std::span<const runtime::KernelPtr> kernels) override;
  runtime::Point submit(std::span<const runtime::DeviceCommand> commands, uint64_t run) override;
  runtime::Completion wait(runtime::Point point, std::function<void(const runtime::Completion&)> done) override;

 private:
  std::shared_ptr<OpenDevice> device_;
};

}  // namespace sardonyx::plugin
