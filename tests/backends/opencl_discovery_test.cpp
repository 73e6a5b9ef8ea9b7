// Discovery with drivers that are absent, broken or never answer. Each case needs a process of its own: the loader
// reads its environment once.
#include <chrono>
#include <fstream>

#include "backends/choices.h"
#include "tests/backends/opencl_harness.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::testing {
namespace {

// A folder of .icd files for the loader, given as (file, contents).
class Vendors {
 public:
  explicit Vendors(std::initializer_list<std::pair<const char*, const char*>> files) {
    for (const auto& [name, library] : files) std::ofstream(folder_.path + "/" + name) << library << "\n";
    setenv("OCL_ICD_VENDORS", folder_.path.c_str(), 1);
  }

 private:
  Folder folder_;
};

// Whatever drivers do, the host's cores are the first choice here and compute.
void expect_host_works() {
  EXPECT_EQ(backends::choices().front().name, "cpu");
  const auto graph = graph::parse(R"(graph(%0:f32[2,2] "x") {
    %1:f32[2,2] = matmul %0, %0
    %2:f32[2,2] = unary %1 {fn=neg}
    yield %2 "y"
  })");
  const float x[] = {1, 2, 3, 4};
  const auto results =
      driver::run_program(driver::compile_copy(*graph), {Tensor::of<float>(DType::F32, {2, 2}, x)}, {{2, 2}});
  const float y[] = {-7, -10, -15, -22};
  EXPECT_TRUE(std::equal(std::begin(y), std::end(y), results[0].data<float>()));
}

void expect_devices(bool opencl) {
  EXPECT_EQ(!opencl::discovered_devices().empty(), opencl);
  int cpus = 0;
  for (const backends::DeviceInfo& device : backends::devices()) cpus += device.backend == "cpu";
  EXPECT_EQ(cpus, 1);
  expect_host_works();
}

TEST(OpenClDiscovery, TellsAboutTheDevice) {
  const backends::DeviceInfo& device = opencl_device();
  EXPECT_EQ(device.backend, "opencl");
  EXPECT_EQ(device.name, "OpenCL");
  EXPECT_FALSE(device.device.empty());
  EXPECT_GT(device.memory_bytes, 0u);
  EXPECT_GT(device.memory_bandwidth, 0u);
  EXPECT_GT(device.macs_fp32, 0u);
  EXPECT_NE(device.platform_id, nullptr);
  EXPECT_NE(device.device_id, nullptr);
  const tensor::Target& target = device.target;
  EXPECT_NE(target.kind, tensor::TargetKind::Host);
  EXPECT_EQ(target.kind == tensor::TargetKind::OpenClCpu, device.type == backends::DeviceType::Cpu);
  EXPECT_GE(target.cores, 1);
  EXPECT_GT(target.local_bytes, 0);
  EXPECT_GE(target.max_group, 1);
}

TEST(OpenClDiscovery, AnswersThreadsAlike) {
  const auto* first = &opencl::discovered_devices();
  const backends::DeviceInfo* all = first->data();
  EXPECT_EQ(&opencl::discovered_devices(), first);
  EXPECT_EQ(opencl::discovered_devices().data(), all);
}

TEST(OpenClDiscovery, NoDriver) {
  in_fresh_process([] {
    Vendors vendors({});
    expect_devices(false);
  });
}

TEST(OpenClDiscovery, BrokenDrivers) {
  in_fresh_process([] {
    Vendors vendors({{"absent.icd", "libno_such_driver.so.1"}, {"other.icd", "libm.so.6"}, {"empty.icd", ""}});
    expect_devices(false);
  });
}

TEST(OpenClDiscovery, BrokenDriversLeaveTheOthersUsable) {
  in_fresh_process([] {
    Vendors vendors(
        {{"absent.icd", "libno_such_driver.so.1"}, {"pocl.icd", "libpocl.so.2"}, {"other.icd", "libm.so.6"}});
    expect_devices(true);
    EXPECT_DONE(run_now(open_device(), {}));
  });
}

TEST(OpenClDiscovery, DriverThatNeverAnswers) {
  in_fresh_process([] {
    Vendors vendors({{"hanging.icd", HANGING_ICD}, {"pocl.icd", "libpocl.so.2"}});
    const auto start = std::chrono::steady_clock::now();
    expect_devices(false);
    expect_devices(false);  // and does not try again
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  });
}

}  // namespace
}  // namespace sardonyx::testing
