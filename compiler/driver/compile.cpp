#include "compiler/driver/compile.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_map>

#include "compiler/driver/constants.h"
#include "compiler/driver/emit.h"
#include "compiler/driver/group_key.h"
#include "compiler/driver/select.h"
#include "compiler/passes/pass.h"
#include "compiler/passes/pipeline.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/log.h"
#include "runtime/cpu_count.h"

namespace sardonyx::driver {

using graph::Node;

namespace {

// Groups with the same key and choice share code; packing of their constants is their own.
struct Unique {
  const Node* first = nullptr;        // such group
  std::vector<expr::VarPtr> symbols;  // its
  size_t index = 0;                   // in its device's batch
  std::string form;                   // Emittable::form, the numbers in its code included
};

// What code and packing depend on besides a group and its candidate.
std::string target_text(const Place& place) {
  const backends::Target& target = place.device->target;
  return str(place.backend->name(), " ", place.device->number, " cores ", target.cores, " deterministic ",
             target.deterministic, " bf16 ", target.bf16_products);
}

// The devices with what settings say of their targets.
std::vector<backends::DeviceInfo> devices_of(std::span<const Place> places, const Settings& settings) {
  std::vector<backends::DeviceInfo> devices;
  for (const Place& place : places) {
    backends::Target& target = devices.emplace_back(*place.device).target;
    target.deterministic = settings.deterministic;
    target.bf16_products &= settings.fast_math && !settings.exact && !settings.deterministic;
  }
  devices.front().target.cores = runtime::cores_per_run(settings);  // of the host
  return devices;
}

bool same_number(const Node& a, const Node& b, int operand) {
  const Tensor &x = *a.operand(operand)->constant(), &y = *b.operand(operand)->constant();
  return std::equal(x.raw(), x.raw() + x.bytes(), y.raw());
}

std::string layouts_text(const Node& group, const backends::Candidate& candidate) {
  std::string text;
  for (size_t i = 0; i < candidate.inputs.size(); ++i)
    text += graph::to_string(candidate.inputs[i], group.operand(int(i))->type.rank()) + ",";
  for (size_t i = 0; i < candidate.outputs.size(); ++i)
    text += graph::to_string(candidate.outputs[i], group.result(int(i))->type.rank()) + ",";
  return text;
}

// One line when less than half of the estimated work is done where it should be.
void warn_of_fallback(const std::map<const Node*, Choice>& choices, std::span<const Place> places, int preferred) {
  double total = 0, there = 0;
  size_t groups = 0;
  for (const auto& [node, choice] : choices) {
    total += choice.candidate.cost_ns;
    if (choice.device != preferred) continue;
    there += choice.candidate.cost_ns;
    ++groups;
  }
  const bool most = there >= total / 2;
  log(most ? LogLevel::Info : LogLevel::Warning, groups, " of ", choices.size(), " groups with ",
      total > 0 ? int(100 * there / total) : 100, " % of the estimated work run on ", name_of(places, preferred),
      groups == choices.size() ? "" : "; `sardonyx explain` says why not the others");
}

std::shared_ptr<const runtime::Program> compile_here(std::unique_ptr<graph::Graph> graph, std::span<const Place> given,
                                                     const CompileOptions& options) {
  const Settings& settings = options.settings;
  const std::vector<backends::DeviceInfo> devices = devices_of(given, settings);
  std::vector<Place> places;
  for (size_t i = 0; i < given.size(); ++i) places.push_back({given[i].backend, &devices[i]});
  using Clock = std::chrono::steady_clock;
  auto milliseconds = [last = Clock::now()]() mutable {
    auto now = Clock::now();
    double elapsed = std::chrono::duration<double, std::milli>(now - last).count();
    last = now;
    return elapsed;
  };
  passes::PassContext context;
  context.verify = settings.verify;
  context.dump_dir = settings.dump_dir;
  context.host_kernels = places.size() == 1 && !settings.deterministic;
  context.cores = devices.front().target.cores;
  context.bf16_products = true;
  for (const Place& place : places) {
    context.byte_products &= place.device->target.byte_products;
    context.bf16_products &= place.device->target.bf16_products;
  }
  passes::run_passes(*graph, passes::pipeline(), context);
  for (const auto& [name, nanoseconds] : context.timings)
    log(LogLevel::Debug, "pass ", name, ": ", nanoseconds / 1e6, " ms");
  double pass_time = milliseconds();

  const std::map<const Node*, Choice> choices = select(*graph, places, settings, options.preferred);
  double select_time = milliseconds();
  if (options.preferred >= 0) warn_of_fallback(choices, places, options.preferred);
  const InPlaceConcats in_place = find_in_place_concats(*graph, choices);

  std::vector<std::vector<backends::Chosen>> batches(places.size());
  std::map<const Node*, const Unique*> representative;
  std::unordered_map<std::string, Unique> unique;
  // In the order of the graph, so that equal graphs have equal batches, whose code may be in a cache.
  passes::for_each_node(*graph, [&](const Node& node) {
    const auto found = choices.find(&node);
    if (found == choices.end() || in_place.groups.count(&node)) return;
    const Choice& choice = found->second;
    const bool scheduled = choice.candidate.kind == backends::Candidate::Kind::Scheduled;
    const std::vector<int> arguments = scheduled ? possible_arguments(node) : std::vector<int>{};
    const std::string candidate = str("\n", choice.candidate.family, " ", backends::to_string(choice.candidate.point),
                                      " ", layouts_text(node, choice.candidate));
    std::string key = str(choice.device, " ", group_key(node, arguments), candidate);
    auto [entry, added] = unique.try_emplace(std::move(key));
    Unique& same = entry->second;
    std::vector<backends::Chosen>& batch = batches[size_t(choice.device)];
    if (added) {
      same = {&node, group_symbols(node), batch.size(),
              str(target_text(places[size_t(choice.device)]), "\n", group_key(node), candidate)};
      batch.push_back({&node, choice.candidate});
    }
    for (int argument : arguments)
      if (!same_number(*same.first, node, argument)) batch[same.index].arguments.insert(argument);
    representative[&node] = &same;
  });
  std::vector<std::vector<backends::CompiledGroup>> compiled;
  for (size_t i = 0; i < places.size(); ++i) {
    compiled.push_back(batches[i].empty() ? std::vector<backends::CompiledGroup>{}
                                          : places[i].backend->compile(batches[i], places[i].device->target, settings));
    check(compiled[i].size() == batches[i].size(), "backend ", places[i].backend->name(), " compiled ",
          compiled[i].size(), " of ", batches[i].size(), " groups");
  }
  malloc_trim(0);  // what the code generators used goes back before weights are there twice
  double code_time = milliseconds();

  std::map<const Node*, Emittable> groups;
  for (const auto& [node, same] : representative) {
    Emittable& group = groups[node];
    const size_t device = size_t(choices.at(node).device);
    group.code = &compiled[device][same->index];
    group.form = same->form;
    std::vector<expr::VarPtr> own = group_symbols(*node);
    for (size_t i = 0; i < own.size(); ++i) group.symbols[same->symbols[i].get()] = expr::Expr(own[i]);
  }
  settle_constants(*graph, groups);
  double pack_time = milliseconds();
  auto program = emit(*graph, groups, choices, in_place, places);
  log(LogLevel::Info, "compiled ", choices.size(), " groups (", unique.size(), " distinct): passes ", pass_time,
      " ms, select ", select_time, " ms, code ", code_time, " ms, packing ", pack_time, " ms, emission ",
      milliseconds(), " ms");
  return program;
}

}  // namespace

std::shared_ptr<const runtime::Program> compile(std::unique_ptr<graph::Graph> graph, std::span<const Place> places,
                                                const CompileOptions& options) {
  check(!places.empty() && options.preferred < int(places.size()), "compilation for ", places.size(),
        " devices, preferably number ", options.preferred);
  std::shared_ptr<const runtime::Program> program;
  on_compile_thread([&] { program = compile_here(std::move(graph), places, options); });
  malloc_trim(0);
  return program;
}

std::shared_ptr<const runtime::Program> compile(std::unique_ptr<graph::Graph> graph,
                                                std::span<const backends::DeviceInfo> devices,
                                                const CompileOptions& options) {
  std::vector<Place> places;
  for (const backends::DeviceInfo& device : devices) places.push_back({&backends::backend_of(device), &device});
  return compile(std::move(graph), places, options);
}

}  // namespace sardonyx::driver
