#include "compiler/graph/graph.h"

namespace sardonyx::graph {

namespace {

void copy_provenance(const Value& from, Value* to) {
  to->name = from.name;
  to->contents = from.contents;
}

void clone_region(const Region& source, Region& target, ValueMap& values) {
  for (const auto& parameter : source.parameters()) {
    Value* copy = target.add_parameter(parameter->type, parameter->name);
    copy_provenance(*parameter, copy);
    values[parameter.get()] = copy;
  }
  for (const auto& node : source.nodes()) clone_node(*node, target, nullptr, values);
}

}  // namespace

Node* clone_node(const Node& node, Region& region, Node* before, ValueMap& values) {
  std::vector<Value*> operands;
  for (Value* operand : node.operands) {
    auto found = values.find(operand);
    operands.push_back(found == values.end() ? operand : found->second);
  }
  std::vector<TensorType> types;
  for (const auto& result : node.results) types.push_back(result->type);
  Node* copy = region.graph().create(region, before, node.op, node.attributes, std::move(operands), std::move(types));
  copy->sources = node.sources;
  for (size_t i = 0; i < node.results.size(); ++i) {
    copy_provenance(*node.results[i], copy->result(int(i)));
    values[node.results[i].get()] = copy->result(int(i));
  }
  for (const auto& nested : node.regions) clone_region(*nested, *region.graph().add_region(copy), values);
  return copy;
}

std::vector<Value*> clone_body(const Region& source, Region& region, Node* before, ValueMap& values) {
  for (const auto& node : source.nodes())
    if (node->op != Op::yield) clone_node(*node, region, before, values);
  std::vector<Value*> outputs;
  for (Value* output : source.outputs()) {
    auto found = values.find(output);
    outputs.push_back(found == values.end() ? output : found->second);
  }
  return outputs;
}

std::unique_ptr<Graph> clone(const Graph& graph) {
  auto copy = std::make_unique<Graph>();
  ValueMap values;
  clone_region(graph.body(), copy->body(), values);
  copy->output_names = graph.output_names;
  copy->equalities = graph.equalities;
  copy->symbols_ = graph.symbols_;
  copy->symbol_numbers_ = graph.symbol_numbers_;
  copy->symbol_names_ = graph.symbol_names_;
  copy->id_ = graph.id_;
  return copy;
}

}  // namespace sardonyx::graph
