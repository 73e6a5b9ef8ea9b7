#include "tools/kernel_profile.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/base/strings.h"
#include "runtime/base/trace.h"
#include "tools/text.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

using Json = ProfileJson;
constexpr size_t least_runs = 5, most_runs = 1000;
constexpr size_t longest_candidate = 44, longest_nodes = 60;

// A file of this process that goes with the object.
class TemporaryFile {
 public:
  TemporaryFile() : path_((std::filesystem::temp_directory_path() / "sardonyx-trace-XXXXXX").string()) {
    const int file = mkstemp(path_.data());
    if (file < 0) throw UsageError(str("cannot make the temporary file ", path_));
    close(file);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Of several devices together a figure says nothing about one.
Ceilings ceilings_of(const Device& device) {
  if (device.number(ONNXIFI_BACKEND_DEVICE_TYPE) == ONNXIFI_DEVICE_TYPE_HETEROGENEOUS) return {};
  return {2 * double(device.number(ONNXIFI_BACKEND_MACS_FP32).value_or(0)),
          double(device.number(ONNXIFI_BACKEND_MEMORY_BANDWIDTH).value_or(0))};
}

bool on_host(const Json& group) { return group.value("device", "cpu") == "cpu"; }

double least_seconds(double flops, double bytes, const Ceilings& ceilings) {
  return std::max(ceilings.flops > 0 ? flops / ceilings.flops : 0, ceilings.bytes > 0 ? bytes / ceilings.bytes : 0);
}

std::string shortened(const std::string& text, size_t length) {
  if (text.size() <= length) return text;
  size_t end = length - 3;
  while (end > 0 && (uint8_t(text[end]) & 0xC0) == 0x80) --end;  // not inside a code point
  return text.substr(0, end) + "...";
}

std::string percent_text(double part, double whole) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", whole > 0 ? 100 * part / whole : 0);
  return text;
}

std::string rate_text(double amount, double seconds) {
  if (amount <= 0 || seconds <= 0) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", amount / seconds * 1e-9);
  return text;
}

std::string nodes_text(const Json& group) {
  std::vector<std::string> nodes;
  for (const Json& node : group["nodes"]) nodes.push_back(node);
  return shortened(nodes.empty() ? group["primitives"].get<std::string>() : join(nodes, ", "), longest_nodes);
}

// Candidates are families with the point of the schedule behind a blank.
std::string family_of(const Json& group) {
  const std::string candidate = group["candidate"];
  if (group["primitives"] == "copy") return "copy";
  return candidate.starts_with("in place") ? "in place" : candidate.substr(0, candidate.find(' '));
}

struct Share {
  std::string family;
  size_t groups = 0;
  double seconds = 0, flops = 0, bytes = 0;
  double compared = 0, ideal = 0;  // seconds of those with a roofline: taken, and at least needed
};

std::vector<Share> by_family(const Json& groups) {
  std::vector<Share> shares;
  for (const Json& group : groups) {
    const std::string family = family_of(group);
    auto share = std::find_if(shares.begin(), shares.end(), [&](const Share& s) { return s.family == family; });
    if (share == shares.end()) share = shares.insert(shares.end(), Share{family});
    const double seconds = group["seconds"];
    ++share->groups;
    share->seconds += seconds;
    share->flops += group["flops"].get<double>();
    share->bytes += group["bytes"].get<double>();
    if (!group.contains("roofline")) continue;
    share->compared += seconds;
    share->ideal += seconds * group["roofline"].get<double>();
  }
  std::stable_sort(shares.begin(), shares.end(), [](const Share& a, const Share& b) { return a.seconds > b.seconds; });
  return shares;
}

}  // namespace

Json profiled_groups(const Json& report, const GroupTimes& times, const Ceilings& ceilings) {
  // What a backend of another device leaves to the host is not held against that device's figures.
  const bool host = std::all_of(report.begin(), report.end(), on_host);
  std::vector<Json> groups;
  for (const Json& group : report) {
    const GroupTime time = times.least(group.value("name", ""));
    if (time.steps == 0) continue;
    const double executions = double(time.steps) / std::max(1.0, group.value("steps", 1.0));
    Json entry;
    for (const char* text : {"name", "primitives", "device", "candidate"}) entry[text] = group.value(text, "");
    entry["nodes"] = group.value("nodes", Json::array());
    entry["seconds"] = time.seconds;
    const double flops = group.value("flops", 0.0) * executions, bytes = group.value("bytes", 0.0) * executions;
    entry["flops"] = flops;
    entry["bytes"] = bytes;
    const double ideal = on_host(group) == host ? least_seconds(flops, bytes, ceilings) : 0;
    if (ideal > 0 && time.seconds > 0) entry["roofline"] = ideal / time.seconds;
    groups.push_back(std::move(entry));
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Json& a, const Json& b) { return a["seconds"] > b["seconds"]; });
  return groups;
}

Json profile_kernels(const Device& device, const BackendOptions& options, const std::string& model,
                     const std::vector<HostTensor>& inputs, int64_t limit, double seconds) {
  const TemporaryFile file;
  std::vector<int64_t> starts;
  std::vector<double> times;
  std::string report;
  {
    BackendOptions traced = options;
    traced.trace_file = file.path();
    const Backend backend(device, traced);
    auto bytes = std::make_unique<MappedFile>(model);
    Graph graph(backend, bytes->bytes(), model);
    bytes.reset();
    auto outputs = graph.make_outputs(inputs, limit);
    graph.bind(inputs, outputs);
    report = graph.report();
    const int64_t end = Trace::now_ns() + int64_t(seconds * 1e9);
    while (times.size() < least_runs || (times.size() < most_runs && Trace::now_ns() < end)) {
      starts.push_back(Trace::now_ns());
      times.push_back(graph.run());
    }
  }  // released: the last run is in the trace
  if (report.empty()) throw UsageError(str(device.library().path(), " offers no report (extension onnxx_explain)"));
  const Json groups = Json::parse(report, nullptr, false);
  if (!groups.is_array()) throw UsageError("the library's report is no JSON array");
  GroupTimes group_times(std::move(starts));
  std::ifstream trace(file.path());
  group_times.read(trace);
  std::sort(times.begin(), times.end());
  const Ceilings ceilings = ceilings_of(device);
  return {{"runs", times.size()},
          {"median", times[times.size() / 2]},
          {"flops_per_second", ceilings.flops},
          {"bytes_per_second", ceilings.bytes},
          {"groups", profiled_groups(groups, group_times, ceilings)}};
}

std::string profile_text(const Json& profile, double least, double median, size_t most) {
  const Json& groups = profile["groups"];
  const size_t shown = most == 0 ? groups.size() : std::min(most, groups.size());
  std::vector<std::vector<std::string>> rows = {
      {"time", "share", "GFLOP/s", "GB/s", "roofline", "device", "candidate", "nodes"}};
  double total = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    const Json& group = groups[i];
    const double seconds = group["seconds"];
    total += seconds;
    if (i >= shown) continue;
    rows.push_back({seconds_text(seconds), percent_text(seconds, least), rate_text(group["flops"], seconds),
                    rate_text(group["bytes"], seconds),
                    group.contains("roofline") ? percent_text(group["roofline"], 1) : "", group["device"],
                    shortened(group["candidate"], longest_candidate), nodes_text(group)});
  }
  std::string text = table_text(rows);
  if (shown < groups.size()) text += str("... and ", groups.size() - shown, " groups more\n");
  rows = {{"family", "groups", "time", "share", "GFLOP/s", "GB/s", "roofline"}};
  for (const Share& share : by_family(groups))
    rows.push_back({share.family, str(share.groups), seconds_text(share.seconds), percent_text(share.seconds, least),
                    rate_text(share.flops, share.seconds), rate_text(share.bytes, share.seconds),
                    share.compared > 0 ? percent_text(share.ideal, share.compared) : ""});
  text +=
      str("\n", table_text(rows), "\nAll groups take ", seconds_text(total), ", a run ", seconds_text(least),
          " at least (median ", seconds_text(median), ", while it is traced ", seconds_text(profile["median"]), ").\n");
  const double flops = profile["flops_per_second"], bandwidth = profile["bytes_per_second"];
  if (flops > 0 || bandwidth > 0)
    text += str("Roofline: ", rate_text(flops, 1), " GFLOP/s and ", rate_text(bandwidth, 1),
                " GB/s as the device reports them; work in caches may do better.\n");
  return text;
}

}  // namespace sardonyx::tools
