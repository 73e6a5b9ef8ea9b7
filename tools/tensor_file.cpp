#include "tools/tensor_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "runtime/base/mini_float.h"
#include "runtime/base/strings.h"
#include "tools/usage_error.h"
#include "tools/wire_format.h"

namespace sardonyx::tools {

namespace {

constexpr size_t guard_bytes = 64;
constexpr uint8_t guard_pattern = 0xA5;

// A repeated number, packed (wire type 2) or not. `fixed_size` is 0 for varints.
void read_numbers(const Field& field, size_t fixed_size, const std::string& source, std::vector<uint64_t>& out) {
  if (field.wire != 2) {
    out.push_back(field.varint);
    return;
  }
  Reader reader(field.bytes, source);
  while (!reader.empty()) out.push_back(fixed_size == 0 ? reader.varint() : reader.fixed(fixed_size));
}

// Stores the low bytes of every number, which is how ONNX's typed fields hold each element type.
void store_numbers(const std::vector<uint64_t>& numbers, size_t size, std::vector<uint8_t>& out) {
  out.resize(numbers.size() * size);
  for (size_t i = 0; i < numbers.size(); ++i) std::memcpy(out.data() + i * size, &numbers[i], size);
}

// Field numbers of ONNX's schema.
namespace tensor_field {
enum {
  dims = 1,
  data_type = 2,
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  name = 8,
  raw_data = 9,
  double_data = 10,
  uint64_data = 11,
  data_location = 14
};
}
namespace model_field {
enum { graph = 7 };
}
namespace graph_field {
enum { initializer = 5, input = 11, output = 12, sparse_initializer = 15 };
}

// Field numbers of TypeProto, and of the messages in it: the element type is field 1 or 2 of each.
namespace type_field {
enum { tensor = 1, sequence = 4, map = 5, optional = 9 };
}

ValueTypePtr read_tensor_type(Bytes data, const std::string& source) {
  DType dtype = DType::None;
  Field field;
  for (Reader reader(data, source); reader.next(field);)
    if (field.number == 1) dtype = DType(field.varint);
  return tensor_type(dtype);
}

// Shapes of elements are left out: files are read and compared without. Null for what no file holds.
ValueTypePtr read_type(Bytes data, const std::string& source, int depth = 0) {
  Field type, part;
  for (Reader types(data, source); types.next(type) && depth < max_value_depth;) {
    if (type.number == type_field::tensor) return read_tensor_type(type.bytes, source);
    ValueTypePtr element;
    DType key = DType::None;
    for (Reader parts(type.bytes, source); parts.next(part);) {
      if (part.wire == 2) element = read_type(part.bytes, source, depth + 1);
      if (part.wire == 0) key = DType(part.varint);
    }
    if (!element) return nullptr;
    if (type.number == type_field::sequence) return sequence_of(element);
    if (type.number == type_field::optional) return optional_of(element);
    if (type.number == type_field::map) return map_of(key, element);
  }
  return nullptr;
}

Binding read_value_info(Bytes data, const std::string& source) {
  Binding binding;
  binding.has_shape = false;
  // ValueInfoProto{name 1, type 2} TypeProto{tensor_type 1} Tensor{elem_type 1, shape 2} Shape{dim 1} Dim{value 1}
  Field info, type, tensor, shape, dim;
  for (Reader infos(data, source); infos.next(info);) {
    if (info.number == 1) binding.name = as_text(info.bytes);
    if (info.number != 2) continue;
    for (Reader types(info.bytes, source); types.next(type);) {
      if (type.number != 1) {
        binding.container = read_type(info.bytes, source);
        continue;
      }
      for (Reader tensors(type.bytes, source); tensors.next(tensor);) {
        if (tensor.number == 1) binding.dtype = DType(tensor.varint);
        if (tensor.number != 2) continue;
        binding.has_shape = true;
        for (Reader shapes(tensor.bytes, source); shapes.next(shape);) {
          if (shape.number != 1) continue;
          int64_t value = -1;
          for (Reader dims(shape.bytes, source); dims.next(dim);) {
            if (dim.number == 1) value = int64_t(dim.varint);
          }
          binding.dims.push_back(value);
        }
      }
    }
  }
  return binding;
}

std::string read_name(Bytes data, uint32_t number, const std::string& source) {
  Field field;
  for (Reader reader(data, source); reader.next(field);) {
    if (field.number == number && field.wire == 2) return as_text(field.bytes);
  }
  return "";
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(char(value | 0x80));
  out.push_back(char(value));
}

void put_bytes(std::string& out, uint32_t number, const void* data, size_t size) {
  put_varint(out, number << 3 | 2);
  put_varint(out, size);
  out.append(static_cast<const char*>(data), size);
}

}  // namespace

int64_t HostTensor::element_count() const {
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  return count;
}

void HostTensor::allocate() { bytes.assign(byte_size() + guard_bytes, guard_pattern); }

bool HostTensor::guard_intact() const {
  return std::all_of(bytes.begin() + ptrdiff_t(bytes.size() - guard_bytes), bytes.end(),
                     [](uint8_t byte) { return byte == guard_pattern; });
}

double HostTensor::number(int64_t index) const {
  const auto load = [&](auto value) {
    std::memcpy(&value, bytes.data() + size_t(index) * sizeof value, sizeof value);
    return value;
  };
  switch (dtype) {
    case DType::F16:
      return f16_to_f32(load(uint16_t{}));
    case DType::BF16:
      return bf16_to_f32(load(uint16_t{}));
    case DType::Complex64:
      return load(float{});
    case DType::Complex128:
      return load(double{});
    case DType::Bool:
      return load(uint8_t{});
    default:
      break;
  }
  if (is_packed(dtype)) {
    const int per_byte = 8 / bits_of_element(dtype);
    uint8_t elements[4];
    unpack(dtype, bytes.data() + index / per_byte, index % per_byte + 1, elements);
    const uint8_t element = elements[index % per_byte];
    const MiniFloat* format = mini_float(dtype);
    return format ? double(decode_mini(*format, element)) : double(extend_element(element, dtype));
  }
  if (const MiniFloat* format = mini_float(dtype)) return decode_mini(*format, load(uint8_t{}));
  double result = 0;
  visit_dtype(dtype, [&](auto zero) { result = double(load(zero)); });
  return result;
}

HostTensor parse_tensor(Bytes data, const std::string& source) {
  HostTensor tensor;
  std::vector<uint64_t> dims, floats, int32s, int64s, doubles, uint64s;
  Bytes raw;
  bool has_raw = false;
  Field field;
  for (Reader reader(data, source); reader.next(field);) {
    switch (field.number) {
      case tensor_field::dims:
        read_numbers(field, 0, source, dims);
        break;
      case tensor_field::data_type:
        tensor.dtype = DType(field.varint);
        break;
      case tensor_field::float_data:
        read_numbers(field, 4, source, floats);
        break;
      case tensor_field::int32_data:
        read_numbers(field, 0, source, int32s);
        break;
      case tensor_field::string_data:
        tensor.texts.push_back(as_text(field.bytes));
        break;
      case tensor_field::int64_data:
        read_numbers(field, 0, source, int64s);
        break;
      case tensor_field::double_data:
        read_numbers(field, 8, source, doubles);
        break;
      case tensor_field::uint64_data:
        read_numbers(field, 0, source, uint64s);
        break;
      case tensor_field::name:
        tensor.name = as_text(field.bytes);
        break;
      case tensor_field::raw_data:
        raw = field.bytes, has_raw = true;
        break;
      case tensor_field::data_location:
        if (field.varint != 0) throw UsageError(str(source, ": external tensor data is not read here"));
        break;
      default:
        break;
    }
  }
  int64_t elements = 1;
  constexpr int64_t most_elements = int64_t{1} << 40;
  for (const uint64_t dim : dims) {
    const bool absurd = dim > uint64_t(most_elements) || __builtin_mul_overflow(elements, int64_t(dim), &elements);
    if (absurd || elements > most_elements) throw UsageError(str(source, ": absurd dim ", int64_t(dim)));
    tensor.dims.push_back(int64_t(dim));
  }
  if (tensor.dtype == DType::String) {
    if (int64_t(tensor.texts.size()) != elements)
      throw UsageError(str(source, ": ", tensor.texts.size(), " texts for ", tensor.dims));
    return tensor;
  }
  const size_t size = size_of(tensor.dtype);
  if (size == 0) throw UsageError(str(source, ": no tensor of numbers (element type ", int(tensor.dtype), ")"));
  if (has_raw) {
    tensor.bytes.assign(raw.begin(), raw.end());
  } else {
    switch (tensor.dtype) {
      case DType::F32:
      case DType::Complex64:
        store_numbers(floats, 4, tensor.bytes);
        break;
      case DType::F64:
      case DType::Complex128:
        store_numbers(doubles, 8, tensor.bytes);
        break;
      case DType::I64:
        store_numbers(int64s, 8, tensor.bytes);
        break;
      case DType::U32:
      case DType::U64:
        store_numbers(uint64s, size, tensor.bytes);
        break;
      default:
        store_numbers(int32s, size, tensor.bytes);
        break;
    }
  }
  if (tensor.bytes.size() != tensor.byte_size()) {
    throw UsageError(
        str(source, ": ", tensor.bytes.size(), " bytes of data for ", dtype_name(tensor.dtype), tensor.dims));
  }
  return tensor;
}

HostTensor read_tensor_file(const std::string& path) {
  const MappedFile file(path);
  return parse_tensor(file.bytes(), path);
}

void write_tensor_file(const HostTensor& tensor, const std::string& path) {
  std::string out;
  for (const int64_t dim : tensor.dims) {
    put_varint(out, tensor_field::dims << 3);
    put_varint(out, uint64_t(dim));
  }
  put_varint(out, tensor_field::data_type << 3);
  put_varint(out, uint64_t(tensor.dtype));
  put_bytes(out, tensor_field::name, tensor.name.data(), tensor.name.size());
  put_bytes(out, tensor_field::raw_data, tensor.bytes.data(), tensor.byte_size());
  std::ofstream file(path, std::ios::binary);
  if (!file.write(out.data(), std::streamsize(out.size()))) throw UsageError(str("cannot write ", path));
}

bool Signature::has_containers() const {
  const auto container = [](const Binding& binding) { return binding.container != nullptr; };
  return std::any_of(inputs.begin(), inputs.end(), container) || std::any_of(outputs.begin(), outputs.end(), container);
}

bool Signature::has_values() const {
  const auto text = [](const Binding& binding) { return binding.dtype == DType::String; };
  return has_containers() || std::any_of(inputs.begin(), inputs.end(), text) ||
         std::any_of(outputs.begin(), outputs.end(), text);
}

Signature read_signature(Bytes model, const std::string& source) {
  Signature signature;
  std::set<std::string> initializers;
  Field part, item;
  for (Reader parts(model, source); parts.next(part);) {
    if (part.number != model_field::graph) continue;
    for (Reader items(part.bytes, source); items.next(item);) {
      switch (item.number) {
        case graph_field::initializer:
          initializers.insert(read_name(item.bytes, tensor_field::name, source));
          break;
        case graph_field::sparse_initializer: {
          Field values;
          for (Reader sparse(item.bytes, source); sparse.next(values);) {
            if (values.number == 1) initializers.insert(read_name(values.bytes, tensor_field::name, source));
          }
          break;
        }
        case graph_field::input:
          signature.inputs.push_back(read_value_info(item.bytes, source));
          break;
        case graph_field::output:
          signature.outputs.push_back(read_value_info(item.bytes, source));
          break;
        default:
          break;
      }
    }
  }
  std::erase_if(signature.inputs, [&](const Binding& input) { return initializers.count(input.name) != 0; });
  return signature;
}

MappedFile::MappedFile(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info = {};
  if (descriptor < 0 || fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    const std::string reason = descriptor < 0 ? std::strerror(errno) : "not a file";
    if (descriptor >= 0) ::close(descriptor);
    throw UsageError(str(path, ": ", reason));
  }
  size_ = size_t(info.st_size);
  if (size_ > 0) data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  ::close(descriptor);
  if (data_ == MAP_FAILED) throw UsageError(str(path, ": ", std::strerror(errno)));
}

MappedFile::~MappedFile() {
  if (size_ > 0) munmap(data_, size_);
}

}  // namespace sardonyx::tools
