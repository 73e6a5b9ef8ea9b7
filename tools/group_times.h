// Which events of a Chrome trace belong to which group of nodes, and what a group takes in a run.
#pragma once
#include <cstdint>
#include <istream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sardonyx::tools {

// One group in one run.
struct GroupTime {
  double seconds = 0;
  int64_t steps = 0;  // events of the program's steps
};

class GroupTimes {
 public:
  // When the runs of the trace began, on the clock of its events (Trace::now_ns), ascending. Runs do not overlap.
  explicit GroupTimes(std::vector<int64_t> starts) : starts_(std::move(starts)) {}

  // Takes the events of a trace. Throws UsageError when it is none.
  void read(std::istream& trace);

  // The least over the runs that have the most events of the group; no steps when the trace has none. Of groups on a
  // device the events are the device's own where there are such: a step only puts the command into its queue.
  GroupTime least(const std::string& group) const;

 private:
  struct Sum {
    double step_seconds = 0, device_seconds = 0;
    int64_t steps = 0, events = 0;
  };
  void add(const nlohmann::json& event);

  std::vector<int64_t> starts_;
  std::map<std::string, std::vector<Sum>> sums_;  // by run
};

}  // namespace sardonyx::tools
