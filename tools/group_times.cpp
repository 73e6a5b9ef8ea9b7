#include "tools/group_times.h"

#include <algorithm>

#include "runtime/base/strings.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {
using Json = nlohmann::json;
constexpr int event_depth = 2;  // {"traceEvents": [{...
}  // namespace

void GroupTimes::read(std::istream& trace) {
  // Traces are long: each event is let go of once it is counted.
  const auto count = [this](int depth, Json::parse_event_t part, Json& parsed) {
    if (depth != event_depth || part != Json::parse_event_t::object_end) return true;
    add(parsed);
    return false;
  };
  try {
    if (Json::parse(trace, count).is_object()) return;
  } catch (const Json::exception& error) {
    throw UsageError(str("the library's trace is no JSON: ", error.what()));
  }
  throw UsageError("the library's trace is no Chrome trace");
}

void GroupTimes::add(const Json& event) {
  const Json arguments = event.value("args", Json::object());
  const std::string group = arguments.value("group", "");
  const auto run = std::upper_bound(starts_.begin(), starts_.end(), event.value("ts", 0.0) * 1e3,
                                    [](double time, int64_t start) { return time < double(start); });
  if (group.empty() || run == starts_.begin()) return;
  std::vector<Sum>& runs = sums_[group];
  runs.resize(starts_.size());
  Sum& sum = runs[size_t(run - starts_.begin()) - 1];
  const bool step = event.value("cat", "") == "step";
  (step ? sum.step_seconds : sum.device_seconds) += event.value("dur", 0.0) * 1e-6;
  sum.steps += step;
  ++sum.events;
}

GroupTime GroupTimes::least(const std::string& group) const {
  const auto found = sums_.find(group);
  if (found == sums_.end()) return {};
  const std::vector<Sum>& runs = found->second;
  const auto seconds = [](const Sum& sum) { return sum.device_seconds > 0 ? sum.device_seconds : sum.step_seconds; };
  const Sum& least = *std::min_element(runs.begin(), runs.end(), [&](const Sum& a, const Sum& b) {
    return a.events != b.events ? a.events > b.events : seconds(a) < seconds(b);
  });
  return {seconds(least), least.steps};
}

}  // namespace sardonyx::tools
