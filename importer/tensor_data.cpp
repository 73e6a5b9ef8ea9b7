#include "importer/tensor_data.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "importer/external_data.h"
#include "importer/limits.h"
#include "importer/onnx_model.pb.h"
#include "runtime/base/packing.h"
#include "runtime/base/pages.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

static_assert(std::endian::native == std::endian::little, "raw_data is little endian and is copied as it is");

namespace {

using proto::SparseTensorProto;
using proto::TensorProto;

enum class Storage { None, Float, Int32, String, Int64, Double, Uint64 };
constexpr const char* storage_names[] = {"",           "float_data",  "int32_data", "string_data",
                                         "int64_data", "double_data", "uint64_data"};

// One row per TensorProto.DataType. `parts`: entries of the storage field per element, 2 for complex numbers.
struct DataType {
  const char* name;
  int bits;
  Storage storage;
  int parts = 1;
};
constexpr DataType data_types[] = {
    {nullptr, 0, Storage::None},           {"FLOAT", 32, Storage::Float},
    {"UINT8", 8, Storage::Int32},          {"INT8", 8, Storage::Int32},
    {"UINT16", 16, Storage::Int32},        {"INT16", 16, Storage::Int32},
    {"INT32", 32, Storage::Int32},         {"INT64", 64, Storage::Int64},
    {"STRING", 0, Storage::String},        {"BOOL", 8, Storage::Int32},
    {"FLOAT16", 16, Storage::Int32},       {"DOUBLE", 64, Storage::Double},
    {"UINT32", 32, Storage::Uint64},       {"UINT64", 64, Storage::Uint64},
    {"COMPLEX64", 64, Storage::Float, 2},  {"COMPLEX128", 128, Storage::Double, 2},
    {"BFLOAT16", 16, Storage::Int32},      {"FLOAT8E4M3FN", 8, Storage::Int32},
    {"FLOAT8E4M3FNUZ", 8, Storage::Int32}, {"FLOAT8E5M2", 8, Storage::Int32},
    {"FLOAT8E5M2FNUZ", 8, Storage::Int32}, {"UINT4", 4, Storage::Int32},
    {"INT4", 4, Storage::Int32},           {"FLOAT4E2M1", 4, Storage::Int32},
    {"FLOAT8E8M0", 8, Storage::Int32},     {"UINT2", 2, Storage::Int32},
    {"INT2", 2, Storage::Int32},
};

const DataType& data_type(int code) {
  require(code > 0 && code < int(std::size(data_types)), Status::InvalidModel, "has the unknown data type ", code);
  return data_types[code];
}

// Entries of the storage field: sub-byte elements are packed into bytes, one byte per entry.
int64_t entries_of(const DataType& type, int64_t elements) {
  if (type.bits > 0 && type.bits < 8) return (elements * type.bits + 7) / 8;
  return elements * type.parts;
}

int64_t stored_entries(const TensorProto& tensor, Storage storage) {
  switch (storage) {
    case Storage::None:
      return 0;
    case Storage::Float:
      return tensor.float_data_size();
    case Storage::Int32:
      return tensor.int32_data_size();
    case Storage::String:
      return tensor.string_data_size();
    case Storage::Int64:
      return tensor.int64_data_size();
    case Storage::Double:
      return tensor.double_data_size();
    case Storage::Uint64:
      return tensor.uint64_data_size();
  }
  return 0;
}

TensorSize size_of_tensor(const TensorProto& tensor) {
  return tensor_size(tensor.data_type(), tensor.dims().data(), tensor.dims_size());
}

template <class To, class From>
void convert(const From& from, Tensor& to) {
  std::transform(from.begin(), from.end(), to.data<To>(), [](auto value) { return static_cast<To>(value); });
}

void copy_int32_data(const TensorProto& tensor, Tensor& to) {
  switch (size_of(to.dtype())) {
    case 1:
      if (to.dtype() == DType::Bool)
        std::transform(tensor.int32_data().begin(), tensor.int32_data().end(), to.raw(),
                       [](int32_t value) { return uint8_t(value != 0); });
      else
        convert<uint8_t>(tensor.int32_data(), to);
      break;
    case 2:
      convert<uint16_t>(tensor.int32_data(), to);
      break;
    default:
      convert<int32_t>(tensor.int32_data(), to);
  }
}

Dims dims_of(const TensorProto& tensor) { return {tensor.dims().begin(), tensor.dims().end()}; }

Tensor texts_of(const TensorProto& tensor) {
  std::vector<std::string_view> texts(tensor.string_data().begin(), tensor.string_data().end());
  return Tensor::strings(dims_of(tensor), texts);
}

DType require_supported(const TensorProto& tensor) {
  DType dtype = supported_dtype(tensor.data_type());
  require(dtype != DType::None, Status::UnsupportedDatatype, "has data type ", data_type(tensor.data_type()).name,
          ", which is not supported");
  return dtype;
}

std::optional<Bytes> raw_data_of(const TensorProto& tensor, const Sources& sources) {
  if (auto lifted = sources.lifted.find(&tensor); lifted != sources.lifted.end()) return lifted->second;
  if (!tensor.has_raw_data()) return std::nullopt;
  return Bytes(reinterpret_cast<const uint8_t*>(tensor.raw_data().data()), tensor.raw_data().size());
}

bool is_external(const TensorProto& tensor) { return tensor.data_location() == TensorProto::EXTERNAL; }

Bytes raw_bytes(const TensorProto& tensor, const Sources& sources, size_t bytes) {
  std::optional<Bytes> raw = raw_data_of(tensor, sources);
  check(raw && raw->size() == bytes, "tensor '", tensor.name(), "' was not checked");
  return *raw;
}

// The bytes of a tensor whose elements are packed, wherever they are.
void copy_packed(const TensorProto& tensor, const Sources& sources, size_t bytes, Tensor& to) {
  std::vector<uint8_t> packed(bytes);
  if (is_external(tensor)) {
    ExternalData(tensor, sources.external_dir, int64_t(bytes)).read(packed.data());
  } else if (tensor.int32_data_size() > 0) {
    std::transform(tensor.int32_data().begin(), tensor.int32_data().end(), packed.begin(),
                   [](int32_t value) { return uint8_t(value); });
  } else {
    const Bytes raw = raw_bytes(tensor, sources, bytes);
    std::copy(raw.begin(), raw.end(), packed.begin());
  }
  unpack(to.dtype(), packed.data(), to.count(), to.raw());
}

// Row-major position of entry i of a sparse tensor's indices; -1 when it is out of bounds.
int64_t flat_index(const Tensor& indices, int64_t i, const int64_t* dims, int rank, int64_t count) {
  if (indices.rank() == 1) {
    int64_t index = indices.data<int64_t>()[i];
    return index >= 0 && index < count ? index : -1;
  }
  int64_t flat = 0;
  for (int axis = 0; axis < rank; ++axis) {
    int64_t index = indices.data<int64_t>()[i * rank + axis];
    if (index < 0 || index >= dims[axis]) return -1;
    flat = flat * dims[axis] + index;
  }
  return flat;
}

}  // namespace

const char* data_type_name(int code) {
  return code > 0 && code < int(std::size(data_types)) ? data_types[code].name : nullptr;
}

DType supported_dtype(int code) {
  bool supported = code > 0 && code < int(std::size(data_types));
  return supported ? DType(code) : DType::None;
}

bool is_stored_as_is(DType dtype) { return dtype != DType::Bool && dtype != DType::String && !is_packed(dtype); }

TensorSize tensor_size(int code, const int64_t* dims, int rank) {
  const DataType& type = data_type(code);
  require(rank <= max_rank, Status::InvalidModel, "has ", rank, " dims, more than ", max_rank);
  int64_t elements = 1;
  bool empty = false, overflow = false;
  for (int i = 0; i < rank; ++i) {
    require(dims[i] >= 0, Status::InvalidModel, "has the negative dim ", dims[i]);
    empty |= dims[i] == 0;
    overflow |= dims[i] != 0 && __builtin_mul_overflow(elements, dims[i], &elements);
  }
  if (empty) return {};
  int64_t bits = 0;
  overflow |= __builtin_mul_overflow(elements, int64_t{std::max(type.bits, 8)} * type.parts, &bits);
  require(!overflow, Status::InvalidModel, "has dims whose product overflows");
  return {elements, type.bits < 8 ? entries_of(type, elements) : elements * (type.bits / 8)};
}

void check_tensor(const TensorProto& tensor, const Sources& sources) {
  TensorSize size = size_of_tensor(tensor);
  const DataType& type = data_type(tensor.data_type());
  require(!tensor.has_segment(), Status::InvalidModel, "is stored in segments");
  require(tensor.data_location() == TensorProto::DEFAULT || is_external(tensor), Status::InvalidModel,
          "has the unknown data location ", tensor.data_location());
  bool typed = false;
  for (Storage field :
       {Storage::Float, Storage::Int32, Storage::String, Storage::Int64, Storage::Double, Storage::Uint64}) {
    if (stored_entries(tensor, field) == 0) continue;
    require(field == type.storage, Status::InvalidModel, "has data type ", type.name, " but stores elements in ",
            storage_names[int(field)]);
    typed = true;
  }
  if (is_external(tensor)) {
    require(!typed && !raw_data_of(tensor, sources), Status::InvalidModel, "has external data and elements of its own");
    require(type.storage != Storage::String, Status::InvalidModel, "stores strings in external data");
    ExternalData(tensor, sources.external_dir, size.bytes);
    return;
  }
  std::optional<Bytes> raw = raw_data_of(tensor, sources);
  if (raw && !(raw->empty() && typed)) {
    require(!typed, Status::InvalidModel, "stores elements both in raw_data and in ", storage_names[int(type.storage)]);
    require(type.storage != Storage::String, Status::InvalidModel, "stores strings in raw_data");
    require(int64_t(raw->size()) == size.bytes, Status::InvalidModel, "has ", raw->size(),
            " bytes of raw_data, its dims [", join(tensor.dims(), ","), "] of ", type.name, " need ", size.bytes);
    return;
  }
  int64_t expected = entries_of(type, size.elements), stored = stored_entries(tensor, type.storage);
  require(stored == expected, Status::InvalidModel, "has ", stored, " entries of ", storage_names[int(type.storage)],
          ", its dims [", join(tensor.dims(), ","), "] of ", type.name, " need ", expected);
}

void check_sparse_tensor(const SparseTensorProto& tensor, const Sources& sources) {
  require(tensor.has_values(), Status::InvalidModel, "has no values");
  check_tensor(tensor.values(), sources);
  require(tensor.values().dims_size() == 1, Status::InvalidModel, "has values of rank ", tensor.values().dims_size(),
          " instead of 1");
  require(tensor.dims_size() > 0, Status::InvalidModel, "has no dims");
  TensorSize dense = tensor_size(tensor.values().data_type(), tensor.dims().data(), tensor.dims_size());
  int64_t nonzeros = tensor.values().dims(0);
  if (!tensor.has_indices() && nonzeros == 0) return;
  require(tensor.has_indices(), Status::InvalidModel, "has no indices");
  check_tensor(tensor.indices(), sources);
  const TensorProto& indices = tensor.indices();
  require(indices.data_type() == TensorProto::INT64, Status::InvalidModel, "has indices that are not INT64");
  bool linear = indices.dims_size() == 1 && indices.dims(0) == nonzeros;
  bool tuples = indices.dims_size() == 2 && indices.dims(0) == nonzeros && indices.dims(1) == tensor.dims_size();
  require(linear || tuples, Status::InvalidModel, "has indices of dims [", join(indices.dims(), ","), "] for ",
          nonzeros, " values of a tensor of rank ", tensor.dims_size());
  Tensor positions = to_tensor(indices, sources);
  for (int64_t i = 0, previous = -1; i < nonzeros; ++i) {
    int64_t flat = flat_index(positions, i, tensor.dims().data(), tensor.dims_size(), dense.elements);
    require(flat >= 0, Status::InvalidModel, "has an index out of bounds at position ", i);
    require(flat > previous, Status::InvalidModel, "has indices that do not ascend at position ", i);
    previous = flat;
  }
}

Tensor to_tensor(const TensorProto& tensor, const Sources& sources) {
  DType dtype = require_supported(tensor);
  if (dtype == DType::String) return texts_of(tensor);
  const Dims dims = dims_of(tensor);
  Tensor result(dtype, dims, weight_bytes(byte_size(dtype, dims), Pages::Plain));
  size_t bytes = size_t(size_of_tensor(tensor).bytes);
  if (bytes == 0) return result;
  if (is_packed(dtype)) {
    copy_packed(tensor, sources, bytes, result);
    return result;
  }
  if (is_external(tensor)) {
    ExternalData(tensor, sources.external_dir, int64_t(bytes)).read(result.raw());
  } else if (stored_entries(tensor, data_types[tensor.data_type()].storage) == 0) {
    std::memcpy(result.raw(), raw_bytes(tensor, sources, bytes).data(), bytes);
  } else {
    switch (data_types[tensor.data_type()].storage) {
      case Storage::Float:
        std::memcpy(result.raw(), tensor.float_data().data(), bytes);
        return result;
      case Storage::Double:
        std::memcpy(result.raw(), tensor.double_data().data(), bytes);
        return result;
      case Storage::Int64:
        std::memcpy(result.raw(), tensor.int64_data().data(), bytes);
        return result;
      case Storage::Uint64:
        dtype == DType::U32 ? convert<uint32_t>(tensor.uint64_data(), result)
                            : convert<uint64_t>(tensor.uint64_data(), result);
        return result;
      default:
        copy_int32_data(tensor, result);
        return result;
    }
  }
  if (dtype == DType::Bool)
    std::transform(result.raw(), result.raw() + bytes, result.raw(), [](uint8_t byte) { return uint8_t(byte != 0); });
  return result;
}

Tensor to_dense_tensor(const SparseTensorProto& tensor, const Sources& sources) {
  DType dtype = require_supported(tensor.values());
  Dims dims(tensor.dims().begin(), tensor.dims().end());
  TensorSize size = tensor_size(tensor.values().data_type(), dims.data(), int(dims.size()));
  const int64_t bytes = byte_size(dtype, dims);
  require(bytes <= max_dense_sparse_bytes, Status::NoSystemMemory, "is a sparse tensor of ", bytes,
          " bytes when dense, more than ", max_dense_sparse_bytes);
  Tensor result(dtype, dims);
  std::memset(result.raw(), 0, size_t(result.bytes()));
  Tensor values = to_tensor(tensor.values(), sources);
  if (values.count() == 0) return result;
  Tensor indices = to_tensor(tensor.indices(), sources);
  size_t width = size_of(dtype);
  for (int64_t i = 0; i < values.count(); ++i) {
    int64_t flat = flat_index(indices, i, dims.data(), int(dims.size()), size.elements);
    check(flat >= 0, "sparse tensor was not checked");
    std::memcpy(result.raw() + size_t(flat) * width, values.raw() + size_t(i) * width, width);
  }
  if (dtype == DType::String) return result.clone();  // the texts are those of `values` so far
  return result;
}

Tensor view_of(const TensorProto& tensor, const std::shared_ptr<const void>& owner) {
  DType dtype = require_supported(tensor);
  if (is_external(tensor) || !is_stored_as_is(dtype)) return {};
  const void* data = nullptr;
  Storage storage = data_types[tensor.data_type()].storage;
  if (stored_entries(tensor, storage) == 0)
    data = tensor.raw_data().data();
  else if (storage == Storage::Float)
    data = tensor.float_data().data();
  else if (storage == Storage::Double)
    data = tensor.double_data().data();
  else if (storage == Storage::Int64)
    data = tensor.int64_data().data();
  else if (dtype == DType::I32)
    data = tensor.int32_data().data();
  if (!data || reinterpret_cast<uintptr_t>(data) % size_of(dtype) != 0) return {};
  // Tensors have no read-only form; nobody writes to the tensor of a constant.
  auto* bytes = static_cast<uint8_t*>(const_cast<void*>(data));
  return Tensor(dtype, dims_of(tensor), std::shared_ptr<uint8_t>(std::const_pointer_cast<void>(owner), bytes));
}

}  // namespace sardonyx::importer
