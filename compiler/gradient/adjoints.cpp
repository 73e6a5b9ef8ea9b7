#include "compiler/gradient/adjoints.h"

#include <algorithm>

#include "compiler/gradient/gradient.h"
#include "compiler/gradient/rules.h"
#include "runtime/base/status.h"

namespace sardonyx::gradient {

namespace {

// Integers and booleans do not vary. What a container holds may.
bool can_vary(const Value& value) { return is_float(value.type.dtype) || value.type.dtype == DType::Object; }

std::string described(const Node& node) {
  std::string text(graph::op_name(node.op));
  if (node.op == Op::host_call) text += str(" '", node.attrs<graph::HostCallAttrs>().name, "'");
  if (!node.sources.empty()) text += str(" of node '", join(node.sources, "', '"), "'");
  return text;
}

void visit_captured(const graph::Region& region, std::unordered_set<const Value*>& inside,
                    std::vector<Value*>& captured) {
  for (const auto& parameter : region.parameters()) inside.insert(parameter.get());
  for (const auto& node : region.nodes()) {
    for (Value* operand : node->operands)
      if (inside.insert(operand).second) captured.push_back(operand);
    for (const auto& nested : node->regions) visit_captured(*nested, inside, captured);
    for (const auto& result : node->results) inside.insert(result.get());
  }
}

}  // namespace

std::vector<Value*> captured_values(const Node& node) {
  std::unordered_set<const Value*> inside;
  std::vector<Value*> captured;
  for (const auto& region : node.regions) visit_captured(*region, inside, captured);
  return captured;
}

void Adjoints::mark(const std::vector<Node*>& nodes) {
  auto varies_here = [this](const Value* value) { return varies(value); };
  for (const Node* node : nodes) {
    bool found = std::any_of(node->operands.begin(), node->operands.end(), varies_here);
    if (!found && !node->regions.empty()) {
      const std::vector<Value*> captured = captured_values(*node);
      found = std::any_of(captured.begin(), captured.end(), varies_here);
    }
    if (!found) continue;
    for (const auto& result : node->results)
      if (can_vary(*result)) varying_.insert(result.get());
  }
}

void Adjoints::sweep(const std::vector<Node*>& nodes) {
  int64_t& count = builder_.graph().differentiated_nodes;
  count += int64_t(nodes.size());
  require(count <= max_differentiated_nodes, Status::UnsupportedShape, "more than ", max_differentiated_nodes,
          " nodes are differentiated, counting those of gradients of gradients");
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    const Node& node = **it;
    const bool matters =
        std::any_of(node.results.begin(), node.results.end(), [this](const auto& result) { return of(result.get()); });
    if (!matters) continue;
    const Rule& rule = rule_of(node.op);
    require(rule.apply != nullptr, Status::UnsupportedOperator, "there is no derivative of ", described(node), ": ",
            rule.reason ? rule.reason : "");
    try {
      rule.apply(*this, node);
    } catch (Error& error) {
      error.add_context(str("while differentiating ", described(node)));
      throw;
    }
  }
}

Value* Adjoints::of(const Value* value) const {
  auto found = adjoints_.find(value);
  return found == adjoints_.end() ? nullptr : found->second;
}

Value* Adjoints::or_zeros(const Value* value) {
  Value* known = of(value);
  return known ? known : zeros(builder_, value->type.dtype, value->type.dims);
}

void Adjoints::add(const Value* value, Value* term) {
  if (!varies(value)) return;
  sardonyx::check(term->type.dtype == value->type.dtype && term->type.rank() == value->type.rank(), "an adjoint is ",
                  to_string(term->type), ", expected ", to_string(value->type));
  Value*& sum = adjoints_[value];
  sum = sum ? builder_.add(sum, term) : term;
}

Value* zeros(Builder& b, DType dtype, Exprs dims) { return b.full(b.scalar(dtype, 0), std::move(dims)); }

Value* sum_to(Builder& b, Value* adjoint, const Exprs& dims) {
  const size_t lead = adjoint->type.dims.size() - dims.size();
  Ints axes;
  for (size_t i = 0; i < adjoint->type.dims.size(); ++i) {
    const bool repeated = i >= lead && expr::is_const(dims[i - lead], 1) && !expr::is_const(adjoint->type.dims[i], 1);
    if (i < lead || repeated) axes.push_back(int64_t(i));
  }
  return b.reshape(b.reduce(graph::ReduceFunction::Sum, adjoint, axes, false), dims);
}

Value* add_rows(Builder& b, Value* indices, Value* rows, Exprs dims) {
  Value* start = zeros(b, rows->type.dtype, std::move(dims));
  return b.scatter_nd(start, b.unsqueeze(indices, {-1}), rows, graph::ScatterReduce::Add);
}

DType working_dtype(DType dtype) { return size_of(dtype) < size_of(DType::F32) ? DType::F32 : dtype; }

}  // namespace sardonyx::gradient
