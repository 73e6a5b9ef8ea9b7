// Stages 4 to 6: walks a validated model in its order and lowers every node to primitives.
//
// A node that cannot be lowered becomes a finding and its results become unknown: of the declared type where there is
// one, else poison, which silently spreads to the nodes that use it. So one walk finds all problems.
#include <algorithm>
#include <deque>
#include <functional>
#include <new>
#include <set>
#include <unordered_map>

#include "compiler/ops/containers.h"
#include "compiler/ops/lowering.h"
#include "importer/declared_types.h"
#include "importer/dependence.h"
#include "importer/findings.h"
#include "importer/limits.h"
#include "importer/model_impl.h"
#include "importer/opsets.h"
#include "importer/validator.h"
#include "importer/value_types.h"

namespace sardonyx::importer {

namespace {

using graph::Builder;
using graph::Graph;
using graph::Value;
using proto::AttributeProto;
using proto::FunctionProto;
using proto::GraphProto;
using proto::NodeProto;

// A value that could not be made; a finding says why.
Value poisoned_value;
Value* const poison = &poisoned_value;

// Unwinds the lowering of an operator whose subgraph has poisoned results.
class Poisoned : public Error {
 public:
  Poisoned() : Error(Status::InternalError, "depends on a node that was not imported") {}
};

struct Body;

// Values by name. A null value is an omitted operand of a function.
struct ValueScope {
  const ValueScope* outer = nullptr;
  std::unordered_map<std::string_view, Value*> values;
  // The nodes that define values here, and what holds for them.
  const google::protobuf::RepeatedPtrField<NodeProto>* nodes = nullptr;
  const Body* body = nullptr;

  // The innermost scope that has the name; null when there is none.
  const ValueScope* home(std::string_view name) const {
    const ValueScope* scope = this;
    while (scope && !scope->values.count(name)) scope = scope->outer;
    return scope;
  }
  Value* find(std::string_view name) const {
    const ValueScope* scope = home(name);
    return scope ? scope->values.at(name) : poison;
  }
};

// An attribute of a function call, with the place that a graph attribute captures from.
struct BoundAttribute {
  const AttributeProto* attribute = nullptr;
  const ValueScope* scope = nullptr;
  const Body* body = nullptr;
};

// What holds for the nodes of the model's graph or of one inlined function.
struct Body {
  const Opsets& opsets;
  std::string path;                             // of labels of unnamed nodes
  std::map<std::string, BoundAttribute> bound;  // a function's attributes
};

// The stage at which ONNXIFI's order of checks looks for a problem of this kind in a node.
int stage_of(const Error& error) {
  switch (error.status()) {
    case Status::InvalidModel:
      return dynamic_cast<const ops::NodeError*>(&error) ? 3 : 6;
    case Status::UnsupportedOperator:
      return 4;
    case Status::UnsupportedAttribute:
    case Status::UnsupportedDatatype:
    case Status::UnsupportedShape:
      return 5;
    case Status::MismatchingDatatype:
    case Status::MismatchingShape:
      return 6;
    default:
      return 7;
  }
}

class GraphImporter {
 public:
  GraphImporter(Model::Impl& impl, const std::map<std::string, Tensor>& weights, ImportMode mode, Findings& findings)
      : impl_(impl),
        model_(*impl.model),
        weights_(weights),
        views_(mode.views),
        values_(mode.values),
        findings_(findings),
        functions_(model_),
        opsets_(opsets_of(model_)),
        function_opsets_(size_t(model_.functions_size())) {}

  std::unique_ptr<Graph> run() {
    find_unknown_operators();
    graph_ = std::make_unique<Graph>();
    types_.emplace(*graph_, findings_, values_);
    Builder builder(*graph_);
    Body body{opsets_, "", {}};
    ValueScope scope{nullptr, {}, &model_.graph().node(), &body};
    inputs(builder, scope);
    std::vector<Value*> results = contents(builder, model_.graph(), scope, body, true);
    std::vector<std::string> names;
    for (const auto& output : model_.graph().output()) names.push_back(output.name());
    if (findings_.empty()) graph_->set_outputs(std::move(results), std::move(names));
    return std::move(graph_);
  }

 private:
  // ---- stage 4: looked for everywhere first, since lowering may skip a branch that is never taken ----
  void find_unknown_operators() {
    std::vector<bool> visited(size_t(model_.functions_size()));
    std::vector<int> pending;
    auto walk = [&](auto& self, const auto& nodes, const Opsets& opsets, const std::string& path) -> void {
      for (int i = 0; i < nodes.size(); ++i) {
        const NodeProto& node = nodes[i];
        if (int callee = functions_.find(node); callee >= 0) {
          if (!visited[size_t(callee)]) pending.push_back(callee);
          visited[size_t(callee)] = true;
        } else if (!operator_of(node, opsets).lower) {
          unknown_operator(node, node_label(node, i, path), opsets);
        }
        for (const auto& attribute : node.attribute()) {
          std::string inner = attribute.has_g() || attribute.graphs_size() ? inner_path(node, i, path) : std::string();
          if (attribute.has_g()) self(self, attribute.g().node(), opsets, inner);
          for (const auto& g : attribute.graphs()) self(self, g.node(), opsets, inner);
        }
      }
    };
    walk(walk, model_.graph().node(), opsets_, "");
    while (!pending.empty()) {
      int index = pending.back();
      pending.pop_back();
      const FunctionProto& f = model_.functions(index);
      walk(walk, f.node(), opsets_of_function(index), str(printable(f.name()), "/"));
    }
  }

  void unknown_operator(const NodeProto& node, const std::string& label, const Opsets& opsets) {
    std::string_view domain = shown_domain(canonical_domain(node.domain()));
    int64_t version = version_of(opsets, node.domain());
    std::string reason = max_version(domain) == 0
                             ? str("its domain ", printable(domain), " is unknown and no function defines the operator")
                             : str("the operator is unknown in version ", version, " of domain ", domain);
    findings_.add(4, Status::UnsupportedOperator, label, str("node ", label, ": ", reason));
  }

  static ops::OnnxOpVersion operator_of(const NodeProto& node, const Opsets& opsets) {
    return ops::find_onnx_op(node.domain(), node.op_type(),
                             int(std::min<int64_t>(version_of(opsets, node.domain()), 1000)));
  }

  static std::string inner_path(const NodeProto& node, int index, const std::string& path) {
    return str(path, node.name().empty() ? str("#", index) : printable(node.name()), "/");
  }

  const Opsets& opsets_of_function(int index) {
    auto& cached = function_opsets_[size_t(index)];
    if (!cached) cached = opsets_of(model_.functions(index).opset_import());
    return *cached;
  }

  // ---- the model's inputs ----
  void inputs(Builder& builder, ValueScope& scope) {
    std::unordered_map<std::string_view, const proto::TensorProto*> statics;
    for (const auto& tensor : model_.graph().initializer()) statics.emplace(tensor.name(), &tensor);
    // Values first: they give values to symbols, which then are no symbols for the other inputs.
    for (const auto& info : model_.graph().input()) {
      auto weight = weights_.find(info.name());
      auto constant = statics.find(info.name());
      if (weight != weights_.end())
        types_->bind_static(info, int(weight->second.dtype()), weight->second.dims());
      else if (constant != statics.end())
        types_->bind_static(info, constant->second->data_type(),
                            Dims(constant->second->dims().begin(), constant->second->dims().end()));
    }
    std::unordered_map<std::string_view, bool> sparse;
    for (const auto& tensor : model_.graph().sparse_initializer()) sparse.emplace(tensor.values().name(), true);
    for (const auto& info : model_.graph().input()) {
      if (statics.count(info.name()) || sparse.count(info.name())) continue;
      auto weight = weights_.find(info.name());
      Value* value = poison;
      if (weight != weights_.end()) {
        value = builder.constant(weight->second);
        value->name = info.name();
      } else if (auto type = types_->input_type(info)) {
        value = graph_->body().add_parameter(std::move(*type), info.name());
      }
      scope.values[info.name()] = value;
    }
  }

  // ---- graphs ----
  // Initializers, nodes and outputs of a graph whose inputs are in scope already.
  std::vector<Value*> contents(Builder& builder, const GraphProto& g, ValueScope& scope, const Body& body, bool top) {
    auto constant = [&](const std::string& name, auto&& make) {
      if (!top && scope.values.count(name)) return;  // the argument of a subgraph's input beats its default
      Value* value = poison;
      try {
        value = builder.constant(make());
        if (value->name.empty()) value->name = name;
      } catch (const Error& error) {
        findings_.add(stage_of(error), error.status(), "", str("initializer '", printable(name), "' ", error.text()));
      }
      scope.values[name] = value;
    };
    for (const auto& tensor : g.initializer()) constant(tensor.name(), [&] { return impl_.tensor(tensor, views_); });
    for (const auto& tensor : g.sparse_initializer())
      constant(tensor.values().name(), [&] { return impl_.tensor(tensor); });

    DeclaredTypes::ByName declared = DeclaredTypes::by_name(g);
    nodes(builder, g.node(), scope, body, declared);
    std::vector<Value*> results;
    for (const auto& output : g.output()) {
      Value* value = of_known_rank(builder, output, scope.find(output.name()));
      if (top) types_->check_output(output, value == poison ? nullptr : value);
      results.push_back(value);
    }
    return results;
  }

  // A tensor whose rank no operator can tell.
  static bool is_boxed(const Value& value) {
    return value.type.container && value.type.container->kind == ValueKind::Tensor;
  }

  // Such a tensor as one of the declared rank, where that is declared.
  static Value* of_known_rank(Builder& builder, const proto::ValueInfoProto& info, Value* value) {
    if (value == poison || !value || !is_boxed(*value)) return value;
    const ValueTypePtr declared = value_type_of(info.type());
    const bool fits = declared && declared->kind == ValueKind::Tensor && declared->ranked &&
                      declared->dtype == value->type.container->dtype;
    return fits ? ops::tensor_from(builder, value, declared->dims) : value;
  }

  template <class Nodes>
  void nodes(Builder& builder, const Nodes& list, ValueScope& scope, const Body& body,
             const DeclaredTypes::ByName& declared) {
    for (int i = 0; i < list.size(); ++i) {
      const NodeProto& node = list[i];
      std::vector<Value*> results = this->node(builder, node, i, scope, body);
      for (int k = 0; k < node.output_size(); ++k) {
        const std::string& name = node.output(k);
        if (name.empty()) continue;
        Value* value = size_t(k) < results.size() && results[size_t(k)] ? results[size_t(k)] : poison;
        auto info = declared.find(name);
        if (info != declared.end()) value = of_known_rank(builder, *info->second, value);
        if (info != declared.end() && value == poison) {
          if (auto type = types_->declared_type(*info->second)) value = builder.region().add_parameter(*type, name);
        } else if (info != declared.end() && !is_boxed(*value)) {
          types_->check_value(*info->second, *value, [&] { return node_label(node, i, body.path); });
        }
        if (value != poison && value->name.empty()) value->name = name;
        scope.values[name] = value;
      }
    }
  }

  // ---- nodes ----
  // The results of a node; empty when it could not be imported, of which the findings tell.
  std::vector<Value*> node(Builder& builder, const NodeProto& node, int index, const ValueScope& scope,
                           const Body& body) {
    std::vector<Value*> operands;
    for (const std::string& name : node.input()) {
      operands.push_back(name.empty() ? nullptr : scope.find(name));
      if (operands.back() == poison) return {};
    }
    while (!operands.empty() && !operands.back()) operands.pop_back();
    if (int callee = functions_.find(node); callee >= 0)
      return call(builder, node, index, callee, operands, scope, body);
    ops::OnnxOpVersion op = operator_of(node, body.opsets);
    if (!op.lower) return {};

    std::string label = node_label(node, index, body.path);
    std::string name = node.name().empty() ? str(body.path, "#", index) : printable(node.name());
    try {
      int outputs = node.output_size();
      while (outputs > 0 && node.output(outputs - 1).empty()) --outputs;
      std::map<std::string, ops::Attribute> attributes = attributes_of(node, index, scope, body);
      builder.set_sources({body.path.empty() || node.name().empty() ? name : body.path + name});
      ops::Lowering lowering(
          builder, name, node.op_type(), op.since, std::move(operands), attributes, outputs,
          [&](Builder& inner, const std::vector<std::string>& names, const std::vector<Value*>& values,
              const std::string& y) { return reevaluated(inner, scope, names, values, y); });
      if (!op.op->containers) refuse_containers(lowering);
      std::vector<Value*> results = op.lower(lowering);
      for (int k = 0; k < outputs; ++k)
        lowering.require(node.output(k).empty() || (size_t(k) < results.size() && results[size_t(k)]),
                         Status::UnsupportedOperator, "output ", k, " is not supported");
      return results;
    } catch (const Poisoned&) {
      return {};
    } catch (const Error& error) {
      bool complete = dynamic_cast<const ops::NodeError*>(&error);
      findings_.add(stage_of(error), error.status(), label,
                    complete ? error.text() : str("node ", label, ": ", error.text()));
      return {};
    } catch (const std::bad_alloc&) {
      findings_.add(7, Status::NoSystemMemory, label, str("node ", label, ": not enough memory to import it"));
      return {};
    }
  }

  static void refuse_containers(const ops::Lowering& node) {
    for (int i = 0; i < node.inputs(); ++i) {
      const Value* operand = node.optional(i);
      if (!operand || !operand->type.container) continue;
      const bool boxed = operand->type.container->kind == ValueKind::Tensor;
      node.fail(boxed ? Status::UnsupportedShape : Status::InvalidModel, "input ", i, " is ",
                graph::to_string(operand->type),
                boxed ? ": its rank is known only when it runs" : ", expected a tensor");
    }
  }

  // Follows ref_attr_name to the attribute that holds the value; null when the caller gave none.
  BoundAttribute resolve(const AttributeProto& attribute, const ValueScope& scope, const Body& body) {
    if (attribute.ref_attr_name().empty()) return {&attribute, &scope, &body};
    auto found = body.bound.find(attribute.ref_attr_name());
    return found == body.bound.end() ? BoundAttribute{} : found->second;
  }

  std::map<std::string, ops::Attribute> attributes_of(const NodeProto& node, int index, const ValueScope& scope,
                                                      const Body& body) {
    std::map<std::string, ops::Attribute> result;
    for (const AttributeProto& attribute : node.attribute()) {
      BoundAttribute bound = resolve(attribute, scope, body);
      if (bound.attribute) result.emplace(attribute.name(), value_of(bound, inner_path(node, index, body.path)));
    }
    return result;
  }

  ops::Attribute value_of(const BoundAttribute& bound, const std::string& path) {
    const AttributeProto& a = *bound.attribute;
    int type = attribute_type(a, model_.ir_version());
    switch (type) {
      case AttributeProto::FLOAT:
        return double{a.f()};
      case AttributeProto::INT:
        return int64_t{a.i()};
      case AttributeProto::STRING:
        return a.s();
      case AttributeProto::FLOATS:
        return std::vector<double>(a.floats().begin(), a.floats().end());
      case AttributeProto::INTS:
        return std::vector<int64_t>(a.ints().begin(), a.ints().end());
      case AttributeProto::STRINGS:
        return std::vector<std::string>(a.strings().begin(), a.strings().end());
      case AttributeProto::GRAPH:
        return subgraph(a.g(), bound, path);
      case AttributeProto::TYPE_PROTO: {
        ValueTypePtr declared = value_type_of(a.tp());
        require(declared != nullptr, Status::UnsupportedDatatype, "attribute '", printable(a.name()),
                "' is a type that is not supported");
        return declared;
      }
      default:
        break;
    }
    try {
      if (type == AttributeProto::TENSOR) return impl_.tensor(a.t(), views_);
      if (type == AttributeProto::SPARSE_TENSOR) return impl_.tensor(a.sparse_tensor());
    } catch (const Error& error) {
      fail(error.status(), "attribute '", printable(a.name()), "' ", error.text());
    }
    fail(Status::UnsupportedAttribute, "attribute '", printable(a.name()), "' is of a kind that is not supported");
  }

  ops::Subgraph subgraph(const GraphProto& g, const BoundAttribute& bound, const std::string& path) {
    ops::Subgraph result;
    for (const auto& input : g.input()) result.inputs.push_back(input.name());
    for (const auto& output : g.output()) {
      result.outputs.push_back(output.name());
      result.output_types.push_back(value_type_of(output.type()));
    }
    result.build = [this, &g, outer = bound.scope, around = bound.body, path](Builder& builder,
                                                                              const std::vector<Value*>& arguments) {
      require(arguments.size() == size_t(g.input_size()), Status::InvalidModel, "a subgraph has ", g.input_size(),
              " inputs, but its operator gives it ", arguments.size());
      Body body{around->opsets, path, around->bound};
      ValueScope scope{outer, {}, &g.node(), &body};
      for (int i = 0; i < g.input_size(); ++i) scope.values[g.input(i).name()] = arguments[size_t(i)];
      std::vector<Value*> results = contents(builder, g, scope, body, false);
      if (std::find(results.begin(), results.end(), poison) != results.end()) throw Poisoned();
      return results;
    };
    return result;
  }

  // ---- model-local functions: their nodes are imported in place of the call ----
  std::vector<Value*> call(Builder& builder, const NodeProto& node, int index, int callee,
                           const std::vector<Value*>& operands, const ValueScope& scope, const Body& body) {
    const FunctionProto& f = model_.functions(callee);
    Body inner{opsets_of_function(callee), inner_path(node, index, body.path), {}};
    for (const AttributeProto& fallback : f.attribute_proto())
      inner.bound[fallback.name()] = {&fallback, nullptr, nullptr};
    for (const AttributeProto& attribute : node.attribute())
      if (BoundAttribute bound = resolve(attribute, scope, body); bound.attribute)
        inner.bound[attribute.name()] = bound;

    ValueScope locals{nullptr, {}, &f.node(), &inner};
    for (int i = 0; i < f.input_size(); ++i)
      locals.values[f.input(i)] = size_t(i) < operands.size() ? operands[size_t(i)] : nullptr;
    nodes(builder, f.node(), locals, inner, {});
    std::vector<Value*> results;
    for (const std::string& name : f.output()) results.push_back(locals.find(name));
    return results;
  }

  // ---- Gradient: nodes around it are imported again ----
  // A tensor by its name and the scope that has it: subgraphs may use names of outer graphs anew.
  using Place = std::pair<const ValueScope*, std::string_view>;
  struct NodeAt {
    const ValueScope* scope;
    int index;
    const NodeProto& node() const { return scope->nodes->Get(index); }
  };

  static Place place_of(const ValueScope& scope, const std::string& name) {
    const ValueScope* home = scope.home(name);
    require(home != nullptr, Status::InvalidModel, "there is no tensor '", printable(name), "' before the node");
    return {home, name};
  }

  // The nodes of the scopes, which are in order, that stand between the changed tensors and y.
  std::vector<NodeAt> nodes_between(const std::vector<const ValueScope*>& scopes, const std::set<Place>& given,
                                    const Place& y) {
    std::set<Place> changed = given, needed{y};
    std::vector<NodeAt> dependent, between;
    for (const ValueScope* scope : scopes) {
      revisited_ += scope->nodes->size();
      require(revisited_ <= max_revisited_nodes, Status::UnsupportedShape, "gradients go through more than ",
              max_revisited_nodes, " nodes, counting those of gradients of gradients");
      for (int i = 0; i < scope->nodes->size(); ++i) {
        bool depends = false;
        visit_reads(scope->nodes->Get(i), [&](std::string_view name) {
          depends |= changed.count({scope->home(name), name}) != 0;
        });
        if (!depends) continue;
        dependent.push_back({scope, i});
        for (const std::string& output : scope->nodes->Get(i).output()) changed.insert({scope, output});
      }
    }
    for (auto at = dependent.rbegin(); at != dependent.rend(); ++at) {
      const auto& outputs = at->node().output();
      const bool used = std::any_of(outputs.begin(), outputs.end(), [&](const std::string& output) {
        const Place place{at->scope, output};
        return needed.count(place) && !given.count(place);
      });
      if (!used) continue;
      between.push_back(*at);
      visit_reads(at->node(), [&](std::string_view name) { needed.insert({at->scope->home(name), name}); });
    }
    std::reverse(between.begin(), between.end());
    return between;
  }

  // See ops::Reevaluate.
  Value* reevaluated(Builder& builder, const ValueScope& scope, const std::vector<std::string>& names,
                     const std::vector<Value*>& values, const std::string& y) {
    std::vector<const ValueScope*> scopes;
    for (const ValueScope* s = &scope; s; s = s->outer) scopes.insert(scopes.begin(), s);
    std::set<Place> given;
    for (const std::string& name : names) given.insert(place_of(scope, name));
    const Place target = place_of(scope, y);
    const std::vector<NodeAt> between = nodes_between(scopes, given, target);

    struct Depth {
      explicit Depth(int& depth) : depth(depth) {
        require(depth < max_gradient_depth, Status::UnsupportedShape, "gradients of gradients beyond the order ",
                max_gradient_depth);
        ++depth;
      }
      ~Depth() { --depth; }
      int& depth;
    } depth(gradient_depth_);
    std::deque<ValueScope> copies;
    auto next = between.begin();
    for (const ValueScope* original : scopes) {
      ValueScope& copy = copies.emplace_back(*original);
      copy.outer = original == scopes.front() ? nullptr : &copies[copies.size() - 2];
      for (size_t i = 0; i < names.size(); ++i)
        if (scope.home(names[i]) == original) copy.values[names[i]] = values[i];
      for (; next != between.end() && next->scope == original; ++next) {
        const NodeProto& node = next->node();
        const std::vector<Value*> results = this->node(builder, node, next->index, copy, *copy.body);
        if (results.empty()) throw Poisoned();  // y needs all of them
        for (int k = 0; k < node.output_size(); ++k) {
          const std::string& name = node.output(k);
          if (name.empty() || given.count({original, name})) continue;
          copy.values[name] = size_t(k) < results.size() && results[size_t(k)] ? results[size_t(k)] : poison;
        }
      }
    }
    Value* result = copies.back().find(y);
    if (result == poison) throw Poisoned();
    require(result != nullptr, Status::InvalidModel, "the tensor '", printable(y), "' is omitted");
    return result;
  }

  Model::Impl& impl_;
  const proto::ModelProto& model_;
  const std::map<std::string, Tensor>& weights_;
  const bool views_, values_;
  Findings& findings_;
  FunctionTable functions_;
  Opsets opsets_;
  std::vector<std::optional<Opsets>> function_opsets_;
  std::unique_ptr<Graph> graph_;
  std::optional<DeclaredTypes> types_;
  int gradient_depth_ = 0;  // Gradient nodes whose surroundings are being imported, inside each other
  int64_t revisited_ = 0;   // nodes that these looked at
};

}  // namespace

std::unique_ptr<Graph> import_graph(Model::Impl& impl, const std::map<std::string, Tensor>& weights, ImportMode mode,
                                    Findings& findings) {
  return GraphImporter(impl, weights, mode, findings).run();
}

}  // namespace sardonyx::importer
