#include "backends/opencl/program.h"

#include <map>

#include "backends/opencl/loaded_kernel.h"
#include "backends/opencl/vendor_kernel.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/log.h"

namespace sardonyx::opencl {

namespace {

constexpr size_t longest_log = 4000;

std::string build_log(cl_program program, cl_device_id device) {
  size_t size = 0;
  if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size) != CL_SUCCESS) return "";
  std::string text(size, '\0');
  if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, size, text.data(), nullptr) != CL_SUCCESS) return "";
  while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
  return text.substr(0, longest_log);
}

void build(cl_program program, cl_device_id device, const std::string& options) {
  cl_int code = clBuildProgram(program, 1, &device, options.c_str(), nullptr, nullptr);
  require(code == CL_SUCCESS, error_status(code), "building an OpenCL program failed: ", error_name(code), "\n",
          build_log(program, device));
}

ProgramOwner from_source(cl_context context, cl_device_id device, const Source& source) {
  const char* text = source.text.c_str();
  cl_int code = CL_SUCCESS;
  ProgramOwner program(clCreateProgramWithSource(context, 1, &text, nullptr, &code));
  check_call(code, "clCreateProgramWithSource");
  build(program.get(), device, source.options);
  return program;
}

ProgramOwner from_binary(cl_context context, cl_device_id device, const Source& source, const std::string& binary) {
  const size_t size = binary.size();
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  cl_int loaded = CL_SUCCESS, code = CL_SUCCESS;
  ProgramOwner program(clCreateProgramWithBinary(context, 1, &device, &size, &bytes, &loaded, &code));
  check_call(code, "clCreateProgramWithBinary");
  check_call(loaded, "clCreateProgramWithBinary");
  build(program.get(), device, source.options);
  return program;
}

// Empty when the driver gives none. The program is of one device.
std::string binary_of(cl_program program) {
  size_t size = 0;
  if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, nullptr) != CL_SUCCESS) return "";
  std::string binary(size, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(binary.data());
  if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, nullptr) != CL_SUCCESS) return "";
  return binary;
}

// All that decides what a driver makes of a text. Each part ends in a NUL, so that none runs into the next.
std::string cache_key(cl_device_id device, const Source& source) {
  const auto platform = device_info<cl_platform_id>(device, CL_DEVICE_PLATFORM);
  std::string key;
  for (const std::string& part :
       {platform_text(platform, CL_PLATFORM_NAME), platform_text(platform, CL_PLATFORM_VERSION),
        device_text(device, CL_DEVICE_NAME), device_text(device, CL_DEVICE_VENDOR),
        device_text(device, CL_DEVICE_VERSION), device_text(device, CL_DRIVER_VERSION), source.options, source.text})
    key += part + '\0';
  return key;
}

// A program and which of the kernels to load come from it.
struct Unit {
  SourcePtr source;
  std::vector<size_t> kernels;
};

class Loader {
 public:
  Loader(cl_context context, cl_device_id device, const backends::DiskCache& cache,
         std::span<const runtime::KernelPtr> kernels)
      : context_(context), device_(device), cache_(cache), kernels_(kernels), loaded_(kernels.size()) {}

  std::vector<runtime::KernelPtr> load() {
    std::map<const Source*, Unit> distinct;
    for (size_t i = 0; i < kernels_.size(); ++i) {
      if (const auto* vendor = dynamic_cast<const VendorKernel*>(kernels_[i].get())) {
        vendor->warm_up(context_, new_queue().get());
        loaded_[i] = kernels_[i];
        continue;
      }
      check(dynamic_cast<const Kernel*>(kernels_[i].get()) != nullptr, "kernel '", kernels_[i]->name(),
            "' is not one of OpenCL's");
      const SourcePtr& source = code(i).source();
      Unit& unit = distinct[source.get()];
      unit.source = source;
      unit.kernels.push_back(i);
    }
    std::vector<Unit> units;
    for (auto& [source, unit] : distinct) units.push_back(std::move(unit));
    parallel_compile(units.size(), [&](size_t i) { load_unit(units[i]); });
    return std::move(loaded_);
  }

 private:
  const Kernel& code(size_t i) const { return static_cast<const Kernel&>(*kernels_[i]); }

  void load_unit(const Unit& unit) {
    if (!cache_.enabled()) return make_kernels(from_source(context_, device_, *unit.source), unit);
    const std::string key = cache_key(device_, *unit.source);
    if (const auto binary = cache_.find(key)) {
      try {
        return make_kernels(from_binary(context_, device_, *unit.source, *binary), unit);
      } catch (const Error& error) {
        log(LogLevel::Info, "a cached OpenCL program is refused and built anew: ", error.text());
        cache_.remove(key);
      }
    }
    const ProgramOwner program = from_source(context_, device_, *unit.source);
    make_kernels(program, unit);
    // After the kernels were launched: only now PoCL's binary has the code for their size of work-groups.
    if (const std::string binary = binary_of(program.get()); !binary.empty()) cache_.store(key, binary);
  }

  QueueOwner new_queue() const {
    cl_int status = CL_SUCCESS;
    QueueOwner queue(clCreateCommandQueue(context_, device_, 0, &status));
    check_call(status, "clCreateCommandQueue");
    return queue;
  }

  // Kernels keep their program alive.
  void make_kernels(const ProgramOwner& program, const Unit& unit) {
    cl_int status = CL_SUCCESS;
    const QueueOwner queue = new_queue();
    for (const size_t i : unit.kernels) {
      try {
        KernelOwner kernel(clCreateKernel(program.get(), code(i).entry().c_str(), &status));
        check_call(status, "clCreateKernel");
        auto loaded =
            std::make_shared<LoadedKernel>(std::static_pointer_cast<const Kernel>(kernels_[i]), std::move(kernel));
        warm_up(*loaded, queue.get());
        loaded_[i] = std::move(loaded);
      } catch (Error& error) {
        error.add_context(str("while loading kernel '", code(i).name(), "' (", code(i).entry(), ")"));
        throw;
      }
    }
    check_call(clFinish(queue.get()), "clFinish");
  }

  cl_context context_;
  cl_device_id device_;
  const backends::DiskCache& cache_;
  std::span<const runtime::KernelPtr> kernels_;
  std::vector<runtime::KernelPtr> loaded_;
};

}  // namespace

std::vector<runtime::KernelPtr> load_kernels(cl_context context, cl_device_id device, const backends::DiskCache& cache,
                                             std::span<const runtime::KernelPtr> kernels) {
  return Loader(context, device, cache, kernels).load();
}

}  // namespace sardonyx::opencl
