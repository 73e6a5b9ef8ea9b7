#include "backends/opencl/platform.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>

#include "backends/opencl/cl.h"
#include "runtime/base/log.h"
#include "runtime/team.h"

namespace sardonyx::opencl {

namespace {

using backends::DeviceInfo;
using backends::DeviceType;

constexpr std::chrono::seconds probe_limit{10};

DeviceType type_of(cl_device_type type) {
  if (type & CL_DEVICE_TYPE_GPU) return DeviceType::Gpu;
  if (type & CL_DEVICE_TYPE_CPU) return DeviceType::Cpu;
  return DeviceType::Npu;  // accelerators and custom devices
}

bool has_extension(const std::string& list, std::string_view name) {
  return str(" ", list, " ").find(str(" ", name, " ")) != std::string::npos;
}

// "OpenCL 3.0 PoCL ..." -> 3.0 as 300.
int version_of(const std::string& text) {
  int major = 0, minor = 0;
  return std::sscanf(text.c_str(), "OpenCL %d.%d", &major, &minor) == 2 ? major * 100 + minor : 0;
}

// Multiply-adds per cycle of a compute unit. OpenCL tells the vector width of CPUs only; GPUs have at least 64 lanes
// per unit, and CPUs two vector units per core.
double multiply_adds_per_cycle(DeviceType type, int vector_width) {
  return type == DeviceType::Gpu ? 64 : 2.0 * vector_width;
}

tensor::Target target_of(cl_device_id device, DeviceType type) {
  tensor::Target target;
  target.kind = type == DeviceType::Cpu ? tensor::TargetKind::OpenClCpu : tensor::TargetKind::OpenClGpu;
  target.cores = std::max(1, int(device_info<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS)));
  int width = std::max(1, int(device_info<cl_uint>(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT)));
  target.vector_bytes = type == DeviceType::Cpu ? std::clamp(width * 4, 16, 64) : 16;
  // x86 has 32 registers with the widest vectors, and 16 otherwise.
  target.vector_registers = target.vector_bytes == 64 ? 32 : 16;
  if (auto cache = device_info<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE)) target.l3_bytes = int64_t(cache);
  double cycles_per_ns = std::max<cl_uint>(1, device_info<cl_uint>(device, CL_DEVICE_MAX_CLOCK_FREQUENCY)) / 1000.0;
  target.flops_per_ns = 2 * multiply_adds_per_cycle(type, width) * cycles_per_ns;
  // Memory feeds a CPU's core with about four bytes per cycle, and a GPU's unit with sixteen.
  target.bytes_per_ns = (type == DeviceType::Gpu ? 16 : 4) * cycles_per_ns;

  // A CPU's memory is the host's, but its driver copies all the same, and starts a launch on threads that sleep.
  const bool cpu = type == DeviceType::Cpu;
  target.transfer_ns = cpu ? 20000 : 10000;
  target.transfer_bytes_per_ns = cpu ? 5 : 10;
  target.launch_ns = cpu ? 25000 : 5000;

  const std::string extensions = device_text(device, CL_DEVICE_EXTENSIONS);
  const auto single = device_info<cl_device_fp_config>(device, CL_DEVICE_SINGLE_FP_CONFIG);
  target.local_bytes = int64_t(device_info<cl_ulong>(device, CL_DEVICE_LOCAL_MEM_SIZE));
  target.max_group = int(std::min<size_t>(device_info<size_t>(device, CL_DEVICE_MAX_WORK_GROUP_SIZE), 1 << 20));
  target.fp64 = has_extension(extensions, "cl_khr_fp64");
  target.fma = (single & CL_FP_FMA) != 0 && (single & CL_FP_SOFT_FLOAT) == 0;
  target.exact_divide = (single & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0;
  return target;
}

// Throws Error when the device cannot be used.
DeviceInfo describe(cl_platform_id platform, cl_device_id device) {
  const std::string version = device_text(device, CL_DEVICE_VERSION);
  require(version_of(version) >= 102, Status::BackendUnavailable, "needs OpenCL 1.2, has ", version);
  require(device_info<cl_bool>(device, CL_DEVICE_AVAILABLE), Status::BackendUnavailable, "is not available");
  require(device_info<cl_bool>(device, CL_DEVICE_COMPILER_AVAILABLE), Status::BackendUnavailable, "has no compiler");
  require(device_info<cl_bool>(device, CL_DEVICE_ENDIAN_LITTLE), Status::BackendUnavailable, "is big-endian");
  DeviceInfo info;
  info.backend = "opencl";
  info.name = "OpenCL";
  info.device = device_text(device, CL_DEVICE_NAME);
  info.driver = str(platform_text(platform, CL_PLATFORM_NAME), ", ", platform_text(platform, CL_PLATFORM_VERSION), ", ",
                    version, ", ", device_text(device, CL_DRIVER_VERSION));
  info.type = type_of(device_info<cl_device_type>(device, CL_DEVICE_TYPE));
  info.memory_bytes = device_info<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE);
  info.target = target_of(device, info.type);
  info.memory_bandwidth = uint64_t(info.target.bytes_per_ns * info.target.cores * 1e9);
  info.macs_fp32 = uint64_t(info.target.flops_per_ns / 2 * info.target.cores * 1e9);
  info.host_read_bandwidth = info.host_write_bandwidth = uint64_t(info.target.transfer_bytes_per_ns * 1e9);
  info.platform_id = platform;
  info.device_id = device;
  return info;
}

std::vector<DeviceInfo> probe_platform(cl_platform_id platform) {
  std::vector<DeviceInfo> found;
  cl_uint count = 0;
  cl_int code = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count);
  if (code == CL_DEVICE_NOT_FOUND || count == 0) return found;
  check_call(code, "clGetDeviceIDs");
  std::vector<cl_device_id> devices(count);
  check_call(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr), "clGetDeviceIDs");
  for (size_t i = 0; i < devices.size(); ++i) {
    try {
      found.push_back(describe(platform, devices[i]));
    } catch (const Error& error) {
      log(LogLevel::Info, "OpenCL device ", i, " of platform ", platform_text(platform, CL_PLATFORM_NAME),
          " left out: ", error.text());
    }
  }
  return found;
}

std::vector<DeviceInfo> probe() {
  std::vector<DeviceInfo> found;
  cl_uint count = 0;
  cl_int code = clGetPlatformIDs(0, nullptr, &count);
  if (code == CL_PLATFORM_NOT_FOUND_KHR || (code == CL_SUCCESS && count == 0)) {
    log(LogLevel::Info, "no OpenCL platform is installed");
    return found;
  }
  check_call(code, "clGetPlatformIDs");
  std::vector<cl_platform_id> platforms(count);
  check_call(clGetPlatformIDs(count, platforms.data(), nullptr), "clGetPlatformIDs");
  for (size_t i = 0; i < platforms.size(); ++i) {
    try {
      for (DeviceInfo& device : probe_platform(platforms[i])) found.push_back(std::move(device));
    } catch (const Error& error) {
      log(LogLevel::Warning, "OpenCL platform ", i, " left out: ", error.text());
    }
  }
  return found;
}

// Shared with the probing thread, which may outlive everything else.
struct Probe {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::vector<DeviceInfo> devices;
};

void* run_probe(void* argument) {
  std::unique_ptr<std::shared_ptr<Probe>> probe_owner(static_cast<std::shared_ptr<Probe>*>(argument));
  Probe& result = **probe_owner;
  std::vector<DeviceInfo> found;
  try {
    found = probe();
  } catch (const std::exception& error) {
    log(LogLevel::Warning, "OpenCL left out: ", error.what());
  }
  std::lock_guard lock(result.mutex);
  result.devices = std::move(found);
  result.done = true;
  result.ended.notify_all();
  return nullptr;
}

// False when the system has no thread to give.
bool start_detached(const std::shared_ptr<Probe>& probe) {
  auto argument = std::make_unique<std::shared_ptr<Probe>>(probe);
  runtime::SignalBlock block;
  pthread_t thread;
  if (pthread_create(&thread, nullptr, run_probe, argument.get()) != 0) return false;
  argument.release();
  pthread_detach(thread);
  return true;
}

std::vector<DeviceInfo> probe_with_limit() {
  auto probe = std::make_shared<Probe>();
  if (!start_detached(probe)) {
    log(LogLevel::Warning, "OpenCL left out: no thread to probe it on");
    return {};
  }
  std::unique_lock lock(probe->mutex);
  if (!probe->ended.wait_for(lock, probe_limit, [&] { return probe->done; })) {
    log(LogLevel::Warning, "OpenCL left out: a driver gave no answer for ", probe_limit.count(), " s");
    return {};
  }
  return std::move(probe->devices);
}

}  // namespace

const std::vector<DeviceInfo>& discovered_devices() {
  // Never destroyed: runs may end while the process exits.
  static const auto& devices = *new std::vector<DeviceInfo>(probe_with_limit());
  return devices;
}

}  // namespace sardonyx::opencl
