// The device half to copy: memory is the host's, commands run within submit.
#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "runtime/device.h"

namespace sardonyx::null {

class Device : public runtime::Device {
 public:
  runtime::DeviceMemoryPtr allocate(int64_t bytes, const runtime::MemoryUse& use) override;
  std::vector<runtime::KernelPtr> load(std::span<const runtime::KernelPtr> kernels) override;
  runtime::Point submit(std::span<const runtime::DeviceCommand> commands, uint64_t run) override;
  runtime::Completion wait(runtime::Point point, std::function<void(const runtime::Completion&)> done) override;

 private:
  std::mutex mutex_;
  runtime::Point last_ = 0;
  std::map<runtime::Point, runtime::Completion> failures_;  // of submissions; all others succeeded
  std::map<uint64_t, runtime::Completion> failed_runs_;
};

}  // namespace sardonyx::null
