// The CPU at hand as data.
#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "backends/cpu/llvm/compile.h"
#include "runtime/base/strings.h"

namespace sardonyx::cpu {

namespace {

// Of the first core's cache for data, as the kernel sees it. The processor, which sysconf asks, tells the size of all
// caches of a level in the whole machine where this one is virtual.
int64_t cache_bytes(int level, int64_t fallback) {
  for (int i = 0; i < 8; ++i) {
    const auto read = [&](const char* name, auto& value) {
      std::ifstream file(str("/sys/devices/system/cpu/cpu0/cache/index", i, "/", name));
      return bool(file >> value);
    };
    int found = 0;
    int64_t kibibytes = 0;
    std::string type;
    if (!read("level", found) || !read("type", type) || !read("size", kibibytes)) continue;
    if (found == level && type != "Instruction" && kibibytes > 0) return kibibytes << 10;
  }
  return fallback;
}

backends::Target probe() {
  backends::Target target;
  target.cpu = llvm::sys::getHostCPUName().str();
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  auto has = [&](const char* name) { return features.lookup(name); };
  std::vector<std::string> sorted;
  for (const auto& feature : features) sorted.push_back((feature.second ? "+" : "-") + feature.first().str());
  std::sort(sorted.begin(), sorted.end());
  target.features = std::move(sorted);
  bool wide = has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl");
  target.vector_bytes = wide ? 64 : has("avx2") && has("fma") ? 32 : 16;
  target.vector_registers = wide ? 32 : 16;
  target.byte_products = wide ? has("avx512vnni") : target.vector_bytes == 32 && has("avxvnni");
  target.bf16_products = wide && has("avx512bf16");
  target.l1_bytes = cache_bytes(1, target.l1_bytes);
  target.l2_bytes = cache_bytes(2, target.l2_bytes);
  target.l3_bytes = cache_bytes(3, target.l3_bytes);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  target.cores = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  // Two multiply-add units of the full width at about 3 GHz; memory at about 10 GB/s per core.
  target.flops_per_ns = double(target.vector_bytes) / 4 * 2 * 2 * 3 * (has("fma") ? 1.0 : 0.5);
  target.bytes_per_ns = 10;
  return target;
}

}  // namespace

const backends::Target& host_target() {
  static const backends::Target target = probe();
  return target;
}

}  // namespace sardonyx::cpu
