#include "importer/findings.h"

#include <algorithm>

#include "importer/limits.h"
#include "runtime/base/strings.h"

namespace sardonyx::importer {

void Findings::add(int stage, Status status, std::string node, std::string text) {
  if (report_.findings.size() >= max_findings || !seen_.insert(text).second) return;
  report_.findings.push_back({stage, status, std::move(node), std::move(text)});
}

Report Findings::report() const {
  Report sorted = report_;
  auto order = [](const Finding& f) { return f.stage * 2 + (f.status == Status::UnsupportedVersion ? 1 : 0); };
  std::stable_sort(sorted.findings.begin(), sorted.findings.end(),
                   [&](const Finding& a, const Finding& b) { return order(a) < order(b); });
  return sorted;
}

std::string Report::text() const {
  std::string result;
  size_t shown = std::min(findings.size(), max_report_lines);
  for (size_t i = 0; i < shown; ++i) {
    if (i) result += '\n';
    result += str(status_name(findings[i].status), ": ", findings[i].text);
  }
  if (shown < findings.size()) result += str("\n... and ", findings.size() - shown, " more");
  return result;
}

void throw_if_any(const Report& report) {
  if (report.status() != Status::Success) throw Error(report.status(), report.text());
}

std::string printable(std::string_view name) {
  constexpr size_t limit = 120;
  constexpr char digits[] = "0123456789abcdef";
  std::string result;
  for (char c : name) {
    if (result.size() >= limit) return result + "...";
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || c == '\'' || c == '\\') {
      result += "\\x";
      result += digits[byte >> 4];
      result += digits[byte & 15];
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace sardonyx::importer
