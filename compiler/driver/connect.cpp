#include "compiler/driver/connect.h"

#include "runtime/base/status.h"

namespace sardonyx::driver {

using graph::Layout;
using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;

namespace {

class Connector {
 public:
  Connector(graph::Graph& graph, std::span<const Place> places, Offers& offers, std::map<const Node*, Choice>& choices)
      : graph_(graph), places_(places), offers_(offers), choices_(choices) {}

  // Producers before readers, so that operands of a view are settled when a reader wants the view elsewhere.
  void region(Region& region) {
    std::vector<Node*> nodes;
    for (auto& node : region.nodes()) nodes.push_back(node.get());
    for (Node* node : nodes) {
      for (size_t i = 0; i < node->operands.size(); ++i) operand(*node, int(i));
      if (node->op == Op::fused) continue;
      for (auto& nested : node->regions) this->region(*nested);
    }
  }

 private:
  void operand(Node& user, int i) {
    Layout layout;
    int device = 0;
    if (user.op == Op::fused) {
      const Choice& choice = choices_.at(&user);
      if (size_t(i) < choice.candidate.inputs.size()) layout = choice.candidate.inputs[size_t(i)];
      device = choice.device;
    } else if (user.op == Op::reshape) {
      device = device_of(user.operand(i), choices_);
    }
    Value* value = user.operand(i);
    if (value->constant()) return;
    if (!(value->type.layout == layout)) value = reordered(value, layout, device);
    graph_.set_operand(&user, i, on_device(value, device));
  }

  Value* on_device(Value* value, int device) {
    const int home = device_of(value, choices_);
    if (home == device || home == everywhere || device == everywhere) return value;
    Value*& copied = copies_[{value, device}];
    if (copied) return copied;
    Node* node = nullptr;
    if (value->producer && value->producer->op == Op::reshape) {
      Node* view = value->producer;
      node = graph_.create(*view->parent, behind(value), Op::reshape, view->attributes,
                           {on_device(view->operand(0), device)}, {value->type});
    } else {
      auto attributes = std::make_shared<graph::CopyAttrs>();
      attributes->device = device;
      node = graph_.create(region_of(value), behind(value), Op::copy, attributes, {value}, {value->type});
    }
    describe(node, value);
    return copied = node->result();
  }

  Value* reordered(Value* value, const Layout& layout, int reader) {
    Value*& made = reorders_[{value, graph::to_string(layout, value->type.rank())}];
    if (made) return made;
    graph::TensorType type = value->type, logical = value->type;
    type.layout = layout;
    logical.layout = {};
    auto attributes = std::make_shared<graph::FusedAttrs>();
    attributes->name = str("reorder", graph_.next_id());
    Node* fused = graph_.create(region_of(value), behind(value), Op::fused, attributes, {value}, {type});
    describe(fused, value);
    Region* body = graph_.add_region(fused);
    Value* parameter = body->add_parameter(logical);
    auto reorder = std::make_shared<graph::ReorderAttrs>();
    reorder->layout = layout;
    Node* inner = graph_.create(*body, nullptr, Op::reorder, reorder, {parameter}, {logical});
    graph_.create(*body, nullptr, Op::yield, std::make_shared<graph::NoAttrs>(), {inner->result()}, {});

    const std::vector<backends::Candidates>& offers = offers_.of(*fused);
    const int home = device_of(value, choices_);
    for (int device : {home == everywhere ? reader : home, reader, 0}) {
      if (offers[size_t(device)].list.empty()) continue;
      choices_[fused] = {offers[size_t(device)].list.front(), "layouts of producer and consumer differ", device};
      graph_.set_operand(fused, 0, on_device(value, device));
      return made = fused->result();
    }
    fail(Status::InternalError, "no kernel for a reorder to ", graph::to_string(type));
  }

  static Region& region_of(const Value* value) { return value->producer ? *value->producer->parent : *value->region; }
  // The node behind the one that makes the value.
  static Node* behind(const Value* value) {
    Region& region = region_of(value);
    return (value->producer ? std::next(value->producer->position) : region.nodes().begin())->get();
  }
  static void describe(Node* node, const Value* value) {
    if (value->producer) node->sources = value->producer->sources;
    node->result()->name = value->name;
    node->result()->contents = value->contents;
  }

  graph::Graph& graph_;
  std::span<const Place> places_;
  Offers& offers_;
  std::map<const Node*, Choice>& choices_;
  std::map<std::pair<Value*, int>, Value*> copies_;
  std::map<std::pair<Value*, std::string>, Value*> reorders_;
};

}  // namespace

void connect(graph::Graph& graph, std::span<const Place> places, Offers& offers,
             std::map<const Node*, Choice>& choices) {
  Connector(graph, places, offers, choices).region(graph.body());
}

}  // namespace sardonyx::driver
