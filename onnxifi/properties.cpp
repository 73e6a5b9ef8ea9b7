#include "onnxifi/properties.h"

#include <algorithm>
#include <iterator>

#include "onnx/onnxifi_x.h"
#include "runtime/base/status.h"

namespace sardonyx::onnxifi {

namespace {

// ONNXIFI numbers levels from debug (1) to error (4), LogLevel the other way round.
void set_log_level(Settings& settings, uint64_t value) { settings.log_level = LogLevel(5 - int(value)); }
void set_optimization(Settings& settings, uint64_t value) { settings.optimization = Optimization(value); }
void set_threads(Settings& settings, uint64_t value) { settings.num_threads = int(value); }
void set_policy(Settings& settings, uint64_t value) { settings.policy = Policy(value); }
void set_exact(Settings& settings, uint64_t value) { settings.exact = value == 1; }
void set_deterministic(Settings& settings, uint64_t value) { settings.deterministic = value == 1; }
void set_fast_math(Settings& settings, uint64_t value) { settings.fast_math = value == 1; }
void set_strict(Settings& settings, uint64_t value) { settings.strict = value == 1; }
void set_spin(Settings& settings, uint64_t value) { settings.spin_microseconds = int64_t(value); }
template <std::string Settings::*member>
void set_text(Settings& settings, uint64_t value) {
  const char* text = reinterpret_cast<const char*>(value);
  require(*text != '\0', Status::InvalidProperty, "the text of a property is empty");
  settings.*member = text;
}

// Texts are addresses: any value but 0 is in range.
struct Property {
  uint64_t key;
  uint64_t low, high;
  void (*set)(Settings& settings, uint64_t value);
};
constexpr Property properties[] = {
    {ONNXIFI_BACKEND_PROPERTY_OPTIMIZATION, 0, 3, set_optimization},
    {ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL, 1, 4, set_log_level},
    {ONNXX_BACKEND_PROPERTY_NUM_THREADS, 0, max_threads, set_threads},
    {ONNXX_BACKEND_PROPERTY_POLICY, 0, 2, set_policy},
    {ONNXX_BACKEND_PROPERTY_EXTERNAL_DATA_DIR, 1, UINT64_MAX, set_text<&Settings::external_data_dir>},
    {ONNXX_BACKEND_PROPERTY_TRACE_FILE, 1, UINT64_MAX, set_text<&Settings::trace_file>},
    {ONNXX_BACKEND_PROPERTY_SPIN_MICROSECONDS, 0, max_spin_microseconds, set_spin},
    {ONNXX_BACKEND_PROPERTY_PLACEMENT, 1, UINT64_MAX, set_text<&Settings::placement>},
    {ONNXX_BACKEND_PROPERTY_STRICT, 0, 1, set_strict},
    {ONNXX_BACKEND_PROPERTY_EXACT, 0, 1, set_exact},
    {ONNXX_BACKEND_PROPERTY_FAST_MATH, 0, 1, set_fast_math},
    {ONNXX_BACKEND_PROPERTY_DETERMINISTIC, 0, 1, set_deterministic},
};

struct Flag {
  uint64_t key;
  bool GraphOptions::*member;
};
constexpr Flag flags[] = {
    {ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY, &GraphOptions::allow_empty},
    {ONNXX_GRAPH_PROPERTY_VALUES, &GraphOptions::values},
};

const Property* find_property(uint64_t key) {
  for (const Property& property : properties) {
    if (property.key == key) return &property;
  }
  return nullptr;
}

}  // namespace

BackendOptions backend_options(const Settings& base, const uint64_t* list, const backends::BackendChoice& choice) {
  BackendOptions options;
  options.open.settings = base;
  for (; list != nullptr && list[0] != 0; list += 2) {
    const uint64_t key = list[0], value = list[1];
    if (key == ONNXIFI_BACKEND_OPENCL_CONTEXT && choice.info.device_id != nullptr) {
      require(value != 0, Status::InvalidProperty, "the OpenCL context is NULL");
      options.open.opencl_context = reinterpret_cast<void*>(value);
      continue;
    }
    const Property* property = find_property(key);
    require(property != nullptr, Status::UnsupportedProperty, "backend property ", key, " is not supported");
    require(value >= property->low && value <= property->high, Status::InvalidProperty, "backend property ", key,
            " has the value ", value, ", which is not between ", property->low, " and ", property->high);
    property->set(options.open.settings, value);
    options.log_level_given |= key == ONNXIFI_BACKEND_PROPERTY_LOG_LEVEL;
  }
  return options;
}

GraphOptions graph_options(const uint64_t* list) {
  GraphOptions options;
  for (; list != nullptr && list[0] != 0; list += 2) {
    const uint64_t key = list[0], value = list[1];
    const auto* property =
        std::find_if(std::begin(flags), std::end(flags), [&](const Flag& f) { return f.key == key; });
    require(property != std::end(flags), Status::UnsupportedProperty, "graph property ", key, " is not supported");
    require(value <= 1, Status::InvalidProperty, "graph property ", key, " has the value ", value,
            ", which is neither 0 nor 1");
    options.*property->member = value == 1;
  }
  return options;
}

onnxBitfield graph_properties() {
  onnxBitfield all = 0;
  for (const Flag& flag : flags) all |= flag.key;
  return all;
}

onnxBitfield vendor_backend_properties() {
  onnxBitfield all = 0;
  for (const Property& property : properties) {
    if (property.key >> 32 != 0) all |= property.key;
  }
  return all;
}

}  // namespace sardonyx::onnxifi
