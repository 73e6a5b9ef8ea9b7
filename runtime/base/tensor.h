// Host tensors: dense, row-major, 64-byte aligned, shared storage.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/dtype.h"

namespace sardonyx {

using Dims = std::vector<int64_t>;

// Product of `dims`; throws Error(UnsupportedShape) on a negative dim or when the product exceeds 2^47.
int64_t element_count(std::span<const int64_t> dims);
// element_count times the element size, same limits.
int64_t byte_size(DType dtype, std::span<const int64_t> dims);
// 64-byte aligned memory released by its deleter; throws Error(NoSystemMemory) when there is none.
std::shared_ptr<uint8_t> allocate_bytes(size_t bytes);

// The element of a String tensor: where its bytes lie. They belong to the tensor's storage, or to the host application.
struct Text {
  const char* data = nullptr;
  uint64_t size = 0;
  std::string_view view() const { return {data, data ? size_t(size) : 0}; }
};

// An element at any alignment.
template <class T>
struct [[gnu::packed]] Unaligned {
  T value;
  operator T() const { return value; }
};

// A tensor that owns (a share of) its bytes. Copies share storage; clone() does not. Contents start undefined, String
// tensors with empty texts.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Dims dims);
  // Wraps memory that `storage` keeps alive; `storage.get()` is the first element.
  Tensor(DType dtype, Dims dims, std::shared_ptr<uint8_t> storage);
  // Elements of plain numbers that stay where they are, at any alignment: `bytes` live until the last tensor that
  // refers to them is gone. Who reads them as elements makes a copy for all of these tensors, from any thread;
  // unaligned() does not.
  static Tensor lent(DType dtype, Dims dims, std::shared_ptr<const uint8_t> bytes);

  template <class T>
  static Tensor of(DType dtype, Dims dims, std::span<const T> values) {
    Tensor result(dtype, std::move(dims));
    for (size_t i = 0; i < values.size(); ++i) result.data<T>()[i] = values[i];
    return result;
  }
  // A 1-D i64 tensor.
  static Tensor ints(std::span<const int64_t> values);
  // A String tensor with a copy of the texts, which there are as many of as `dims` say.
  static Tensor strings(Dims dims, std::span<const std::string_view> texts);
  static Tensor strings(Dims dims, std::span<const std::string> texts);
  // A rank-0 tensor of any arithmetic dtype, F16 and mini floats included, converted from `value`.
  static Tensor scalar(DType dtype, double value);

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int rank() const { return int(dims_.size()); }
  int64_t count() const { return element_count(dims_); }
  int64_t bytes() const { return byte_size(dtype_, dims_); }
  bool defined() const { return dtype_ != DType::None; }

  uint8_t* raw() { return storage().get(); }
  const uint8_t* raw() const { return storage().get(); }
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(raw());
  }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(raw());
  }
  const std::shared_ptr<uint8_t>& storage() const { return loan_ ? copied() : storage_; }
  // The first byte or element, wherever it lies.
  const uint8_t* unaligned() const;
  template <class T>
  const Unaligned<T>* unaligned() const {
    return reinterpret_cast<const Unaligned<T>*>(unaligned());
  }
  bool is_lent() const { return loan_ != nullptr; }

  // The element at flat position `i` of a String tensor, valid as long as the storage.
  std::string_view text(int64_t i) const { return data<Text>()[i].view(); }
  // The element at flat position `i` as double or int64 (exact up to 2^53 resp. for all integers); bytes but 0 are
  // true.
  double as_double(int64_t i) const;
  int64_t as_int(int64_t i) const;
  // Stores `value` converted to the dtype at flat position `i`.
  void set_double(int64_t i, double value);
  void set_int(int64_t i, int64_t value);

  // Own bytes, those of texts included.
  Tensor clone() const;
  // The same bytes under other dims with an equal element count.
  Tensor reshaped(Dims dims) const;

 private:
  struct Loan;
  const std::shared_ptr<uint8_t>& copied() const;

  DType dtype_ = DType::None;
  Dims dims_;
  std::shared_ptr<uint8_t> storage_;
  std::shared_ptr<Loan> loan_;  // in the place of storage
};

// Equality of dtype, dims and bytes; of texts, not of where they lie. Objects are equal when they are the same.
bool same_bits(const Tensor& a, const Tensor& b);

}  // namespace sardonyx
