#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "runtime/base/strings.h"
#include "tools/commands.h"
#include "tools/test_case.h"
#include "tools/text.h"
#include "tools/usage_error.h"
#include "tools/value_file.h"

namespace sardonyx::tools {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

std::vector<int64_t> parse_shape(const std::string& text) {
  std::vector<int64_t> dims;
  if (text.empty()) return dims;
  size_t at = 0;
  for (;;) {
    size_t used = 0;
    int64_t dim = -1;
    try {
      dim = std::stoll(text.substr(at), &used);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || dim < 0) throw UsageError(str("'", text, "' is no shape; write 1x3x224x224"));
    dims.push_back(dim);
    at += used;
    if (at == text.size()) return dims;
    if (text[at++] != 'x') throw UsageError(str("'", text, "' is no shape; write 1x3x224x224"));
  }
}

const Binding& find_input(const Signature& signature, const std::string& name) {
  std::vector<std::string> names;
  for (const Binding& input : signature.inputs) {
    if (input.name == name) return input;
    names.push_back(input.name);
  }
  throw UsageError(str("the model has no input '", name, "'; its inputs are: ", join(names, ", ")));
}

// --input [NAME=]FILE over random values; without names the files belong to the inputs in order.
void take_input_files(const RunOptions& options, const Signature& signature, std::vector<HostTensor>& inputs) {
  for (size_t i = 0; i < options.inputs.size(); ++i) {
    const std::string& option = options.inputs[i];
    const size_t equals = option.find('=');
    std::string name, file = option;
    if (equals != std::string::npos && !fs::exists(option)) {
      name = find_input(signature, option.substr(0, equals)).name;
      file = option.substr(equals + 1);
    } else if (i < signature.inputs.size()) {
      name = signature.inputs[i].name;
    } else {
      throw UsageError(str("--input ", option, ": the model has only ", signature.inputs.size(), " inputs"));
    }
    for (HostTensor& input : inputs) {
      if (input.name != name) continue;
      input = read_tensor_file(file);
      input.name = name;
    }
  }
}

struct Run {
  std::string data_set;
  std::vector<HostTensor> inputs;
  std::vector<HostTensor> expected;
};

void report_outputs(const RunOptions& options, const Run& run, const std::vector<HostTensor>& outputs, Json& json,
                    bool& correct) {
  json["outputs"] = Json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    Json entry = {{"name", outputs[i].name}, {"type", type_text(outputs[i])}};
    std::string verdict;
    if (i < run.expected.size()) {
      verdict = difference(run.expected[i], outputs[i], options.tolerance);
      entry["difference"] = verdict;
      correct = correct && verdict.empty();
      verdict = verdict.empty() ? "  as expected" : "  WRONG: " + verdict;
    }
    const std::string values = values_text(outputs[i], options.print);
    entry["values"] = values;
    json["outputs"].push_back(entry);
    if (!options.json) {
      std::printf("output %s %s%s\n    %s\n", outputs[i].name.c_str(), type_text(outputs[i]).c_str(), verdict.c_str(),
                  values.c_str());
    }
    if (!options.save.empty()) {
      const fs::path folder = fs::path(options.save) / (run.data_set.empty() ? "test_data_set_0" : run.data_set);
      fs::create_directories(folder);
      write_tensor_file(outputs[i], (folder / str("output_", i, ".pb")).string());
    }
  }
}

// The data sets of a test, or the input files, of a model with strings or containers.
int run_values(const RunOptions& options, Graph& graph) {
  const Signature& signature = graph.signature();
  std::vector<DataSet> sets;
  if (fs::is_directory(options.model) && options.inputs.empty()) sets = data_sets({"", options.model});
  if (sets.empty()) sets.push_back({"", options.inputs, {}});
  Json report = {{"model", options.model}, {"runs", Json::array()}};
  bool correct = true;
  for (const DataSet& set : sets) {
    const std::vector<ValuePtr> inputs = read_values(set.inputs, signature.inputs);
    std::vector<ValuePtr> expected;
    if (!set.outputs.empty()) expected = read_values(set.outputs, signature.outputs);
    const std::vector<ValuePtr> outputs = graph.run_values(inputs);
    Json json = {{"data_set", set.name}, {"outputs", Json::array()}};
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string& name = signature.outputs[i].name;
      const std::string wrong = expected.empty() ? "" : difference(*expected[i], *outputs[i], name, options.tolerance);
      const std::string verdict = expected.empty() ? "" : wrong.empty() ? "  as expected" : "  WRONG: " + wrong;
      const std::string values = value_text(*outputs[i], options.print);
      correct = correct && wrong.empty();
      json["outputs"].push_back({{"name", name}, {"values", values}, {"difference", wrong}});
      if (!options.json) std::printf("output %s%s\n    %s\n", name.c_str(), verdict.c_str(), values.c_str());
    }
    report["runs"].push_back(json);
  }
  if (options.json) std::printf("%s\n", report.dump(2).c_str());
  return correct ? 0 : 1;
}

}  // namespace

std::string model_file(const std::string& model) {
  const fs::path path(model);
  return (fs::is_directory(path) ? path / "model.onnx" : path).string();
}

std::vector<HostTensor> random_inputs(const Signature& signature, const std::vector<std::string>& shapes,
                                      uint64_t seed) {
  std::vector<HostTensor> inputs;
  for (const Binding& binding : signature.inputs) {
    HostTensor tensor{binding.name, binding.dtype, binding.dims, {}};
    for (int64_t& dim : tensor.dims) {
      if (dim < 0) dim = 1;
    }
    inputs.push_back(std::move(tensor));
  }
  for (const std::string& option : shapes) {
    const size_t equals = option.rfind('=');
    if (equals == std::string::npos) throw UsageError(str("--shape ", option, ": write NAME=1x3x224x224"));
    const Binding& binding = find_input(signature, option.substr(0, equals));
    inputs[size_t(&binding - signature.inputs.data())].dims = parse_shape(option.substr(equals + 1));
  }
  for (HostTensor& input : inputs) fill_randomly(input, seed++);
  return inputs;
}

int run_command(const RunOptions& options) {
  const Library library(options.library);
  const Device device = pick_device(library, options.backend);
  const MappedFile model(model_file(options.model));
  BackendOptions properties = options.properties;
  properties.values = read_signature(model.bytes(), options.model).has_containers();
  const Backend backend(device, properties);
  const auto start = std::chrono::steady_clock::now();
  Graph graph(backend, model.bytes(), options.model);
  const double init = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (graph.signature().has_values()) return run_values(options, graph);
  std::vector<Run> runs;
  if (fs::is_directory(options.model) && options.inputs.empty() && options.shapes.empty()) {
    for (const DataSet& set : data_sets({"", options.model})) {
      runs.push_back({set.name, read_tensors(set.inputs, graph.signature().inputs),
                      read_tensors(set.outputs, graph.signature().outputs)});
    }
  }
  if (runs.empty()) {
    runs.push_back({"", random_inputs(graph.signature(), options.shapes, options.seed), {}});
    take_input_files(options, graph.signature(), runs[0].inputs);
  }

  Json report = {{"library", library.path()},
                 {"device", device.title()},
                 {"model", options.model},
                 {"init_seconds", init},
                 {"runs", Json::array()}};
  if (!options.json) {
    std::printf("model %s\ndevice %s\ninit %s\n", options.model.c_str(), device.title().c_str(),
                seconds_text(init).c_str());
  }
  bool correct = true;
  for (const Run& run : runs) {
    Json json = {{"data_set", run.data_set}, {"inputs", Json::array()}};
    if (!options.json && !run.data_set.empty()) std::printf("%s\n", run.data_set.c_str());
    for (const HostTensor& input : run.inputs) {
      json["inputs"].push_back({{"name", input.name}, {"type", type_text(input)}});
      if (!options.json) std::printf("input %s %s\n", input.name.c_str(), type_text(input).c_str());
    }
    std::vector<HostTensor> outputs;
    if (run.expected.empty()) {
      outputs = graph.make_outputs(run.inputs, options.limit);
    } else {
      outputs = run.expected;
      for (HostTensor& output : outputs) output.allocate();
    }
    graph.bind(run.inputs, outputs);
    const double first = graph.run();
    std::vector<double> times;
    for (int i = 1; i < options.repeat; ++i) times.push_back(graph.run());
    graph.read_shapes(outputs);
    json["first_run_seconds"] = first;
    std::string time = str("first run ", seconds_text(first));
    if (!times.empty()) {
      std::sort(times.begin(), times.end());
      json["median_seconds"] = times[times.size() / 2];
      time += str(", median of ", times.size(), " more ", seconds_text(times[times.size() / 2]));
    }
    report_outputs(options, run, outputs, json, correct);
    if (!options.json) std::printf("%s\n", time.c_str());
    report["runs"].push_back(json);
  }
  const Memory memory = process_memory();
  report["resident_bytes"] = memory.resident;
  report["peak_bytes"] = memory.peak;
  if (options.json) {
    std::printf("%s\n", report.dump(2).c_str());
  } else {
    std::printf("memory %s resident, %s at most\n", bytes_text(double(memory.resident)).c_str(),
                bytes_text(double(memory.peak)).c_str());
  }
  return correct ? 0 : 1;
}

}  // namespace sardonyx::tools
