#include "onnxifi/descriptors.h"

#include <cstring>

#include "importer/limits.h"
#include "runtime/base/packing.h"
#include "runtime/base/status.h"

namespace sardonyx::onnxifi {

namespace {

void check_memory_type(onnxEnum type, const IoTable& table, const char* name) {
  switch (type) {
    case ONNXIFI_MEMORY_TYPE_CPU:
      return;
    case ONNXIFI_MEMORY_TYPE_CUDA_BUFFER:
    case ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER:
    case ONNXIFI_MEMORY_TYPE_OPENGLES_TEXTURE_2D:
    case ONNXIFI_MEMORY_TYPE_D3D_RESOURCE:
      require((table.memory_types() & type) != 0, Status::UnsupportedMemoryType, table.noun(), " '", name,
              "': memory type ", type, " is not supported by the backend");
      return;
    default:
      fail(Status::InvalidMemoryType, table.noun(), " '", name, "': unknown memory type ", type);
  }
}

// True when some dim is 0, which only a declared 0 at the same place allows, or a symbol that may be 0.
bool check_dims(const onnxTensorDescriptorV1& descriptor, const IoTable& table, const Declaration& declared) {
  if (descriptor.dimensions == 0) return false;
  require(descriptor.shape != nullptr, Status::InvalidShape, table.noun(), " '", declared.name,
          "': ", descriptor.dimensions, " dimensions, but the shape is NULL");
  bool empty = false;
  for (uint32_t i = 0; i < descriptor.dimensions; ++i) {
    if (descriptor.shape[i] != 0) continue;
    const bool allowed = i < declared.dims.size()
                             ? declared.dims[i] == 0 || (declared.dims[i] < 0 && table.allow_empty())
                             : !declared.ranked && table.allow_empty();
    require(allowed, Status::InvalidShape, table.noun(), " '", declared.name, "': dim ", i,
            " is 0, which the model does not declare");
    empty = true;
  }
  return empty;
}

std::string text_of(const Declaration& declared) {
  std::vector<std::string> dims;
  for (size_t i = 0; i < declared.dims.size(); ++i) {
    const bool named = i < declared.symbols.size() && !declared.symbols[i].empty();
    dims.push_back(declared.dims[i] >= 0 ? str(declared.dims[i]) : named ? declared.symbols[i] : "?");
  }
  return str("[", join(dims, ","), "]");
}

std::string text_of(const onnxTensorDescriptorV1& descriptor) {
  return str("[", join(std::span(descriptor.shape, descriptor.dimensions), ","), "]");
}

}  // namespace

Declaration declaration_of(const importer::DeclaredTensor& tensor) {
  Declaration declared{tensor.name, tensor.dtype, tensor.has_shape, {}, {}, false};
  for (const auto& dim : tensor.dims) {
    declared.dims.push_back(dim.value);
    declared.symbols.push_back(dim.symbol);
  }
  return declared;
}

Declaration declaration_of(const runtime::IoInfo& info, const runtime::Program& program) {
  Declaration declared{info.name, info.dtype, info.rank_known, {}, info.dim_names, info.data_dependent};
  for (const runtime::DimId id : info.dims) {
    const auto& dim = program.dims[size_t(id)];
    declared.dims.push_back(dim.op == runtime::DimExpr::Op::Constant ? dim.value : -1);
  }
  return declared;
}

IoTable::IoTable(std::vector<Declaration> declarations, const char* noun, bool allow_empty, onnxBitfield memory_types)
    : declarations_(std::move(declarations)), noun_(noun), allow_empty_(allow_empty), memory_types_(memory_types) {
  for (size_t i = 0; i < declarations_.size(); ++i) by_name_.emplace(declarations_[i].name, int(i));
}

int IoTable::find(const char* name, size_t hint) const {
  if (hint < declarations_.size() && std::strcmp(name, declarations_[hint].name.c_str()) == 0) return int(hint);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? -1 : found->second;
}

void match(const IoTable& table, Descriptors descriptors, Buffers buffers, Matched& matched) {
  matched.assign(table.size(), nullptr);
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const auto& descriptor = descriptors[i];
    require(descriptor.tag == ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1, Status::UnsupportedTag, table.noun(), " descriptor ", i,
            ": unknown tag ", descriptor.tag);
    require(descriptor.name != nullptr, Status::InvalidName, table.noun(), " descriptor ", i, ": the name is NULL");
    const int index = table.find(descriptor.name, i);
    require(index >= 0, Status::InvalidName, "the graph has no ", table.noun(), " '", descriptor.name,
            "' that a host can provide");
    const Declaration& declared = table[size_t(index)];
    require(matched[size_t(index)] == nullptr, Status::InvalidName, table.noun(), " '", declared.name,
            "' is described twice");
    require(descriptor.dataType <= 0xFF && is_known(DType(descriptor.dataType)), Status::InvalidDatatype, table.noun(),
            " '", declared.name, "': unknown data type ", descriptor.dataType);
    if (buffers == Buffers::Required) check_memory_type(descriptor.memoryType, table, declared.name.c_str());
    require(descriptor.dataType != onnxEnum(DType::String) || descriptor.memoryType == ONNXIFI_MEMORY_TYPE_CPU ||
                buffers == Buffers::Ignored,
            Status::UnsupportedMemoryType, table.noun(), " '", declared.name,
            "': strings are in the CPU's memory only");
    const bool empty = check_dims(descriptor, table, declared);
    require(buffers == Buffers::Ignored || empty || descriptor.buffer != 0, Status::InvalidMemoryLocation, table.noun(),
            " '", declared.name, "': the buffer is NULL");
    matched[size_t(index)] = &descriptor;
  }
}

void require_complete(const IoTable& table, const Matched& matched) {
  for (size_t i = 0; i < table.size(); ++i) {
    require(matched[i] != nullptr, Status::UnidentifiedName, "no descriptor for graph ", table.noun(), " '",
            table[i].name, "'");
  }
}

void check_datatypes(const IoTable& table, const Matched& matched) {
  for (size_t i = 0; i < table.size(); ++i) {
    if (matched[i] == nullptr) continue;
    const DType given = DType(matched[i]->dataType);
    require(given == table[i].dtype, Status::MismatchingDatatype, table.noun(), " '", table[i].name, "' is ",
            dtype_name(table[i].dtype), ", the descriptor says ", dtype_name(given));
  }
}

void check_shapes(const IoTable& table, const Matched& matched) {
  for (size_t i = 0; i < table.size(); ++i) {
    const Declaration& declared = table[i];
    if (matched[i] == nullptr || !declared.ranked) continue;
    const auto& descriptor = *matched[i];
    bool equal = descriptor.dimensions == declared.dims.size();
    for (size_t d = 0; equal && d < declared.dims.size() && !declared.data_dependent; ++d) {
      equal = declared.dims[d] < 0 || uint64_t(declared.dims[d]) == descriptor.shape[d];
    }
    if (!equal) {
      fail(Status::MismatchingShape, table.noun(), " '", declared.name, "' has the shape ", text_of(declared),
           ", the descriptor says ", text_of(descriptor));
    }
  }
}

void check_symbols(const IoTable& table, const Matched& matched) {
  std::unordered_map<std::string_view, uint64_t> values;
  for (size_t i = 0; i < table.size(); ++i) {
    const Declaration& declared = table[i];
    if (matched[i] == nullptr || !declared.ranked) continue;
    for (size_t d = 0; d < declared.symbols.size(); ++d) {
      if (declared.symbols[d].empty() || declared.dims[d] >= 0) continue;
      const uint64_t value = matched[i]->shape[d];
      const auto [entry, fresh] = values.emplace(declared.symbols[d], value);
      require(fresh || entry->second == value, Status::MismatchingShape, table.noun(), " '", declared.name,
              "': symbol '", declared.symbols[d], "' is ", value, " here and ", entry->second, " elsewhere");
    }
  }
}

void check_sizes(const IoTable& table, const Matched& matched, uint64_t memory_bytes) {
  const uint64_t limit = memory_bytes != 0 ? memory_bytes : uint64_t(1) << 47;
  for (size_t i = 0; i < table.size(); ++i) {
    if (matched[i] == nullptr) continue;
    const auto& descriptor = *matched[i];
    uint64_t bytes = size_of(DType(descriptor.dataType));
    bool fits = true, empty = false;
    for (uint32_t d = 0; d < descriptor.dimensions; ++d) {
      empty |= descriptor.shape[d] == 0;
      fits &= !__builtin_mul_overflow(bytes, descriptor.shape[d], &bytes) && bytes <= limit;
    }
    if (!fits && !empty) {
      fail(Status::UnsupportedShape, table.noun(), " '", table[i].name, "': the shape ", text_of(descriptor),
           " needs more memory than the ", limit, " bytes of the backend");
    }
  }
}

Tensor copy_of(const onnxTensorDescriptorV1& descriptor, DType dtype, Dims dims) {
  // Nothing is written through this view.
  auto* bytes = reinterpret_cast<uint8_t*>(descriptor.buffer);
  const Tensor view(dtype, std::move(dims), std::shared_ptr<uint8_t>(std::shared_ptr<void>(), bytes));
  if (view.bytes() == 0) return Tensor(dtype, view.dims());
  if (!is_packed(dtype)) return view.clone();
  Tensor result(dtype, view.dims());
  unpack(dtype, bytes, result.count(), result.raw());
  return result;
}

Tensor weight_of(const onnxTensorDescriptorV1& descriptor, DType dtype, Dims dims,
                 const std::shared_ptr<const void>& lender) {
  if (is_packed(dtype) || is_held(dtype) || byte_size(dtype, dims) < int64_t{importer::lift_threshold})
    return copy_of(descriptor, dtype, std::move(dims));
  const auto* bytes = reinterpret_cast<const uint8_t*>(descriptor.buffer);
  return Tensor::lent(dtype, std::move(dims), std::shared_ptr<const uint8_t>(lender, bytes));
}

void copy_dims(const onnxTensorDescriptorV1& descriptor, Dims& dims) {
  dims.resize(descriptor.dimensions);
  for (uint32_t d = 0; d < descriptor.dimensions; ++d) {
    dims[d] = descriptor.shape[d] > uint64_t(INT64_MAX) ? INT64_MAX : int64_t(descriptor.shape[d]);
  }
}

}  // namespace sardonyx::onnxifi
