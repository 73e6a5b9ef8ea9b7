#include "compiler/driver/in_place.h"

#include <algorithm>

namespace sardonyx::driver {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

// The concat that is all of the group, or null.
const Node* sole_concat(const Node& group) {
  const auto& nodes = group.regions[0]->nodes();
  return nodes.size() == 2 && nodes.front()->op == Op::concat ? nodes.front().get() : nullptr;
}

int64_t static_bytes(const graph::TensorType& type) {
  return expr::as_int(graph::physical_count(type)).value_or(-1) * int64_t(size_of(type.dtype));
}

// The group's operands in the order in which the concat takes them, with their byte offsets; empty when an operand is
// not one piece of the result.
std::vector<std::pair<const Value*, int64_t>> pieces_of(const Node& group, const Node& concat) {
  const graph::TensorType& whole = group.result()->type;
  if (!graph::static_dims(whole) || !whole.layout.order.empty()) return {};
  const int64_t axis = concat.attrs<graph::AxisAttrs>().axis;
  for (const graph::Layout::Block& block : whole.layout.blocks)
    if (block.axis != axis) return {};
  for (int64_t i = 0; i < axis; ++i)
    if (!expr::is_const(whole.dims[size_t(i)], 1)) return {};
  std::vector<std::pair<const Value*, int64_t>> pieces;
  int64_t offset = 0;
  for (const Value* taken : concat.operands) {
    if (taken->producer != nullptr) return {};
    const Value* operand = group.operand(taken->index);
    if (!(operand->type.layout == whole.layout) || !graph::static_dims(operand->type)) return {};
    // A partial block would leave zeros between two pieces.
    for (const graph::Layout::Block& block : whole.layout.blocks)
      if (*expr::as_int(operand->type.dims[size_t(axis)]) % block.factor != 0) return {};
    pieces.emplace_back(operand, offset);
    offset += static_bytes(operand->type);
  }
  return pieces;
}

class Finder {
 public:
  explicit Finder(const std::map<const Node*, Choice>& choices) : choices_(choices) {}

  void search(const Region& region) {
    for (const auto& node : region.nodes()) {
      if (node->op == Op::fused) {
        consider(*node);
      } else {
        for (const auto& nested : node->regions) search(*nested);
      }
    }
  }

  InPlaceConcats result;

 private:
  void consider(const Node& group) {
    const Node* concat = sole_concat(group);
    if (!concat || is_held(group.result()->type.dtype) || choices_.at(&group).device != 0) return;
    const auto pieces = pieces_of(group, *concat);
    std::vector<int64_t> offsets(group.operands.size(), -1);
    std::vector<std::pair<const Value*, int64_t>> placed;
    for (const auto& [operand, offset] : pieces) {
      int64_t& known =
          offsets[size_t(std::find(group.operands.begin(), group.operands.end(), operand) - group.operands.begin())];
      if (known >= 0) return;  // taken twice
      known = offset;
      if (movable(*operand, group)) placed.emplace_back(operand, offset);
    }
    if (placed.empty()) return;
    for (const auto& [operand, offset] : placed) result.parts[operand] = {group.result(), offset};
    result.groups[&group] = std::move(offsets);
  }

  // Whether its group can write it elsewhere: views, outputs of the graph and control flow rely on its own memory.
  bool movable(const Value& value, const Node& reader) const {
    const Node* producer = value.producer;
    if (!producer || producer->op != Op::fused || producer->parent != reader.parent || result.parts.count(&value))
      return false;
    if (choices_.at(producer).device != 0 || choices_.at(producer).candidate.kind == backends::Candidate::Kind::Library)
      return false;
    return std::all_of(value.uses.begin(), value.uses.end(),
                       [](const graph::Use& use) { return use.user->op == Op::fused; });
  }

  const std::map<const Node*, Choice>& choices_;
};

}  // namespace

InPlaceConcats find_in_place_concats(const graph::Graph& graph, const std::map<const Node*, Choice>& choices) {
  Finder finder(choices);
  finder.search(graph.body());
  return std::move(finder.result);
}

}  // namespace sardonyx::driver
