#include "backends/cpu/library/host_operator.h"

#include "runtime/base/status.h"

namespace sardonyx::cpu {

using graph::Node;

namespace {

class HostOperator : public runtime::HostFunction {
 public:
  HostOperator(const Node& node, std::vector<int> operands)
      : op_(node.op), attributes_(node.attributes), operands_(std::move(operands)) {}

  std::string name() const override { return std::string(graph::op_name(op_)); }

  std::vector<Tensor> call(std::span<const Tensor> inputs) const override {
    std::vector<Tensor> ordered;
    for (int i : operands_) ordered.push_back(inputs[size_t(i)]);
    return graph::op_def(op_).reference(*attributes_, ordered);
  }

 private:
  graph::Op op_;
  graph::AttributesPtr attributes_;
  std::vector<int> operands_;  // group operand of each node operand: one group operand may be used twice
};

}  // namespace

const Node* host_anchor(const Node& group) {
  const auto& nodes = group.regions[0]->nodes();
  const Node* node = nodes.front().get();
  return nodes.size() == 2 && graph::op_def(node->op).reference && !graph::op_def(node->op).express ? node : nullptr;
}

std::shared_ptr<const runtime::HostFunction> make_host_operator(const Node& group) {
  const Node* node = host_anchor(group);
  check(node != nullptr, "not a host operator");
  std::vector<int> operands;
  for (const graph::Value* operand : node->operands) operands.push_back(operand->index);
  return std::make_shared<HostOperator>(*node, std::move(operands));
}

}  // namespace sardonyx::cpu
