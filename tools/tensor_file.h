// Tensors as the commands hold them, and their files in ONNX's own format (TensorProto, protobuf's wire format), read
// and written here so that the tools depend on no part of the engine. From a model only what a host has to bind is
// read: graph inputs without initializer, and graph outputs.
//
//   HostTensor input = read_tensor_file("test_data_set_0/input_0.pb");
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/packing.h"
#include "runtime/base/value.h"
#include "tools/wire_format.h"

namespace sardonyx::tools {

// Dense, row-major, elements of less than a byte packed. `bytes` may be longer than the tensor: allocate() adds a guard
// that no one should write to.
struct HostTensor {
  std::string name;
  DType dtype = DType::None;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes;
  std::vector<std::string> texts{};  // of strings, in the place of bytes

  int64_t element_count() const;
  size_t byte_size() const { return size_t(host_bytes(dtype, element_count())); }
  // Makes room for the tensor and the guard, filled with a pattern.
  void allocate();
  bool guard_intact() const;
  // Element `index` as a double; complex types count as twice as many elements.
  double number(int64_t index) const;
};

// What a host binds. A dim of -1 is symbolic; no rank at all is `has_shape` false.
struct Binding {
  std::string name;
  DType dtype = DType::None;
  bool has_shape = true;
  std::vector<int64_t> dims;
  ValueTypePtr container = nullptr;  // of what is no tensor
};

struct Signature {
  std::vector<Binding> inputs;
  std::vector<Binding> outputs;
  // Whether some input or output is no tensor / no tensor of numbers.
  bool has_containers() const;
  bool has_values() const;
};

// All of these throw UsageError with the file's name and what is wrong with it.
HostTensor parse_tensor(Bytes data, const std::string& source);
HostTensor read_tensor_file(const std::string& path);
void write_tensor_file(const HostTensor& tensor, const std::string& path);
Signature read_signature(Bytes model, const std::string& source);

// A whole file, mapped: the pages of a large model are not copied.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  Bytes bytes() const { return {static_cast<const uint8_t*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sardonyx::tools
