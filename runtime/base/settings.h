// Every knob of the library in one struct. Precedence: vendor property > environment variable > default.
// settings.cpp is the only place of the project that reads the environment; it reads nothing in set-uid programs.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/log.h"

namespace sardonyx {

// Which candidates may be chosen for a group. Auto: whatever the cost model ranks first.
enum class Policy : int { Auto = 0, Codegen = 1, Library = 2 };
// Values equal ONNXIFI_OPTIMIZATION_*.
enum class Optimization : int { HighThroughput = 0, LowLatency = 1, LowPower = 2, LowDelay = 3 };

// Upper limits that the property and the environment share.
inline constexpr int64_t max_threads = 1024;
inline constexpr int64_t max_spin_microseconds = 1000000;

struct Settings {
  LogLevel log_level = LogLevel::Warning;  // SARDONYX_LOG_LEVEL: error|warning|info|debug or 1..4
  int num_threads = 0;                     // SARDONYX_NUM_THREADS; 0: min(affinity mask, cgroup quota)
  Policy policy = Policy::Auto;            // SARDONYX_POLICY: auto|codegen|library
  bool exact = false;                      // SARDONYX_EXACT=1: sums are direct, no fast convolution algorithms
  bool deterministic = false;              // SARDONYX_DETERMINISTIC=1: a sample's bits depend on that sample alone
  bool fast_math = false;                  // SARDONYX_FAST_MATH=1: products of F32 may be of bf16
  Optimization optimization = Optimization::LowLatency;  // SARDONYX_OPTIMIZATION: throughput|latency|power|delay
  std::string devices;                                   // SARDONYX_DEVICES: filter and order, e.g. "opencl:1,cpu"
  std::string placement;           // SARDONYX_PLACEMENT: "pattern=device;..." over node names, first match counts
  bool strict = false;             // SARDONYX_STRICT=1: refuse what the wanted device cannot run
  std::string plugins;             // SARDONYX_PLUGINS: absolute paths, colons between them
  std::string trace_file;          // SARDONYX_TRACE: Chrome trace JSON is written here
  std::string dump_dir;            // SARDONYX_DUMP: graphs after each pass, schedules, LLVM IR
  std::string cache_dir;           // SARDONYX_CACHE_DIR: compiled code is kept there; "": none
  std::string external_data_dir;   // property only: base directory of external tensor data
  bool calibrate = true;           // SARDONYX_CALIBRATE=0: devices are taken for what they are estimated to be
  int64_t spin_microseconds = 20;  // SARDONYX_SPIN_US: bounded spin of an idle worker before it sleeps
  bool verify = false;             // SARDONYX_VERIFY=1: run the graph verifier after every pass
};

// Defaults overridden by the environment. Malformed values are reported at WARNING and ignored.
Settings settings_from_environment();

// One row of the user guide's table; the guide and `sardonyx --help` are generated from it.
struct SettingDoc {
  const char* variable;  // "" when there is none
  const char* property;  // ONNXX_BACKEND_PROPERTY_... or ""
  const char* values;
  const char* meaning;
};
const std::vector<SettingDoc>& setting_docs();

}  // namespace sardonyx
