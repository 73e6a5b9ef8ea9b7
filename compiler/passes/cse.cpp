// Common subexpressions: within a region, nodes with equal kind, attributes and operands become one.
#include <unordered_map>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Region;

namespace {

bool eligible(const Node& node) {
  if (!node.regions.empty() || node.results.empty()) return false;
  // Hashing weights would cost more than finding the rare equal pair saves.
  if (node.op == Op::constant && node.attrs<graph::ConstantAttrs>().value.bytes() > 4096) return false;
  uint32_t traits = graph::op_def(node.op).traits;
  return !(traits & (graph::Control | graph::SideEffect)) && node.op != Op::host_call && node.op != Op::nonzero;
}

uint64_t hash(const Node& node) {
  uint64_t h = uint64_t(node.op) * 0x9E3779B97F4A7C15ull;
  if (node.attributes) h ^= graph::hash_attributes(*node.attributes);
  for (const graph::Value* operand : node.operands)
    h = (h ^ uint64_t(reinterpret_cast<uintptr_t>(operand))) * 0x100000001B3ull;
  return h;
}

bool same(const Node& a, const Node& b) {
  if (a.op != b.op || a.operands != b.operands || a.results.size() != b.results.size()) return false;
  if (bool(a.attributes) != bool(b.attributes)) return false;
  return !a.attributes || graph::equal_attributes(*a.attributes, *b.attributes);
}

}  // namespace

bool eliminate_common(graph::Graph& graph, PassContext&) {
  bool changed = false;
  for_each_region(graph, [&](Region& region) {
    std::unordered_multimap<uint64_t, Node*> seen;
    auto& nodes = region.nodes();
    for (auto it = nodes.begin(); it != nodes.end();) {
      Node& node = **it;
      ++it;
      if (!eligible(node)) continue;
      uint64_t key = hash(node);
      Node* twin = nullptr;
      auto [first, last] = seen.equal_range(key);
      for (auto entry = first; entry != last && !twin; ++entry)
        if (same(*entry->second, node)) twin = entry->second;
      if (!twin) {
        seen.emplace(key, &node);
        continue;
      }
      for (size_t i = 0; i < node.results.size(); ++i)
        graph.replace_all_uses(node.result(int(i)), twin->result(int(i)));
      for (const std::string& source : node.sources) twin->sources.push_back(source);
      graph.erase(&node);
      changed = true;
    }
  });
  return changed;
}

}  // namespace sardonyx::passes
