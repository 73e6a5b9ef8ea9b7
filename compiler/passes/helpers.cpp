#include <algorithm>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {
void visit_region(Region& region, const std::function<void(Region&)>& f) {
  f(region);
  for (auto& node : region.nodes()) {
    if (node->op == Op::fused) continue;
    for (auto& nested : node->regions) visit_region(*nested, f);
  }
}
}  // namespace

void for_each_region(graph::Graph& graph, const std::function<void(Region&)>& f) { visit_region(graph.body(), f); }

void for_each_node(graph::Graph& graph, const std::function<void(Node&)>& f) {
  for_each_region(graph, [&](Region& region) {
    auto& nodes = region.nodes();
    for (auto it = nodes.begin(); it != nodes.end();) {
      Node& node = **it;
      ++it;
      f(node);
    }
  });
}

graph::Builder builder_before(Node& node, std::initializer_list<const Node*> others) {
  graph::Builder builder(node.parent->graph());
  builder.insert_before(&node);
  std::vector<std::string> sources = node.sources;
  for (const Node* other : others)
    for (const std::string& source : other->sources)
      if (std::find(sources.begin(), sources.end(), source) == sources.end()) sources.push_back(source);
  builder.set_sources(std::move(sources));
  return builder;
}

Node* producer_if(const Value* value, Op op) {
  return value->producer && value->producer->op == op ? value->producer : nullptr;
}

Node* binary_if(const Value* value, graph::BinaryFunction function) {
  Node* node = producer_if(value, Op::binary);
  return node && node->attrs<graph::BinaryAttrs>().function == function ? node : nullptr;
}

bool has(const Node& node, uint32_t traits) { return (graph::op_def(node.op).traits & traits) != 0; }

Value* strip_broadcast(Value* value) {
  while (Node* node = producer_if(value, Op::broadcast)) value = node->operand(0);
  return value;
}

Value* per_channel(graph::Builder& builder, DType dtype, const std::vector<double>& numbers, int axis, int rank) {
  Dims dims(size_t(rank - axis), 1);
  dims[0] = int64_t(numbers.size());
  Tensor tensor(dtype, dims);
  for (size_t i = 0; i < numbers.size(); ++i) tensor.set_double(int64_t(i), numbers[i]);
  return builder.constant(std::move(tensor));
}

std::optional<double> uniform_value(const Value* value) {
  const Tensor* tensor = strip_broadcast(const_cast<Value*>(value))->constant();
  if (!tensor || tensor->count() == 0 || tensor->count() > 4096) return {};
  if (!is_float(tensor->dtype()) && !is_integer(tensor->dtype())) return {};
  double first = tensor->as_double(0);
  for (int64_t i = 1; i < tensor->count(); ++i)
    if (!(tensor->as_double(i) == first)) return {};
  return first;
}

}  // namespace sardonyx::passes
