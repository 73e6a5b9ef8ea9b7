// TensorProto -> Tensor: which field holds the elements, how many there must be, and how they are laid out.
//
// check_tensor finds what is structurally wrong with a tensor without touching its data; to_tensor converts one that
// was checked. raw_data and typed fields give the same tensor:
//   dims 2, FLOAT16, int32_data {15360, 16384}  ==  dims 2, FLOAT16, raw_data 00 3c 00 40  ==  f16 [1, 2]
#pragma once
#include <memory>
#include <string>
#include <unordered_map>

#include "importer/lift.h"
#include "runtime/base/tensor.h"

namespace sardonyx::proto {
class SparseTensorProto;
class TensorProto;
}  // namespace sardonyx::proto

namespace sardonyx::importer {

// ONNX's name of a TensorProto.DataType ("FLOAT16"), or null when the code is unknown.
const char* data_type_name(int code);
// The DType of a data type that this library computes with; None for unknown codes.
DType supported_dtype(int code);
// Whether raw_data has the bytes of a Tensor: neither packed bits, nor texts, nor bytes that are made 0 or 1.
bool is_stored_as_is(DType dtype);

// Number of elements and bytes of `dims` of `data_type`; throws Error(InvalidModel) when a dim is negative, the rank
// is absurd, or a size does not fit in 63 bits. Sub-byte elements are packed.
struct TensorSize {
  int64_t elements = 0, bytes = 0;
};
TensorSize tensor_size(int data_type, const int64_t* dims, int rank);

// Where elements may come from besides the message itself.
struct Sources {
  std::string external_dir;                                       // empty: external data is refused
  std::unordered_map<const proto::TensorProto*, Bytes> lifted{};  // raw_data that was taken out of the message
};

// Throws Error(InvalidModel) unless the tensor has a known data type, sane dims, and exactly the payload these need.
// External data is looked up, but not read.
void check_tensor(const proto::TensorProto& tensor, const Sources& sources);
// Values of rank 1, indices in bounds and ascending.
void check_sparse_tensor(const proto::SparseTensorProto& tensor, const Sources& sources);

// Converts a checked tensor. Throws Error(UnsupportedDatatype) for types that this library does not compute with.
Tensor to_tensor(const proto::TensorProto& tensor, const Sources& sources);
Tensor to_dense_tensor(const proto::SparseTensorProto& tensor, const Sources& sources);

// The tensor over the message's own bytes, kept alive by `owner`, or an undefined tensor when the message does not hold
// the elements contiguously in their final form. Not aligned beyond the element size: to be looked at, not computed
// with.
Tensor view_of(const proto::TensorProto& tensor, const std::shared_ptr<const void>& owner);

}  // namespace sardonyx::importer
