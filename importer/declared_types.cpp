#include "importer/declared_types.h"

#include "importer/model_impl.h"
#include "importer/tensor_data.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

namespace {

// Types that can enter and leave a graph: everything that is computed with, except complex numbers.
bool is_io_dtype(int data_type) {
  DType dtype = supported_dtype(data_type);
  return dtype != DType::None && dtype != DType::Complex64 && dtype != DType::Complex128;
}

std::string shown_type(const proto::ValueInfoProto& info) {
  if (!info.type().has_tensor_type()) return "is not a tensor";
  const char* name = data_type_name(info.type().tensor_type().elem_type());
  return str("has element type ", name ? name : "UNDEFINED");
}

std::string shown_shape(const proto::ValueInfoProto& info) {
  std::vector<std::string> dims;
  for (const DeclaredDim& dim : declared_tensor(info).dims)
    dims.push_back(dim.value >= 0 ? str(dim.value) : dim.symbol.empty() ? "?" : printable(dim.symbol));
  return str("[", join(dims, ","), "]");
}

}  // namespace

DeclaredTypes::ByName DeclaredTypes::by_name(const proto::GraphProto& graph) {
  ByName result;
  for (const auto& info : graph.value_info())
    if (info.type().has_tensor_type()) result.emplace(info.name(), &info);
  return result;
}

void DeclaredTypes::bind_static(const proto::ValueInfoProto& input, int data_type, const Dims& dims) {
  std::string who = str("graph input '", printable(input.name()), "'");
  if (!input.type().has_tensor_type() || input.type().tensor_type().elem_type() != data_type) {
    const char* name = data_type_name(data_type);
    findings_.add(6, Status::MismatchingDatatype, "",
                  str(who, " ", shown_type(input), ", but its value is a tensor of ", name ? name : "UNDEFINED"));
    return;
  }
  DeclaredTensor declared = declared_tensor(input);
  if (!declared.has_shape) return;
  bool fits = declared.dims.size() == dims.size();
  for (size_t i = 0; fits && i < dims.size(); ++i) {
    const DeclaredDim& dim = declared.dims[i];
    if (dim.value >= 0)
      fits = dim.value == dims[i];
    else if (!dim.symbol.empty())
      fits = known_symbols_.emplace(dim.symbol, dims[i]).first->second == dims[i];
  }
  if (!fits)
    findings_.add(6, Status::MismatchingShape, "",
                  str(who, " has shape ", shown_shape(input), ", but its value has shape ", dims));
}

std::vector<graph::Expr> DeclaredTypes::dims_of(const proto::ValueInfoProto& info) {
  std::vector<graph::Expr> result;
  for (const DeclaredDim& dim : declared_tensor(info).dims) {
    auto known = known_symbols_.find(dim.symbol);
    if (dim.value >= 0)
      result.push_back(dim.value);
    else if (dim.symbol.empty())
      result.push_back(graph_.fresh_symbol(str(printable(info.name()), "_d", result.size())));
    else if (known != known_symbols_.end())
      result.push_back(known->second);
    else
      result.push_back(graph_.symbol(dim.symbol));
  }
  return result;
}

std::optional<graph::TensorType> DeclaredTypes::input_type(const proto::ValueInfoProto& input) {
  std::string who = str("graph input '", printable(input.name()), "'");
  if (!is_io_dtype(input.type().tensor_type().elem_type())) {
    findings_.add(5, Status::UnsupportedDatatype, "", str(who, " ", shown_type(input), ", which is not supported"));
    return std::nullopt;
  }
  DeclaredTensor declared = declared_tensor(input);
  if (!declared.has_shape) {
    findings_.add(5, Status::UnsupportedShape, "",
                  str(who, " has no shape: tensors of unknown rank are not supported"));
    return std::nullopt;
  }
  try {
    Dims dims;
    for (const DeclaredDim& dim : declared.dims) dims.push_back(dim.value >= 0 ? dim.value : 1);
    byte_size(declared.dtype, dims);
  } catch (const Error& error) {
    findings_.add(5, error.status(), "", str(who, ": ", error.text()));
    return std::nullopt;
  }
  return graph::TensorType{declared.dtype, dims_of(input), {}};
}

std::optional<graph::TensorType> DeclaredTypes::declared_type(const proto::ValueInfoProto& info) {
  if (!is_io_dtype(info.type().tensor_type().elem_type()) || !info.type().tensor_type().has_shape())
    return std::nullopt;
  return graph::TensorType{declared_tensor(info).dtype, dims_of(info), {}};
}

void DeclaredTypes::check_output(const proto::ValueInfoProto& output, const graph::Value* value) {
  std::string who = str("graph output '", printable(output.name()), "'");
  bool declared = output.type().value_case() != proto::TypeProto::VALUE_NOT_SET;
  if (declared && !is_io_dtype(output.type().tensor_type().elem_type())) {
    findings_.add(5, Status::UnsupportedDatatype, "", str(who, " ", shown_type(output), ", which is not supported"));
    return;
  }
  if (!value) return;
  if (!is_io_dtype(int(value->type.dtype)))
    findings_.add(5, Status::UnsupportedDatatype, "",
                  str(who, " is a tensor of ", dtype_name(value->type.dtype), ", which is not supported"));
  else if (declared)
    compare(output, value->type, true, "");
}

void DeclaredTypes::check_value(const proto::ValueInfoProto& info, const graph::Value& value, const std::string& node) {
  compare(info, value.type, false, node);
}

void DeclaredTypes::compare(const proto::ValueInfoProto& info, const graph::TensorType& type, bool output,
                            const std::string& node) {
  std::string who = str(output ? "graph output '" : str("node ", node, ": its result '"), printable(info.name()), "'");
  if (info.type().tensor_type().elem_type() != int(type.dtype)) {
    findings_.add(6, Status::MismatchingDatatype, node,
                  str(who, " is declared otherwise: it ", shown_type(info), " there, but is a tensor of ",
                      dtype_name(type.dtype)));
    return;
  }
  DeclaredTensor declared = declared_tensor(info);
  if (!declared.has_shape) return;
  bool fits = declared.dims.size() == type.dims.size();
  for (size_t i = 0; fits && i < type.dims.size(); ++i) {
    std::optional<int64_t> actual = expr::as_int(type.dims[i]);
    if (declared.dims[i].value >= 0 && actual) fits = declared.dims[i].value == *actual;
  }
  if (!fits) {
    findings_.add(6, Status::MismatchingShape, node,
                  str(who, " is declared with shape ", shown_shape(info), ", but is ", graph::to_string(type)));
    return;
  }
  if (!output) return;
  for (size_t i = 0; i < type.dims.size(); ++i)
    if (int64_t dim = declared.dims[i].value; dim >= 0 && !expr::as_int(type.dims[i]))
      graph_.equalities.push_back({type.dims[i], dim, str(who, " is declared with dim ", i, " = ", dim)});
}

}  // namespace sardonyx::importer
