#include "backends/opencl/memory.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

namespace sardonyx::opencl {

struct MemoryBudget {
  explicit MemoryBudget(cl_device_id device)
      : largest(int64_t(device_info<cl_ulong>(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE))),
        total(int64_t(device_info<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE))) {}

  void take(int64_t bytes) {
    require(bytes <= largest, Status::NoDeviceMemory, "the device allocates at most ", largest, " bytes at once, not ",
            bytes);
    std::lock_guard lock(mutex);
    require(bytes <= total - used, Status::NoDeviceMemory, "the device has ", total, " bytes of memory, of which ",
            used, " are in use: no room for ", bytes);
    used += bytes;
  }
  void give_back(int64_t bytes) {
    std::lock_guard lock(mutex);
    used -= bytes;
  }

  const int64_t largest, total;
  std::mutex mutex;
  int64_t used = 0;
};

namespace {

MemoryBudget& budget_of(cl_device_id device) {
  // Never destroyed: runs may end while the process exits.
  static auto& mutex = *new std::mutex;
  static auto& budgets = *new std::map<cl_device_id, MemoryBudget>;
  std::lock_guard lock(mutex);
  return budgets.try_emplace(device, device).first->second;
}

template <class T>
T memory_info(cl_mem memory, cl_mem_info what) {
  T value{};
  cl_int code = clGetMemObjectInfo(memory, what, sizeof value, &value, nullptr);
  require(code == CL_SUCCESS, Status::InvalidMemoryLocation, "not an OpenCL memory object: ", error_name(code));
  return value;
}

}  // namespace

MemoryPtr Memory::allocate(cl_context context, cl_device_id device, int64_t bytes, bool zeroed) {
  check(bytes >= 0, "allocation of ", bytes, " bytes");
  auto memory = std::make_shared<Memory>();
  memory->bytes = bytes;
  bytes = std::max<int64_t>(bytes, 1);  // OpenCL has no empty buffers
  MemoryBudget& budget = budget_of(device);
  budget.take(bytes);
  memory->budget_ = &budget;
  std::vector<char> zeros(zeroed ? size_t(bytes) : 0);
  cl_int code = CL_SUCCESS;
  memory->object_ = MemoryOwner(clCreateBuffer(context, CL_MEM_READ_WRITE | (zeroed ? CL_MEM_COPY_HOST_PTR : 0),
                                               size_t(bytes), zeroed ? zeros.data() : nullptr, &code));
  if (code == CL_OUT_OF_RESOURCES) code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
  require(code == CL_SUCCESS, error_status(code), "allocation of ", bytes, " bytes failed: ", error_name(code));
  return memory;
}

MemoryPtr Memory::adopt(cl_context context, cl_mem foreign, int64_t bytes) {
  const auto type = memory_info<cl_mem_object_type>(foreign, CL_MEM_TYPE);
  require(type == CL_MEM_OBJECT_BUFFER, Status::InvalidMemoryType,
          "the OpenCL memory object is an image, not a buffer");
  require(memory_info<cl_context>(foreign, CL_MEM_CONTEXT) == context, Status::InvalidMemoryLocation,
          "the OpenCL buffer is of another context; give its context to onnxInitBackend");
  const auto size = int64_t(memory_info<size_t>(foreign, CL_MEM_SIZE));
  require(size >= bytes, Status::InvalidMemoryLocation, "the OpenCL buffer has ", size, " bytes, fewer than the ",
          bytes, " that are needed");
  auto memory = std::make_shared<Memory>();
  memory->bytes = size;
  memory->object_ = MemoryOwner::share(foreign);
  return memory;
}

Memory::~Memory() {
  object_ = MemoryOwner();
  if (budget_ != nullptr) budget_->give_back(std::max<int64_t>(bytes, 1));
}

}  // namespace sardonyx::opencl
