#include "compiler/driver/compile.h"

#include <chrono>
#include <unordered_map>

#include "compiler/driver/emit.h"
#include "compiler/driver/select.h"
#include "compiler/passes/pipeline.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/log.h"

namespace sardonyx::driver {

using graph::Node;

namespace {

// Groups with the same key and choice share code; packing of their constants is their own.
struct Unique {
  backends::Chosen chosen;
  std::vector<expr::VarPtr> symbols;
  size_t index = 0;
};

std::string layouts_text(const Node& group, const backends::Candidate& candidate) {
  std::string text;
  for (size_t i = 0; i < candidate.inputs.size(); ++i)
    text += graph::to_string(candidate.inputs[i], group.operand(int(i))->type.rank()) + ",";
  for (size_t i = 0; i < candidate.outputs.size(); ++i)
    text += graph::to_string(candidate.outputs[i], group.result(int(i))->type.rank()) + ",";
  return text;
}

// Runs the packing functions of all groups on their constants, two at a time; equal work is done once.
void pack_constants(std::map<const Node*, Emittable>& groups) {
  struct Job {
    const std::function<Tensor(const Tensor&)>* pack;
    const Tensor* source;
    Tensor result;
  };
  std::vector<Job> jobs;
  std::map<std::pair<const void*, const void*>, size_t> known;
  std::vector<std::tuple<Emittable*, int, size_t>> targets;
  for (auto& [node, group] : groups)
    for (const auto& [input, pack] : group.code->pack) {
      const Tensor* source = node->operand(input)->constant();
      check(source != nullptr, "packing of operand ", input, ", which is not a constant");
      auto [entry, added] = known.emplace(
          std::make_pair(static_cast<const void*>(&pack), static_cast<const void*>(source->raw())), jobs.size());
      if (added) jobs.push_back({&pack, source, {}});
      targets.emplace_back(&group, input, entry->second);
    }
  parallel_compile(jobs.size(), [&](size_t i) { jobs[i].result = (*jobs[i].pack)(*jobs[i].source); });
  for (auto& [group, input, job] : targets) group->packed[input] = jobs[job].result;
}

std::shared_ptr<const runtime::Program> compile_here(std::unique_ptr<graph::Graph> graph,
                                                     const backends::DeviceInfo& device, const Settings& settings) {
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
  passes::run_passes(*graph, passes::pipeline(), context);
  for (const auto& [name, nanoseconds] : context.timings)
    log(LogLevel::Debug, "pass ", name, ": ", nanoseconds / 1e6, " ms");
  double pass_time = milliseconds();

  const backends::Backend& backend = backends::backend_of(device);
  std::map<const Node*, Choice> choices = select(*graph, backend, device.target, settings.policy);
  double select_time = milliseconds();

  std::unordered_map<std::string, Unique> unique;
  std::vector<backends::Chosen> batch;
  std::map<const Node*, const Unique*> representative;
  for (const auto& [node, choice] : choices) {
    std::string key = str(group_key(*node), "\n", choice.candidate.family, " ",
                          backends::to_string(choice.candidate.point), " ", layouts_text(*node, choice.candidate));
    auto [entry, added] = unique.try_emplace(std::move(key));
    if (added) {
      entry->second = {{node, choice.candidate}, group_symbols(*node), batch.size()};
      batch.push_back(entry->second.chosen);
    }
    representative[node] = &entry->second;
  }
  std::vector<backends::CompiledGroup> compiled = backend.compile(batch, device.target, settings);
  check(compiled.size() == batch.size(), "backend compiled ", compiled.size(), " of ", batch.size(), " groups");
  double code_time = milliseconds();

  std::map<const Node*, Emittable> groups;
  for (const auto& [node, same] : representative) {
    Emittable& group = groups[node];
    group.code = &compiled[same->index];
    group.choice = &choices.at(node);
    std::vector<expr::VarPtr> own = group_symbols(*node);
    for (size_t i = 0; i < own.size(); ++i) group.symbols[same->symbols[i].get()] = expr::Expr(own[i]);
  }
  pack_constants(groups);
  double pack_time = milliseconds();
  auto program = emit(*graph, groups, device.backend);
  log(LogLevel::Info, "compiled ", choices.size(), " groups (", batch.size(), " distinct): passes ", pass_time,
      " ms, select ", select_time, " ms, code ", code_time, " ms, packing ", pack_time, " ms, emission ",
      milliseconds(), " ms");
  return program;
}

}  // namespace

std::shared_ptr<const runtime::Program> compile(std::unique_ptr<graph::Graph> graph, const backends::DeviceInfo& device,
                                                const CompileOptions& options) {
  std::shared_ptr<const runtime::Program> program;
  on_compile_thread([&] { program = compile_here(std::move(graph), device, options.settings); });
  return program;
}

}  // namespace sardonyx::driver
