// Textual form and canonical texts. parse.cpp reads what this writes.
#include "compiler/expr/simplify.h"
#include "compiler/graph/fields.h"
#include "compiler/graph/graph.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

// How the names of things appear: as they are (dumps) or numbered in order of appearance (canonical texts).
class Printer {
 public:
  explicit Printer(bool canonical) : canonical_(canonical) {}

  void region(const Region& region, const std::string& indent, const std::vector<std::string>* output_names) {
    text += '(';
    for (size_t i = 0; i < region.parameters().size(); ++i) {
      if (i) text += ", ";
      definition(*region.parameters()[i]);
    }
    text += ") {\n";
    for (const auto& node : region.nodes()) {
      text += indent + "  ";
      this->node(*node, indent + "  ", node->op == Op::yield ? output_names : nullptr);
      text += '\n';
    }
    text += indent + '}';
  }

  void node(const Node& node, const std::string& indent, const std::vector<std::string>* output_names) {
    for (size_t i = 0; i < node.results.size(); ++i) {
      if (i) text += ", ";
      definition(*node.results[i]);
    }
    text += node.results.empty() ? "" : " = ";
    text += op_name(node.op);
    for (size_t i = 0; i < node.operands.size(); ++i) {
      text += (i ? ", " : " ") + reference(node.operands[i]);
      if (output_names) text += ' ' + quote((*output_names)[i]);
    }
    attributes(node);
    for (const auto& nested : node.regions) {
      text += ' ';
      region(*nested, indent, nullptr);
    }
    if (canonical_ || node.sources.empty()) return;
    for (size_t i = 0; i < node.sources.size(); ++i) text += (i ? ", " : " from ") + quote(node.sources[i]);
  }

  std::string type(const TensorType& type) {
    if (!canonical_) return to_string(type);
    TensorType renamed = type;
    for (Expr& dim : renamed.dims) dim = canonical_expr(dim);
    return to_string(renamed);
  }

  std::string reference(const Value* value) { return str('%', number(value)); }

  // Facts of the symbols in order of appearance: they steer code generation.
  std::string symbol_facts() const {
    std::string result;
    for (const auto& [facts, name] : symbols_)
      result += str("symbol ", name, " [", facts.min, ',', facts.max, ',', facts.multiple_of, "]\n");
    return result;
  }

  std::string text;

 private:
  int number(const Value* value) { return numbers_.try_emplace(value, int(numbers_.size())).first->second; }

  void definition(const Value& value) {
    text += reference(&value) + ':' + type(value.type);
    if (!canonical_ && !value.name.empty()) text += ' ' + quote(value.name);
  }

  // Only what differs from a default-constructed struct, except in canonical texts, which must not depend on defaults.
  void attributes(const Node& node) {
    auto fields = collect_fields(*node.attributes);
    auto defaults = collect_fields(*make_attributes(node.op));
    const char* separator = " {";
    for (size_t i = 0; i < fields.size(); ++i) {
      if (node.op == Op::fused && canonical_) continue;  // the name of a group is provenance
      if (!canonical_ && equal_fields(fields[i], defaults[i])) continue;
      text += str(separator, fields[i].name, '=', print_field(fields[i], [this](const Expr& e) {
                    return expr::to_string(canonical_ ? canonical_expr(e) : e);
                  }));
      separator = ", ";
    }
    if (*separator == ',') text += '}';
  }

  Expr canonical_expr(const Expr& e) {
    expr::visit(e, [&](const Expr& part) {
      if (part->kind == expr::Kind::Var && !renamed_.count(part->var.get())) {
        std::string name = "s" + std::to_string(renamed_.size());
        symbols_.emplace_back(part->var->facts, name);
        renamed_[part->var.get()] = Expr(expr::make_var(name, part->var->facts));
      }
      return true;
    });
    return expr::substitute(e, renamed_);
  }

  bool canonical_;
  std::unordered_map<const Value*, int> numbers_;
  expr::Substitution renamed_;
  std::vector<std::pair<expr::Facts, std::string>> symbols_;
};

// Symbols in order of appearance whose facts are not those of every dim.
std::string declared_symbols(const Graph& graph) {
  std::string text;
  std::unordered_map<const expr::Variable*, bool> seen;
  auto scan = [&](const Expr& e) {
    expr::visit(e, [&](const Expr& part) {
      if (part->kind != expr::Kind::Var || seen[part->var.get()]) return true;
      seen[part->var.get()] = true;
      const expr::Facts& facts = part->var->facts;
      if (facts.min != 0 || facts.max != INT64_MAX || facts.multiple_of != 1)
        text += str("symbol ", part->var->name, " [", facts.min, ',', facts.max, ',', facts.multiple_of, "]\n");
      return true;
    });
  };
  std::function<void(const Region&)> scan_region = [&](const Region& region) {
    for (const auto& parameter : region.parameters())
      for (const Expr& dim : parameter->type.dims) scan(dim);
    for (const auto& node : region.nodes()) {
      for (const Field& field : collect_fields(*node->attributes))
        if (auto* exprs = std::get_if<Exprs>(&field.value))
          for (const Expr& e : *exprs) scan(e);
      for (const auto& result : node->results)
        for (const Expr& dim : result->type.dims) scan(dim);
      for (const auto& nested : node->regions) scan_region(*nested);
    }
  };
  scan_region(graph.body());
  return text;
}

}  // namespace

std::string to_string(const Graph& graph) {
  std::string text = declared_symbols(graph);
  for (const Equality& equality : graph.equalities)
    text += str("equal ", expr::to_string(equality.left), ", ", expr::to_string(equality.right), ' ',
                quote(equality.text), '\n');
  Printer printer(false);
  bool named = graph.body().yield() && graph.output_names.size() == graph.body().outputs().size();
  printer.region(graph.body(), "", named ? &graph.output_names : nullptr);
  return text + "graph" + printer.text + '\n';
}

std::string to_string(const Node& node) {
  Printer printer(false);
  // Operands are numbered first so that the text is the same wherever the node stands.
  for (const Value* operand : node.operands) printer.reference(operand);
  printer.node(node, "", nullptr);
  return printer.text;
}

std::string canonical_text(const Node& node) {
  Printer printer(true);
  for (const Value* operand : node.operands)
    printer.text += printer.reference(operand) + ':' + printer.type(operand->type) + '\n';
  printer.node(node, "", nullptr);
  return printer.text + '\n' + printer.symbol_facts();
}

}  // namespace sardonyx::graph
