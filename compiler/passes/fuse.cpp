// Fusion: every computing node ends up in a `fused` group with at most one anchor, or a whole inverted residual block.
//
// An anchor is a node that is not point-wise or injective: contraction, window, reduction, scan, opaque. Around it grow
//  1. epilogues: the longest run of point-wise nodes behind the anchor over the anchor's own dims such that exactly one
//     value leaves the group, or one and its copy in bf16, and no path leaves and re-enters it (convexity);
//  2. prologues: producers all of whose uses are inside the group. Row-wise anchors (softmax, layer norm, reductions)
//     take point-wise and injective ones; contractions and windows only broadcasts and the dequantization of epilogue
//     operands, because their candidates read plain tensors. What widens narrow weights joins the product or gather.
// Point-wise and injective nodes left over group among themselves (producer into consumer when all its uses are there).
// Reshapes between groups stay outside: they are views. Constants, control, dims and bindings stay outside too.
//
// A fused node's operands are the values from outside (constants included), its region is closed, and nodes inside are
// in the original order. Everything behind this pass sees only groups, views, constants, control flow and dims.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "compiler/passes/group.h"
#include "compiler/passes/inverted_residual.h"
#include "compiler/passes/narrow_weights.h"
#include "compiler/passes/pass.h"
#include "runtime/base/status.h"

namespace sardonyx::passes {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

constexpr size_t max_operands = 16;
constexpr size_t max_nodes = 64;

// Nodes that become part of groups at all.
bool computes(const Node& node) {
  switch (node.op) {
    case Op::constant:
    case Op::reshape:
    case Op::bind_dims:
    case Op::check:
    case Op::copy:
    case Op::yield:
    case Op::if_:
    case Op::loop:
    case Op::fused:
      return false;
    default:
      return true;
  }
}

bool injective(const Node& node) { return computes(node) && has(node, graph::Pointwise | graph::Injective); }
bool anchors(const Node& node) { return computes(node) && !has(node, graph::Pointwise | graph::Injective); }
bool row_wise(const Node& anchor) {
  return has(anchor, graph::Reduction) || anchor.op == Op::softmax || anchor.op == Op::layer_norm;
}

// What becomes of elements of a byte before they are F32, with constant scales and zero points. Read as bytes they are
// a quarter of what they become.
bool widens_bytes(const Node& node) {
  if (node.op != Op::cast && !(node.op == Op::binary && strip_broadcast(node.operand(1))->constant())) return false;
  const Value* operand = node.operand(0);
  if (node.op == Op::cast && size_of(operand->type.dtype) == 1) return true;
  return operand->producer && operand->producer->parent == node.parent && widens_bytes(*operand->producer);
}

struct Group {
  std::vector<Node*> nodes;  // in program order once finished
  Node* anchor = nullptr;
};

class Fuser {
 public:
  Fuser(Region& region, const PassContext& context) : region_(region), context_(context) {
    int64_t number = 0;
    for (auto& node : region.nodes()) {
      Value* operand = context.host_kernels ? narrow_operand(*node) : nullptr;
      const auto found = operand ? match_narrow_weights(operand) : std::nullopt;
      if (!found) continue;
      narrow_.insert(found->widening.begin(), found->widening.end());
      narrow_.insert(found->parameters.begin(), found->parameters.end());
    }
    for (auto& node : region.nodes()) order_[node.get()] = number++;
  }

  bool run() {
    std::vector<Node*> nodes;
    for (auto& node : region_.nodes())
      if (computes(*node)) nodes.push_back(node.get());
    if (context_.host_kernels)
      for (Node* node : nodes) grow_block(*node);
    for (Node* node : nodes)
      if (anchors(*node) && !group_of_.count(node)) grow_anchor(*node, {});
    // Consumers before producers, so that a chain collapses into its last node's group.
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      if (!injective(**it)) continue;
      if (!group_of_.count(*it) && !join_consumer(**it)) start(**it);
    }
    bool changed = false;
    for (auto& group : groups_)
      if (!group->nodes.empty()) materialise(*group), changed = true;
    return changed;
  }

 private:
  Group& start(Node& node) {
    groups_.push_back(std::make_unique<Group>());
    Group& group = *groups_.back();
    group.nodes.push_back(&node);
    if (anchors(node)) group.anchor = &node;
    group_of_[&node] = &group;
    return group;
  }

  // An inverted residual block, whose last convolution is the anchor.
  void grow_block(Node& node) {
    const std::vector<Node*> before =
        match_inverted_residual(node, context_.cores, [&](const Node* other) { return group_of_.count(other) > 0; });
    if (!before.empty()) grow_anchor(node, before);
  }

  // The anchor, nodes before it and its epilogue.
  void grow_anchor(Node& anchor, const std::vector<Node*>& before) {
    Group& group = start(anchor);
    for (Node* node : before) {
      group.nodes.push_back(node);
      group_of_[node] = &group;
    }
    if (anchor.results.size() != 1 || has(anchor, graph::Opaque)) return;
    const auto& dims = anchor.result()->type.dims;
    std::vector<Node*> grown = group.nodes;
    std::unordered_set<Node*> inside(grown.begin(), grown.end());
    const size_t core = grown.size();
    size_t accepted = core;
    for (bool again = true; again && grown.size() < max_nodes;) {
      again = false;
      for (Node* member : std::vector<Node*>(grown)) {
        for (const graph::Use& use : member->result()->uses) {
          Node* user = use.user;
          if (inside.count(user) || user->parent != &region_ || !has(*user, graph::Pointwise) || group_of_.count(user))
            continue;
          if (!graph::same_dims(user->result()->type.dims, dims) || re_enters(*user, inside)) continue;
          inside.insert(user);
          grown.push_back(user);
          again = true;
          if (leaving_values(inside) == 1) accepted = grown.size();
        }
      }
    }
    for (size_t i = core; i < accepted; ++i) {
      group.nodes.push_back(grown[i]);
      group_of_[grown[i]] = &group;
    }
  }

  static bool leaves(const Node& node, const std::unordered_set<Node*>& inside) {
    return std::any_of(node.result()->uses.begin(), node.result()->uses.end(),
                       [&](const graph::Use& use) { return !inside.count(use.user); });
  }

  // Of a value and its copy in bf16, which a product reads, one counts.
  static size_t leaving_values(const std::unordered_set<Node*>& inside) {
    size_t count = 0;
    for (const Node* node : inside) {
      Node* source = node->op == Op::cast ? node->operand(0)->producer : nullptr;
      const bool copy = node->op == Op::cast && node->result()->type.dtype == DType::BF16 && inside.count(source) &&
                        leaves(*source, inside);
      count += !copy && leaves(*node, inside);
    }
    return count;
  }

  // Does an operand of `node` from outside depend on the group? Searches backwards, no further than the first member.
  bool re_enters(const Node& node, const std::unordered_set<Node*>& inside) {
    int64_t first = INT64_MAX;
    for (Node* member : inside) first = std::min(first, order_.at(member));
    std::unordered_set<const Node*> visited;
    std::vector<const Node*> stack;
    auto push = [&](const Value* value) {
      Node* producer = value->producer;
      if (producer && producer->parent == &region_ && order_.at(producer) >= first && visited.insert(producer).second)
        stack.push_back(producer);
    };
    for (const Value* operand : node.operands)
      if (!operand->producer || !inside.count(operand->producer)) push(operand);
    while (!stack.empty()) {
      const Node* current = stack.back();
      stack.pop_back();
      if (inside.count(const_cast<Node*>(current))) return true;
      // Groups run as a whole: depending on one member means depending on all of them.
      auto found = group_of_.find(const_cast<Node*>(current));
      if (found != group_of_.end())
        for (const Node* mate : found->second->nodes)
          for (const Value* operand : mate->operands) push(operand);
      for (const Value* operand : current->operands) push(operand);
      if (!current->regions.empty()) return true;  // captures of control flow are not followed
    }
    return false;
  }

  // Puts an injective producer into the group that holds all its uses, if that group takes it.
  bool join_consumer(Node& node) {
    Group* group = nullptr;
    for (const graph::Use& use : node.result()->uses) {
      auto found = use.user->parent == &region_ ? group_of_.find(use.user) : group_of_.end();
      if (found == group_of_.end() || (group && group != found->second)) return false;
      group = found->second;
    }
    if (!group) return false;
    // Outside, the broadcast of a scalar would be a tensor in memory.
    const bool immediate = node.op == Op::broadcast && is_scalar(*node.operand(0));
    if (!immediate && (group->nodes.size() >= max_nodes || external_operands(*group) >= max_operands)) return false;
    if (node.op == Op::concat && group->nodes.size() > 1)
      return false;  // a concat reads each source once: keep it a copy
    for (const Node* member : group->nodes)
      if (member->op == Op::concat && !moves_pieces(node, *member)) return false;
    if (narrow_.count(&node)) {
      group->nodes.push_back(&node);
      group_of_[&node] = group;
      return true;
    }
    if (Node* anchor = group->anchor) {
      if (has(*anchor, graph::Opaque)) return false;
      bool feeds_anchor = std::any_of(node.result()->uses.begin(), node.result()->uses.end(),
                                      [&](const graph::Use& use) { return use.user == anchor; });
      bool cheap = node.op == Op::broadcast || widens_bytes(node);
      if (row_wise(*anchor) ? (feeds_anchor && !prologue_pays(node)) : (feeds_anchor || !cheap)) return false;
    } else if (repeats_work(node, *group)) {
      return false;
    }
    group->nodes.push_back(&node);
    group_of_[&node] = group;
    return true;
  }

  // Slices and transposes whose rows stay whole come along with a concatenation of pieces that lie apart. Of pieces
  // that lie together each producer writes its own where it belongs (driver/in_place).
  static bool moves_pieces(const Node& node, const Node& concat) {
    const auto& dims = concat.result()->type.dims;
    const auto axis = size_t(concat.attrs<graph::AxisAttrs>().axis);
    const bool apart = std::any_of(dims.begin(), dims.begin() + long(axis),
                                   [](const graph::Expr& dim) { return expr::as_int(dim).value_or(1) != 1; });
    if (!apart || axis + 1 == dims.size()) return false;
    if (node.op == Op::slice) return node.attrs<graph::SliceAttrs>().steps.back() == 1;
    return node.op == Op::transpose && node.attrs<graph::TransposeAttrs>().perm.back() == int64_t(dims.size()) - 1;
  }

  // A producer under a reduction is evaluated once per element, so anything point-wise pays, and so do the rows of a
  // table that are summed (embeddings).
  static bool prologue_pays(const Node& node) {
    return has(node, graph::Pointwise) || node.op == Op::broadcast || node.op == Op::gather;
  }

  // Would fusing evaluate an expensive producer several times per element (behind a broadcast, gather or slice that
  // reads elements more than once)?
  static bool repeats_work(const Node& node, const Group&) {
    if (node.op == Op::broadcast || node.op == Op::iota || node.op == Op::dims_tensor) return false;
    for (const graph::Use& use : node.result()->uses) {
      Op op = use.user->op;
      if (op == Op::broadcast || op == Op::gather || op == Op::gather_elements || op == Op::gather_nd) return true;
    }
    return false;
  }

  // A constant of one element, which becomes an immediate of the code.
  static bool is_scalar(const Value& value) { return value.constant() && value.constant()->count() == 1; }

  static size_t external_operands(const Group& group) {
    std::unordered_set<const Value*> outside;
    for (const Node* node : group.nodes)
      for (const Value* operand : node->operands) {
        if (is_scalar(*operand)) continue;
        if (!operand->producer ||
            std::find(group.nodes.begin(), group.nodes.end(), operand->producer) == group.nodes.end())
          outside.insert(operand);
      }
    return outside.size();
  }

  void materialise(Group& group);

  Region& region_;
  const PassContext& context_;
  std::unordered_map<const Node*, int64_t> order_;
  std::unordered_map<const Node*, Group*> group_of_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::unordered_set<const Node*> narrow_;  // widen narrow weights
};

void Fuser::materialise(Group& group) {
  std::sort(group.nodes.begin(), group.nodes.end(), [&](Node* a, Node* b) { return order_.at(a) < order_.at(b); });
  // An opaque node keeps all its results: its kernel writes them all.
  const bool opaque = group.anchor && has(*group.anchor, graph::Opaque);
  Node* fused = make_group(region_, group.nodes, opaque ? group.anchor : nullptr);
  order_[fused] = order_.at(group.nodes.back());
}

}  // namespace

namespace {
// Gives every user of a broadcast a copy of its own, so that it can join the user's group: it costs nothing there, and
// shared it would become a tensor in memory.
void split_broadcasts(Region& region) {
  std::vector<Node*> broadcasts;
  for (auto& node : region.nodes())
    if (node->op == Op::broadcast) broadcasts.push_back(node.get());
  graph::Graph& graph = region.graph();
  for (Node* node : broadcasts) {
    node->sources.clear();  // after cse these are the names of every node it once belonged to
    std::vector<graph::Use> uses = node->result()->uses;
    for (size_t i = 1; i < uses.size(); ++i) {
      if (uses[i].user->parent != &region) continue;
      Node* copy = graph.create(region, uses[i].user, Op::broadcast, node->attributes, {node->operand(0)},
                                {node->result()->type});
      graph.set_operand(uses[i].user, uses[i].operand, copy->result());
    }
  }
}
}  // namespace

bool fuse(graph::Graph& graph, PassContext& context) {
  if (context.host_kernels) for_each_region(graph, split_narrow_weights);
  // A dead epilogue would place its group behind users of the value that leaves.
  bool changed = eliminate_dead(graph, context);
  for_each_region(graph, split_broadcasts);
  for_each_region(graph, [&](Region& region) { changed |= Fuser(region, context).run(); });
  return changed;
}

}  // namespace sardonyx::passes
