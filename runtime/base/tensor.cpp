#include "runtime/base/tensor.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "runtime/base/compile_thread.h"
#include "runtime/base/mini_float.h"
#include "runtime/base/packing.h"
#include "runtime/base/pages.h"
#include "runtime/base/status.h"

namespace sardonyx {

int64_t element_count(std::span<const int64_t> dims) {
  constexpr int64_t limit = int64_t{1} << 47;
  int64_t count = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    require(dim >= 0, Status::UnsupportedShape, "negative dimension ", dim);
    if (dim == 0) {
      empty = true;
      continue;
    }
    // Not `require`, for which the text would be made every time: loops over elements ask for their count.
    if (count > limit / dim) fail(Status::UnsupportedShape, "shape [", join(dims, ","), "] has too many elements");
    count *= dim;
  }
  return empty ? 0 : count;
}

int64_t byte_size(DType dtype, std::span<const int64_t> dims) { return element_count(dims) * int64_t(size_of(dtype)); }

std::shared_ptr<uint8_t> allocate_bytes(size_t bytes) {
  size_t rounded = (bytes + 63) / 64 * 64;
  void* memory = std::aligned_alloc(64, rounded ? rounded : 64);
  require(memory != nullptr, Status::NoSystemMemory, "cannot allocate ", bytes, " bytes");
  return std::shared_ptr<uint8_t>(static_cast<uint8_t*>(memory), [](uint8_t* p) { std::free(p); });
}

Tensor::Tensor(DType dtype, Dims dims) : dtype_(dtype), dims_(std::move(dims)) {
  const auto bytes = size_t(byte_size(dtype_, dims_));
  storage_ = allocate_bytes(bytes);
  if (dtype_ == DType::String) std::memset(storage_.get(), 0, bytes);
}

Tensor::Tensor(DType dtype, Dims dims, std::shared_ptr<uint8_t> storage)
    : dtype_(dtype), dims_(std::move(dims)), storage_(std::move(storage)) {}

struct Tensor::Loan {
  std::shared_ptr<const uint8_t> bytes;
  std::once_flag once;
  std::shared_ptr<uint8_t> copy;
};

Tensor Tensor::lent(DType dtype, Dims dims, std::shared_ptr<const uint8_t> bytes) {
  check(!is_held(dtype), "elements of ", dtype_name(dtype), " are lent");
  Tensor result(dtype, std::move(dims), nullptr);
  result.loan_ = std::make_shared<Loan>();
  result.loan_->bytes = std::move(bytes);
  return result;
}

const std::shared_ptr<uint8_t>& Tensor::copied() const {
  std::call_once(loan_->once, [&] {
    const int64_t size = bytes();
    auto copy = weight_bytes(size, Pages::Plain);
    parallel_ranges(size, int64_t{1} << 20, size, [&](int64_t begin, int64_t end) {
      std::memcpy(copy.get() + begin, loan_->bytes.get() + begin, size_t(end - begin));
    });
    loan_->copy = std::move(copy);
  });
  return loan_->copy;
}

const uint8_t* Tensor::unaligned() const { return loan_ ? loan_->bytes.get() : storage_.get(); }

Tensor Tensor::ints(std::span<const int64_t> values) {
  return of<int64_t>(DType::I64, {int64_t(values.size())}, values);
}

namespace {
// Elements first, then their bytes, in one block.
template <class Source>
Tensor copy_texts(Dims dims, std::span<const Source> texts) {
  const int64_t count = element_count(dims);
  check(count == int64_t(texts.size()), texts.size(), " texts for shape [", join(dims, ","), "]");
  auto bytes = size_t(byte_size(DType::String, dims));
  for (const Source& text : texts)
    require(!__builtin_add_overflow(bytes, text.size(), &bytes) && bytes <= size_t{1} << 47, Status::NoSystemMemory,
            "the texts of a tensor are too long");
  auto storage = allocate_bytes(bytes);
  auto* elements = reinterpret_cast<Text*>(storage.get());
  char* next = reinterpret_cast<char*>(storage.get()) + byte_size(DType::String, dims);
  for (size_t i = 0; i < texts.size(); ++i) {
    elements[i] = {next, texts[i].size()};
    if (!texts[i].empty()) std::memcpy(next, texts[i].data(), texts[i].size());
    next += texts[i].size();
  }
  return Tensor(DType::String, std::move(dims), std::move(storage));
}
}  // namespace

Tensor Tensor::strings(Dims dims, std::span<const std::string_view> texts) {
  return copy_texts(std::move(dims), texts);
}
Tensor Tensor::strings(Dims dims, std::span<const std::string> texts) { return copy_texts(std::move(dims), texts); }

Tensor Tensor::scalar(DType dtype, double value) {
  Tensor result(dtype, {});
  result.set_double(0, value);
  return result;
}

// Hosts may bind bytes other than 0 and 1, which must not be read as a C++ bool.
double Tensor::as_double(int64_t i) const {
  if (dtype_ == DType::Bool) return raw()[i] != 0;
  double result = 0;
  if (visit_dtype(dtype_, [&](auto zero) { result = double(data<decltype(zero)>()[i]); })) return result;
  if (dtype_ == DType::F16) return f16_to_f32(data<uint16_t>()[i]);
  if (dtype_ == DType::BF16) return bf16_to_f32(data<uint16_t>()[i]);
  if (const MiniFloat* format = mini_float(dtype_)) return decode_mini(*format, raw()[i]);
  if (is_packed(dtype_)) return double(extend_element(raw()[i], dtype_));
  fail(Status::UnsupportedDatatype, "no numeric value in a tensor of ", dtype_name(dtype_));
}

int64_t Tensor::as_int(int64_t i) const {
  if (dtype_ == DType::Bool) return raw()[i] != 0;
  int64_t result = 0;
  if (visit_dtype(dtype_, [&](auto zero) { result = int64_t(data<decltype(zero)>()[i]); })) return result;
  return int64_t(as_double(i));
}

void Tensor::set_double(int64_t i, double value) {
  if (visit_dtype(dtype_, [&](auto zero) { data<decltype(zero)>()[i] = static_cast<decltype(zero)>(value); })) return;
  if (dtype_ == DType::F16)
    data<uint16_t>()[i] = f32_to_f16(float(value));
  else if (dtype_ == DType::BF16)
    data<uint16_t>()[i] = f32_to_bf16(float(value));
  else if (const MiniFloat* format = mini_float(dtype_))
    raw()[i] = encode_mini(*format, float(value));
  else if (is_packed(dtype_))
    raw()[i] = uint8_t(extend_element(int64_t(value), dtype_));
  else if (dtype_ == DType::Complex64)
    data<float>()[2 * i] = float(value), data<float>()[2 * i + 1] = 0;
  else if (dtype_ == DType::Complex128)
    data<double>()[2 * i] = value, data<double>()[2 * i + 1] = 0;
  else
    fail(Status::UnsupportedDatatype, "no numeric value in a tensor of ", dtype_name(dtype_));
}

void Tensor::set_int(int64_t i, int64_t value) {
  if (!visit_dtype(dtype_, [&](auto zero) { data<decltype(zero)>()[i] = static_cast<decltype(zero)>(value); }))
    set_double(i, double(value));
}

Tensor Tensor::clone() const {
  if (dtype_ == DType::Object) return *this;
  if (dtype_ == DType::String) {
    std::vector<std::string_view> texts;
    for (int64_t i = 0; i < count(); ++i) texts.push_back(text(i));
    return strings(dims_, texts);
  }
  Tensor result(dtype_, dims_);
  std::memcpy(result.raw(), unaligned(), size_t(bytes()));
  return result;
}

Tensor Tensor::reshaped(Dims dims) const {
  check(element_count(dims) == count(), "reshape of ", count(), " elements to [", join(dims, ","), "]");
  Tensor result = *this;
  result.dims_ = std::move(dims);
  return result;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (a.dtype() == DType::Object) return a.raw() == b.raw();
  if (a.dtype() == DType::String) {
    for (int64_t i = 0; i < a.count(); ++i)
      if (a.text(i) != b.text(i)) return false;
    return true;
  }
  return (a.bytes() == 0 || std::memcmp(a.unaligned(), b.unaligned(), size_t(a.bytes())) == 0);
}

}  // namespace sardonyx
