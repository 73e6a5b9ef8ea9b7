// Groups of a report joined with the events of a trace.
#include "tools/kernel_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "runtime/base/strings.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {
namespace {

// Times in microseconds.
std::string event(const std::string& group, int start, int duration, const std::string& category = "step") {
  return str(R"({"name": "node", "cat": ")", category, R"(", "ph": "X", "ts": )", start, R"(.500, "dur": )", duration,
             R"(.000, "pid": 1, "tid": 1, "args": {"kernel": "k", "group": ")", group, R"("}})");
}

// Runs began at 100, 200 and 300 us.
GroupTimes times_of(const std::vector<std::string>& events) {
  GroupTimes times({100'000, 200'000, 300'000});
  std::istringstream trace(str(R"({"displayTimeUnit": "ns", "traceEvents": [)", join(events, ",\n"), "]}"));
  times.read(trace);
  return times;
}

ProfileJson entry(const std::string& name, const std::string& candidate, double flops, double bytes, int steps = 1,
                  const std::string& device = "cpu") {
  return {{"name", name},           {"primitives", "conv"}, {"nodes", {"conv_1", "relu_1"}},
          {"device", device},       {"reason", "?"},        {"layout", ""},
          {"candidate", candidate}, {"estimated_ns", 1},    {"flops", flops},
          {"bytes", bytes},         {"steps", steps}};
}

TEST(GroupTimes, TakesTheLeastRunOfTheSumsOfSteps) {
  const GroupTimes times = times_of({event("a", 100, 9), event("b", 110, 1), event("a", 120, 4), event("a", 200, 6),
                                     event("a", 210, 5), event("a", 300, 1), event("a", 310, 20), event("", 320, 50),
                                     R"({"name": "run", "ts": 1, "args": {}})"});
  EXPECT_NEAR(times.least("a").seconds, 11e-6, 1e-12);
  EXPECT_EQ(times.least("a").steps, 2);
  EXPECT_EQ(times.least("b").steps, 1);
  EXPECT_EQ(times.least("none").steps, 0);
}

TEST(GroupTimes, LeavesOutRunsThatLackEvents) {
  const GroupTimes times = times_of({event("a", 50, 1), event("a", 100, 9), event("a", 120, 4), event("a", 200, 1)});
  EXPECT_NEAR(times.least("a").seconds, 13e-6, 1e-12);
  EXPECT_EQ(times.least("a").steps, 2);
}

TEST(GroupTimes, DevicesKnowTheirTimesBest) {
  const GroupTimes times = times_of({event("a", 100, 1), event("a", 105, 30, "opencl:0 launch"), event("a", 200, 2),
                                     event("a", 210, 20, "opencl:0 launch")});
  EXPECT_NEAR(times.least("a").seconds, 20e-6, 1e-12);
  EXPECT_EQ(times.least("a").steps, 1);
}

TEST(GroupTimes, RefusesWhatIsNoTrace) {
  for (const char* text : {"", "{\"traceEvents\": [", "[1, 2]", "3"}) {
    std::istringstream trace(text);
    EXPECT_THROW(GroupTimes({}).read(trace), UsageError) << text;
  }
}

TEST(KernelProfile, HoldsTimesAgainstTheCeilings) {
  const ProfileJson report = {entry("small", "onednn.conv", 1000, 500), entry("none", "library.topk", 0, 0),
                              entry("looped", "codegen.map nr=2", 100, 4000, 2)};
  // Two steps an execution, so twice per run.
  const GroupTimes times = times_of({event("small", 100, 2), event("looped", 110, 10), event("looped", 120, 10),
                                     event("looped", 130, 10), event("looped", 140, 10)});
  const ProfileJson groups = profiled_groups(report, times, {1e9, 1e9});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0]["name"], "looped");
  EXPECT_NEAR(groups[0]["seconds"].get<double>(), 40e-6, 1e-12);
  EXPECT_EQ(groups[0]["flops"], 200.0);
  EXPECT_EQ(groups[0]["bytes"], 8000.0);
  EXPECT_NEAR(groups[0]["roofline"].get<double>(), 8.0 / 40, 1e-9);
  EXPECT_NEAR(groups[1]["roofline"].get<double>(), 1.0 / 2, 1e-9);
  EXPECT_FALSE(profiled_groups(report, times, {})[0].contains("roofline"));
}

TEST(KernelProfile, HoldsADevicesFiguresAgainstItsOwnGroups) {
  const ProfileJson report = {entry("host", "codegen.map", 1000, 500),
                              entry("there", "codegen.map", 1000, 500, 1, "opencl:0")};
  const ProfileJson groups =
      profiled_groups(report, times_of({event("host", 100, 2), event("there", 110, 1)}), {1e9, 1e9});
  EXPECT_FALSE(groups[0].contains("roofline"));
  EXPECT_TRUE(groups[1].contains("roofline"));
}

TEST(KernelProfile, PrintsTheMostExpensiveGroupsAndFamilies) {
  ProfileJson profile = {{"runs", 3}, {"median", 120e-6}, {"flops_per_second", 1e9}, {"bytes_per_second", 1e9}};
  profile["groups"] =
      profiled_groups({entry("a", "onednn.conv", 20000, 500), entry("b", "codegen.contraction mr=14 nr=2", 1000, 500),
                       entry("c", "codegen.contraction mr=8 nr=2", 1000, 500)},
                      times_of({event("a", 100, 40), event("b", 140, 20), event("c", 150, 10)}), {1e9, 1e9});
  const std::string text = profile_text(profile, 100e-6, 110e-6, 2);
  EXPECT_THAT(text, testing::HasSubstr("40.0 us  40.0 %      0.5   0.0    50.0 %  cpu     onednn.conv"));
  EXPECT_THAT(text, testing::HasSubstr("conv_1, relu_1"));
  EXPECT_THAT(text, testing::HasSubstr("... and 1 groups more"));
  EXPECT_THAT(text, testing::ContainsRegex("codegen.contraction +2  30.0 us  30.0 %"));
  EXPECT_THAT(text, testing::HasSubstr(
                        "All groups take 70.0 us, a run 100 us at least (median 110 us, while it is traced 120 us)."));
  EXPECT_THAT(profile_text(profile, 100e-6, 110e-6, 0), testing::Not(testing::HasSubstr("more")));
}

}  // namespace
}  // namespace sardonyx::tools
