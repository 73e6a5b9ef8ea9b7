#include "backends/opencl/device.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/program.h"
#include "backends/opencl/queue.h"
#include "runtime/base/trace.h"

namespace sardonyx::opencl {

namespace {

constexpr int64_t cache_limit = int64_t{256} << 20;

// The host's context, once it is known to hold the device.
ContextOwner share_context(cl_context context, cl_device_id device) {
  size_t bytes = 0;
  cl_int code = clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, nullptr, &bytes);
  std::vector<cl_device_id> devices(bytes / sizeof(cl_device_id));
  if (code == CL_SUCCESS) code = clGetContextInfo(context, CL_CONTEXT_DEVICES, bytes, devices.data(), nullptr);
  require(code == CL_SUCCESS, Status::InvalidProperty, "not an OpenCL context: ", error_name(code));
  require(std::count(devices.begin(), devices.end(), device) > 0, Status::InvalidProperty,
          "the OpenCL context does not hold the device ", device_text(device, CL_DEVICE_NAME));
  return ContextOwner::share(context);
}

ContextOwner make_context(cl_platform_id platform, cl_device_id device) {
  const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(platform),
                                              0};
  cl_int code = CL_SUCCESS;
  ContextOwner context(clCreateContext(properties, 1, &device, nullptr, nullptr, &code));
  check_call(code, "clCreateContext");
  return context;
}

class Device final : public runtime::Device {
 public:
  Device(ContextOwner context, cl_device_id device, const std::string& name, const Settings& settings)
      : device_(device),
        cache_(settings.cache_dir, "clbin", cache_limit),
        queue_(std::move(context), device, name, Trace::open(settings.trace_file)) {}

  runtime::DeviceMemoryPtr allocate(int64_t bytes, const runtime::MemoryUse& use) override {
    queue_.require_alive();
    if (use.foreign != nullptr) return adopt(static_cast<cl_mem>(use.foreign), bytes);
    return Memory::allocate(queue_.context(), device_, bytes);
  }

  std::vector<runtime::KernelPtr> load(std::span<const runtime::KernelPtr> kernels) override {
    queue_.require_alive();
    return load_kernels(queue_.context(), device_, cache_, kernels);
  }

  runtime::Point submit(std::span<const runtime::DeviceCommand> commands, uint64_t run) override {
    return queue_.submit(commands, run);
  }

  runtime::Completion wait(runtime::Point point, std::function<void(const runtime::Completion&)> done) override {
    return queue_.wait(point, std::move(done));
  }

 private:
  // One object per memory object of the host's, whatever binds it: who overlaps whom is told by the object.
  MemoryPtr adopt(cl_mem foreign, int64_t bytes) {
    MemoryPtr adopted = Memory::adopt(queue_.context(), foreign, bytes);
    std::lock_guard lock(foreign_mutex_);
    std::erase_if(foreign_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<Memory>& known = foreign_[foreign];
    if (MemoryPtr same = known.lock()) return same;
    known = adopted;
    return adopted;
  }

  cl_device_id device_;
  backends::DiskCache cache_;
  Queue queue_;
  std::mutex foreign_mutex_;
  std::map<cl_mem, std::weak_ptr<Memory>> foreign_;
};

}  // namespace

runtime::DevicePtr open(const backends::DeviceInfo& info, const backends::OpenOptions& options) {
  auto device = static_cast<cl_device_id>(info.device_id);
  auto* given = static_cast<cl_context>(options.opencl_context);
  ContextOwner context = given != nullptr ? share_context(given, device)
                                          : make_context(static_cast<cl_platform_id>(info.platform_id), device);
  return std::make_shared<Device>(std::move(context), device, info.device, options.settings);
}

}  // namespace sardonyx::opencl
