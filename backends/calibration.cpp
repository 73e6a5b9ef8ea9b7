#include "backends/calibration.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>

#include "backends/disk_cache.h"
#include "backends/measure.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/cpu_count.h"

namespace sardonyx::backends {

namespace {

constexpr int64_t cache_limit = 64 << 10;
constexpr int64_t day_seconds = 24 * 3600, entry_days = 90, busy_entry_days = 1;
constexpr double largest_factor = 1024;

// An entry of the cache, as it lies in memory: the folder is of one machine.
struct Entry {
  int64_t time = 0;     // seconds since 1970
  int64_t seconds = 0;  // for which it holds
  Measurement measurement;
};
static_assert(sizeof(Entry) == 80, "no padding: every byte counts");

bool sane(const Measurement& measurement) {
  const double all[] = {
      measurement.macs,        measurement.bytes,     measurement.upload_bytes,      measurement.download_bytes,
      measurement.transfer_ns, measurement.launch_ns, measurement.contraction_ratio, measurement.map_ratio};
  return std::all_of(std::begin(all), std::end(all), [](double x) { return x >= 0 && x < 1e18; }) &&
         (measurement.upload_bytes > 0) == (measurement.download_bytes > 0);
}

// Others keep the cores from us.
bool busy(int threads) {
  double load = 0;
  return getloadavg(&load, 1) == 1 && load > threads;
}

// The nearest quarter power of two.
double rounded(double value) { return std::exp2(std::round(std::log2(value) * 4) / 4); }
double factor(double ratio) { return std::clamp(rounded(ratio), 1 / largest_factor, largest_factor); }

DeviceInfo with(DeviceInfo device, const Measurement& m, int threads) {
  const bool host = m.upload_bytes <= 0;
  // One core of the host was measured.
  const double whole = host ? std::min(threads, device.target.cores) : 1;
  device.measured = true;
  if (m.macs > 0) {
    device.macs_fp32 = uint64_t(m.macs * whole);
    device.contraction_factor = factor(m.contraction_ratio);
  }
  if (m.bytes > 0) {
    device.memory_bandwidth = uint64_t(m.bytes * whole);
    device.map_factor = factor(m.map_ratio);
  }
  if (host) {
    device.host_read_bandwidth = device.host_write_bandwidth = device.memory_bandwidth;
    return device;
  }
  device.host_read_bandwidth = uint64_t(m.upload_bytes);
  device.host_write_bandwidth = uint64_t(m.download_bytes);
  if (m.launch_ns > 0) device.target.launch_ns = rounded(m.launch_ns);
  device.target.transfer_ns = rounded(m.transfer_ns);
  device.target.transfer_bytes_per_ns = rounded(2e-9 / (1 / m.upload_bytes + 1 / m.download_bytes));
  return device;
}

}  // namespace

struct Calibration::State {
  explicit State(const Settings& from)
      : settings(from),
        threads(from.num_threads > 0 ? from.num_threads : runtime::usable_cpus()),
        cache(from.cache_dir, "figures", cache_limit) {}

  std::string key(const DeviceInfo& device) const {
    std::string key;
    for (const std::string& part :
         {device.backend, device.name, device.device, device.driver, str(int(device.type)), str(device.memory_bytes),
          str(device.target.cores), str(threads), std::string(SARDONYX_VERSION)})
      key += part + '\0';
    return key;
  }

  std::optional<Measurement> find(const std::string& key) const {
    const auto bytes = cache.find(key);
    Entry entry;
    if (!bytes || bytes->size() != sizeof entry) return std::nullopt;
    std::memcpy(&entry, bytes->data(), sizeof entry);
    const int64_t age = int64_t(std::time(nullptr)) - entry.time;
    if (age < 0 || age > entry.seconds || !sane(entry.measurement)) return std::nullopt;
    return entry.measurement;
  }

  void store(const std::string& key, const Measurement& measurement) const {
    const int64_t days = busy(runtime::usable_cpus()) ? busy_entry_days : entry_days;
    const Entry entry{int64_t(std::time(nullptr)), days * day_seconds, measurement};
    cache.store(key, std::string(reinterpret_cast<const char*>(&entry), sizeof entry));
  }

  // Measured now; nothing when that fails.
  std::optional<Measurement> measured(const Backend& backend, const DeviceInfo& device) const {
    try {
      const Measurement measurement = measure(backend, device, settings);
      check(sane(measurement), "the figures make no sense");
      log(LogLevel::Info, device.backend, " '", device.device, "': ", measurement.macs * 1e-9, " G multiply-adds/s (",
          measurement.contraction_ratio, " of the estimated time), ", measurement.bytes * 1e-9, " GB/s (",
          measurement.map_ratio, "), launch ", measurement.launch_ns, " ns, copy ", measurement.transfer_ns, " ns and ",
          measurement.upload_bytes * 1e-9, " / ", measurement.download_bytes * 1e-9, " GB/s");
      return measurement;
    } catch (const std::exception& error) {
      log(LogLevel::Info, device.backend, " '", device.device, "' keeps its estimated figures: ", error.what());
      return std::nullopt;
    }
  }

  struct Known {
    bool recalled = false, asked = false, busy = false;
    std::optional<Measurement> measurement;
  };

  const Settings settings;
  const int threads;
  const DiskCache cache;
  const pid_t process = getpid();
  std::mutex mutex;
  std::condition_variable done;
  std::map<std::string, Known> devices;  // by key
};

Calibration::Calibration(const Settings& settings) : state_(std::make_unique<State>(settings)) {}
Calibration::~Calibration() = default;

DeviceInfo Calibration::calibrated(const Backend& backend, const DeviceInfo& device, Effort effort) {
  State& state = *state_;
  if (!state.settings.calibrate) return device;
  const std::string key = state.key(device);
  const bool forked = getpid() != state.process;
  std::unique_lock lock(state.mutex);
  State::Known& known = state.devices[key];
  if (!known.recalled) known.measurement = state.find(key);
  known.recalled = true;
  if (effort == Effort::Measure && !forked && !known.measurement) {
    // A thread that measures does so without the lock; who comes later waits for what it finds.
    state.done.wait(lock, [&] { return !known.busy; });
    if (!known.asked) {
      known.asked = known.busy = true;
      lock.unlock();
      const auto measurement = state.measured(backend, device);
      if (measurement) state.store(key, *measurement);
      lock.lock();
      known.measurement = measurement;
      known.busy = false;
      state.done.notify_all();
    }
  }
  return known.measurement ? with(device, *known.measurement, state.threads) : device;
}

DeviceInfo calibrated(const DeviceInfo& device, Effort effort) {
  // Never destroyed: calls may still come in while the process exits.
  static auto& calibration = *new Calibration(settings_from_environment());
  return calibration.calibrated(backend_of(device), device, effort);
}

}  // namespace sardonyx::backends
