#include "importer/declared_types.h"

#include "importer/model_impl.h"
#include "importer/tensor_data.h"
#include "importer/value_types.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

namespace {

// Types that can enter and leave a graph.
bool is_io_dtype(int data_type) { return supported_dtype(data_type) != DType::None; }

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
  if (values_ && !input.type().has_tensor_type()) return container_input_type(input, who);
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

std::optional<graph::TensorType> DeclaredTypes::container_input_type(const proto::ValueInfoProto& input,
                                                                     const std::string& who) {
  ValueTypePtr type = value_type_of(input.type());
  if (type) return graph::object_type(std::move(type));
  findings_.add(5, Status::UnsupportedDatatype, "", str(who, " is of a kind or element type that is not supported"));
  return std::nullopt;
}

std::optional<graph::TensorType> DeclaredTypes::declared_type(const proto::ValueInfoProto& info) {
  if (!is_io_dtype(info.type().tensor_type().elem_type()) || !info.type().tensor_type().has_shape())
    return std::nullopt;
  return graph::TensorType{declared_tensor(info).dtype, dims_of(info), {}};
}

void DeclaredTypes::check_output(const proto::ValueInfoProto& output, const graph::Value* value) {
  std::string who = str("graph output '", printable(output.name()), "'");
  bool declared = output.type().value_case() != proto::TypeProto::VALUE_NOT_SET;
  if (value && value->type.container) return check_container_output(output, *value, who);
  if (declared && !is_io_dtype(output.type().tensor_type().elem_type())) {
    findings_.add(5, Status::UnsupportedDatatype, "", str(who, " ", shown_type(output), ", which is not supported"));
    return;
  }
  if (!value) return;
  const graph::TensorType& type = value->type;
  if (!is_io_dtype(int(type.dtype))) {
    findings_.add(5, Status::UnsupportedDatatype, "",
                  str(who, " is a tensor of ", dtype_name(type.dtype), ", which is not supported"));
    return;
  }
  if (!declared) return;
  if (auto contradiction = compare(output, type)) {
    findings_.add(6, contradiction->status, "", str(who, contradiction->text));
    return;
  }
  const std::vector<DeclaredDim> dims = declared_tensor(output).dims;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims[i].value >= 0 && !expr::as_int(type.dims[i]))
      graph_.equalities.push_back(
          {type.dims[i], dims[i].value, str(who, " is declared with dim ", i, " = ", dims[i].value)});
}

void DeclaredTypes::check_container_output(const proto::ValueInfoProto& output, const graph::Value& value,
                                           const std::string& who) {
  if (!values_) {
    findings_.add(5, Status::UnsupportedDatatype, "",
                  str(who, " is ", graph::to_string(value.type),
                      ": values that are no tensors of a known rank need the ", "graph property for them"));
    return;
  }
  if (output.type().value_case() == proto::TypeProto::VALUE_NOT_SET) return;
  const ValueTypePtr declared = value_type_of(output.type());
  if (declared && united(declared, value.type.container)) return;
  findings_.add(6, Status::MismatchingDatatype, "",
                str(who, " is declared as ", declared ? to_string(*declared) : "an unsupported type", ", but is ",
                    graph::to_string(value.type)));
}

void DeclaredTypes::check_value(const proto::ValueInfoProto& info, const graph::Value& value,
                                const std::function<std::string()>& label) {
  auto contradiction = compare(info, value.type);
  if (!contradiction) return;
  std::string node = label();
  findings_.add(6, contradiction->status, node,
                str("node ", node, ": its result '", printable(info.name()), "'", contradiction->text));
}

std::optional<DeclaredTypes::Contradiction> DeclaredTypes::compare(const proto::ValueInfoProto& info,
                                                                   const graph::TensorType& type) {
  if (info.type().tensor_type().elem_type() != int(type.dtype))
    return Contradiction{Status::MismatchingDatatype, str(" is declared otherwise: it ", shown_type(info),
                                                          " there, but is a tensor of ", dtype_name(type.dtype))};
  const auto& tensor = info.type().tensor_type();
  if (!tensor.has_shape()) return std::nullopt;
  bool fits = tensor.shape().dim_size() == int(type.dims.size());
  for (int i = 0; fits && i < tensor.shape().dim_size(); ++i) {
    std::optional<int64_t> actual = expr::as_int(type.dims[size_t(i)]);
    if (tensor.shape().dim(i).has_dim_value() && actual) fits = tensor.shape().dim(i).dim_value() == *actual;
  }
  if (fits) return std::nullopt;
  return Contradiction{Status::MismatchingShape,
                       str(" is declared with shape ", shown_shape(info), ", but is ", graph::to_string(type))};
}

}  // namespace sardonyx::importer
