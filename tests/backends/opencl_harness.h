// A real OpenCL device and kernels written by hand, for tests of the run-time half.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/opencl/device.h"
#include "backends/opencl/kernel.h"
#include "backends/opencl/platform.h"
#include "tests/backends/folder.h"

namespace sardonyx::testing {

using runtime::Completion;
using runtime::DeviceCommand;
using runtime::DeviceMemoryPtr;
using runtime::DevicePtr;
using runtime::KernelPtr;
using Op = DeviceCommand::Op;

// scripts/setup installs a device that is always there (PoCL).
inline const backends::DeviceInfo& opencl_device() {
  const auto& devices = opencl::discovered_devices();
  if (devices.empty()) throw Error(Status::BackendUnavailable, "no OpenCL device: scripts/setup installs one");
  return devices.front();
}

inline DevicePtr open_device(Settings settings = {}, void* context = nullptr) {
  return opencl::open(opencl_device(), {settings, context});
}

// A context of the host's.
inline opencl::ContextOwner make_context() {
  auto id = static_cast<cl_device_id>(opencl_device().device_id);
  cl_int code = CL_SUCCESS;
  opencl::ContextOwner context(clCreateContext(nullptr, 1, &id, nullptr, nullptr, &code));
  opencl::check_call(code, "clCreateContext");
  return context;
}
// How many objects hold on to a context, once no more than `expected` do or after ten seconds: threads of a driver let
// go of their events a little after they told of them.
inline cl_uint references(const opencl::ContextOwner& context, cl_uint expected) {
  cl_uint count = 0;
  for (int i = 0; i < 1000; ++i) {
    opencl::check_call(clGetContextInfo(context.get(), CL_CONTEXT_REFERENCE_COUNT, sizeof count, &count, nullptr),
                       "clGetContextInfo");
    if (count <= expected) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return count;
}

// Kernels over F32 vectors of n elements, n being their only dim:
//   add: c = a + b.  checked: b = a, fails with IndexOutOfRange where a is negative.  scratched: b = 2 a by way of
//   scratch.
inline constexpr char kernel_text[] = R"(
#define AT(type, memory, offset) ((__global type*)((__global char*)(memory) + (offset)))
__kernel void add(__global char* a, long ao, __global char* b, long bo, __global char* c, long co, long n, long grid) {
  for (long i = get_global_id(0); i < grid; i += get_global_size(0))
    AT(float, c, co)[i] = AT(float, a, ao)[i] + AT(float, b, bo)[i];
}
__kernel void checked(__global char* a, long ao, __global char* b, long bo, long n, long grid, __global int* status) {
  for (long i = get_global_id(0); i < grid; i += get_global_size(0)) {
    float value = AT(float, a, ao)[i];
    if (value < 0) *status = 1;
    AT(float, b, bo)[i] = value;
  }
}
__kernel void scratched(__global char* a, long ao, __global char* b, long bo, long n, long grid,
                        __global char* scratch, long slice) {
  __global float* mine = AT(float, scratch, slice * get_global_id(0));
  for (long i = get_global_id(0); i < grid; i += get_global_size(0)) {
    mine[0] = AT(float, a, ao)[i];
    AT(float, b, bo)[i] = mine[0] * 2;
  }
}
)";

inline KernelPtr make_kernel(const std::string& entry, opencl::Signature signature, const opencl::SourcePtr& source) {
  tensor::LoweredKernel lowered;
  lowered.name = entry;
  expr::VarPtr n = expr::make_var("n");
  lowered.symbols = {n};
  lowered.grid = {{expr::make_var("i"), expr::Expr(n)}};
  lowered.scratch_bytes = signature.scratch ? 4 : 0;
  lowered.points = expr::Expr(n);
  lowered.ns_per_point = 100;
  return std::make_shared<opencl::Kernel>(lowered, source, entry, signature, opencl_device().target);
}

// add, checked and scratched, in one program.
inline std::vector<KernelPtr> test_kernels(const std::string& text = kernel_text) {
  auto source = std::make_shared<opencl::Source>(opencl::Source{text, ""});
  return {make_kernel("add", {2, 1, 1, false, false}, source), make_kernel("checked", {1, 1, 1, false, true}, source),
          make_kernel("scratched", {1, 1, 1, true, false}, source)};
}
enum TestKernel { Add = 0, Checked = 1, Scratched = 2 };

inline DeviceMemoryPtr floats(const DevicePtr& device, size_t count) {
  return device->allocate(int64_t(count * sizeof(float)), {});
}
inline DeviceCommand upload(std::vector<float>& from, DeviceMemoryPtr to, int64_t offset = 0) {
  return {Op::Upload, nullptr, {{std::move(to), offset}}, from.data(), int64_t(from.size() * sizeof(float)), "upload"};
}
inline DeviceCommand download(DeviceMemoryPtr from, std::vector<float>& to, int64_t offset = 0) {
  return {Op::Download, nullptr, {{std::move(from), offset}}, to.data(), int64_t(to.size() * sizeof(float)),
          "download"};
}
inline DeviceCommand launch(const KernelPtr& kernel, int64_t n, std::vector<runtime::DeviceRange> operands,
                            std::string_view label = "launch") {
  return {Op::Launch, kernel->prepare(std::vector<int64_t>{n}), std::move(operands), nullptr, 0, label};
}
inline Completion run_now(const DevicePtr& device, const std::vector<DeviceCommand>& commands, uint64_t run = 1) {
  return device->wait(device->submit(commands, run), nullptr);
}
#define EXPECT_DONE(completion)                                 \
  do {                                                          \
    const ::sardonyx::runtime::Completion ended = (completion); \
    EXPECT_EQ(ended.status, Status::Success) << ended.text;     \
  } while (false)

// Runs `body` in a process of its own, in which nothing has touched OpenCL yet: drivers and layers are chosen by the
// environment of a process, and once. Passes when the body has no failure, the process ends by exit(), and nothing was
// printed on stdout.
template <class Body>
void in_fresh_process(const Body& body) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::FILE* printed = std::tmpfile();
        std::fflush(stdout);
        const int kept = dup(STDOUT_FILENO);
        dup2(fileno(printed), STDOUT_FILENO);
        try {
          body();
        } catch (const std::exception& error) {
          ADD_FAILURE() << error.what();
        }
        std::fflush(stdout);
        dup2(kept, STDOUT_FILENO);
        const bool silent = lseek(fileno(printed), 0, SEEK_END) == 0;
        if (!silent) std::fputs("something was printed on stdout\n", stderr);
        // Here GoogleTest reports nothing by itself.
        const auto& result = *::testing::UnitTest::GetInstance()->current_test_info()->result();
        for (int i = 0; i < result.total_part_count(); ++i)
          std::fprintf(stderr, "line %d: %s\n", result.GetTestPartResult(i).line_number(),
                       result.GetTestPartResult(i).summary());
        std::exit(result.Failed() || !silent ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace sardonyx::testing
