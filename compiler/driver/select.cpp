#include "compiler/driver/select.h"

#include <algorithm>
#include <unordered_map>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::driver {

using backends::Candidate;
using backends::Candidates;
using graph::Layout;
using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

// Symbolic extents count as this many elements when costs are compared.
constexpr int64_t typical_extent = 64;
// A candidate must beat the current choice by this factor, so that ties do not oscillate.
constexpr double improvement = 0.999;
constexpr int max_rounds = 4;

double typical_bytes(const graph::TensorType& type) {
  double bytes = double(size_of(type.dtype));
  for (const expr::Expr& dim : type.dims) bytes *= double(expr::as_int(dim).value_or(typical_extent));
  return bytes;
}

struct Entry {
  Node* group = nullptr;
  const Candidates* candidates = nullptr;
  size_t chosen = 0;
};

class Selector {
 public:
  Selector(graph::Graph& graph, const backends::Backend& backend, const backends::Target& target, Policy policy)
      : graph_(graph), backend_(backend), target_(target), policy_(policy) {}

  std::map<const Node*, Choice> run() {
    collect(graph_.body());
    for (Entry& entry : entries_) entry.chosen = best(entry);
    for (int round = 0; round < max_rounds; ++round) {
      bool changed = false;
      for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) changed |= improve(*it);
      for (Entry& entry : entries_) changed |= improve(entry);
      if (!changed) break;
    }
    std::map<const Node*, Choice> choices;
    for (Entry& entry : entries_) {
      choices[entry.group] = {entry.candidates->list[entry.chosen], reason(entry)};
      for (size_t i = 0; i < entry.group->results.size(); ++i)
        entry.group->result(int(i))->type.layout = output_layout(entry, i);
    }
    insert_reorders(choices);
    return choices;
  }

 private:
  void collect(Region& region) {
    for (auto& node : region.nodes()) {
      if (node->op != Op::fused) {
        for (auto& nested : node->regions) collect(*nested);
        continue;
      }
      index_[node.get()] = entries_.size();
      entries_.push_back({node.get(), &candidates_of(*node), 0});
    }
  }

  const Candidates& candidates_of(const Node& group) {
    std::string key = group_key(group);
    auto found = cache_.find(key);
    if (found != cache_.end()) return found->second;
    Candidates all = backend_.candidates(group, target_);
    auto allowed = [&](const Candidate& candidate) {
      if (policy_ == Policy::Codegen) return candidate.kind == Candidate::Kind::Scheduled;
      if (policy_ == Policy::Library) return candidate.kind != Candidate::Kind::Scheduled;
      return true;
    };
    Candidates result;
    result.refusals = all.refusals;
    for (Candidate& candidate : all.list)
      if (allowed(candidate)) result.list.push_back(candidate);
    if (result.list.empty()) result.list = std::move(all.list);  // the policy is a preference: everything must run
    if (result.list.empty())
      fail(Status::UnsupportedOperator, "no kernel on this device for ", join(group.sources, ", "), ": ",
           join(result.refusals, "; "));
    return cache_.emplace(std::move(key), std::move(result)).first->second;
  }

  static Layout layout_at(const std::vector<Layout>& layouts, size_t i) {
    return i < layouts.size() ? layouts[i] : Layout{};
  }
  const Candidate& chosen(const Entry& entry) const { return entry.candidates->list[entry.chosen]; }
  Layout output_layout(const Entry& entry, size_t i) const { return layout_at(chosen(entry).outputs, i); }

  // The layout that a value currently has.
  Layout layout_of(const Value* value) const {
    auto found = value->producer ? index_.find(value->producer) : index_.end();
    return found == index_.end() ? Layout{} : output_layout(entries_[found->second], size_t(value->index));
  }

  double reorder_cost(const Value* value) const {
    return 500 + 2 * typical_bytes(value->type) / (target_.bytes_per_ns * std::max(1, target_.cores));
  }

  // Cost of `candidate` for the group given what its producers (and, if asked, consumers) chose.
  double cost(const Entry& entry, const Candidate& candidate, bool consumers) const {
    double total = candidate.cost_ns;
    for (size_t i = 0; i < entry.group->operands.size(); ++i) {
      const Value* operand = entry.group->operands[i];
      if (!operand->constant() && !(layout_of(operand) == layout_at(candidate.inputs, i)))
        total += reorder_cost(operand);
    }
    if (!consumers) return total;
    for (size_t i = 0; i < entry.group->results.size(); ++i) {
      const Value* result = entry.group->result(int(i));
      Layout produced = layout_at(candidate.outputs, i);
      std::vector<Layout> made;  // one reorder serves all consumers that want the same layout
      for (const graph::Use& use : result->uses) {
        auto found = index_.find(use.user);
        Layout wanted =
            found == index_.end() ? Layout{} : layout_at(chosen(entries_[found->second]).inputs, size_t(use.operand));
        if (wanted == produced || std::find(made.begin(), made.end(), wanted) != made.end()) continue;
        made.push_back(wanted);
        total += reorder_cost(result);
      }
    }
    return total;
  }

  size_t best(const Entry& entry) const {
    size_t winner = 0;
    double lowest = 0;
    for (size_t i = 0; i < entry.candidates->list.size(); ++i) {
      double total = cost(entry, entry.candidates->list[i], false);
      if (i == 0 || total < lowest * improvement) winner = i, lowest = total;
    }
    return winner;
  }

  bool improve(Entry& entry) const {
    double lowest = cost(entry, chosen(entry), true);
    size_t winner = entry.chosen;
    for (size_t i = 0; i < entry.candidates->list.size(); ++i) {
      double total = cost(entry, entry.candidates->list[i], true);
      if (total < lowest * improvement) winner = i, lowest = total;
    }
    bool changed = winner != entry.chosen;
    entry.chosen = winner;
    return changed;
  }

  std::string reason(const Entry& entry) const {
    std::vector<std::string> others;
    for (size_t i = 0; i < entry.candidates->list.size(); ++i) {
      const Candidate& candidate = entry.candidates->list[i];
      if (i != entry.chosen)
        others.push_back(
            str(candidate.family, " ", backends::to_string(candidate.point), " ", int64_t(candidate.cost_ns), " ns"));
    }
    std::string text = others.empty() ? "only candidate" : str("cheapest with layouts; others: ", join(others, ", "));
    if (!entry.candidates->refusals.empty()) text += str("; declined: ", join(entry.candidates->refusals, ", "));
    return text;
  }

  void insert_reorders(std::map<const Node*, Choice>& choices) {
    std::vector<Entry> consumers = entries_;
    for (const Entry& entry : consumers)
      for (size_t i = 0; i < entry.group->operands.size(); ++i)
        connect(entry.group, int(i), layout_at(chosen(entry).inputs, i), choices);
    for (const Entry& entry : consumers)
      for (auto& result : entry.group->results) {
        std::vector<graph::Use> uses = result->uses;
        for (const graph::Use& use : uses)
          if (use.user->op != Op::fused) connect(use.user, use.operand, {}, choices);
      }
  }

  // Makes operand `i` of `user` arrive in layout `wanted`.
  void connect(Node* user, int i, const Layout& wanted, std::map<const Node*, Choice>& choices) {
    Value* value = user->operand(i);
    if (value->constant() || value->type.layout == wanted) return;
    Value*& reordered = reorders_[{value, graph::to_string(wanted, value->type.rank())}];
    if (!reordered) reordered = make_reorder(value, wanted, choices);
    graph_.set_operand(user, i, reordered);
  }

  Value* make_reorder(Value* value, const Layout& wanted, std::map<const Node*, Choice>& choices) {
    Region& region = value->producer ? *value->producer->parent : *value->region;
    Node* after = (value->producer ? std::next(value->producer->position) : region.nodes().begin())->get();
    graph::TensorType type = value->type;
    type.layout = wanted;
    auto attributes = std::make_shared<graph::FusedAttrs>();
    attributes->name = str("reorder", graph_.next_id());
    Node* fused = graph_.create(region, after, Op::fused, attributes, {value}, {type});
    if (value->producer) fused->sources = value->producer->sources;
    Region* body = graph_.add_region(fused);
    graph::TensorType logical = type;
    logical.layout = {};
    Value* parameter = body->add_parameter(logical);
    auto reorder = std::make_shared<graph::ReorderAttrs>();
    reorder->layout = wanted;
    Node* inner = graph_.create(*body, nullptr, Op::reorder, reorder, {parameter}, {logical});
    graph_.create(*body, nullptr, Op::yield, std::make_shared<graph::NoAttrs>(), {inner->result()}, {});
    Candidates candidates = backend_.candidates(*fused, target_);
    check(!candidates.list.empty(), "no kernel for a reorder to ", graph::to_string(type));
    choices[fused] = {candidates.list.front(), "layouts of producer and consumer differ"};
    return fused->result();
  }

  graph::Graph& graph_;
  const backends::Backend& backend_;
  const backends::Target& target_;
  Policy policy_;
  std::vector<Entry> entries_;
  std::unordered_map<const Node*, size_t> index_;
  std::unordered_map<std::string, Candidates> cache_;
  std::map<std::pair<Value*, std::string>, Value*> reorders_;
};

}  // namespace

std::map<const Node*, Choice> select(graph::Graph& graph, const backends::Backend& backend,
                                     const backends::Target& target, Policy policy) {
  return Selector(graph, backend, target, policy).run();
}

}  // namespace sardonyx::driver
