#include "onnxifi/report.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace sardonyx::onnxifi {

namespace {

// Length of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t(0); };
  const uint8_t lead = byte(0), second = byte(1);
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && second < 0xA0, surrogate = lead == 0xED && second > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && second < 0x90, beyond = lead == 0xF4 && second > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

void put_text(std::string& json, std::string_view text) {
  constexpr char hex[] = "0123456789abcdef";
  json += '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const auto c = uint8_t(text[0]);
    if (length == 0) {
      json += "\\ufffd";
    } else if (c < 0x20 || c == 0x7F) {
      json += {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    } else {
      if (c == '"' || c == '\\') json += '\\';
      json += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  json += '"';
}

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
