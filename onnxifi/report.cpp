#include "onnxifi/report.h"

#include <charconv>
#include <cmath>

#include "runtime/base/trace.h"

namespace sardonyx::onnxifi {

namespace {

void put_text(std::string& json, const std::string& text) { json += '"' + json_escape(text) + '"'; }

void put_number(std::string& json, double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, std::isfinite(value) ? value : 0.0).ptr;
  json.append(digits, end);
}

}  // namespace

std::string report_json(std::span<const runtime::GroupReport> report) {
  std::string json = "[";
  for (const auto& group : report) {
    json += json.size() > 1 ? ",\n {" : "{";
    const std::pair<const char*, const std::string*> texts[] = {
        {"name", &group.name},           {"primitives", &group.primitives}, {"device", &group.device},
        {"candidate", &group.candidate}, {"reason", &group.reason},         {"layout", &group.layout}};
    for (const auto& [key, value] : texts) {
      put_text(json, key);
      json += ": ";
      put_text(json, *value);
      json += ", ";
    }
    json += "\"nodes\": [";
    for (size_t i = 0; i < group.source_nodes.size(); ++i) {
      if (i > 0) json += ", ";
      put_text(json, group.source_nodes[i]);
    }
    json += ']';
    const std::pair<const char*, double> numbers[] = {{"estimated_ns", group.estimated_ns},
                                                      {"transfer_bytes", double(group.transfer_bytes)},
                                                      {"flops", group.flops},
                                                      {"bytes", group.bytes},
                                                      {"steps", double(group.steps)}};
    for (const auto& [key, value] : numbers) {
      json += ", ";
      put_text(json, key);
      json += ": ";
      put_number(json, value);
    }
    json += '}';
  }
  return json + "]";
}

}  // namespace sardonyx::onnxifi
