// What each group of nodes takes, beside what the device could do: `sardonyx bench --kernels`.
//
// A profile is JSON: "runs", "median" (seconds of a run while it is traced), "flops_per_second" and "bytes_per_second"
// (what the device can do, 0 when it is not known), and "groups", the most expensive first, with the members
//   name, primitives, nodes, device, candidate   of the library's report
//   seconds                                      per run, the least of all runs
//   flops, bytes                                 per run
//   roofline                                     the least time that this work takes the device, over `seconds`
#pragma once
#include <nlohmann/json.hpp>

#include "tools/group_times.h"
#include "tools/host.h"

namespace sardonyx::tools {

using ProfileJson = nlohmann::ordered_json;

// Operations and bytes per second; 0: not known.
struct Ceilings {
  double flops = 0, bytes = 0;
};

// The member "groups" from the library's report and the trace. Groups that the trace has nothing of are left out;
// "roofline" is left out where no ceiling is known or there is no work.
ProfileJson profiled_groups(const ProfileJson& report, const GroupTimes& times, const Ceilings& ceilings);

// Compiles the model with a trace and runs it for `seconds`. Throws UsageError when the library offers no trace or no
// report. With a number of threads in `options`, SARDONYX_NUM_THREADS has to say the same: figures of the host follow
// it.
ProfileJson profile_kernels(const Device& device, const BackendOptions& options, const std::string& model,
                            const std::vector<HostTensor>& inputs, int64_t limit, double seconds);

// The `most` most expensive groups (0: all), and a summary by candidate family. Beside them stand the least, which
// shares refer to, and the median of the seconds that runs without trace take.
std::string profile_text(const ProfileJson& profile, double least, double median, size_t most);

}  // namespace sardonyx::tools
