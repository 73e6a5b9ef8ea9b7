// Checks of the leaves of a model: attributes and declared types.
#include <algorithm>

#include "importer/limits.h"
#include "importer/tensor_data.h"
#include "importer/validator.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

namespace {

using proto::AttributeProto;

constexpr const char* attribute_type_names[] = {
    "UNDEFINED", "FLOAT",   "INT",    "STRING",        "TENSOR",         "GRAPH",      "FLOATS",     "INTS",
    "STRINGS",   "TENSORS", "GRAPHS", "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};

// The types whose value fields are populated, as a set of bits.
uint32_t populated_types(const AttributeProto& a) {
  uint32_t result = 0;
  auto mark = [&](bool present, AttributeProto::AttributeType type) { result |= uint32_t{present} << type; };
  mark(a.has_f(), AttributeProto::FLOAT);
  mark(a.has_i(), AttributeProto::INT);
  mark(a.has_s(), AttributeProto::STRING);
  mark(a.has_t(), AttributeProto::TENSOR);
  mark(a.has_g(), AttributeProto::GRAPH);
  mark(a.floats_size() > 0, AttributeProto::FLOATS);
  mark(a.ints_size() > 0, AttributeProto::INTS);
  mark(a.strings_size() > 0, AttributeProto::STRINGS);
  mark(a.tensors_size() > 0, AttributeProto::TENSORS);
  mark(a.graphs_size() > 0, AttributeProto::GRAPHS);
  mark(a.has_sparse_tensor(), AttributeProto::SPARSE_TENSOR);
  mark(a.sparse_tensors_size() > 0, AttributeProto::SPARSE_TENSORS);
  mark(a.has_tp(), AttributeProto::TYPE_PROTO);
  mark(a.type_protos_size() > 0, AttributeProto::TYPE_PROTOS);
  return result;
}

bool needs_field(int type) {
  return type == AttributeProto::TENSOR || type == AttributeProto::GRAPH || type == AttributeProto::SPARSE_TENSOR ||
         type == AttributeProto::TYPE_PROTO;
}

template <class F>
std::string problem_of(F&& check) {
  try {
    check();
  } catch (const Error& error) {
    return error.text();
  }
  return {};
}

std::string shape_problem(int elem_type, const proto::TensorShapeProto& shape) {
  std::vector<int64_t> dims;
  for (const auto& dim : shape.dim()) dims.push_back(dim.has_dim_value() ? dim.dim_value() : 1);
  return problem_of([&] { tensor_size(elem_type, dims.data(), int(dims.size())); });
}

}  // namespace

int attribute_type(const AttributeProto& attribute, int64_t ir_version) {
  if (attribute.type() != AttributeProto::UNDEFINED || ir_version >= 2) return attribute.type();
  uint32_t populated = populated_types(attribute);
  for (int type = 1; type < int(std::size(attribute_type_names)); ++type)
    if (populated == uint32_t{1} << type) return type;
  return AttributeProto::UNDEFINED;
}

std::string AttributeChecker::problem(const AttributeProto& attribute) const {
  int type = attribute_type(attribute, ir_version_);
  if (type <= 0 || type >= int(std::size(attribute_type_names)))
    return type == 0 ? "has no type" : str("has the unknown type ", type);
  uint32_t populated = populated_types(attribute);
  if (!attribute.ref_attr_name().empty()) return populated ? "refers to a caller's attribute and has a value" : "";
  for (int other = 1; other < int(std::size(attribute_type_names)); ++other)
    if ((populated >> other & 1) && other != type)
      return str("has type ", attribute_type_names[type], " but a value of type ", attribute_type_names[other]);
  if (needs_field(type) && !populated) return str("has type ", attribute_type_names[type], " but no value");

  return problem_of([&] {
    if (attribute.has_t()) check_tensor(attribute.t(), sources_);
    for (const auto& tensor : attribute.tensors()) check_tensor(tensor, sources_);
    if (attribute.has_sparse_tensor()) check_sparse_tensor(attribute.sparse_tensor(), sources_);
    for (const auto& tensor : attribute.sparse_tensors()) check_sparse_tensor(tensor, sources_);
    if (attribute.has_tp())
      require(type_problem(attribute.tp()).empty(), Status::InvalidModel, type_problem(attribute.tp()));
    for (const auto& tp : attribute.type_protos())
      require(type_problem(tp).empty(), Status::InvalidModel, type_problem(tp));
  });
}

std::string type_problem(const proto::TypeProto& type) {
  const proto::TypeProto* inner = &type;
  for (int depth = 0; depth < max_message_depth; ++depth) {
    switch (inner->value_case()) {
      case proto::TypeProto::kTensorType:
        return shape_problem(inner->tensor_type().elem_type(), inner->tensor_type().shape());
      case proto::TypeProto::kSparseTensorType:
        return shape_problem(inner->sparse_tensor_type().elem_type(), inner->sparse_tensor_type().shape());
      case proto::TypeProto::kOpaqueType:
        return {};
      case proto::TypeProto::VALUE_NOT_SET:
        return "has no type";
      case proto::TypeProto::kMapType:
        if (!data_type_name(inner->map_type().key_type()))
          return str("has a map key of the unknown data type ", inner->map_type().key_type());
        inner = &inner->map_type().value_type();
        break;
      case proto::TypeProto::kSequenceType:
        inner = &inner->sequence_type().elem_type();
        break;
      case proto::TypeProto::kOptionalType:
        inner = &inner->optional_type().elem_type();
        break;
    }
  }
  return "is nested too deeply";
}

}  // namespace sardonyx::importer
