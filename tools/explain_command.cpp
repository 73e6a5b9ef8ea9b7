#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/base/strings.h"
#include "tools/commands.h"
#include "tools/text.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

using Json = nlohmann::json;

std::string member(const Json& group, const char* name) {
  if (!group.contains(name)) return "";
  const Json& value = group[name];
  if (value.is_string()) return value;
  if (!value.is_array()) return value.dump();
  std::vector<std::string> parts;
  for (const Json& part : value) parts.push_back(part.is_string() ? part.get<std::string>() : part.dump());
  return join(parts, " ");
}

// What runs on one device, or goes from one to another.
struct Share {
  size_t count = 0;
  double seconds = 0, bytes = 0;
};

// A row per device and per way between devices.
std::string shares_text(const std::map<std::string, Share>& devices, const std::map<std::string, Share>& ways) {
  double total = 0;
  for (const auto& [name, share] : devices) total += share.seconds;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, share] : devices)
    rows.push_back({name, str(share.count, " groups"), seconds_text(share.seconds),
                    str(total > 0 ? int(100 * share.seconds / total + 0.5) : 100, " % of the work")});
  for (const auto& [name, share] : ways)
    rows.push_back({name, str(share.count, " copies"), seconds_text(share.seconds), bytes_text(share.bytes)});
  return table_text(rows);
}

}  // namespace

int explain_command(const ExplainOptions& options) {
  const Library library(options.library);
  const Device device = pick_device(library, options.backend);
  const Backend backend(device, options.properties);
  const MappedFile model(model_file(options.model));
  const Graph graph(backend, model.bytes(), options.model);
  const std::string text = graph.report();
  if (text.empty()) throw UsageError(str(library.path(), " offers no report (extension onnxx_explain)"));
  const Json groups = Json::parse(text, nullptr, false);
  if (!groups.is_array()) throw UsageError("the library's report is no JSON array");
  if (options.json) {
    std::printf("%s\n", groups.dump(2).c_str());
    return 0;
  }
  double total = 0;
  std::map<std::string, Share> devices, ways;
  for (const Json& group : groups) {
    const double cost = group.value("estimated_ns", 0.0) * 1e-9, bytes = group.value("transfer_bytes", 0.0);
    total += cost;
    const bool copies = member(group, "primitives") == "copy";
    Share& share = copies ? ways[member(group, "candidate")] : devices[member(group, "device")];
    ++share.count;
    share.seconds += cost;
    share.bytes += bytes;
    std::printf("%s: %s\n", member(group, "name").c_str(), member(group, "primitives").c_str());
    const struct {
      const char* label;
      std::string value;
    } lines[] = {{"nodes", member(group, "nodes")},
                 {"device", member(group, "device")},
                 {"candidate", member(group, "candidate")},
                 {"reason", member(group, "reason")},
                 {"layout", member(group, "layout")},
                 {"estimate", seconds_text(cost)},
                 {"transfer", copies ? bytes_text(bytes) : ""}};
    for (const auto& line : lines) {
      if (!line.value.empty()) std::printf("    %-10s %s\n", line.label, line.value.c_str());
    }
  }
  size_t count = 0;
  for (const auto& [name, share] : devices) count += share.count;
  std::printf("%zu groups, %s estimated\n", count, seconds_text(total).c_str());
  if (devices.size() + ways.size() > 1) std::printf("%s", shares_text(devices, ways).c_str());
  return 0;
}

}  // namespace sardonyx::tools
