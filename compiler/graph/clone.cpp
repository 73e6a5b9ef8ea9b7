#include <functional>
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/symbols.h"

namespace sardonyx::graph {

namespace {

// Copies nodes; operands and symbols that the maps lack stay as they are.
class Cloner {
 public:
  Cloner(ValueMap& values, const expr::Substitution& symbols) : values_(values), symbols_(symbols) {}

  Node* node(const Node& node, Region& region, Node* before) {
    std::vector<Value*> operands;
    for (Value* operand : node.operands) {
      auto found = values_.find(operand);
      operands.push_back(found == values_.end() ? operand : found->second);
    }
    std::vector<TensorType> types;
    for (const auto& result : node.results) types.push_back(type(result->type));
    AttributesPtr attributes =
        symbols_.empty() || !node.attributes ? node.attributes : substitute_symbols(*node.attributes, symbols_);
    Node* copy =
        region.graph().create(region, before, node.op, std::move(attributes), std::move(operands), std::move(types));
    copy->sources = node.sources;
    for (size_t i = 0; i < node.results.size(); ++i) note(*node.results[i], copy->result(int(i)));
    for (const auto& nested : node.regions) this->region(*nested, *region.graph().add_region(copy));
    return copy;
  }

  void region(const Region& source, Region& target) {
    for (const auto& parameter : source.parameters())
      note(*parameter, target.add_parameter(type(parameter->type), parameter->name));
    for (const auto& node : source.nodes()) this->node(*node, target, nullptr);
  }

 private:
  TensorType type(TensorType type) const {
    exprs(type.dims);
    return type;
  }

  void exprs(Exprs& values) const {
    if (symbols_.empty()) return;
    for (Expr& value : values) value = expr::substitute(value, symbols_);
  }

  void note(const Value& from, Value* to) {
    to->name = from.name;
    to->contents = from.contents;
    if (to->contents) exprs(*to->contents);
    values_[&from] = to;
  }

  ValueMap& values_;
  const expr::Substitution& symbols_;
};

using VisitSymbol = std::function<void(const expr::VarPtr&)>;

void visit_symbols(const std::vector<Expr>& dims, const VisitSymbol& visit) {
  for (const Expr& dim : dims)
    if (dim->kind == expr::Kind::Var) visit(dim->var);
}

// The symbols that the parameters and nodes of a region may bind, but for those of the region `except`.
void visit_symbols(const Region& region, const Region* except, const VisitSymbol& visit) {
  if (&region == except) return;
  for (const auto& parameter : region.parameters()) visit_symbols(parameter->type.dims, visit);
  for (const auto& node : region.nodes()) {
    if (node->op == Op::bind_dims) visit_symbols(node->attrs<BindDimsAttrs>().symbols, visit);
    if (binds_result_dims(node->op))
      for (const auto& result : node->results) visit_symbols(result->type.dims, visit);
    for (const auto& nested : node->regions) visit_symbols(*nested, except, visit);
  }
}

// New symbols of `graph` for those that only the region binds: nothing may bind a symbol twice.
expr::Substitution fresh_symbols(const Region& source, Graph& graph) {
  std::vector<expr::VarPtr> inside;  // in order, so that names are the same in every run
  visit_symbols(source, nullptr, [&](const expr::VarPtr& symbol) { inside.push_back(symbol); });
  expr::Substitution fresh;
  if (inside.empty()) return fresh;
  std::unordered_set<const expr::Variable*> kept;
  visit_symbols(source.graph().body(), &source, [&](const expr::VarPtr& symbol) { kept.insert(symbol.get()); });
  for (const expr::VarPtr& symbol : inside)
    if (kept.insert(symbol.get()).second) fresh[symbol.get()] = graph.fresh_symbol(symbol->name, symbol->facts);
  return fresh;
}

}  // namespace

std::vector<Value*> clone_body(const Region& source, Region& region, Node* before, ValueMap& values) {
  const expr::Substitution symbols = fresh_symbols(source, region.graph());
  Cloner cloner(values, symbols);
  for (const auto& node : source.nodes())
    if (node->op != Op::yield) cloner.node(*node, region, before);
  std::vector<Value*> outputs;
  for (Value* output : source.outputs()) {
    auto found = values.find(output);
    outputs.push_back(found == values.end() ? output : found->second);
  }
  return outputs;
}

std::unique_ptr<Graph> clone(const Graph& graph) {
  auto copy = std::make_unique<Graph>();
  ValueMap values;
  Cloner(values, {}).region(graph.body(), copy->body());
  copy->output_names = graph.output_names;
  copy->equalities = graph.equalities;
  copy->symbols_ = graph.symbols_;
  copy->symbol_numbers_ = graph.symbol_numbers_;
  copy->symbol_names_ = graph.symbol_names_;
  copy->id_ = graph.id_;
  return copy;
}

}  // namespace sardonyx::graph
