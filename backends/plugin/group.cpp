#include "backends/plugin/group.h"

#include "backends/group_program.h"
#include "compiler/expr/simplify.h"
#include "compiler/graph/symbols.h"
#include "runtime/base/status.h"

namespace sardonyx::plugin {

using expr::Expr;
using graph::Layout;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

std::string layout_text(const std::vector<Layout>& layouts, size_t i, int rank) {
  return i < layouts.size() ? graph::to_string(layouts[i], rank) : "";
}

}  // namespace

const char* GroupDescription::keep(std::string text) { return texts_.emplace_back(std::move(text)).c_str(); }
const int32_t* GroupDescription::keep(std::vector<int32_t> numbers) {
  return numbers_.emplace_back(std::move(numbers)).data();
}

int32_t GroupDescription::dim(const Expr& e) {
  auto [entry, added] = dim_numbers_.emplace(expr::to_string(e), int32_t(dims_.size()));
  if (added) {
    const expr::Facts facts = expr::facts_of(e);
    dims_.push_back({keep(entry->first), facts.min, facts.max, facts.multiple_of});
    exprs_.push_back(e);
  }
  return entry->second;
}

void GroupDescription::add_dims(const Node& group) {
  graph::for_each_dim(group, [&](const Expr& e) {
    expr::visit(e, [&](const Expr& part) {
      if (part->kind == expr::Kind::Var) dim(part);
      return true;
    });
  });
  group_.symbol_count = int32_t(dims_.size());
  graph::for_each_dim(group, [&](const Expr& e) { dim(e); });
}

void GroupDescription::add_value(const Value& value, const std::string& layout) {
  value_numbers_[&value] = int32_t(values_.size());
  std::vector<int32_t> dims;
  for (const Expr& e : value.type.dims) dims.push_back(dim(e));
  values_.push_back({int32_t(value.type.dtype), value.type.rank(), keep(std::move(dims)), keep(layout), 0, nullptr});
}

GroupDescription::GroupDescription(const Node& group, const std::vector<Layout>& inputs,
                                   const std::vector<Layout>& outputs) {
  check(group.op == Op::fused, "description of ", graph::op_name(group.op));
  add_dims(group);
  const graph::Region& body = *group.regions[0];
  for (size_t i = 0; i < body.parameters().size(); ++i) {
    const Value& parameter = *body.parameters()[i];
    add_value(parameter, layout_text(inputs, i, parameter.type.rank()));
    if (const Tensor* constant = group.operand(int(i))->constant()) {
      values_.back().constant = 1;
      if (constant->count() <= backends::max_baked_elements) values_.back().data = constant->raw();
    }
  }
  for (const auto& node : body.nodes()) {
    if (node->op == Op::yield) break;
    std::vector<int32_t> operands, results;
    for (const Value* operand : node->operands) operands.push_back(value_numbers_.at(operand));
    for (const auto& result : node->results) {
      results.push_back(int32_t(values_.size()));
      add_value(*result, "");
    }
    const auto operand_count = int32_t(operands.size()), result_count = int32_t(results.size());
    nodes_.push_back({keep(std::string(graph::op_name(node->op))), keep(graph::print_attributes(*node->attributes)),
                      keep(std::move(operands)), operand_count, keep(std::move(results)), result_count});
  }
  std::vector<int32_t> yielded;
  for (size_t i = 0; i < body.outputs().size(); ++i) {
    const int32_t number = value_numbers_.at(body.outputs()[i]);
    yielded.push_back(number);
    const std::string layout = layout_text(outputs, i, values_[size_t(number)].rank);
    if (!layout.empty()) values_[size_t(number)].layout = keep(layout);
  }
  group_.name = keep(group.sources.empty() ? group.attrs<graph::FusedAttrs>().name : join(group.sources, ", "));
  group_.dims = dims_.data();
  group_.dim_count = int32_t(dims_.size());
  group_.values = values_.data();
  group_.value_count = int32_t(values_.size());
  group_.input_count = int32_t(body.parameters().size());
  group_.output_count = int32_t(yielded.size());
  group_.outputs = keep(std::move(yielded));
  group_.nodes = nodes_.data();
  group_.node_count = int32_t(nodes_.size());
}

}  // namespace sardonyx::plugin
