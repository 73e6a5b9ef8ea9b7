#include "compiler/driver/rules.h"

#include <fnmatch.h>

#include <algorithm>

#include "backends/group_program.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"

namespace sardonyx::driver {

namespace {

std::string trimmed(const std::string& text) {
  const char* const blanks = " \t\n";
  const size_t first = text.find_first_not_of(blanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace

std::vector<PlacementRule> parse_rules(const std::string& text, std::span<const Place> places, bool strict) {
  std::vector<PlacementRule> rules;
  for (const std::string& part : split(text, ';')) {
    PlacementRule rule;
    rule.text = trimmed(part);
    if (rule.text.empty()) continue;
    const size_t equal = rule.text.rfind('=');
    rule.pattern = equal == std::string::npos ? "" : trimmed(rule.text.substr(0, equal));
    if (rule.pattern.rfind("op:", 0) == 0) {
      rule.of_kinds = true;
      rule.pattern.erase(0, 3);
    }
    if (rule.pattern.empty()) {
      const std::string message = str("placement rule '", rule.text, "' is not of the form pattern=device");
      require(!strict, Status::InvalidProperty, message);
      log(LogLevel::Warning, message, " and is ignored");
      continue;
    }
    rule.device = find_place(places, trimmed(rule.text.substr(equal + 1)));
    rules.push_back(std::move(rule));
  }
  return rules;
}

const PlacementRule* rule_of(const graph::Node& group, const std::vector<PlacementRule>& rules) {
  if (rules.empty()) return nullptr;
  std::vector<std::string> kinds;
  std::istringstream primitives(backends::primitives_of(group));
  for (std::string kind; std::getline(primitives, kind, '+');) kinds.push_back(kind);
  for (const PlacementRule& rule : rules) {
    const std::vector<std::string>& names = rule.of_kinds ? kinds : group.sources;
    const int flags = rule.of_kinds ? FNM_CASEFOLD : 0;
    if (std::any_of(names.begin(), names.end(),
                    [&](const std::string& name) { return fnmatch(rule.pattern.c_str(), name.c_str(), flags) == 0; }))
      return &rule;
  }
  return nullptr;
}

}  // namespace sardonyx::driver
