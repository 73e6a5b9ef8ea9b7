#include "importer/dependence.h"

#include <unordered_set>

namespace sardonyx::importer {

namespace {

using Visit = std::function<void(std::string_view)>;

void visit_captured(const proto::GraphProto& graph, const Visit& visit) {
  std::unordered_set<std::string_view> inside;
  for (const auto& input : graph.input()) inside.insert(input.name());
  for (const auto& tensor : graph.initializer()) inside.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) inside.insert(tensor.values().name());
  const auto visit_outside = [&](std::string_view name) {
    if (!inside.count(name)) visit(name);
  };
  for (const proto::NodeProto& node : graph.node()) {
    visit_reads(node, visit_outside);
    for (const std::string& output : node.output()) inside.insert(output);
  }
  for (const auto& output : graph.output()) visit_outside(output.name());
}

}  // namespace

void visit_reads(const proto::NodeProto& node, const Visit& visit) {
  for (const std::string& input : node.input())
    if (!input.empty()) visit(input);
  for (const proto::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) visit_captured(attribute.g(), visit);
    for (const auto& graph : attribute.graphs()) visit_captured(graph, visit);
    if (node.op_type() == "Gradient" && attribute.name() == "y") visit(attribute.s());
  }
}

}  // namespace sardonyx::importer
