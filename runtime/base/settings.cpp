#include "runtime/base/settings.h"

#include <cerrno>
#include <cstdlib>
#include <optional>

namespace sardonyx {

namespace {

std::optional<int64_t> parse_integer(const std::string& text, int64_t low, int64_t high) {
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno != 0 || value < low || value > high) return std::nullopt;
  return value;
}

struct NamedValue {
  const char* name;
  int value;
};

template <size_t N>
std::optional<int> parse_name(const std::string& text, const NamedValue (&values)[N]) {
  for (const auto& candidate : values) {
    if (text == candidate.name) return candidate.value;
  }
  return std::nullopt;
}

// Numbers are those of ONNXIFI_LOG_LEVEL_*, where 1 is the most talkative level.
constexpr NamedValue log_levels[] = {
    {"error", int(LogLevel::Error)}, {"warning", int(LogLevel::Warning)}, {"info", int(LogLevel::Info)},
    {"debug", int(LogLevel::Debug)}, {"4", int(LogLevel::Error)},         {"3", int(LogLevel::Warning)},
    {"2", int(LogLevel::Info)},      {"1", int(LogLevel::Debug)},
};
constexpr NamedValue policies[] = {
    {"auto", int(Policy::Auto)}, {"codegen", int(Policy::Codegen)}, {"library", int(Policy::Library)}};
constexpr NamedValue optimizations[] = {{"throughput", int(Optimization::HighThroughput)},
                                        {"latency", int(Optimization::LowLatency)},
                                        {"power", int(Optimization::LowPower)},
                                        {"delay", int(Optimization::LowDelay)}};
constexpr NamedValue switches[] = {{"0", 0}, {"1", 1}};

// Each returns false when the text is malformed, and leaves the settings alone then.
bool set_level(Settings& settings, const std::string& text) {
  const auto value = parse_name(text, log_levels);
  if (value) settings.log_level = LogLevel(*value);
  return value.has_value();
}
bool set_threads(Settings& settings, const std::string& text) {
  const auto value = parse_integer(text, 0, max_threads);
  if (value) settings.num_threads = int(*value);
  return value.has_value();
}
bool set_policy(Settings& settings, const std::string& text) {
  const auto value = parse_name(text, policies);
  if (value) settings.policy = Policy(*value);
  return value.has_value();
}
bool set_optimization(Settings& settings, const std::string& text) {
  const auto value = parse_name(text, optimizations);
  if (value) settings.optimization = Optimization(*value);
  return value.has_value();
}
bool set_spin(Settings& settings, const std::string& text) {
  const auto value = parse_integer(text, 0, max_spin_microseconds);
  if (value) settings.spin_microseconds = *value;
  return value.has_value();
}
template <bool Settings::*member>
bool set_switch(Settings& settings, const std::string& text) {
  const auto value = parse_name(text, switches);
  if (value) settings.*member = *value != 0;
  return value.has_value();
}
bool set_cache(Settings& settings, const std::string& text) {
  settings.cache_dir = text == "off" ? "" : text;
  return true;
}
template <std::string Settings::*member>
bool set_text(Settings& settings, const std::string& text) {
  settings.*member = text;
  return true;
}

struct Variable {
  const char* name;
  bool (*set)(Settings&, const std::string&);
};
constexpr Variable variables[] = {
    {"SARDONYX_LOG_LEVEL", set_level},
    {"SARDONYX_NUM_THREADS", set_threads},
    {"SARDONYX_POLICY", set_policy},
    {"SARDONYX_EXACT", set_switch<&Settings::exact>},
    {"SARDONYX_DETERMINISTIC", set_switch<&Settings::deterministic>},
    {"SARDONYX_FAST_MATH", set_switch<&Settings::fast_math>},
    {"SARDONYX_OPTIMIZATION", set_optimization},
    {"SARDONYX_DEVICES", set_text<&Settings::devices>},
    {"SARDONYX_PLACEMENT", set_text<&Settings::placement>},
    {"SARDONYX_STRICT", set_switch<&Settings::strict>},
    {"SARDONYX_PLUGINS", set_text<&Settings::plugins>},
    {"SARDONYX_TRACE", set_text<&Settings::trace_file>},
    {"SARDONYX_DUMP", set_text<&Settings::dump_dir>},
    {"SARDONYX_CACHE_DIR", set_cache},
    {"SARDONYX_CALIBRATE", set_switch<&Settings::calibrate>},
    {"SARDONYX_SPIN_US", set_spin},
    {"SARDONYX_VERIFY", set_switch<&Settings::verify>},
};

// The user's cache folder by the XDG rules; "" when there is none.
std::string default_cache_dir() {
  const auto value = [](const char* name) {
    const char* text = secure_getenv(name);
    return std::string(text != nullptr && text[0] == '/' ? text : "");
  };
  if (const std::string cache = value("XDG_CACHE_HOME"); !cache.empty()) return cache + "/sardonyx";
  if (const std::string home = value("HOME"); !home.empty()) return home + "/.cache/sardonyx";
  return "";
}

}  // namespace

Settings settings_from_environment() {
  Settings settings;
  settings.cache_dir = default_cache_dir();
  for (const auto& variable : variables) {
    const char* text = secure_getenv(variable.name);
    if (text != nullptr && !variable.set(settings, text)) {
      log(LogLevel::Warning, "ignoring ", variable.name, "='", text, "': not an accepted value");
    }
  }
  return settings;
}

const std::vector<SettingDoc>& setting_docs() {
  static const std::vector<SettingDoc> docs = {
      {"SARDONYX_LOG_LEVEL", "ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL",
       "error, warning, info, debug, or the numbers of ONNXIFI_LOG_LEVEL_* (4 to 1)",
       "what is written to stderr; warning by default"},
      {"SARDONYX_NUM_THREADS", "ONNXX_BACKEND_PROPERTY_NUM_THREADS", "0 to 1024",
       "worker threads of a backend, the calling thread included; 0 (default): what the affinity mask and the cgroup "
       "quota allow"},
      {"SARDONYX_POLICY", "ONNXX_BACKEND_PROPERTY_POLICY", "auto (0), codegen (1), library (2)",
       "which kernels may be chosen: the cheapest by the cost model, generated code first, vendor library first"},
      {"SARDONYX_EXACT", "ONNXX_BACKEND_PROPERTY_EXACT", "0 or 1",
       "1: every sum is over its own products; no Winograd convolutions, whose error is a few times that of direct "
       "sums"},
      {"SARDONYX_FAST_MATH", "ONNXX_BACKEND_PROPERTY_FAST_MATH", "0 or 1",
       "1: float32 operands of products and convolutions with constant weights may be rounded to bfloat16, where the "
       "CPU "
       "has dot products of it (AVX-512 BF16); sums stay float32. SARDONYX_EXACT and SARDONYX_DETERMINISTIC switch it "
       "off"},
      {"SARDONYX_DETERMINISTIC", "ONNXX_BACKEND_PROPERTY_DETERMINISTIC", "0 or 1",
       "1: what the CPU computes of a sample of a batch is the same, bit for bit, for every number of threads, size of "
       "the batch and place in it; no vendor library and no Winograd convolutions"},
      {"SARDONYX_OPTIMIZATION", "ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION",
       "throughput (0), latency (1), power (2), delay (3)",
       "throughput: every thread executes runs of its own on a core of its own, so many at a time; all others (latency "
       "is the default): the threads share each run"},
      {"SARDONYX_DEVICES", "", "comma-separated names, e.g. opencl:1,cpu,hetero",
       "which devices are listed, and their order: a backend's name stands for all its devices, with :N for its N-th, "
       "counted from 0; hetero is all of them together"},
      {"SARDONYX_PLACEMENT", "ONNXX_BACKEND_PROPERTY_PLACEMENT",
       "pattern=device rules, separated by semicolons, e.g. layer1/*=cpu;op:conv=opencl:0",
       "where nodes run: the pattern (* ? [a-z]) is of node names or, behind op:, of kinds of primitives; of several "
       "rules the first counts"},
      {"SARDONYX_STRICT", "ONNXX_BACKEND_PROPERTY_STRICT", "0 or 1",
       "refuse a graph of which a part cannot run where it should"},
      {"SARDONYX_PLUGINS", "", "absolute file names, separated by colons",
       "shared objects with backends of their own (onnx/sardonyx_backend.h), loaded with the first call"},
      {"SARDONYX_TRACE", "ONNXX_BACKEND_PROPERTY_TRACE_FILE", "a file name",
       "executed kernels are written there as Chrome trace events"},
      {"SARDONYX_DUMP", "", "a folder", "the graph after every pass, the schedules and the generated code go there"},
      {"SARDONYX_CACHE_DIR", "", "a folder, or off",
       "compiled code and measured figures of devices are kept there for the next process; "
       "$XDG_CACHE_HOME/sardonyx or ~/.cache/sardonyx by "
       "default"},
      {"SARDONYX_CALIBRATE", "", "0 or 1",
       "measure a device (some tens of milliseconds, and the compilation of two kernels) when its figures are first "
       "asked for, or a backend chooses between devices; the cache keeps them. 1 by default; 0: estimates"},
      {"", "ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR", "a folder",
       "base of a model's external tensor data, which is refused without it"},
      {"SARDONYX_SPIN_US", "ONNXX_BACKEND_PROPERTY_SPIN_MICROSECONDS", "0 to 1000000",
       "how long an idle worker polls before it sleeps; 20 by default"},
      {"SARDONYX_VERIFY", "", "0 or 1", "verify the graph after every pass"},
  };
  return docs;
}

}  // namespace sardonyx
