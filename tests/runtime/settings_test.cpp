#include "runtime/base/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace sardonyx {
namespace {

// Sets variables for one test and removes them afterwards.
class SettingsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& doc : setting_docs()) {
      if (*doc.variable != '\0') unsetenv(doc.variable);
    }
    set_log_level(LogLevel::Error);
  }
  void TearDown() override {
    SetUp();
    set_log_level(LogLevel::Warning);
  }
  Settings with(const char* variable, const char* value) {
    setenv(variable, value, 1);
    return settings_from_environment();
  }
};

TEST_F(SettingsTest, DefaultsWithoutVariables) {
  const Settings settings = settings_from_environment();
  EXPECT_EQ(settings.log_level, LogLevel::Warning);
  EXPECT_EQ(settings.num_threads, 0);
  EXPECT_EQ(settings.policy, Policy::Auto);
  EXPECT_EQ(settings.devices, "");
  EXPECT_EQ(settings.spin_microseconds, 20);
  EXPECT_FALSE(settings.verify);
}

TEST_F(SettingsTest, ReadsEveryVariable) {
  EXPECT_EQ(with("SARDONYX_LOG_LEVEL", "info").log_level, LogLevel::Info);
  EXPECT_EQ(with("SARDONYX_NUM_THREADS", "3").num_threads, 3);
  EXPECT_EQ(with("SARDONYX_POLICY", "codegen").policy, Policy::Codegen);
  EXPECT_EQ(with("SARDONYX_POLICY", "library").policy, Policy::Library);
  EXPECT_EQ(with("SARDONYX_OPTIMIZATION", "throughput").optimization, Optimization::HighThroughput);
  EXPECT_EQ(with("SARDONYX_OPTIMIZATION", "delay").optimization, Optimization::LowDelay);
  EXPECT_EQ(with("SARDONYX_DEVICES", "cpu").devices, "cpu");
  EXPECT_EQ(with("SARDONYX_PLACEMENT", "*=cpu").placement, "*=cpu");
  EXPECT_TRUE(with("SARDONYX_STRICT", "1").strict);
  EXPECT_EQ(with("SARDONYX_TRACE", "t.json").trace_file, "t.json");
  EXPECT_EQ(with("SARDONYX_DUMP", "d").dump_dir, "d");
  EXPECT_EQ(with("SARDONYX_CACHE_DIR", "c").cache_dir, "c");
  EXPECT_EQ(with("SARDONYX_SPIN_US", "0").spin_microseconds, 0);
  EXPECT_TRUE(settings_from_environment().calibrate);
  EXPECT_FALSE(with("SARDONYX_CALIBRATE", "0").calibrate);
  EXPECT_TRUE(with("SARDONYX_VERIFY", "1").verify);
}

TEST_F(SettingsTest, CacheIsInTheUsersCacheFolderUnlessToldOtherwise) {
  const std::string home = str(getenv("HOME") ? getenv("HOME") : "");
  const char* before = getenv("XDG_CACHE_HOME");
  const std::string cache = str(before ? before : "");
  setenv("HOME", "/h", 1);
  unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(settings_from_environment().cache_dir, "/h/.cache/sardonyx");
  setenv("XDG_CACHE_HOME", "/c", 1);
  EXPECT_EQ(settings_from_environment().cache_dir, "/c/sardonyx");
  EXPECT_EQ(with("SARDONYX_CACHE_DIR", "off").cache_dir, "");
  EXPECT_EQ(with("SARDONYX_CACHE_DIR", "").cache_dir, "");
  setenv("HOME", home.c_str(), 1);
  before ? setenv("XDG_CACHE_HOME", cache.c_str(), 1) : unsetenv("XDG_CACHE_HOME");
}

TEST_F(SettingsTest, LogLevelNumbersAreThoseOfOnnxifi) {
  EXPECT_EQ(with("SARDONYX_LOG_LEVEL", "4").log_level, LogLevel::Error);
  EXPECT_EQ(with("SARDONYX_LOG_LEVEL", "1").log_level, LogLevel::Debug);
}

TEST_F(SettingsTest, IgnoresMalformedValues) {
  for (const char* bad : {"", "x", "-1", "1025", "3 ", "99999999999999999999"}) {
    EXPECT_EQ(with("SARDONYX_NUM_THREADS", bad).num_threads, 0) << bad;
  }
  EXPECT_EQ(with("SARDONYX_POLICY", "fastest").policy, Policy::Auto);
  EXPECT_EQ(with("SARDONYX_OPTIMIZATION", "speed").optimization, Optimization::LowLatency);
  EXPECT_EQ(with("SARDONYX_LOG_LEVEL", "5").log_level, LogLevel::Warning);
  EXPECT_EQ(with("SARDONYX_SPIN_US", "1e3").spin_microseconds, 20);
  EXPECT_FALSE(with("SARDONYX_VERIFY", "yes").verify);
}

TEST_F(SettingsTest, EveryVariableAndPropertyIsDocumentedOnce) {
  std::set<std::string> seen;
  for (const auto& doc : setting_docs()) {
    EXPECT_TRUE(*doc.variable != '\0' || *doc.property != '\0');
    EXPECT_STRNE(doc.values, "");
    EXPECT_STRNE(doc.meaning, "");
    for (const char* name : {doc.variable, doc.property}) {
      if (*name != '\0') {
        EXPECT_TRUE(seen.insert(name).second) << name;
      }
    }
  }
}

}  // namespace
}  // namespace sardonyx
