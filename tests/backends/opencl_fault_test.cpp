// What drivers do when they fail, played by a layer between the loader and a real driver (opencl_faults.c).
#include "tests/backends/opencl_harness.h"

namespace sardonyx::testing {
namespace {

// Runs `body` with the layer in place.
template <class Body>
void with_faults(const Body& body) {
  in_fresh_process([&] {
    setenv("OPENCL_LAYERS", OPENCL_FAULTS, 1);
    ASSERT_FALSE(opencl::discovered_devices().empty());
    body();
  });
}
void set_fault(const std::string& fault) { setenv("OPENCL_FAULT", fault.c_str(), 1); }
void clear_fault() { unsetenv("OPENCL_FAULT"); }

template <class Body>
void expect_error(Status status, const std::string& part, const Body& body) {
  try {
    body();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(status_name(error.status()), std::string(status_name(status))) << error.text();
    EXPECT_NE(error.text().find(part), std::string::npos) << error.text();
  }
}
void expect_failed(const Completion& completion, Status status, const std::string& part) {
  EXPECT_EQ(status_name(completion.status), std::string(status_name(status))) << completion.text;
  EXPECT_NE(completion.text.find(part), std::string::npos) << completion.text;
}

// A device with two vectors and a launch that may fail.
struct Bench {
  explicit Bench(void* context = nullptr) : device(open_device({}, context)) {}

  DevicePtr device;
  std::vector<KernelPtr> kernels = device->load(test_kernels());
  DeviceMemoryPtr a = floats(device, 100), b = floats(device, 100);
  std::vector<float> ones = std::vector<float>(100, 1), to = std::vector<float>(100);

  Completion run(uint64_t run) {
    return run_now(device,
                   {upload(ones, a), launch(kernels[Add], 100, {{a, 0}, {a, 0}, {b, 0}}, "node 'n'"), download(b, to)},
                   run);
  }
  void expect_works(uint64_t number) {
    clear_fault();
    to.assign(100, 0);
    EXPECT_DONE(run(number));
    EXPECT_EQ(to, std::vector<float>(100, 2));
  }
};

TEST(OpenClFaults, NoMemory) {
  with_faults([] {
    Bench bench;
    for (const char* code : {"-4", "-5"}) {
      set_fault(str("clCreateBuffer ", code, " 0"));
      expect_error(Status::NoDeviceMemory, "100 bytes", [&] { bench.device->allocate(100, {}); });
      clear_fault();
      EXPECT_NE(bench.device->allocate(100, {}), nullptr);
    }
    bench.expect_works(1);
  });
}

// Memory is promised when allocated and looked for when used.
TEST(OpenClFaults, NoMemoryAtTheLaunch) {
  with_faults([] {
    Bench bench;
    set_fault("clEnqueueNDRangeKernel -4 0");
    expect_failed(bench.run(1), Status::NoDeviceMemory, "launch of 'node 'n'': clEnqueueNDRangeKernel failed");
    expect_failed(bench.run(1), Status::NoDeviceMemory, "CL_MEM_OBJECT_ALLOCATION_FAILURE");
    bench.expect_works(2);
  });
}

TEST(OpenClFaults, NoResources) {
  with_faults([] {
    set_fault("clCreateCommandQueue -5 0");
    expect_error(Status::NoDeviceResources, "clCreateCommandQueue", [] { open_device(); });
    clear_fault();
    Bench bench;
    set_fault("clEnqueueNDRangeKernel -5 0");
    expect_failed(bench.run(1), Status::NoDeviceResources, "CL_OUT_OF_RESOURCES");
    bench.expect_works(2);
  });
}

TEST(OpenClFaults, BuildFailure) {
  with_faults([] {
    DevicePtr device = open_device();
    set_fault("clBuildProgram -11 0");
    expect_error(Status::InternalError, "CL_BUILD_PROGRAM_FAILURE", [&] { device->load(test_kernels()); });
    set_fault("clEnqueueNDRangeKernel -54 0");
    expect_error(Status::NoDeviceResources, "while loading kernel 'add'", [&] { device->load(test_kernels()); });
    clear_fault();
    EXPECT_EQ(device->load(test_kernels()).size(), 3u);
  });
}

// The third event tells of it: that of the download.
TEST(OpenClFaults, CommandFailsOnTheDevice) {
  with_faults([] {
    Bench bench;
    set_fault("event -14 2");
    expect_failed(bench.run(1), Status::InternalError, "download of 'download' failed");
    bench.expect_works(2);
  });
}

TEST(OpenClFaults, LostDevice) {
  with_faults([] {
    Bench bench;
    set_fault("event -2 1");
    expect_failed(bench.run(1), Status::BackendUnavailable, "launch of 'node 'n'' failed: CL_DEVICE_NOT_AVAILABLE");
    clear_fault();
    // Whatever the driver says from now on: the run that met it, the others, and everything else.
    expect_failed(bench.run(1), Status::BackendUnavailable, "CL_DEVICE_NOT_AVAILABLE");
    expect_failed(bench.run(2), Status::BackendUnavailable, "lost since then");
    expect_error(Status::BackendUnavailable, "node 'n'", [&] { bench.device->allocate(4, {}); });
    expect_error(Status::BackendUnavailable, "node 'n'", [&] { bench.device->load(test_kernels()); });
    Bench().expect_works(1);
  });
}

TEST(OpenClFaults, NoCallbackAndNoFlush) {
  with_faults([] {
    Bench bench;
    set_fault("clSetEventCallback -6 0");
    expect_failed(bench.run(1), Status::NoSystemMemory, "clSetEventCallback");
    set_fault("clFlush -5 0");
    expect_failed(bench.run(2), Status::NoDeviceResources, "clFlush");
    bench.expect_works(3);
  });
}

TEST(OpenClFaults, NothingIsLeaked) {
  with_faults([] {
    opencl::ContextOwner context = make_context();
    for (const char* fault : {"clCreateBuffer -4 1", "clCreateCommandQueue -5 1", "clBuildProgram -11 0",
                              "clEnqueueNDRangeKernel -5 3", "clSetEventCallback -6 0", "clFlush -5 0", "event -2 0"}) {
      set_fault(fault);
      try {
        Bench bench(context.get());
        EXPECT_NE(bench.run(1).status, Status::Success) << fault;
      } catch (const Error&) {
        // Those of memory, queues and building.
      }
      clear_fault();
      EXPECT_EQ(references(context, 1), 1u) << fault;
    }
  });
}

}  // namespace
}  // namespace sardonyx::testing
