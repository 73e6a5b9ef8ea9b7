#include "compiler/driver/group_key.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "backends/group_program.h"
#include "compiler/expr/simplify.h"
#include "compiler/graph/symbols.h"
#include "runtime/base/strings.h"

namespace sardonyx::driver {

using graph::BinaryFunction;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

// Code may be better for knowing 0, powers of two and what is not finite: it leaves operations out, or divides by
// multiplying.
bool is_special(double number) {
  int exponent;
  return number == 0 || !std::isfinite(number) || std::fabs(std::frexp(number, &exponent)) == 0.5;
}

// Integers that are no indices: sums of codes and their zero points.
bool is_calculated(DType dtype, BinaryFunction function) {
  switch (function) {
    case BinaryFunction::Add:
    case BinaryFunction::Sub:
    case BinaryFunction::Mul:
      return dtype == DType::F32 || dtype == DType::I32;
    case BinaryFunction::Div:
    case BinaryFunction::Min:
    case BinaryFunction::Max:
      return dtype == DType::F32;
    default:
      return false;
  }
}

bool is_only_calculated_with(const Value& value) {
  return std::all_of(value.uses.begin(), value.uses.end(), [&](const graph::Use& use) {
    if (use.user->op == Op::broadcast) return is_only_calculated_with(*use.user->result());
    return use.user->op == Op::binary &&
           is_calculated(value.type.dtype, use.user->attrs<graph::BinaryAttrs>().function);
  });
}

// Groups whose families look at numbers (attention at its scale), or whose integers may become indices.
bool looks_at_numbers(const Node& group) {
  int anchors = 0;
  for (const auto& node : group.regions[0]->nodes()) {
    if (node->op == Op::yield) continue;
    if (node->op == Op::gather || node->op == Op::gather_elements || node->op == Op::gather_nd) return true;
    anchors += !(graph::op_def(node->op).traits & (graph::Pointwise | graph::Injective));
  }
  return anchors > 1;
}

}  // namespace

std::vector<int> possible_arguments(const Node& group) {
  std::vector<int> result;
  if (looks_at_numbers(group)) return result;
  for (size_t i = 0; i < group.operands.size(); ++i) {
    const Tensor* tensor = group.operands[i]->constant();
    if (!tensor || tensor->count() != 1 || is_held(tensor->dtype()) || is_special(tensor->as_double(0))) continue;
    if (is_only_calculated_with(*group.regions[0]->parameters()[i])) result.push_back(int(i));
  }
  return result;
}

std::vector<expr::VarPtr> group_symbols(const Node& group) {
  std::vector<expr::VarPtr> order;
  std::unordered_set<const expr::Variable*> seen;
  graph::for_each_dim(group, [&](const expr::Expr& dim) {
    expr::visit(dim, [&](const expr::Expr& e) {
      if (e->kind == expr::Kind::Var && seen.insert(e->var.get()).second) order.push_back(e->var);
      return true;
    });
  });
  return order;
}

std::string group_key(const Node& group, std::span<const int> arguments) {
  std::string key = graph::canonical_text(group);
  for (const expr::VarPtr& symbol : group_symbols(group))
    key += str("\nsymbol ", symbol->facts.min, " ", symbol->facts.max, " ", symbol->facts.multiple_of);
  for (size_t i = 0; i < group.operands.size(); ++i) {
    const Tensor* tensor = group.operands[i]->constant();
    key += tensor ? "\nconstant" : "\nvalue";
    if (std::binary_search(arguments.begin(), arguments.end(), int(i)))
      key += " read";
    else if (tensor && !is_held(tensor->dtype()) && tensor->count() <= backends::max_baked_elements)
      key.append(reinterpret_cast<const char*>(tensor->raw()), size_t(tensor->bytes()));
  }
  return key;
}

}  // namespace sardonyx::driver
