// Stages 2 and 3 of the model checks: versions and imports, then ONNX's structure. Runs before anything else looks at a
// model, so that everything behind it may rely on: unique names, definitions before uses, known attribute types,
// payloads that fit their dims, bounded nesting, acyclic functions whose inlining is bounded.
#pragma once
#include <string>

#include "importer/findings.h"
#include "importer/onnx_model.pb.h"
#include "importer/tensor_data.h"

namespace sardonyx::importer {

// Returns the number of levels of subgraphs and function calls; of no meaning when there are findings.
int validate(const proto::ModelProto& model, const Sources& sources, Findings& findings);

// Findings about attributes of one node: names, duplicates, types against populated fields, tensor payloads.
// `references`: attribute names that ref_attr_name may use; null outside functions.
class AttributeChecker {
 public:
  AttributeChecker(int64_t ir_version, const Sources& sources) : ir_version_(ir_version), sources_(sources) {}
  // The text of the first problem, or "".
  std::string problem(const proto::AttributeProto& attribute) const;

 private:
  int64_t ir_version_;
  const Sources& sources_;
};

// The type of an attribute: as declared, or, before IR version 2, told from the populated field.
int attribute_type(const proto::AttributeProto& attribute, int64_t ir_version);

// The text of the first problem of a declared type (unknown element types, negative dims, overflow), or "".
std::string type_problem(const proto::TypeProto& type);

}  // namespace sardonyx::importer
