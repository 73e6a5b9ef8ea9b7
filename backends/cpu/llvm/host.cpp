// The CPU at hand as data.
#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "backends/cpu/llvm/compile.h"

namespace sardonyx::cpu {

namespace {

int64_t cache_bytes(int name, int64_t fallback) {
  long value = sysconf(name);
  return value > 0 ? value : fallback;
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
  target.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, target.l1_bytes);
  target.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, target.l2_bytes);
  target.l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE, target.l3_bytes);
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
