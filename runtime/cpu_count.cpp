#include "runtime/cpu_count.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <sstream>

#include "runtime/base/strings.h"

namespace sardonyx::runtime {

namespace {
int affinity_cpus() {
  for (int size = 1024; size <= (1 << 18); size *= 4) {
    cpu_set_t* set = CPU_ALLOC(size_t(size));
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(size_t(size));
    const int result = sched_getaffinity(0, bytes, set);
    const int error = errno;
    const int count = result == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (result == 0 && count > 0) return count;
    if (error != EINVAL) break;
  }
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? int(online) : 1;
}

// First words of a file; empty when there is none.
std::string read_words(const std::string& path, std::string* second = nullptr) {
  std::ifstream file(path);
  std::string first, next;
  file >> first >> next;
  if (second) *second = next;
  return first;
}

double ratio(double quota, double period) { return quota > 0 && period > 0 ? quota / period : 0; }

double quota_v2(const std::string& folder) {
  std::string period;
  const std::string quota = read_words(folder + "/cpu.max", &period);
  return quota == "max" ? 0 : ratio(to_double(quota), to_double(period));
}

double quota_v1(const std::string& folder) {
  return ratio(to_double(read_words(folder + "/cpu.cfs_quota_us")),
               to_double(read_words(folder + "/cpu.cfs_period_us")));
}

// The smallest quota on the way from the group up to the root of its hierarchy.
template <class Quota>
double smallest(const std::string& mount, std::string group, Quota&& quota) {
  double result = 0;
  for (;;) {
    const double here = quota(mount + group);
    if (here > 0) result = result > 0 ? std::min(result, here) : here;
    const size_t slash = group.find_last_of('/');
    if (group.empty() || slash == std::string::npos) return result;
    group.erase(slash);
  }
}
}  // namespace

double cgroup_cpu_quota(const std::string& root) {
  double result = 0;
  const auto add = [&](double quota) {
    if (quota > 0) result = result > 0 ? std::min(result, quota) : quota;
  };
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // hierarchy:controllers:path
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    if (controllers == ",,") add(smallest(root + "/sys/fs/cgroup", group, quota_v2));
    if (controllers.find(",cpu,") != std::string::npos) {
      add(smallest(root + "/sys/fs/cgroup/cpu", group, quota_v1));
      add(smallest(root + "/sys/fs/cgroup/cpu,cpuacct", group, quota_v1));
    }
  }
  return result;
}

int usable_cpus() {
  const int cpus = affinity_cpus();
  const double quota = cgroup_cpu_quota("");
  return quota > 0 ? std::clamp(int(std::ceil(quota)), 1, cpus) : cpus;
}

int thread_count(const Settings& settings) { return settings.num_threads > 0 ? settings.num_threads : usable_cpus(); }

int cores_per_run(const Settings& settings) {
  return settings.optimization == Optimization::HighThroughput ? 1 : thread_count(settings);
}

}  // namespace sardonyx::runtime
