// Checks of tensor descriptors against what a graph declares.
//
// The checks come in the order in which their statuses take precedence: match() judges every descriptor by itself and
// finds what it describes; the others look at all descriptors together. A descriptor's members are read only after its
// tag is right, and buffers are never touched.
//
//   Matched matched;
//   match(table, descriptors, Buffers::Required, matched);  // UnsupportedTag, InvalidName, ... InvalidMemoryLocation
//   require_complete(table, matched);                       // UnidentifiedName
//   check_datatypes(table, matched);                        // MismatchingDatatype
//   check_shapes(table, matched);                           // MismatchingShape
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "importer/import.h"
#include "onnx/onnxifi.h"
#include "runtime/program.h"

namespace sardonyx::onnxifi {

using Descriptors = std::span<const onnxTensorDescriptorV1>;

// A tensor as the model declares it. Symbolic dims are -1.
struct Declaration {
  std::string name;
  DType dtype = DType::None;
  bool ranked = true;
  Dims dims;
  std::vector<std::string> symbols;  // one per dim, "" when static or anonymous
  bool data_dependent = false;       // described dims are upper limits
};

Declaration declaration_of(const importer::DeclaredTensor& tensor);
Declaration declaration_of(const runtime::IoInfo& info, const runtime::Program& program);

// The declarations of one side of a graph, found by name.
class IoTable {
 public:
  // `noun` names an entry in messages: "input", "output", "weight". Symbolic dims may be 0 with `allow_empty`. Buffers
  // may be of the types in `memory_types`, and the CPU's.
  IoTable(std::vector<Declaration> declarations, const char* noun, bool allow_empty,
          onnxBitfield memory_types = ONNXIFI_MEMORY_TYPE_CPU);
  IoTable(const IoTable&) = delete;
  IoTable& operator=(const IoTable&) = delete;

  size_t size() const { return declarations_.size(); }
  const Declaration& operator[](size_t i) const { return declarations_[i]; }
  const char* noun() const { return noun_; }
  bool allow_empty() const { return allow_empty_; }
  onnxBitfield memory_types() const { return memory_types_; }
  // Index of a name, or -1. Hosts mostly describe tensors in order, so `hint` is tried first.
  int find(const char* name, size_t hint) const;

 private:
  std::vector<Declaration> declarations_;
  const char* noun_;
  bool allow_empty_;
  onnxBitfield memory_types_;
  std::unordered_map<std::string_view, int> by_name_;
};

// The descriptor of each declaration; null where there is none.
using Matched = std::vector<const onnxTensorDescriptorV1*>;
enum class Buffers { Required, Ignored };

void match(const IoTable& table, Descriptors descriptors, Buffers buffers, Matched& matched);
void require_complete(const IoTable& table, const Matched& matched);
void check_datatypes(const IoTable& table, const Matched& matched);
// Rank and static dims.
void check_shapes(const IoTable& table, const Matched& matched);
// One symbol must have one value. MismatchingShape.
void check_symbols(const IoTable& table, const Matched& matched);
// Byte sizes must neither overflow nor exceed `memory_bytes` (0: unknown). UnsupportedShape.
void check_sizes(const IoTable& table, const Matched& matched, uint64_t memory_bytes);
// A copy of the described buffer, of texts as well.
Tensor copy_of(const onnxTensorDescriptorV1& descriptor, DType dtype, Dims dims);
// The same for a weight, but large buffers of plain numbers are lent: the tensor refers to `lender` while it does to
// them.
Tensor weight_of(const onnxTensorDescriptorV1& descriptor, DType dtype, Dims dims,
                 const std::shared_ptr<const void>& lender);
// The described dims; those beyond int64 become INT64_MAX.
void copy_dims(const onnxTensorDescriptorV1& descriptor, Dims& dims);

}  // namespace sardonyx::onnxifi
