// Algebraic identities that hold for every IEEE value (so x * 0 and x + 0 stay for floats), as a table of rules by
// kind.
#include <bit>
#include <cmath>

#include "compiler/passes/pass.h"

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Builder;
using graph::Node;
using graph::Op;
using graph::UnaryFunction;
using graph::Value;

namespace {

bool same_dims_as_result(const Node& node, const Value* value) {
  return graph::same_type(node.result()->type, value->type);
}

bool is_power_of_two(double x) {
  int exponent;
  return std::isfinite(x) && x != 0 && std::fabs(std::frexp(x, &exponent)) == 0.5 && std::abs(exponent) < 100;
}

Value* binary_rule(Node& node, Builder& b) {
  BinaryFunction function = node.attrs<graph::BinaryAttrs>().function;
  Value *x = node.operand(0), *y = node.operand(1);
  bool integers = is_integer(x->type.dtype);
  auto right = uniform_value(y), left = uniform_value(x);
  switch (function) {
    case BinaryFunction::Mul:
      if (right == 1.0 && same_dims_as_result(node, x)) return x;
      if (left == 1.0 && same_dims_as_result(node, y)) return y;
      return nullptr;
    case BinaryFunction::Div:
      if (right == 1.0 && same_dims_as_result(node, x)) return x;
      if (right && !integers && is_power_of_two(*right) && (x->type.dtype == DType::F32 || x->type.dtype == DType::F64))
        return b.binary(BinaryFunction::Mul, x, b.scalar_like(x, 1.0 / *right));  // exact
      return nullptr;
    case BinaryFunction::Add:
      if (integers && right == 0.0) return x;
      if (integers && left == 0.0) return y;
      return nullptr;
    case BinaryFunction::Sub:
      if (right == 0.0 && !std::signbit(*right) && same_dims_as_result(node, x)) return x;
      return nullptr;
    case BinaryFunction::Pow:
      if (right == 1.0 && same_dims_as_result(node, x)) return x;
      if (right == 2.0 && !integers) return b.mul(x, x);
      if (right == 3.0 && !integers) return b.mul(b.mul(x, x), x);
      if (right == -1.0 && !integers) return b.div(b.scalar_like(x, 1), x);
      return nullptr;  // pow(x, 0.5) differs from sqrt at -0 and -inf
    default:
      return nullptr;
  }
}

Value* unary_rule(Node& node, Builder&) {
  UnaryFunction function = node.attrs<graph::UnaryAttrs>().function;
  Node* inner = producer_if(node.operand(0), Op::unary);
  if (!inner) return nullptr;
  UnaryFunction inner_function = inner->attrs<graph::UnaryAttrs>().function;
  bool involution = function == UnaryFunction::Neg || function == UnaryFunction::Not;
  bool idempotent = function == UnaryFunction::Abs || function == UnaryFunction::Floor ||
                    function == UnaryFunction::Ceil || function == UnaryFunction::Round ||
                    function == UnaryFunction::Sign;
  if (involution && inner_function == function) return inner->operand(0);
  if (idempotent && inner_function == function) return inner->result();
  return nullptr;
}

Value* select_rule(Node& node, Builder&) {
  const Tensor* condition = strip_broadcast(node.operand(0))->constant();
  if (!condition || condition->count() == 0) return node.operand(1) == node.operand(2) ? node.operand(1) : nullptr;
  bool first = condition->as_int(0) != 0;
  for (int64_t i = 1; i < condition->count(); ++i)
    if ((condition->as_int(i) != 0) != first) return nullptr;
  return node.operand(first ? 1 : 2);
}

// Casts between integers compose when the first one does not lose values.
Value* cast_rule(Node& node, Builder& b) {
  Node* inner = producer_if(node.operand(0), Op::cast);
  if (!inner) return nullptr;
  Value* x = inner->operand(0);
  DType from = x->type.dtype, via = inner->result()->type.dtype, to = node.result()->type.dtype;
  bool widening =
      (from == DType::Bool && (is_integer(via) || via == DType::F32 || via == DType::F64)) ||
      (is_integer(from) && is_integer(via) && size_of(via) > size_of(from) && (is_signed(via) || !is_signed(from)));
  return widening && (is_integer(to) || to == from) ? b.cast(x, to) : nullptr;
}

Value* transpose_rule(Node& node, Builder& b) {
  Node* inner = producer_if(node.operand(0), Op::transpose);
  if (!inner) return nullptr;
  std::vector<int64_t> perm;
  for (int64_t axis : node.attrs<graph::TransposeAttrs>().perm)
    perm.push_back(inner->attrs<graph::TransposeAttrs>().perm[size_t(axis)]);
  return b.transpose(inner->operand(0), perm);
}

Value* reshape_rule(Node& node, Builder& b) {
  Node* inner = producer_if(node.operand(0), Op::reshape);
  return inner ? b.reshape(inner->operand(0), node.result()->type.dims) : nullptr;
}

struct Rule {
  Op op;
  Value* (*apply)(Node&, Builder&);  // the replacement of result 0, or null
};
constexpr Rule rules[] = {
    {Op::binary, binary_rule}, {Op::unary, unary_rule},         {Op::select, select_rule},
    {Op::cast, cast_rule},     {Op::transpose, transpose_rule}, {Op::reshape, reshape_rule},
};

}  // namespace

bool simplify(graph::Graph& graph, PassContext&) {
  bool changed = false;
  for_each_node(graph, [&](Node& node) {
    for (const Rule& rule : rules) {
      if (rule.op != node.op || node.result()->uses.empty()) continue;
      Builder builder = builder_before(node);
      Value* replacement = rule.apply(node, builder);
      if (!replacement || replacement == node.result()) continue;
      // A replacement of other dims (an operand that was broadcast) is brought to the result's.
      if (!graph::same_dims(replacement->type.dims, node.result()->type.dims))
        replacement = builder.broadcast(replacement, node.result()->type.dims);
      graph.replace_all_uses(node.result(), replacement);
      graph.erase(&node);
      changed = true;
      return;
    }
  });
  return changed;
}

}  // namespace sardonyx::passes
