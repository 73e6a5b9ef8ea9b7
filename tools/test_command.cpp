// Conformance over ONNX's test folders, each test in a process of its own.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "runtime/base/status.h"
#include "runtime/base/strings.h"
#include "tools/commands.h"
#include "tools/distribution.h"
#include "tools/test_case.h"
#include "tools/text.h"
#include "tools/usage_error.h"
#include "tools/value_file.h"
#include "tools/workers.h"

namespace sardonyx::tools {

namespace {

using Json = nlohmann::ordered_json;

enum class Verdict { Pass, Fail, Skip };
constexpr const char* verdict_names[] = {"pass", "fail", "skip"};

// How many groups of a graph run on each device.
using Groups = std::map<std::string, size_t>;

struct Outcome {
  Verdict verdict = Verdict::Fail;
  std::string reason;
  double seconds = 0;
  Groups groups;
};

// Lines `name: text`; empty ones and comments (#) aside.
std::map<std::string, std::string> read_list(const std::string& path) {
  std::map<std::string, std::string> entries;
  if (path.empty()) return entries;
  std::ifstream file(path);
  if (!file) throw UsageError(str("cannot read ", path));
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(": ");
    if (colon == std::string::npos || colon + 2 >= line.size()) {
      throw UsageError(str(path, ":", number, ": write `name: text`"));
    }
    if (!entries.emplace(line.substr(0, colon), line.substr(colon + 2)).second) {
      throw UsageError(str(path, ":", number, ": ", line.substr(0, colon), " is listed twice"));
    }
  }
  return entries;
}

bool is_unsupported(Status status) { return (int(status) & 0xFF00) == 0x0200; }

// Whether a tensor of the data has no elements. What cannot be read is reported when it is needed.
bool has_empty_tensors(const TestCase& test) {
  const auto empty = [](const std::string& file) {
    try {
      const auto dims = read_tensor_file(file).dims;
      return std::find(dims.begin(), dims.end(), 0) != dims.end();
    } catch (const std::exception&) {
      return false;
    }
  };
  for (const DataSet& set : data_sets(test)) {
    if (std::any_of(set.inputs.begin(), set.inputs.end(), empty)) return true;
    if (std::any_of(set.outputs.begin(), set.outputs.end(), empty)) return true;
  }
  return false;
}

// "" when many runs of every data set look as chance would have it.
std::string run_by_chance(const TestCase& test, Graph& graph, Chance chance) {
  constexpr int run_count = 200;
  for (const DataSet& set : data_sets(test)) {
    const auto inputs = read_tensors(set.inputs, graph.signature().inputs);
    std::vector<std::vector<HostTensor>> runs;
    for (int run = 0; run < run_count; ++run) {
      // Of the data's outputs only types and shapes are right.
      std::vector<HostTensor> outputs = read_tensors(set.outputs, graph.signature().outputs);
      for (HostTensor& output : outputs) output.allocate();
      graph.bind(inputs, outputs);
      graph.run();
      runs.push_back(std::move(outputs));
    }
    const std::string text = misfit(chance, inputs, runs);
    if (!text.empty()) return text;
  }
  return "";
}

// "" when every data set gives what it should.
std::string run_data_sets(const TestCase& test, Graph& graph, const Tolerance& tolerance) {
  const auto sets = data_sets(test);
  if (sets.empty()) return "the test has no test_data_set_0";
  for (const DataSet& set : sets) {
    if (graph.signature().has_values()) {
      const auto outputs = graph.run_values(read_values(set.inputs, graph.signature().inputs));
      const auto expected = read_values(set.outputs, graph.signature().outputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const std::string text = difference(*expected[i], *outputs[i], graph.signature().outputs[i].name, tolerance);
        if (!text.empty()) return str(sets.size() > 1 ? set.name + ": " : "", text);
      }
      continue;
    }
    const auto inputs = read_tensors(set.inputs, graph.signature().inputs);
    const auto expected = read_tensors(set.outputs, graph.signature().outputs);
    std::vector<HostTensor> outputs = expected;
    for (HostTensor& output : outputs) output.allocate();
    graph.bind(inputs, outputs);
    graph.run();
    for (const HostTensor& output : outputs) {
      if (!output.guard_intact()) return str(set.name, ": bytes behind output '", output.name, "' were written");
    }
    graph.read_shapes(outputs);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string text = difference(expected[i], outputs[i], tolerance);
      if (!text.empty()) return str(sets.size() > 1 ? set.name + ": " : "", text);
    }
  }
  return "";
}

// From the library's report, without the copies between devices; empty when it has none.
Groups groups_of(const Graph& graph) {
  Groups groups;
  const std::string text = graph.report();
  if (text.empty()) return groups;
  const Json report = Json::parse(text, nullptr, false);
  if (!report.is_array()) throw UsageError("the library's report is no JSON array");
  for (const Json& group : report) {
    if (group.value("primitives", "") != "copy") ++groups[group.value("device", "")];
  }
  return groups;
}

// What a worker does; its answer is JSON.
std::string run_test(const TestCase& test, const Library& library, const TestOptions& options,
                     std::optional<Chance> chance) {
  Verdict verdict = Verdict::Fail;
  std::string reason;
  Groups groups;
  try {
    const Device device = pick_device(library, options.backend);
    BackendOptions properties = options.properties;
    const uint64_t announced = device.number(ONNXIFI_BACKEND_GRAPH_INIT_PROPERTIES).value_or(0);
    const bool extended = (announced & ONNXX_GRAPH_PROPERTY_ALLOW_EMPTY) != 0 && has_empty_tensors(test);
    properties.allow_empty |= extended;
    const MappedFile model(test.model());
    properties.values =
        (announced & ONNXX_GRAPH_PROPERTY_VALUES) != 0 && read_signature(model.bytes(), test.model()).has_containers();
    const Backend backend(device, properties);
    const onnxStatus compatible =
        library.fn().onnxGetBackendCompatibility(device.id(), model.bytes().size(), model.bytes().data());
    try {
      Graph graph(backend, model.bytes(), test.model());
      // Only the graph property, which that call does not have, lets such models in.
      const onnxStatus expected = properties.values ? ONNXIFI_STATUS_UNSUPPORTED_DATATYPE : ONNXIFI_STATUS_SUCCESS;
      if (compatible != expected) {
        reason = str("onnxGetBackendCompatibility says ", status_name(Status(compatible)),
                     ", but onnxInitGraph takes the model");
      } else {
        groups = groups_of(graph);
        reason = chance ? run_by_chance(test, graph, *chance) : run_data_sets(test, graph, options.tolerance);
        if (reason.empty()) verdict = Verdict::Pass;
        if (reason.empty() && extended) reason = "with empty tensors (onnxx_empty)";
        if (reason.empty() && chance) reason = "by distribution, its values are random";
      }
    } catch (const Error& error) {
      reason = error.text();
      if (is_unsupported(error.status()) && compatible == onnxStatus(error.status()) && !options.strict) {
        verdict = Verdict::Skip;
      }
    }
  } catch (const std::exception& error) {
    reason = error.what();
  }
  const Json answer = {{"verdict", int(verdict)}, {"reason", reason}, {"groups", groups}};
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "";
  const size_t start = text.rfind('\n', end);
  return text.substr(start == std::string::npos ? 0 : start + 1,
                     end - (start == std::string::npos ? 0 : start + 1) + 1);
}

Outcome judge(const WorkerResult& result, double timeout) {
  Outcome outcome;
  outcome.seconds = result.seconds;
  if (result.end == WorkerResult::End::TimedOut) {
    outcome.reason = str("hangs: killed after ", timeout, " s");
  } else if (result.end == WorkerResult::End::Crashed || result.text.empty()) {
    outcome.reason = str("crashes: ", result.signal > 0 ? strsignal(result.signal) : "no answer");
    const std::string said = last_line(result.errors);
    if (!said.empty()) outcome.reason += str(" (", said, ")");
  } else {
    const Json answer = Json::parse(result.text);
    outcome.verdict = Verdict(answer["verdict"].get<int>());
    outcome.reason = answer["reason"].get<std::string>();
    outcome.groups = answer["groups"].get<Groups>();
  }
  return outcome;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

size_t count_of(const Groups& groups) {
  size_t count = 0;
  for (const auto& [device, here] : groups) count += here;
  return count;
}

// "; groups: 40 on opencl:0, 2 on cpu"
std::string groups_text(const Groups& groups) {
  std::vector<std::string> parts;
  for (const auto& [device, count] : groups) parts.push_back(str(count, " on ", device));
  return parts.empty() ? "" : "; groups: " + join(parts, ", ");
}

// Device and percentage of an option DEVICE=PERCENT.
std::pair<std::string, double> parse_share(const std::string& option) {
  const size_t equals = option.rfind('=');
  double percent = -1;
  if (equals != std::string::npos) {
    const char* end = option.data() + option.size();
    const auto [rest, error] = std::from_chars(option.data() + equals + 1, end, percent);
    if (error != std::errc() || rest != end) percent = -1;
  }
  if (!(percent >= 0 && percent <= 100)) throw UsageError(str("--share ", option, ": write DEVICE=PERCENT"));
  return {option.substr(0, equals), percent};
}

// Says on stderr which devices got a smaller share of the groups than was asked for.
bool shares_kept(const Groups& groups, const std::vector<std::string>& options) {
  bool kept = true;
  for (const std::string& option : options) {
    const auto [device, percent] = parse_share(option);
    const auto found = groups.find(device);
    const size_t here = found == groups.end() ? 0 : found->second, total = count_of(groups);
    if (double(here) * 100 >= percent * double(total) && total > 0) continue;
    std::fprintf(stderr, "%zu of %zu groups run on %s, the share to keep is %g %%\n", here, total, device.c_str(),
                 percent);
    kept = false;
  }
  return kept;
}

}  // namespace

int test_command(const TestOptions& options) {
  const auto tests = find_tests(options.folders, options.pattern);
  if (tests.empty()) throw UsageError(str("no test matches '", options.pattern, "'"));
  const auto skips = read_list(options.skip_list);
  std::map<std::string, Chance> chances;
  for (const auto& [name, text] : read_list(options.random_list)) chances[name] = parse_chance(text);
  for (const std::string& share : options.shares) parse_share(share);
  const Library library(options.library);
  const size_t jobs = options.jobs > 0 ? options.jobs : usable_processors();

  std::vector<Outcome> outcomes(tests.size());
  size_t finished = 0;
  {
    Progress progress(options.progress, tests.size());
    run_in_workers(
        tests.size(), jobs, options.timeout,
        [&](size_t i) {
          const auto found = chances.find(tests[i].name);
          return run_test(tests[i], library, options,
                          found == chances.end() ? std::nullopt : std::optional(found->second));
        },
        [&](size_t i, const WorkerResult& result) {
          outcomes[i] = judge(result, options.timeout);
          progress.show(++finished, tests[i].name);
        });
  }

  size_t counts[3] = {};
  Groups groups;
  std::vector<std::string> stale;
  Json report = {{"library", library.path()}, {"tests", Json::array()}};
  for (size_t i = 0; i < tests.size(); ++i) {
    Outcome& outcome = outcomes[i];
    const auto skip = skips.find(tests[i].name);
    if (skip != skips.end()) {
      if (outcome.verdict == Verdict::Pass) stale.push_back(tests[i].name);
      if (outcome.verdict == Verdict::Fail) {
        outcome.verdict = Verdict::Skip;
        outcome.reason = str("listed: ", skip->second);
      }
    }
    ++counts[int(outcome.verdict)];
    for (const auto& [device, count] : outcome.groups) groups[device] += count;
    report["tests"].push_back({{"name", tests[i].name},
                               {"result", verdict_names[int(outcome.verdict)]},
                               {"reason", outcome.reason},
                               {"seconds", outcome.seconds},
                               {"groups", outcome.groups}});
    const bool shown = outcome.verdict == Verdict::Fail || options.verbose;
    if (shown && !options.json) {
      std::printf("%s %s%s%s%s\n", verdict_names[int(outcome.verdict)], tests[i].name.c_str(),
                  outcome.reason.empty() ? "" : ": ", one_line(outcome.reason).c_str(),
                  groups_text(outcome.groups).c_str());
    }
  }
  const size_t passed = counts[int(Verdict::Pass)], failed = counts[int(Verdict::Fail)];
  report["summary"] = {{"passed", passed},
                       {"failed", failed},
                       {"skipped", counts[int(Verdict::Skip)]},
                       {"stale_skips", stale},
                       {"groups", groups}};
  if (!options.report.empty()) {
    std::ofstream file(options.report);
    if (!(file << report.dump(2) << "\n")) throw UsageError(str("cannot write ", options.report));
  }
  for (const auto& name : stale) {
    std::fprintf(stderr, "%s: %s passes; take its line out\n", options.skip_list.c_str(), name.c_str());
  }
  const bool too_few = passed < options.floor;
  if (too_few) std::fprintf(stderr, "%zu tests pass, the floor is %zu\n", passed, options.floor);
  if (options.json) {
    std::printf("%s\n", report.dump(2).c_str());
  } else {
    std::printf("%zu passed, %zu failed, %zu skipped of %zu%s\n", passed, failed, counts[int(Verdict::Skip)],
                tests.size(), groups_text(groups).c_str());
  }
  const bool placed = shares_kept(groups, options.shares);
  return failed > 0 || !stale.empty() || too_few || !placed ? 1 : 0;
}

}  // namespace sardonyx::tools
