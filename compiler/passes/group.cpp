#include "compiler/passes/group.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "runtime/base/status.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

Node* make_group(Region& region, const std::vector<Node*>& nodes, const Node* whole) {
  graph::Graph& graph = region.graph();
  const std::unordered_set<const Node*> inside(nodes.begin(), nodes.end());
  std::vector<Value*> operands, results;
  std::vector<std::string> sources;
  for (Node* node : nodes) {
    for (Value* operand : node->operands)
      if (!(operand->producer && inside.count(operand->producer)) &&
          std::find(operands.begin(), operands.end(), operand) == operands.end())
        operands.push_back(operand);
    for (auto& result : node->results)
      if (whole ? node == whole : std::any_of(result->uses.begin(), result->uses.end(), [&](const graph::Use& use) {
            return !inside.count(use.user);
          }))
        results.push_back(result.get());
    for (const std::string& source : node->sources)
      if (std::find(sources.begin(), sources.end(), source) == sources.end()) sources.push_back(source);
  }
  std::vector<graph::TensorType> types;
  for (const Value* result : results) types.push_back(result->type);

  auto attributes = std::make_shared<graph::FusedAttrs>();
  attributes->name = str("group", graph.next_id());
  Node* fused = graph.create(region, nodes.back(), Op::fused, attributes, operands, types);
  fused->sources = std::move(sources);
  for (size_t i = 0; i < results.size(); ++i) {
    fused->result(int(i))->name = results[i]->name;
    fused->result(int(i))->contents = results[i]->contents;
    graph.replace_all_uses(results[i], fused->result(int(i)));
  }
  Region* body = graph.add_region(fused);
  std::unordered_map<Value*, Value*> inner;
  for (Value* operand : operands) inner[operand] = body->add_parameter(operand->type, operand->name);
  Node* yield = graph.create(*body, nullptr, Op::yield, std::make_shared<graph::NoAttrs>(), {}, {});
  for (Node* node : nodes) {
    graph.move_before(node, yield);
    for (size_t i = 0; i < node->operands.size(); ++i)
      if (auto found = inner.find(node->operands[i]); found != inner.end())
        graph.set_operand(node, int(i), found->second);
  }
  // replace_all_uses above also rewired uses inside the group; bring those back to the inner values.
  for (size_t i = 0; i < results.size(); ++i) {
    std::vector<graph::Use> uses = fused->result(int(i))->uses;
    for (const graph::Use& use : uses)
      if (use.user->parent == body) graph.set_operand(use.user, use.operand, results[i]);
  }
  for (Value* result : results) graph.add_operand(yield, result);
  return fused;
}

}  // namespace sardonyx::passes
