#include <algorithm>
#include <unordered_set>

#include "compiler/expr/simplify.h"
#include "compiler/graph/fields.h"
#include "compiler/graph/graph.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

using Values = std::unordered_set<const Value*>;
using Symbols = std::unordered_set<const expr::Variable*>;

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {}

  void run() {
    region(graph_.body(), {}, {});
    const Node* yield = graph_.body().yield();
    check(yield->operands.size() == graph_.output_names.size(), "verify: the graph has ", yield->operands.size(),
          " outputs and ", graph_.output_names.size(), " output names");
  }

 private:
  template <class... Args>
  void expect(bool condition, const Node& node, const Args&... args) {
    if (!condition) fail(Status::InternalError, "internal error: verify: ", to_string(node), ": ", args...);
  }

  // `values` and `symbols` are what is defined outside and usable inside.
  void region(const Region& region, Values values, Symbols symbols) {
    const Node* owner = region.owner();
    for (size_t i = 0; i < region.parameters().size(); ++i) {
      const Value& parameter = *region.parameters()[i];
      check(parameter.region == &region && parameter.index == int(i) && !parameter.producer, "verify: parameter ", i,
            " of a region is numbered wrongly");
      values.insert(&parameter);
      uses(parameter, owner);
      if (!owner || owner->op == Op::loop) bind_dims(parameter.type, symbols);
    }
    for (const auto& parameter : region.parameters())
      for (const Expr& dim : parameter->type.dims)
        check(bound(dim, symbols), "verify: dim ", expr::to_string(dim), " of parameter \"", parameter->name,
              "\" uses a symbol that nothing binds");
    check(region.yield() != nullptr, "verify: a region", owner ? str(" of ", op_name(owner->op)) : std::string(),
          " does not end in a yield");
    for (const auto& node : region.nodes()) {
      expect(node->parent == &region, *node, "its parent is another region");
      expect(node->op != Op::yield || node.get() == region.yield(), *node, "a yield in the middle of a region");
      this->node(*node, values, symbols);
    }
  }

  void node(const Node& node, Values& values, Symbols& symbols) {
    expect(node.attributes != nullptr, node, "it has no attributes");
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Value* operand = node.operands[i];
      expect(values.count(operand) != 0, node, "operand ", i, " is not defined before its use");
      auto is_this = [&](const Use& use) { return use == Use{const_cast<Node*>(&node), int(i)}; };
      expect(std::count_if(operand->uses.begin(), operand->uses.end(), is_this) == 1, node, "operand ", i,
             " is not listed once among the uses of its value");
    }
    for (const Field& field : collect_fields(*node.attributes)) {
      auto* exprs = std::get_if<Exprs>(&field.value);
      if (!exprs || (node.op == Op::bind_dims && field.name == std::string("symbols"))) continue;
      for (const Expr& e : *exprs)
        expect(bound(e, symbols), node, "attribute ", field.name, " uses an unbound symbol in ", expr::to_string(e));
    }
    regions(node, values, symbols);
    bind(node, symbols);
    types(node);
    for (size_t i = 0; i < node.results.size(); ++i) {
      const Value& result = *node.results[i];
      expect(result.producer == &node && result.index == int(i) && !result.region, node, "result ", i,
             " is numbered wrongly");
      for (const Expr& dim : result.type.dims)
        expect(bound(dim, symbols), node, "result ", i, " uses an unbound symbol in ", expr::to_string(dim));
      values.insert(&result);
      uses(result, &node);
    }
  }

  void uses(const Value& value, const Node* at) {
    for (const Use& use : value.uses) {
      bool consistent = use.user && use.operand >= 0 && use.operand < int(use.user->operands.size()) &&
                        use.user->operands[size_t(use.operand)] == &value;
      if (!consistent)
        fail(Status::InternalError, "internal error: verify: a use list names an operand that is another value",
             at ? str(" (", to_string(*at), ")") : std::string());
    }
  }

  void regions(const Node& node, const Values& values, const Symbols& symbols) {
    size_t expected = node.op == Op::if_ ? 2 : node.op == Op::loop || node.op == Op::fused ? 1 : 0;
    expect(node.regions.size() == expected, node, "it has ", node.regions.size(), " regions, expected ", expected);
    for (const auto& nested : node.regions) {
      expect(nested->owner() == &node && &nested->graph() == &graph_, node, "a region's owner is another node");
      if (node.op == Op::fused) {
        region(*nested, {}, symbols);
      } else {
        region(*nested, values, symbols);
      }
      arity(node, *nested);
    }
  }

  void arity(const Node& node, const Region& region) {
    const auto& outputs = region.outputs();
    size_t parameters = node.op == Op::if_ ? 0 : node.operands.size();
    size_t yielded = node.results.size() + (node.op == Op::loop ? 1 : 0);
    expect(region.parameters().size() == parameters, node, "a region has ", region.parameters().size(),
           " parameters, expected ", parameters);
    expect(outputs.size() == yielded, node, "a region yields ", outputs.size(), " values, expected ", yielded);
    for (size_t i = 0; i < parameters; ++i) {
      const TensorType &outer = node.operands[i]->type, &inner = region.parameters()[i]->type;
      bool fits = node.op == Op::fused ? matches(outer, inner) : compatible(outer, inner);
      expect(fits, node, "operand ", i, " is ", to_string(outer), " and the region's parameter ", to_string(inner));
    }
    if (node.op == Op::loop) {
      int64_t carried = node.attrs<LoopAttrs>().carried;
      expect(carried >= 0 && size_t(carried) + 2 == node.operands.size() && size_t(carried) <= node.results.size(),
             node, "the number of carried values is ", carried);
      expect(node.operands[0]->type.dtype == DType::I64 && node.operands[1]->type.dtype == DType::Bool, node,
             "trip count and condition must be i64 and bool");
      expect(outputs[0]->type.dtype == DType::Bool, node, "the region's condition is ", to_string(outputs[0]->type));
    }
    if (node.op == Op::if_)
      expect(node.operands.size() == 1 && node.operands[0]->type.dtype == DType::Bool, node,
             "an if has one bool operand");
    for (size_t i = 0; i < node.results.size(); ++i) {
      TensorType inner = outputs[i + (node.op == Op::loop ? 1 : 0)]->type;
      const TensorType& outer = node.results[i]->type;
      bool is_scan = node.op == Op::loop && int64_t(i) >= node.attrs<LoopAttrs>().carried;
      if (is_scan && outer.rank() > 0) inner.dims.insert(inner.dims.begin(), outer.dims[0]);
      bool fits = node.op == Op::fused ? matches(outer, inner) : compatible(outer, inner);
      expect(fits, node, "result ", i, " is ", to_string(outer), " and the region yields ", to_string(inner));
    }
  }

  void bind(const Node& node, Symbols& symbols) {
    if (node.op == Op::bind_dims) {
      for (const Expr& symbol : node.attrs<BindDimsAttrs>().symbols) {
        expect(symbol->kind == expr::Kind::Var, node, expr::to_string(symbol), " is no symbol");
        expect(symbols.insert(symbol->var.get()).second, node, expr::to_string(symbol), " is bound twice");
      }
    }
    if (binds_dims(node))
      for (const auto& result : node.results) bind_dims(result->type, symbols);
  }

  // A group binds what a node in it binds.
  static bool binds_dims(const Node& node) {
    if (node.op != Op::fused) return binds_result_dims(node.op);
    const auto& body = node.regions[0]->nodes();
    return std::any_of(body.begin(), body.end(), [](const auto& inner) { return binds_result_dims(inner->op); });
  }

  static void bind_dims(const TensorType& type, Symbols& symbols) {
    for (const Expr& dim : type.dims)
      if (dim->kind == expr::Kind::Var) symbols.insert(dim->var.get());
  }

  static bool bound(const Expr& e, const Symbols& symbols) {
    bool result = true;
    expr::visit(e, [&](const Expr& part) {
      if (part->kind == expr::Kind::Var && !symbols.count(part->var.get())) result = false;
      return result;
    });
    return result;
  }

  void types(const Node& node) {
    const OpDef& def = op_def(node.op);
    if (!def.infer || binds_result_dims(node.op) || node.op == Op::yield || node.op == Op::fused) return;
    std::vector<TensorType> operands, inferred;
    for (const Value* operand : node.operands) operands.push_back(operand->type);
    try {
      inferred = def.infer(*node.attributes, operands);
    } catch (const Error& error) {
      expect(false, node, error.text());
    }
    expect(inferred.size() == node.results.size(), node, "it has ", node.results.size(), " results, inference gives ",
           inferred.size());
    for (size_t i = 0; i < inferred.size(); ++i)
      expect(matches(node.results[i]->type, inferred[i]), node, "result ", i, " is ", to_string(node.results[i]->type),
             ", inference gives ", to_string(inferred[i]));
    expect(node.op != Op::copy || node.result()->type.layout == node.operand(0)->type.layout, node,
           "a copy changes the layout");
  }

  // Dims are equal, provably or by an equality that the run checks. Layouts are the business of layout assignment,
  // which sets them without inference.
  bool matches(const TensorType& a, const TensorType& b) const {
    return a.dtype == b.dtype && std::equal(a.dims.begin(), a.dims.end(), b.dims.begin(), b.dims.end(),
                                            [this](const Expr& x, const Expr& y) { return same_dim(x, y); });
  }

  bool same_dim(const Expr& a, const Expr& b) const {
    return a.same_as(b) || expr::prove_equal(a, b) || graph_.has_equality(a, b);
  }

  // Dtype and rank: dims may be run-time symbols on either side.
  static bool compatible(const TensorType& a, const TensorType& b) {
    return a.dtype == b.dtype && a.rank() == b.rank();
  }

  const Graph& graph_;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph).run(); }

}  // namespace sardonyx::graph
