// Opset imports of a model or a function, and which local function or operator a node calls.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "importer/onnx_model.pb.h"

namespace sardonyx::importer {

// "ai.onnx" is another spelling of the default domain "".
inline std::string_view canonical_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

// For messages: the default domain by its long name.
inline std::string_view shown_domain(std::string_view domain) { return domain.empty() ? "ai.onnx" : domain; }

// Canonical domain -> version; of several imports of a domain the highest counts.
using Opsets = std::map<std::string, int64_t, std::less<>>;
Opsets opsets_of(const google::protobuf::RepeatedPtrField<proto::OperatorSetIdProto>& imports);
// The imports that hold for the model's own graph: IR versions before 3 know the default domain only, version 1.
Opsets opsets_of(const proto::ModelProto& model);
// 0 when the domain is not imported.
int64_t version_of(const Opsets& opsets, std::string_view domain);

// The highest version of a domain whose operators this library knows of; 0 for other domains.
int64_t max_version(std::string_view domain);

// Model-local functions by domain, name and overload. The first of several with one identity counts.
class FunctionTable {
 public:
  explicit FunctionTable(const proto::ModelProto& model);
  // The index of the function that `node` calls, or -1.
  int find(const proto::NodeProto& node) const;
  bool duplicated(int index) const { return duplicated_[size_t(index)]; }

 private:
  std::unordered_map<std::string, int> by_key_;
  std::vector<bool> duplicated_;
};

// "'conv1' (Conv)" or "#12 (Conv)"; `path` of the enclosing subgraphs precedes numbers.
std::string node_label(const proto::NodeProto& node, int index, const std::string& path);

}  // namespace sardonyx::importer
