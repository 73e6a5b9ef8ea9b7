#include "compiler/driver/costs.h"

#include <algorithm>
#include <map>

namespace sardonyx::driver {

using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

constexpr double typical_trips = 8;
constexpr double most_trips = 1000;
// Tensors that more groups share do not connect them.
constexpr size_t many_readers = 16;

const Value* below_views(const Value* value) {
  while (value->producer && value->producer->op == Op::reshape) value = value->producer->operand(0);
  return value;
}

// How often a region runs in one run of the graph.
double runs_of(const Region* region) {
  double runs = 1;
  for (const Node* owner = region->owner(); owner; owner = owner->parent->owner()) {
    if (owner->op != Op::loop) continue;
    const Tensor* trips = owner->attrs<graph::LoopAttrs>().has_trip_count ? owner->operand(0)->constant() : nullptr;
    runs *= trips ? std::clamp(double(trips->as_int(0)), 1.0, most_trips) : typical_trips;
  }
  return runs;
}

}  // namespace

Costs::Costs(std::span<const Group> groups, std::span<const Place> places) : groups_(groups), places_(places) {
  for (size_t i = 0; i < groups.size(); ++i) {
    index_[groups[i].node] = int(i);
    runs_.push_back(runs_of(groups[i].node->parent));
  }
  number_layouts();
  find_tensors();
}

void Costs::number_layouts() {
  std::map<std::string, int> numbers = {{graph::to_string(graph::Layout{}, 0), 0}};
  const auto number = [&](const std::vector<graph::Layout>& layouts, size_t i, const Value* value) {
    if (i >= layouts.size() || layouts[i].row_major()) return 0;
    return numbers.emplace(graph::to_string(layouts[i], value->type.rank()), int(numbers.size())).first->second;
  };
  for (const Group& group : groups_) {
    std::vector<OptionLayouts>& all = layouts_.emplace_back();
    for (const Option& option : group.options) {
      OptionLayouts& layouts = all.emplace_back();
      for (size_t i = 0; i < group.node->operands.size(); ++i)
        layouts.inputs.push_back(number(option.candidate->inputs, i, group.node->operand(int(i))));
      for (size_t i = 0; i < group.node->results.size(); ++i)
        layouts.outputs.push_back(number(option.candidate->outputs, i, group.node->result(int(i))));
    }
  }
}

int Costs::tensor_of(const Value* root) {
  const auto [entry, added] = tensor_index_.emplace(root, int(tensors_.size()));
  if (!added) return entry->second;
  const auto producer = root->producer ? index_.find(root->producer) : index_.end();
  const Region* region = root->producer ? root->producer->parent : root->region;
  tensors_.push_back(
      {producer == index_.end() ? -1 : producer->second, root->index, typical_bytes(root->type), runs_of(region), {}});
  return entry->second;
}

void Costs::find_tensors() {
  touched_.resize(groups_.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Node& node = *groups_[g].node;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Value* root = below_views(node.operands[i]);
      if (root->constant()) continue;
      const int tensor = tensor_of(root);
      tensors_[size_t(tensor)].readers.push_back({int(g), int(i), root != node.operands[i]});
      touched_[g].push_back(tensor);
    }
    for (const auto& result : node.results) touched_[g].push_back(tensor_of(result.get()));
    std::sort(touched_[g].begin(), touched_[g].end());
    touched_[g].erase(std::unique(touched_[g].begin(), touched_[g].end()), touched_[g].end());
  }
  // What neither computes nor views runs on the host.
  const auto read_by_host = [&](auto&& self, const Value* value) -> bool {
    return std::any_of(value->uses.begin(), value->uses.end(), [&](const graph::Use& use) {
      return use.user->op == Op::reshape ? self(self, use.user->result()) : use.user->op != Op::fused;
    });
  };
  for (const auto& [value, tensor] : tensor_index_)
    if (read_by_host(read_by_host, value)) tensors_[size_t(tensor)].readers.push_back({-1, 0, true});

  neighbours_.resize(groups_.size());
  for (const Tensor& tensor : tensors_) {
    std::vector<int> members;
    if (tensor.group >= 0) members.push_back(tensor.group);
    for (const Reader& reader : tensor.readers)
      if (reader.group >= 0) members.push_back(reader.group);
    if (members.size() > many_readers) continue;
    for (int a : members)
      for (int b : members)
        if (a != b) neighbours_[size_t(a)].push_back(b);
  }
  for (std::vector<int>& list : neighbours_) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
}

double Costs::tensor_ns(const Tensor& tensor, const Assignment& assignment) const {
  int home = 0, made = 0;  // device and layout
  if (tensor.group >= 0) {
    const int chosen = assignment[size_t(tensor.group)];
    if (chosen == undecided) return 0;
    home = option(tensor.group, chosen).device;
    made = layouts_[size_t(tensor.group)][size_t(chosen)].outputs[size_t(tensor.result)];
  }
  struct Version {
    int layout, device;
  };
  static thread_local std::vector<Version> versions;  // beside the original
  versions.clear();
  double total = 0;
  for (const Reader& reader : tensor.readers) {
    Version wanted{0, 0};
    if (reader.group >= 0) {
      const int chosen = assignment[size_t(reader.group)];
      if (chosen == undecided) continue;
      wanted.device = option(reader.group, chosen).device;
      wanted.layout = layouts_[size_t(reader.group)][size_t(chosen)].inputs[size_t(reader.operand)];
      if (reader.view && wanted.layout != 0) {  // the view is reordered, for this reader alone
        total += reorder_ns(places_[size_t(wanted.device)], tensor.bytes);
        wanted.layout = 0;
      }
    }
    bool reordered = wanted.layout == made, copied = wanted.device == home;
    for (const Version& version : versions) {
      reordered |= version.layout == wanted.layout;
      copied |= version.layout == wanted.layout && version.device == wanted.device;
    }
    if (!reordered) total += reorder_ns(places_[size_t(home)], tensor.bytes);
    if (!copied) total += transfer_ns(places_, home, wanted.device, tensor.bytes);
    if (!reordered || !copied) versions.push_back(wanted);
  }
  return total * tensor.runs;
}

double Costs::own(int group, int number) const {
  const Option& chosen = option(group, number);
  const double launch = places_[size_t(chosen.device)].device->target.launch_ns;
  return runs_[size_t(group)] * (chosen.candidate->cost_ns + launch);
}

double Costs::around(int group, const Assignment& assignment) const {
  double total = own(group, assignment[size_t(group)]);
  for (int tensor : touched_[size_t(group)]) total += tensor_ns(tensors_[size_t(tensor)], assignment);
  return total;
}

double Costs::total(const Assignment& assignment) const {
  double total = 0;
  for (size_t i = 0; i < groups_.size(); ++i) total += own(int(i), assignment[i]);
  for (const Tensor& tensor : tensors_) total += tensor_ns(tensor, assignment);
  return total;
}

}  // namespace sardonyx::driver
