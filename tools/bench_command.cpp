// Measures models one after the other, each in a fresh process, so that neither caches nor memory carry over.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/base/strings.h"
#include "tools/commands.h"
#include "tools/kernel_profile.h"
#include "tools/test_case.h"
#include "tools/text.h"
#include "tools/usage_error.h"
#include "tools/workers.h"

namespace sardonyx::tools {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
constexpr double worker_timeout = 1800;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double cpu_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[std::min(sorted.size() - 1, size_t(q * double(sorted.size())))];
}

std::vector<HostTensor> make_inputs(const std::string& model, const Graph& graph, const BenchOptions& options) {
  if (fs::is_directory(model) && options.shapes.empty()) {
    const auto sets = data_sets({"", model});
    if (!sets.empty()) return read_tensors(sets[0].inputs, graph.signature().inputs);
  }
  return random_inputs(graph.signature(), options.shapes, 0);
}

// Everything measured; `inputs` are those it was measured with.
Json figures(const std::string& model, const Device& device, const BenchOptions& options,
             std::vector<HostTensor>& inputs) {
  const Backend backend(device, options.properties);
  auto file = std::make_unique<MappedFile>(model_file(model));
  auto start = Clock::now();
  Graph graph(backend, file->bytes(), model);
  const double init = since(start);
  file.reset();
  inputs = make_inputs(model, graph, options);
  start = Clock::now();
  auto outputs = graph.make_outputs(inputs, options.limit);
  graph.bind(inputs, outputs);
  const double bind = since(start);
  const double first = graph.run();
  std::vector<double> times;
  const double cpu_start = cpu_seconds();
  start = Clock::now();
  while (since(start) < options.seconds || times.size() < 5) times.push_back(graph.run());
  const double cpu = (cpu_seconds() - cpu_start) / double(times.size());
  std::sort(times.begin(), times.end());
  const Memory memory = process_memory();
  return {{"device", device.title()},
          {"iterations", times.size()},
          {"init", init},
          {"bind", bind},
          {"first", first},
          {"min", times.front()},
          {"median", quantile(times, 0.5)},
          {"p90", quantile(times, 0.9)},
          {"cpu", cpu},
          {"resident", memory.resident},
          {"peak", memory.peak}};
}

// In the worker: the figures and, if wanted, the member "kernels"; or the member "error". As text.
std::string measure(const std::string& model, const Library& library, const BenchOptions& options) {
  try {
    // The library reports figures of the host for as many threads as its environment says.
    if (options.kernels && options.properties.threads)
      setenv("SARDONYX_NUM_THREADS", str(*options.properties.threads).c_str(), 1);
    const Device device = pick_device(library, options.backend);
    std::vector<HostTensor> inputs;
    Json result = figures(model, device, options, inputs);
    if (options.kernels)
      result["kernels"] =
          profile_kernels(device, options.properties, model_file(model), inputs, options.limit, options.seconds);
    return result.dump();
  } catch (const std::exception& error) {
    return Json({{"error", error.what()}}).dump();
  }
}

// Google Benchmark's schema: one entry per statistic, times in nanoseconds.
void add_benchmark(Json& list, const std::string& name, const Json& result) {
  const size_t iterations = result["iterations"];
  const auto entry = [&](const char* aggregate, double seconds) {
    Json json = {{"name", str(name, "/", aggregate)},
                 {"run_name", name},
                 {"run_type", "aggregate"},
                 {"aggregate_name", aggregate},
                 {"iterations", iterations},
                 {"real_time", seconds * 1e9},
                 {"cpu_time", result["cpu"].get<double>() * 1e9},
                 {"time_unit", "ns"}};
    json["init_ns"] = result["init"].get<double>() * 1e9;
    json["bind_ns"] = result["bind"].get<double>() * 1e9;
    json["first_run_ns"] = result["first"].get<double>() * 1e9;
    json["resident_bytes"] = result["resident"];
    json["peak_bytes"] = result["peak"];
    list.push_back(json);
  };
  entry("min", result["min"]);
  entry("median", result["median"]);
  entry("p90", result["p90"]);
}

std::string base_name(const std::string& model) {
  fs::path path = fs::absolute(model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.stem().string() == "model" ? path.parent_path().filename().string() : path.stem().string();
}

}  // namespace

int bench_command(const BenchOptions& options) {
  const Library library(options.library);
  std::vector<Json> results(options.models.size());
  {
    Progress progress(options.progress, options.models.size());
    progress.show(0, base_name(options.models[0]));
    run_in_workers(
        options.models.size(), 1, worker_timeout,
        [&](size_t i) { return measure(options.models[i], library, options); },
        [&](size_t i, const WorkerResult& result) {
          if (result.end == WorkerResult::End::Finished) {
            results[i] = Json::parse(result.text);
          } else {
            results[i] = {
                {"error", str(result.end == WorkerResult::End::Crashed ? "crashes: " : "hangs: ", result.errors)}};
          }
          progress.show(i + 1, i + 1 < options.models.size() ? base_name(options.models[i + 1]) : "done");
        });
  }

  std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S%z", std::localtime(&now));
  Json report = {
      {"context",
       {{"date", date}, {"executable", "sardonyx"}, {"num_cpus", usable_processors()}, {"library", library.path()}}},
      {"benchmarks", Json::array()}};
  if (options.properties.threads) report["context"]["threads"] = *options.properties.threads;
  std::vector<std::vector<std::string>> rows = {
      {"model", "init", "bind", "first", "min", "median", "p90", "runs", "resident", "peak"}};
  bool complete = true;
  std::string profiles;
  for (size_t i = 0; i < results.size(); ++i) {
    const Json& result = results[i];
    const std::string name = base_name(options.models[i]);
    if (result.contains("error")) {
      complete = false;
      std::fprintf(stderr, "%s: %s\n", name.c_str(), result["error"].get<std::string>().c_str());
      continue;
    }
    add_benchmark(report["benchmarks"], name, result);
    if (options.kernels) {
      report["kernels"][name] = result["kernels"];
      profiles +=
          str("\n", name, "\n", profile_text(result["kernels"], result["min"], result["median"], *options.kernels));
    }
    std::vector<std::string> row = {name};
    for (const char* key : {"init", "bind", "first", "min", "median", "p90"}) row.push_back(seconds_text(result[key]));
    row.push_back(str(result["iterations"].get<size_t>()));
    for (const char* key : {"resident", "peak"}) row.push_back(bytes_text(result[key]));
    rows.push_back(row);
  }
  if (!options.report.empty()) {
    std::ofstream file(options.report);
    if (!(file << report.dump(2) << "\n")) throw UsageError(str("cannot write ", options.report));
  }
  std::fputs(options.json ? (report.dump(2) + "\n").c_str() : (table_text(rows) + profiles).c_str(), stdout);
  return complete ? 0 : 3;
}

}  // namespace sardonyx::tools
