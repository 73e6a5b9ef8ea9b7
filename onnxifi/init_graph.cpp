#include <algorithm>
#include <map>

#include "compiler/driver/compile.h"
#include "onnxifi/graph.h"
#include "onnxifi/guard.h"

namespace sardonyx::onnxifi {

namespace {

// What of the host's memory compiling reads where it is, the model's bytes and weights: it is there until
// onnxInitGraph returns. Whatever refers to it has a copy of this pointer.
using Lender = std::shared_ptr<const void>;

// The values given by weight descriptors. Nothing of them is left to check afterwards.
std::map<std::string, Tensor> weight_values(const importer::Model& model, Descriptors weights, uint64_t memory_bytes,
                                            const GraphOptions& options, const Lender& lender) {
  std::vector<Declaration> declarations;
  for (const auto& input : model.inputs()) declarations.push_back(declaration_of(input));
  const IoTable table(std::move(declarations), "weight", options.allow_empty);
  Matched matched;
  match(table, weights, Buffers::Required, matched);
  check_datatypes(table, matched);
  check_shapes(table, matched);
  check_symbols(table, matched);
  check_sizes(table, matched, memory_bytes);
  std::map<std::string, Tensor> values;
  for (size_t i = 0; i < matched.size(); ++i) {
    if (matched[i] == nullptr) continue;
    Dims dims;
    copy_dims(*matched[i], dims);
    values.emplace(table[i].name, weight_of(*matched[i], table[i].dtype, std::move(dims), lender));
  }
  return values;
}

// A model has its weights inside or beside it, not both. One host is known to describe only the first of its
// initializers while giving their number; its descriptors are ignored, and nothing behind the first is ever read.
void check_descriptors_of_initializers(const std::vector<std::string>& initializers, Descriptors weights) {
  const auto& first = weights.front();
  require(first.tag == ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1, Status::UnsupportedTag, "weight descriptor 0: unknown tag ",
          first.tag);
  const bool names_initializer =
      first.name != nullptr && std::find(initializers.begin(), initializers.end(), first.name) != initializers.end();
  require(names_initializer && weights.size() == initializers.size(), Status::InvalidModel, "the model has ",
          initializers.size(), " initializers, and weight descriptors are given as well");
}

std::unique_ptr<graph::Graph> import_graph(const importer::Model& model, const BackendObject& backend,
                                           Descriptors weights, const GraphOptions& options, const Lender& lender) {
  std::map<std::string, Tensor> values;
  if (!weights.empty() && !model.initializers().empty()) {
    check_descriptors_of_initializers(model.initializers(), weights);
  } else {
    values = weight_values(model, weights, backend.choice->info.memory_bytes, options, lender);
  }
  return model.import(values, options.values);
}

}  // namespace

std::shared_ptr<Graph> compile_graph(const BackendObject& backend, const ModelSource& source, Descriptors weights,
                                     const GraphOptions& options) {
  const FloatEnvironment float_environment;
  const Settings& settings = backend.context->settings();
  const importer::ImportOptions import_options{settings.external_data_dir};
  const Lender lender = std::make_shared<char>();
  auto model = source.path ? importer::Model::parse_file(source.path, import_options)
                           : importer::Model::parse(source.bytes.data(), source.bytes.size(), import_options, lender);
  auto graph = import_graph(*model, backend, weights, options, lender);
  model.reset();
  auto program = driver::compile(std::move(graph), backend.devices, {settings, backend.choice->preferred});
  check(lender.use_count() == 1, "the graph refers to memory of the host");
  return std::make_shared<Graph>(std::move(program), backend, options);
}

}  // namespace sardonyx::onnxifi
