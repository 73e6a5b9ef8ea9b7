#include "compiler/ops/values.h"

#include <cstring>
#include <sstream>

#include "runtime/base/status.h"

namespace sardonyx::ops {

namespace {

// The bytes of `count` positions of the axis, for each position of the axes before it, from `from` to `to`.
struct Rows {
  size_t outer = 1, inner = 0;  // inner: bytes of one position of the axis
};

Rows rows_of(const Tensor& x, size_t axis) {
  Rows rows;
  for (size_t i = 0; i < axis; ++i) rows.outer *= size_t(x.dims()[i]);
  rows.inner = size_of(x.dtype());
  for (size_t i = axis + 1; i < x.dims().size(); ++i) rows.inner *= size_t(x.dims()[i]);
  return rows;
}

// Texts still lie where they came from after their elements were copied.
Tensor settled(Tensor tensor) { return tensor.dtype() == DType::String ? tensor.clone() : tensor; }

}  // namespace

ValuePtr value_of(const Tensor& operand) {
  return operand.dtype() == DType::Object ? unboxed(operand) : make_tensor(owned(operand));
}

Tensor slice_of(const Tensor& x, size_t axis, int64_t start, int64_t count) {
  check(axis < x.dims().size() && start >= 0 && count >= 0 && start <= x.dims()[axis] - count, "slice [", start, ",",
        start, "+", count, ") of axis ", axis, " of [", join(x.dims(), ","), "]");
  Dims dims = x.dims();
  dims[axis] = count;
  Tensor result(x.dtype(), dims);
  if (result.count() == 0) return result;
  const Rows rows = rows_of(x, axis);
  const size_t bytes = size_t(count) * rows.inner, stride = size_t(x.dims()[axis]) * rows.inner;
  for (size_t i = 0; i < rows.outer; ++i)
    std::memcpy(result.raw() + i * bytes, x.raw() + i * stride + size_t(start) * rows.inner, bytes);
  return settled(std::move(result));
}

Tensor concatenated(std::span<const Tensor> parts, size_t axis) {
  check(!parts.empty() && axis < parts[0].dims().size(), "concatenation on axis ", axis);
  Dims dims = parts[0].dims();
  dims[axis] = 0;
  for (const Tensor& part : parts) {
    require(part.dtype() == parts[0].dtype(), Status::MismatchingDatatype, "concatenation of ",
            dtype_name(parts[0].dtype()), " and ", dtype_name(part.dtype()));
    Dims others = part.dims();
    if (axis < others.size()) others[axis] = 0;
    Dims expected = dims;
    expected[axis] = 0;
    require(others == expected, Status::MismatchingShape, "concatenation on axis ", axis, " of shapes [",
            join(parts[0].dims(), ","), "] and [", join(part.dims(), ","), "]");
    require(!__builtin_add_overflow(dims[axis], part.dims()[axis], &dims[axis]), Status::UnsupportedShape,
            "a concatenation is too long");
  }
  Tensor result(parts[0].dtype(), dims);
  if (result.count() == 0) return result;
  const Rows rows = rows_of(result, axis);
  const size_t stride = size_t(dims[axis]) * rows.inner;
  size_t offset = 0;
  for (const Tensor& part : parts) {
    const size_t bytes = size_t(part.dims()[axis]) * rows.inner;
    for (size_t i = 0; bytes > 0 && i < rows.outer; ++i)
      std::memcpy(result.raw() + i * stride + offset, part.raw() + i * bytes, bytes);
    offset += bytes;
  }
  return settled(std::move(result));
}

size_t run_time_axis(int64_t axis, size_t rank) {
  require(axis >= -int64_t(rank) && axis < int64_t(rank), Status::MismatchingShape, "axis ", axis,
          " of a tensor of rank ", rank);
  return size_t(axis < 0 ? axis + int64_t(rank) : axis);
}

int64_t run_time_position(int64_t position, int64_t length, bool inclusive) {
  require(position >= -length && position < length + int64_t(inclusive), Status::InternalError, "position ", position,
          " is out of range for a length of ", length);
  return position < 0 ? position + length : position;
}

std::vector<int64_t> numbers_in(const std::string& parameters) {
  std::vector<int64_t> numbers;
  std::istringstream in(parameters);
  for (int64_t number; in >> number;) numbers.push_back(number);
  return numbers;
}

}  // namespace sardonyx::ops
