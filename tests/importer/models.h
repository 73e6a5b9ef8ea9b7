// Small models for the importer's tests, built from the schema's own classes.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "importer/import.h"
#include "importer/onnx_model.pb.h"

namespace sardonyx::importer::test {

using namespace sardonyx::proto;

inline void set_type(ValueInfoProto& info, int elem_type, const std::vector<std::string>& dims) {
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(elem_type);
  tensor->mutable_shape();
  for (const std::string& text : dims) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (text.empty()) continue;
    if (isdigit(static_cast<unsigned char>(text[0])) || text[0] == '-')
      dim->set_dim_value(std::stoll(text));
    else
      dim->set_dim_param(text);
  }
}

inline ValueInfoProto value(const std::string& name, int elem_type, const std::vector<std::string>& dims) {
  ValueInfoProto result;
  result.set_name(name);
  set_type(result, elem_type, dims);
  return result;
}

inline TensorProto floats(const std::string& name, std::vector<int64_t> dims, const std::vector<float>& values) {
  TensorProto result;
  result.set_name(name);
  result.set_data_type(TensorProto::FLOAT);
  for (int64_t dim : dims) result.add_dims(dim);
  result.set_raw_data(values.data(), values.size() * sizeof(float));
  return result;
}

inline TensorProto ints(const std::string& name, std::vector<int64_t> dims, const std::vector<int64_t>& values) {
  TensorProto result;
  result.set_name(name);
  result.set_data_type(TensorProto::INT64);
  for (int64_t dim : dims) result.add_dims(dim);
  for (int64_t value : values) result.add_int64_data(value);
  return result;
}

template <class Owner>
NodeProto* add_node(Owner* owner, const std::string& name, const std::string& op,
                    const std::vector<std::string>& inputs, const std::vector<std::string>& outputs) {
  NodeProto* node = owner->add_node();
  node->set_name(name);
  node->set_op_type(op);
  for (const std::string& input : inputs) node->add_input(input);
  for (const std::string& output : outputs) node->add_output(output);
  return node;
}

inline AttributeProto* add_attribute(NodeProto* node, const std::string& name, int type) {
  AttributeProto* result = node->add_attribute();
  result->set_name(name);
  result->set_type(type);
  return result;
}

inline void add_import(ModelProto& model, const std::string& domain, int64_t version) {
  auto* import = model.add_opset_import();
  import->set_domain(domain);
  import->set_version(version);
}

// y = Relu(x + w), x f32[N,4], w an initializer; the second node has no name.
inline ModelProto small_model() {
  ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("test");
  add_import(model, "", 17);
  GraphProto* graph = model.mutable_graph();
  graph->set_name("g");
  *graph->add_input() = value("x", TensorProto::FLOAT, {"N", "4"});
  *graph->add_initializer() = floats("w", {4}, {1, -2, 3, -4});
  add_node(graph, "sum", "Add", {"x", "w"}, {"s"});
  add_node(graph, "", "Relu", {"s"}, {"y"});
  *graph->add_output() = value("y", TensorProto::FLOAT, {"N", "4"});
  return model;
}

// An If node over condition `condition` whose branches yield `then_name` and `else_name`.
inline NodeProto* add_if(GraphProto* graph, const std::string& name, const std::string& condition,
                         const std::string& output, GraphProto then_branch, GraphProto else_branch) {
  NodeProto* node = add_node(graph, name, "If", {condition}, {output});
  *add_attribute(node, "then_branch", AttributeProto::GRAPH)->mutable_g() = std::move(then_branch);
  *add_attribute(node, "else_branch", AttributeProto::GRAPH)->mutable_g() = std::move(else_branch);
  return node;
}

// A graph without inputs whose only node maps `input` of an outer graph to `output`.
inline GraphProto branch(const std::string& op, const std::string& input, const std::string& output) {
  GraphProto graph;
  graph.set_name("branch");
  add_node(&graph, "", op, {input}, {output});
  graph.add_output()->set_name(output);
  return graph;
}

inline std::unique_ptr<Model> parse(const ModelProto& model, const ImportOptions& options = {}) {
  std::string bytes = model.SerializeAsString();
  return Model::parse(bytes.data(), bytes.size(), options);
}

// What a whole initialisation without weights says: Success, or the status and text of parse or import.
struct Outcome {
  Status status = Status::Success;
  std::string text;
};

inline Outcome outcome_of(const std::string& bytes, const ImportOptions& options = {}) {
  try {
    auto model = Model::parse(bytes.data(), bytes.size(), options);
    Report report = model->check();
    if (report.status() == Status::Success) model->import({});
    return {report.status(), report.text()};
  } catch (const Error& error) {
    return {error.status(), error.text()};
  }
}

inline Outcome outcome_of(const ModelProto& model, const ImportOptions& options = {}) {
  return outcome_of(model.SerializeAsString(), options);
}

}  // namespace sardonyx::importer::test
