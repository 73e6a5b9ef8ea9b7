// `sardonyx test` against a library that misbehaves on request.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/commands.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {
namespace {

namespace fs = std::filesystem;

// A message of protobuf: field number, wire type 2, less than 128 bytes.
std::string message(int field, const std::string& content) {
  return {std::string(1, char(field << 3 | 2)) + char(content.size()) + content};
}
std::string value_info(const std::string& name) {
  const std::string tensor = std::string("\x08\x01", 2) + message(2, message(1, std::string("\x08\x03", 2)));
  return message(1, name) + message(2, message(1, tensor));
}
// A graph from "x" to "y", float[3]; the producer's name tells the fake library what to do.
std::string model(const std::string& behaviour) {
  return message(2, behaviour) + message(7, message(11, value_info("x")) + message(12, value_info("y")));
}

HostTensor tensor(const std::string& name, std::vector<float> values) {
  HostTensor result{name, DType::F32, {int64_t(values.size())}, {}};
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  result.bytes.assign(bytes, bytes + values.size() * sizeof(float));
  return result;
}

class TestCommand : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "sardonyx-tools-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    options_.library = FAKE_LIBRARY;
    options_.folders = {root_.string()};
    options_.report = (root_ / "report.json").string();
    options_.json = true;
    options_.jobs = 3;
    options_.timeout = 1;
  }
  void TearDown() override { fs::remove_all(root_); }

  void add(const std::string& name, const std::string& behaviour) {
    const fs::path data = root_ / name / "test_data_set_0";
    fs::create_directories(data);
    std::ofstream(root_ / name / "model.onnx", std::ios::binary) << model(behaviour);
    write_tensor_file(tensor("", {1, 2, 3}), (data / "input_0.pb").string());
    write_tensor_file(tensor("", {1, 2, 3}), (data / "output_0.pb").string());
  }
  void skip(const std::string& lines) {
    options_.skip_list = (root_ / "skip.txt").string();
    std::ofstream(options_.skip_list) << lines;
  }
  // Runs the command: its exit code, and "verdict: reason" of each test.
  int run() {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = test_command(options_);
    testing::internal::GetCapturedStdout();
    errors_ = testing::internal::GetCapturedStderr();
    report_ = nlohmann::json::parse(std::ifstream(options_.report));
    for (const auto& test : report_["tests"]) {
      results_[test["name"]] = test["result"].get<std::string>() + ": " + test["reason"].get<std::string>();
    }
    return code;
  }
  bool begins(const std::string& test, const std::string& expected) { return results_[test].starts_with(expected); }

  fs::path root_;
  TestOptions options_;
  std::map<std::string, std::string> results_;
  nlohmann::json report_;
  std::string errors_;
};

TEST_F(TestCommand, CountsEveryKindOfEnd) {
  add("right", "fine");
  add("wrong", "wrong");
  add("crash", "crashing");
  add("hang", "hanging");
  add("overrun", "overrunning");
  add("unsupported", "unsupported");
  add("surprise", "surprising");
  EXPECT_EQ(run(), 1);
  EXPECT_EQ(results_["right"], "pass: ");
  EXPECT_TRUE(begins("wrong", "fail: output 'y' f32[3]: 1 of 3 elements differ, worst at [0]: expected 1"))
      << results_["wrong"];
  EXPECT_TRUE(begins("crash", "fail: crashes: Aborted")) << results_["crash"];
  EXPECT_TRUE(begins("hang", "fail: hangs: killed after 1 s")) << results_["hang"];
  EXPECT_TRUE(begins("overrun", "fail: test_data_set_0: bytes behind output 'y' were written")) << results_["overrun"];
  EXPECT_TRUE(begins("unsupported", "skip: onnxInitGraph: UNSUPPORTED_OPERATOR")) << results_["unsupported"];
  // onnxGetBackendCompatibility had said SUCCESS.
  EXPECT_TRUE(begins("surprise", "fail: onnxInitGraph: UNSUPPORTED_OPERATOR")) << results_["surprise"];
}

TEST_F(TestCommand, PassesWhenEverythingDoes) {
  add("a", "fine");
  add("b", "unsupported");
  options_.floor = 1;
  EXPECT_EQ(run(), 0);
}

TEST_F(TestCommand, FailsBelowTheFloor) {
  add("a", "fine");
  options_.floor = 2;
  EXPECT_EQ(run(), 1);
  EXPECT_NE(errors_.find("the floor is 2"), std::string::npos);
}

TEST_F(TestCommand, CountsGroupsPerDevice) {
  add("a", "placed");
  add("b", "placed wrong");
  add("c", "fine");
  add("d", "placed crashing");
  EXPECT_EQ(run(), 1);
  const nlohmann::json each = {{"cpu", 1}, {"toy:0", 2}};
  EXPECT_EQ(report_["tests"][0]["groups"], each);
  EXPECT_EQ(report_["tests"][1]["groups"], each) << "where a graph runs does not depend on its answers";
  EXPECT_EQ(report_["tests"][2]["groups"], nlohmann::json::object());
  EXPECT_EQ(report_["tests"][3]["groups"], nlohmann::json::object());
  EXPECT_EQ(report_["summary"]["groups"], (nlohmann::json{{"cpu", 2}, {"toy:0", 4}}));
}

TEST_F(TestCommand, FailsBelowAShareOfTheGroups) {
  add("a", "placed");
  options_.shares = {"toy:0=66.5", "cpu=33"};
  EXPECT_EQ(run(), 0);
  options_.shares = {"toy:0=67"};
  EXPECT_EQ(run(), 1);
  EXPECT_NE(errors_.find("2 of 3 groups run on toy:0, the share to keep is 67 %"), std::string::npos) << errors_;
  options_.shares = {"elsewhere=1"};
  EXPECT_EQ(run(), 1);
}

TEST_F(TestCommand, RefusesSharesThatAreNone) {
  add("a", "placed");
  for (const char* share : {"toy:0", "toy:0=", "toy:0=many", "toy:0=101", "toy:0=-1", "toy:0=nan"}) {
    options_.shares = {share};
    EXPECT_THROW(run(), UsageError) << share;
    testing::internal::GetCapturedStdout();
    testing::internal::GetCapturedStderr();
  }
}

TEST_F(TestCommand, StrictTakesNoExcuse) {
  add("a", "unsupported");
  options_.strict = true;
  EXPECT_EQ(run(), 1);
}

TEST_F(TestCommand, ListedFailuresAreSkips) {
  add("a", "crashing");
  skip("# comment\n\na: known to crash\nelsewhere: no such test here\n");
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(results_["a"], "skip: listed: known to crash");
}

TEST_F(TestCommand, AListedTestThatPassesIsAnError) {
  add("a", "fine");
  skip("a: used to fail\n");
  EXPECT_EQ(run(), 1);
  EXPECT_NE(errors_.find("a passes; take its line out"), std::string::npos);
}

TEST_F(TestCommand, ALineWithoutReasonIsRefused) {
  add("a", "fine");
  skip("a\n");
  EXPECT_THROW(run(), UsageError);
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
}

TEST_F(TestCommand, TakesPatterns) {
  add("test_add", "fine");
  add("test_mul", "fine");
  options_.pattern = "*_add";
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(results_.size(), 1u);
  options_.pattern = "mul";
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(results_.size(), 2u);
}

}  // namespace
}  // namespace sardonyx::tools
