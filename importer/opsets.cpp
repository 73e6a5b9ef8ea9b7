#include "importer/opsets.h"

#include <algorithm>

#include "importer/findings.h"
#include "importer/import.h"
#include "runtime/base/strings.h"

namespace sardonyx::importer {

namespace {
std::string key_of(std::string_view domain, std::string_view name, std::string_view overload) {
  std::string key(canonical_domain(domain));
  key.append(1, '\0').append(name).append(1, '\0').append(overload);
  return key;
}
}  // namespace

const std::vector<DomainVersion>& supported_opsets() {
  static const std::vector<DomainVersion> versions = {
      {"ai.onnx", 27}, {"ai.onnx.ml", 5}, {"ai.onnx.preview", 1}, {"ai.onnx.preview.training", 1}};
  return versions;
}

int64_t max_version(std::string_view domain) {
  for (const DomainVersion& known : supported_opsets())
    if (shown_domain(domain) == known.domain) return known.version;
  return 0;
}

Opsets opsets_of(const google::protobuf::RepeatedPtrField<proto::OperatorSetIdProto>& imports) {
  Opsets result;
  for (const auto& import : imports) {
    int64_t& version = result[std::string(canonical_domain(import.domain()))];
    version = std::max(version, import.version());
  }
  return result;
}

Opsets opsets_of(const proto::ModelProto& model) {
  if (model.ir_version() < 3 && model.opset_import().empty()) return {{"", 1}};
  return opsets_of(model.opset_import());
}

int64_t version_of(const Opsets& opsets, std::string_view domain) {
  auto found = opsets.find(canonical_domain(domain));
  return found == opsets.end() ? 0 : found->second;
}

FunctionTable::FunctionTable(const proto::ModelProto& model) {
  for (int i = 0; i < model.functions_size(); ++i) {
    const auto& function = model.functions(i);
    bool inserted = by_key_.emplace(key_of(function.domain(), function.name(), function.overload()), i).second;
    duplicated_.push_back(!inserted);
  }
}

int FunctionTable::find(const proto::NodeProto& node) const {
  if (by_key_.empty()) return -1;
  auto found = by_key_.find(key_of(node.domain(), node.op_type(), node.overload()));
  return found == by_key_.end() ? -1 : found->second;
}

std::string node_label(const proto::NodeProto& node, int index, const std::string& path) {
  if (!node.name().empty()) return str("'", printable(node.name()), "' (", printable(node.op_type()), ")");
  return str(path, "#", index, " (", printable(node.op_type()), ")");
}

}  // namespace sardonyx::importer
