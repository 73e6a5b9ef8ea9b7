// Declared types of inputs, outputs and intermediate values: what they become in the graph, and whether what the
// operators infer agrees with them (stages 5 and 6).
//
// A declared static dim against an inferred symbolic one is no contradiction: for a graph output it becomes an equality
// that is checked when shapes are known, for a value_info it is ignored. Names of symbols in outputs and value_infos
// bind nothing.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "compiler/graph/graph.h"
#include "importer/findings.h"
#include "importer/onnx_model.pb.h"

namespace sardonyx::importer {

class DeclaredTypes {
 public:
  // `values`: inputs and outputs may be sequences, optionals, maps and tensors of unknown rank.
  DeclaredTypes(graph::Graph& graph, Findings& findings, bool values)
      : graph_(graph), findings_(findings), values_(values) {}

  using ByName = std::unordered_map<std::string_view, const proto::ValueInfoProto*>;
  static ByName by_name(const proto::GraphProto& graph);

  // A graph input that has a value: compares, and gives the symbols of its dims their values.
  void bind_static(const proto::ValueInfoProto& input, int data_type, const Dims& dims);
  // The type of a graph input without a value; nothing (and a finding) when it is not supported.
  std::optional<graph::TensorType> input_type(const proto::ValueInfoProto& input);
  // A declared type to go on with when the value itself could not be made; nothing when it is not usable.
  std::optional<graph::TensorType> declared_type(const proto::ValueInfoProto& info);
  // Compares an inferred value (null: unknown) with its declaration.
  void check_output(const proto::ValueInfoProto& output, const graph::Value* value);
  // `label` names the node, if that is needed.
  void check_value(const proto::ValueInfoProto& info, const graph::Value& value,
                   const std::function<std::string()>& label);

 private:
  // The dims of a declared shape; symbols with known values are static, anonymous dims get fresh symbols.
  std::vector<graph::Expr> dims_of(const proto::ValueInfoProto& info);
  // How an inferred type contradicts a declaration; nothing when it does not.
  struct Contradiction {
    Status status;
    std::string text;
  };
  static std::optional<Contradiction> compare(const proto::ValueInfoProto& info, const graph::TensorType& type);

  std::optional<graph::TensorType> container_input_type(const proto::ValueInfoProto& input, const std::string& who);
  void check_container_output(const proto::ValueInfoProto& output, const graph::Value& value, const std::string& who);

  graph::Graph& graph_;
  Findings& findings_;
  const bool values_;
  std::map<std::string, int64_t> known_symbols_;
};

}  // namespace sardonyx::importer
