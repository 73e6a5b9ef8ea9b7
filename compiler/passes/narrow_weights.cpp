#include "compiler/passes/narrow_weights.h"

#include <unordered_map>

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

// Smaller ones are in caches whatever their type.
constexpr int64_t least_elements = 4096;
// A block of the widest vectors, and what a loop over words takes.
constexpr int64_t least_extent = 16;

Node* cast_from(const Value* value, DType to) {
  return value->type.dtype == to ? producer_if(value, Op::cast) : nullptr;
}

// i / n for all i of a dim: the numbers of blocks.
bool counts_blocks(Value* value, std::vector<Node*>& nodes) {
  Node* quotient = binary_if(value, BinaryFunction::Div);
  Node* number = quotient ? producer_if(quotient->operand(0), Op::iota) : nullptr;
  if (!number) return false;
  nodes.push_back(quotient);
  if (Node* broadcast = producer_if(quotient->operand(1), Op::broadcast)) nodes.push_back(broadcast);
  nodes.push_back(number);
  const auto size = uniform_value(quotient->operand(1));
  return size && *size >= 8 && int64_t(*size) % 8 == 0;
}

// A constant, cast, brought to the dims of what it scales or taken per block.
bool is_parameter(Value* value, std::vector<Node*>& nodes) {
  if (value->constant()) return true;
  Node* node = value->producer;
  if (node && node->op == Op::reshape) return node->operand(0)->constant() != nullptr;  // folded soon
  if (!node || (node->op != Op::cast && node->op != Op::broadcast && node->op != Op::gather)) return false;
  nodes.push_back(node);
  if (node->op == Op::gather && !counts_blocks(node->operand(1), nodes)) return false;
  return is_parameter(node->operand(0), nodes);
}

// A matrix that a kernel can take.
bool is_matrix(const Value& constant) {
  const Tensor* tensor = constant.constant();
  if (!tensor || tensor->rank() != 2 || tensor->count() < least_elements) return false;
  return tensor->dims()[0] >= least_extent && tensor->dims()[1] >= least_extent;
}

}  // namespace

std::optional<NarrowWeights> match_narrow_weights(Value* value) {
  NarrowWeights found;
  if (Node* transpose = producer_if(value, Op::transpose)) {
    found.widening.push_back(transpose);
    value = transpose->operand(0);
  }
  if (Node* product = binary_if(value, BinaryFunction::Mul)) {
    found.widening.push_back(product);
    if (!is_parameter(product->operand(1), found.parameters)) return std::nullopt;
    value = product->operand(0);
  }
  Node* cast = cast_from(value, DType::F32);
  if (!cast) return std::nullopt;
  found.widening.push_back(cast);
  value = cast->operand(0);
  if (value->type.dtype == DType::F16 || value->type.dtype == DType::BF16)
    return is_matrix(*value) ? std::optional(found) : std::nullopt;
  if (Node* difference = binary_if(value, BinaryFunction::Sub)) {
    found.widening.push_back(difference);
    if (!is_parameter(difference->operand(1), found.parameters)) return std::nullopt;
    value = difference->operand(0);
  }
  Node* codes = cast_from(value, DType::I32);
  if (!codes || !is_code(codes->operand(0)->type.dtype) || !is_matrix(*codes->operand(0))) return std::nullopt;
  found.widening.push_back(codes);
  return found;
}

Value* narrow_operand(const Node& node) {
  if (node.op == Op::gather) return node.operand(0);
  return node.op == Op::matmul && node.result()->type.dtype == DType::F32 ? node.operand(1) : nullptr;
}

std::unordered_set<const Node*> widening_of_products(graph::Graph& graph) {
  std::unordered_set<const Node*> nodes;
  for_each_node(graph, [&](Node& node) {
    Value* operand = node.op == Op::matmul ? narrow_operand(node) : nullptr;
    if (!operand) return;
    if (const auto found = match_narrow_weights(operand)) nodes.insert(found->widening.begin(), found->widening.end());
  });
  return nodes;
}

void split_narrow_weights(graph::Region& region) {
  graph::Graph& graph = region.graph();
  for (auto it = region.nodes().begin(); it != region.nodes().end(); ++it) {
    Node& user = **it;
    Value* operand = narrow_operand(user);
    const auto found = operand ? match_narrow_weights(operand) : std::nullopt;
    if (!found) continue;
    std::unordered_set<const Node*> members(found->widening.begin(), found->widening.end());
    members.insert(found->parameters.begin(), found->parameters.end());
    std::unordered_map<const Value*, Value*> copies;
    const std::function<Value*(Value*)> copy = [&](Value* value) -> Value* {
      if (!value->producer || !members.count(value->producer)) return value;
      Value*& result = copies[value];
      if (result) return result;
      const Node& original = *value->producer;
      std::vector<Value*> operands;
      for (Value* each : original.operands) operands.push_back(copy(each));
      Node* made = graph.create(region, &user, original.op, original.attributes, operands, {value->type});
      return copies[value] = made->result();
    };
    graph.set_operand(&user, user.op == Op::gather ? 0 : 1, copy(operand));
  }
}

}  // namespace sardonyx::passes
