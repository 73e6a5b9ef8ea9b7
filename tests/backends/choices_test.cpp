// What hosts choose from, and in which order.
#include "backends/choices.h"

#include <gtest/gtest.h>

#include "runtime/base/strings.h"

namespace sardonyx::backends {
namespace {

DeviceInfo device(const std::string& backend, int number, DeviceType type, uint64_t macs) {
  DeviceInfo info;
  info.backend = backend;
  info.number = number;
  info.device = str(backend, " ", number);
  info.type = type;
  info.macs_fp32 = macs;
  info.host_read_bandwidth = macs / 2;
  return info;
}

std::vector<std::string> names(const std::vector<BackendChoice>& choices) {
  std::vector<std::string> list;
  for (const BackendChoice& choice : choices) list.push_back(choice.name);
  return list;
}

uint64_t estimated(const DeviceInfo& device) { return device.macs_fp32; }

TEST(Choices, TheFastestComesFirst) {
  const std::vector<DeviceInfo> devices = {device("opencl", 0, DeviceType::Gpu, 50),
                                           device("cpu", 0, DeviceType::Cpu, 100),
                                           device("opencl", 1, DeviceType::Gpu, 200)};
  const auto choices = choices_of(devices, estimated);
  EXPECT_EQ(names(choices), (std::vector<std::string>{"opencl:1", "cpu", "opencl:0", "hetero"}));
  EXPECT_EQ(choices[0].preferred, 1);
  ASSERT_EQ(choices[0].devices.size(), 2u);
  EXPECT_EQ(choices[0].devices[0].backend, "cpu");
  EXPECT_EQ(choices[0].devices[1].number, 1);
  EXPECT_EQ(choices[1].preferred, 0);
  EXPECT_EQ(choices[3].preferred, -1);
  EXPECT_EQ(choices[3].info.macs_fp32, 350u);
  EXPECT_EQ(choices[3].info.host_read_bandwidth, 25u) << "of its slowest device";
  EXPECT_FALSE(choices[3].info.measured);

  // What was measured counts for more than what is claimed.
  const auto measured = [](const DeviceInfo& info) { return info.number == 1 ? uint64_t{10} : info.macs_fp32; };
  EXPECT_EQ(names(choices_of(devices, measured)), (std::vector<std::string>{"cpu", "opencl:0", "opencl:1", "hetero"}));
}

TEST(Choices, TheHostBeatsOtherViewsOfItsCores) {
  const auto choices =
      choices_of({device("cpu", 0, DeviceType::Cpu, 100), device("opencl", 0, DeviceType::Cpu, 1000)}, estimated);
  EXPECT_EQ(names(choices), (std::vector<std::string>{"cpu", "opencl:0", "hetero"}));
}

TEST(Choices, TheHostAloneIsAskedNothing) {
  const auto never = [](const DeviceInfo&) -> uint64_t {
    ADD_FAILURE() << "asked for its speed";
    return 0;
  };
  EXPECT_EQ(names(choices_of({device("cpu", 0, DeviceType::Cpu, 100)}, never)), std::vector<std::string>{"cpu"});
}

}  // namespace
}  // namespace sardonyx::backends
