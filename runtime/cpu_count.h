// How many threads a process may usefully run: containers and cpusets counted, not the machine's cores.
#pragma once
#include <string>

#include "runtime/base/settings.h"

namespace sardonyx::runtime {

// min(CPUs in the affinity mask, CPU quota of the control groups rounded up), at least 1. Failures to read count as
// "no limit".
int usable_cpus();

// Threads of a backend: those that the settings ask for, else usable_cpus().
int thread_count(const Settings& settings);

// Cores that share a run, which kernels are made for: one when throughput counts, else one per thread.
int cores_per_run(const Settings& settings);

// CPU quota of the calling process's control groups (v2 and v1, every level up to the root), in CPUs; 0: no limit.
// `root` is prefixed to /proc and /sys paths; tests point it at a folder of their own.
double cgroup_cpu_quota(const std::string& root);

}  // namespace sardonyx::runtime
