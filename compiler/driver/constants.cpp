#include "compiler/driver/constants.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "compiler/driver/weight_pool.h"
#include "compiler/passes/pass.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/status.h"

namespace sardonyx::driver {

using graph::ConstantAttrs;
using graph::Node;
using graph::Op;

namespace {

constexpr int64_t pooled_bytes = int64_t{64} << 10;  // smaller ones are not worth a look
constexpr int64_t large_bytes = int64_t{2} << 20;    // packed by several threads each

void replace_tensor(Node& node, Tensor value) {
  auto attributes = std::make_shared<ConstantAttrs>();
  attributes->value = std::move(value);
  node.attributes = std::move(attributes);
}

// Takes the tensor out of a constant of the graph when the groups' packed copies are all that is left of it.
void take_if_packed(Node& node, const std::map<const Node*, Emittable>& groups) {
  for (const graph::Use& use : node.result()->uses) {
    auto group = groups.find(use.user);
    if (group == groups.end() || !group->second.code->pack.count(use.operand)) return;
  }
  const Tensor& value = node.attrs<ConstantAttrs>().value;
  replace_tensor(node, Tensor(value.dtype(), value.dims(), nullptr));
}

struct Job {
  const std::function<Tensor(const Tensor&)>* pack;
  std::string form;
  Tensor source, result;

  void run() {
    result = source.bytes() < pooled_bytes ? (*pack)(source) : WeightPool::instance().get(form, source, *pack);
    source = {};
  }
};

// Aligned, and nobody else's.
Tensor own(const Tensor& value) { return Tensor(value.dtype(), value.dims(), value.storage()); }

void own_constants(graph::Graph& graph) {
  passes::for_each_node(graph, [](Node& node) {
    if (node.op != Op::constant) return;
    const Tensor& value = node.attrs<ConstantAttrs>().value;
    const bool taken = value.unaligned() == nullptr, small = value.bytes() < pooled_bytes && !value.is_lent();
    if (taken || small || is_held(value.dtype())) return;
    replace_tensor(node, WeightPool::instance().get("as it is", value, own));
  });
}

}  // namespace

// What stays as it is comes first, then large constants, whose packing takes several threads, one by one from the
// largest on: so few bytes are there twice, and while the least are there at all.
void settle_constants(graph::Graph& graph, std::map<const Node*, Emittable>& groups) {
  std::vector<Job> jobs;
  std::map<std::pair<const void*, const void*>, size_t> known;
  std::vector<std::tuple<Emittable*, int, size_t>> targets;
  std::set<Node*> constants;
  for (auto& [node, group] : groups)
    for (const auto& [input, pack] : group.code->pack) {
      const Tensor* source = node->operand(input)->constant();
      check(source != nullptr, "packing of operand ", input, ", which is not a constant");
      auto [entry, added] = known.emplace(
          std::make_pair(static_cast<const void*>(&pack), static_cast<const void*>(source->unaligned())), jobs.size());
      if (added) jobs.push_back({&pack, str(group.form, "\ninput ", input), *source, {}});
      targets.emplace_back(&group, input, entry->second);
      constants.insert(node->operand(input)->producer);
    }
  for (Node* constant : constants) take_if_packed(*constant, groups);
  own_constants(graph);

  std::vector<Job*> order;
  for (Job& job : jobs) order.push_back(&job);
  std::stable_sort(order.begin(), order.end(),
                   [](const Job* a, const Job* b) { return a->source.bytes() > b->source.bytes(); });
  size_t alone = 0;
  for (; alone < order.size() && order[alone]->source.bytes() >= large_bytes; ++alone) order[alone]->run();
  parallel_compile(order.size() - alone, [&](size_t i) { order[alone + i]->run(); });
  for (auto& [group, input, job] : targets) group->packed[input] = jobs[job].result;
}

}  // namespace sardonyx::driver
