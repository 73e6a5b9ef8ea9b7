#include "importer/validator.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/ops/lowering.h"
#include "importer/functions.h"
#include "importer/import.h"
#include "importer/limits.h"
#include "importer/opsets.h"
#include "importer/tensor_data.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

namespace {

using proto::AttributeProto;
using proto::FunctionProto;
using proto::GraphProto;
using proto::ModelProto;
using proto::NodeProto;

// Names that are visible inside a graph: its own and those of the graphs around it.
struct NameScope {
  const NameScope* outer = nullptr;
  std::unordered_set<std::string_view> names;

  bool visible(std::string_view name) const {
    for (const NameScope* scope = this; scope; scope = scope->outer)
      if (scope->names.count(name)) return true;
    return false;
  }
};

// What holds for all nodes of the main graph or of one function, nested subgraphs included.
struct Body {
  const Opsets& opsets;
  const FunctionProto* function = nullptr;            // null: the model's graph
  std::unordered_set<std::string_view> references{};  // attributes that ref_attr_name may name
  int id = main_body;
};

class Validator {
 public:
  Validator(const ModelProto& model, const Sources& sources, Findings& findings)
      : model_(model),
        sources_(sources),
        findings_(findings),
        attributes_(model.ir_version(), sources),
        opsets_(opsets_of(model)),
        functions_(model),
        calls_(model.functions_size()) {}

  int run() {
    versions();
    if (!model_.has_graph()) return 0;
    if (model_.graph().output().empty()) invalid("", "the graph has no outputs");
    graph(model_.graph(), Body{opsets_}, nullptr, 0, "");
    for (int i = 0; i < model_.functions_size(); ++i) function(i);
    int nesting = 0;
    for (const std::string& problem : calls_.problems(model_, &nesting)) invalid("", problem);
    return nesting;
  }

 private:
  template <class... Args>
  void invalid(const std::string& node, const Args&... args) {
    findings_.add(3, Status::InvalidModel, node, str(args...));
  }

  // ---- stage 2 ----
  void version_problem(Status status, std::string text) { findings_.add(2, status, "", std::move(text)); }

  void versions() {
    if (!model_.has_graph()) version_problem(Status::InvalidModel, "the model has no graph");
    if (!model_.has_ir_version() || model_.ir_version() < 1)
      version_problem(Status::InvalidModel,
                      str("the model has ", model_.has_ir_version() ? str("IR version ", model_.ir_version())
                                                                    : std::string("no IR version")));
    if (model_.ir_version() > max_ir_version)
      version_problem(Status::UnsupportedVersion,
                      str("IR version ", model_.ir_version(), " is newer than ", max_ir_version));
    if (model_.ir_version() >= 3 && model_.opset_import().empty())
      version_problem(Status::InvalidModel, "the model imports no operator sets");
    imports(model_.opset_import(), "the model");
  }

  void imports(const google::protobuf::RepeatedPtrField<proto::OperatorSetIdProto>& imports, const std::string& who) {
    for (const auto& import : imports) {
      std::string_view domain = canonical_domain(import.domain());
      int64_t newest = max_version(domain);
      if (import.version() < 1)
        version_problem(Status::InvalidModel, str(who, " imports version ", import.version(), " of domain ",
                                                  printable(shown_domain(domain))));
      else if (newest != 0 && import.version() > newest)
        version_problem(Status::UnsupportedVersion, str(who, " imports version ", import.version(), " of domain ",
                                                        shown_domain(domain), ", which is newer than ", newest));
    }
  }

  // ---- stage 3 ----
  void function(int index) {
    const FunctionProto& f = model_.functions(index);
    std::string who = str("function '", printable(f.name()), "'");
    if (f.name().empty()) invalid("", "function #", index, " has no name");
    if (functions_.duplicated(index)) invalid("", who, " is defined twice");
    imports(f.opset_import(), who);

    NameScope scope;
    for (const auto& name : f.input())
      if (name.empty() || !scope.names.insert(name).second)
        invalid("", who,
                name.empty() ? " has an input without a name" : " has two inputs of one name: ", printable(name));
    std::unordered_set<std::string_view> names;
    auto declare = [&](const std::string& name) {
      if (name.empty() || !names.insert(name).second)
        invalid("", who, " declares attribute '", printable(name), "' twice or without a name");
    };
    for (const auto& name : f.attribute()) declare(name);
    for (const auto& attribute : f.attribute_proto()) {
      declare(attribute.name());
      if (std::string problem = attributes_.problem(attribute); !problem.empty())
        invalid("", who, ": attribute '", printable(attribute.name()), "' ", problem);
      if (attribute.has_g() || attribute.graphs_size() > 0)
        findings_.add(
            5, Status::UnsupportedAttribute, "",
            str(who, ": a graph as default of attribute '", printable(attribute.name()), "' is not supported"));
    }
    Opsets opsets = opsets_of(f.opset_import());
    nodes(f.node(), Body{opsets, &f, std::move(names), index}, scope, 0, str(printable(f.name()), "/"));
    std::unordered_set<std::string_view> outputs;
    for (const auto& name : f.output()) {
      if (!scope.names.count(name)) invalid("", who, ": nothing produces output '", printable(name), "'");
      if (!outputs.insert(name).second) invalid("", who, " has two outputs named '", printable(name), "'");
    }
  }

  void graph(const GraphProto& g, const Body& body, const NameScope* outer, int depth, const std::string& path) {
    NameScope scope;
    scope.outer = outer;
    scope.names.reserve(size_t(g.node_size() + g.initializer_size() + g.input_size()));
    std::string where = path.empty() ? "" : str("subgraph ", path, ": ");
    for (const auto& input : g.input()) {
      if (input.name().empty())
        invalid("", where, "a graph input has no name");
      else if (!scope.names.insert(input.name()).second)
        invalid("", where, "two graph inputs are named '", printable(input.name()), "'");
      if (!input.has_type() && depth == 0) invalid("", "graph input '", printable(input.name()), "' has no type");
      declared_type(input, where, "graph input");
    }
    initializers(g, scope, where);
    for (const auto& info : g.value_info()) declared_type(info, where, "value");
    nodes(g.node(), body, scope, depth, path);

    std::unordered_set<std::string_view> outputs;
    for (const auto& output : g.output()) {
      if (output.name().empty())
        invalid("", where, "a graph output has no name");
      else if (!scope.visible(output.name()))
        invalid("", where, "nothing produces graph output '", printable(output.name()), "'");
      if (!outputs.insert(output.name()).second && depth == 0)
        invalid("", where, "two graph outputs are named '", printable(output.name()), "'");
      declared_type(output, where, "graph output");
    }
  }

  void declared_type(const proto::ValueInfoProto& info, const std::string& where, const char* what) {
    if (!info.has_type()) return;
    if (std::string problem = type_problem(info.type()); !problem.empty())
      invalid("", where, what, " '", printable(info.name()), "' ", problem);
  }

  void initializers(const GraphProto& g, NameScope& scope, const std::string& where) {
    std::unordered_set<std::string_view> names;
    auto declare = [&](const std::string& name, auto&& check) {
      if (name.empty())
        invalid("", where, "an initializer has no name");
      else if (!names.insert(name).second)
        invalid("", where, "two initializers are named '", printable(name), "'");
      scope.names.insert(name);
      try {
        check();
      } catch (const Error& error) {
        findings_.add(3, error.status(), "", str(where, "initializer '", printable(name), "' ", error.text()));
      }
    };
    for (const auto& tensor : g.initializer()) declare(tensor.name(), [&] { check_tensor(tensor, sources_); });
    for (const auto& sparse : g.sparse_initializer())
      declare(sparse.values().name(), [&] { check_sparse_tensor(sparse, sources_); });
  }

  template <class Nodes>
  void nodes(const Nodes& list, const Body& body, NameScope& scope, int depth, const std::string& path) {
    calls_.count_nodes(body.id, list.size());
    std::unordered_set<std::string_view> produced;  // filled for the first undefined name
    auto undefined = [&](const std::string& name) {
      if (produced.empty())
        for (const NodeProto& node : list) produced.insert(node.output().begin(), node.output().end());
      return produced.count(name) ? "is used before it is defined (nodes are out of order, or form a cycle)"
                                  : "is not defined";
    };
    for (int i = 0; i < list.size(); ++i) {
      const NodeProto& node = list[i];
      std::string label;  // only made when needed: most nodes are fine
      auto report = [&](const auto&... args) {
        if (label.empty()) label = node_label(node, i, path);
        invalid(label, "node ", label, ": ", args...);
      };
      if (node.op_type().empty()) report("has no op_type");
      for (const std::string& name : node.input())
        if (!name.empty() && !scope.visible(name)) report("input '", printable(name), "' ", undefined(name));
      target(node, body, depth, report);
      attributes(node, i, body, scope, depth, path, report);
      for (const std::string& name : node.output()) {
        if (name.empty()) continue;
        if (scope.visible(name)) report("output '", printable(name), "' is defined already");
        scope.names.insert(name);
      }
    }
  }

  // The function or operator that the node names: imported domain, and counts of operands and results.
  template <class Report>
  void target(const NodeProto& node, const Body& body, int depth, Report&& report) {
    std::string_view domain = canonical_domain(node.domain());
    int64_t version = version_of(body.opsets, domain);
    if (version == 0) {
      std::string who = body.function ? str("function '", printable(body.function->name()), "'") : "the model";
      version_problem(Status::InvalidModel,
                      str("node '", printable(node.name()), "' (", printable(node.op_type()), "): its domain ",
                          printable(shown_domain(domain)), " is not imported by ", who));
      return;
    }
    auto trimmed = [](const auto& names) {
      int count = names.size();
      while (count > 0 && names[count - 1].empty()) --count;
      return count;
    };
    auto expect = [&](const char* what, const auto& names, int min, int max) {
      if (names.size() < min) report("has ", names.size(), " ", what, ", needs at least ", min);
      if (max >= 0 && trimmed(names) > max) report("has ", trimmed(names), " ", what, ", allows at most ", max);
    };
    if (int callee = functions_.find(node); callee >= 0) {
      const FunctionProto& f = model_.functions(callee);
      calls_.add_call(body.id, callee, depth);
      expect("inputs", node.input(), 0, f.input_size());
      expect("outputs", node.output(), 0, f.output_size());
      return;
    }
    ops::OnnxOpVersion op =
        ops::find_onnx_op(std::string(domain), node.op_type(), int(std::min<int64_t>(version, 1000)));
    if (!op.lower) return;
    expect("inputs", node.input(), op.op->inputs.min, op.op->inputs.max);
    expect("outputs", node.output(), op.op->outputs.min, op.op->outputs.max);
  }

  template <class Report>
  void attributes(const NodeProto& node, int index, const Body& body, const NameScope& scope, int depth,
                  const std::string& path, Report&& report) {
    std::unordered_set<std::string_view> names;
    for (const AttributeProto& attribute : node.attribute()) {
      std::string shown = printable(attribute.name());
      if (attribute.name().empty()) report("has an attribute without a name");
      if (!names.insert(attribute.name()).second) report("attribute '", shown, "' is given twice");
      if (std::string problem = attributes_.problem(attribute); !problem.empty())
        report("attribute '", shown, "' ", problem);
      if (!attribute.ref_attr_name().empty() && !body.references.count(attribute.ref_attr_name()))
        report("attribute '", shown, "' refers to '", printable(attribute.ref_attr_name()),
               "', which is no attribute of an enclosing function");
      if (!attribute.has_g() && attribute.graphs().empty()) continue;
      std::string inner = str(path, node.name().empty() ? str("#", index) : printable(node.name()), "/", shown, "/");
      if (attribute.has_g()) subgraph(attribute.g(), body, scope, depth, inner, report);
      for (const auto& g : attribute.graphs()) subgraph(g, body, scope, depth, inner, report);
    }
  }

  template <class Report>
  void subgraph(const GraphProto& g, const Body& body, const NameScope& scope, int depth, const std::string& path,
                Report&& report) {
    calls_.reach_depth(body.id, depth + 1);
    if (depth + 1 > max_subgraph_depth)
      report("subgraphs are nested more than ", max_subgraph_depth, " deep");
    else
      graph(g, body, &scope, depth + 1, path);
  }

  const ModelProto& model_;
  const Sources& sources_;
  Findings& findings_;
  AttributeChecker attributes_;
  Opsets opsets_;
  FunctionTable functions_;
  CallGraph calls_;
};

}  // namespace

int validate(const ModelProto& model, const Sources& sources, Findings& findings) {
  return Validator(model, sources, findings).run();
}

}  // namespace sardonyx::importer
