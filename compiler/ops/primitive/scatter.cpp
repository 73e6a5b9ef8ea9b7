// scatter_elements and scatter_nd: a copy of the data with updates written (or combined) at indexed places, in the
// order of the updates. Opaque: which element an update reaches is only known at run time.
#include <cstring>

#include "compiler/ops/primitive/common.h"
#include "compiler/ops/wrapping.h"

namespace sardonyx::ops {
namespace {

using graph::ScatterAttrs;
using graph::ScatterReduce;

std::vector<TensorType> infer(Op op, const Attributes& attributes, Types operands) {
  expect_operands(op, operands, 3);
  const TensorType &x = operands[0], &indices = operands[1], &updates = operands[2];
  expect_same_dtype(op, x, updates);
  const ScatterReduce reduction = as<ScatterAttrs>(attributes).reduction;
  require(indices.dtype == DType::I32 || indices.dtype == DType::I64, Status::InvalidModel, graph::op_name(op),
          " expects i32 or i64 indices, got ", graph::to_string(indices));
  require(reduction == ScatterReduce::None || is_float(x.dtype) || is_integer(x.dtype), Status::InvalidModel,
          graph::op_name(op), " cannot reduce ", graph::to_string(x));
  return {{x.dtype, x.dims, {}}};
}

std::vector<TensorType> infer_elements(const Attributes& attributes, Types operands) {
  auto result = infer(Op::scatter_elements, attributes, operands);
  const TensorType &x = operands[0], &indices = operands[1], &updates = operands[2];
  const int64_t axis = as<ScatterAttrs>(attributes).axis;
  require(x.rank() == indices.rank() && x.rank() == updates.rank() && axis >= 0 && axis < x.rank(),
          Status::InvalidModel, "scatter_elements along axis ", axis, " does not accept ", type_list(operands));
  for (size_t i = 0; i < indices.dims.size(); ++i)
    unify(Op::scatter_elements, indices.dims[i], updates.dims[i], indices, updates);
  return result;
}

std::vector<TensorType> infer_nd(const Attributes& attributes, Types operands) {
  auto result = infer(Op::scatter_nd, attributes, operands);
  const TensorType &x = operands[0], &indices = operands[1], &updates = operands[2];
  const auto length = indices.dims.empty() ? std::nullopt : expr::as_int(indices.dims.back());
  require(length && *length >= 1 && *length <= x.rank() && updates.rank() == indices.rank() - 1 + x.rank() - *length,
          Status::InvalidModel, "scatter_nd does not accept ", type_list(operands));
  return result;
}

// Writes or combines `count` elements from `source` into `target`, both at element offsets.
using Writer = std::function<void(int64_t target, int64_t source, int64_t count)>;

template <class T>
T combined(ScatterReduce reduction, T old, T update) {
  switch (reduction) {
    case ScatterReduce::Add:
      return wrapping_add(old, update);
    case ScatterReduce::Mul:
      return wrapping_mul(old, update);
    case ScatterReduce::Min:
      return update < old ? update : old;
    case ScatterReduce::Max:
      return old < update ? update : old;
    case ScatterReduce::None:
      break;
  }
  return update;
}

Writer make_writer(ScatterReduce reduction, Tensor& result, const Tensor& updates) {
  if (reduction == ScatterReduce::None) {
    const size_t size = size_of(result.dtype());
    return [=, to = result.raw(), from = updates.raw()](int64_t target, int64_t source, int64_t count) {
      std::memcpy(to + size_t(target) * size, from + size_t(source) * size, size_t(count) * size);
    };
  }
  Writer writer;
  visit_dtype(result.dtype(), [&](auto zero) {
    using T = decltype(zero);
    writer = [reduction, to = result.data<T>(), from = updates.data<T>()](int64_t target, int64_t source,
                                                                          int64_t count) {
      for (int64_t i = 0; i < count; ++i) to[target + i] = combined(reduction, to[target + i], from[source + i]);
    };
  });
  if (writer) return writer;
  return [reduction, &result, &updates](int64_t target, int64_t source, int64_t count) {  // F16, BF16
    for (int64_t i = 0; i < count; ++i) {
      const double old = result.as_double(target + i), update = updates.as_double(source + i);
      result.set_double(target + i, combined(reduction, old, update));
    }
  };
}

int64_t checked_index(int64_t index, int64_t dim) {
  const int64_t wrapped = index < 0 ? index + dim : index;
  require(wrapped >= 0 && wrapped < dim, Status::InternalError, "index ", index, " is out of range for a dim of ", dim);
  return wrapped;
}

std::vector<int64_t> strides_of(const Dims& dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

std::vector<Tensor> scatter_elements(const Attributes& attributes, std::span<const Tensor> operands) {
  const auto& scatter = as<ScatterAttrs>(attributes);
  const Tensor &x = operands[0], &indices = operands[1], &updates = operands[2];
  require(indices.dims() == updates.dims(), Status::MismatchingShape, "scatter_elements: indices [",
          join(indices.dims(), ","), "] and updates [", join(updates.dims(), ","), "] differ");
  Tensor result = x.clone();
  const Writer write = make_writer(scatter.reduction, result, updates);
  const std::vector<int64_t> strides = strides_of(x.dims()), steps = strides_of(indices.dims());
  const int64_t count = indices.count();
  for (int64_t i = 0; i < count; ++i) {
    int64_t target = 0, rest = i;
    for (size_t d = 0; d < steps.size(); ++d) {
      const int64_t position = int64_t(d) == scatter.axis ? indices.as_int(i) : rest / steps[d];
      target += checked_index(position, x.dims()[d]) * strides[d];
      rest %= steps[d];
    }
    write(target, i, 1);
  }
  return {result};
}

std::vector<Tensor> scatter_nd(const Attributes& attributes, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &indices = operands[1], &updates = operands[2];
  const size_t length = size_t(indices.dims().back());
  Dims expected(indices.dims().begin(), indices.dims().end() - 1);
  expected.insert(expected.end(), x.dims().begin() + long(length), x.dims().end());
  require(updates.dims() == expected, Status::MismatchingShape, "scatter_nd: updates [", join(updates.dims(), ","),
          "] should be [", join(expected, ","), "]");
  Tensor result = x.clone();
  const Writer write = make_writer(as<ScatterAttrs>(attributes).reduction, result, updates);
  const std::vector<int64_t> strides = strides_of(x.dims());
  const int64_t tuples = indices.count() / int64_t(length), slice = strides[length - 1];
  for (int64_t i = 0; i < tuples; ++i) {
    int64_t target = 0;
    for (size_t d = 0; d < length; ++d)
      target += checked_index(indices.as_int(i * int64_t(length) + int64_t(d)), x.dims()[d]) * strides[d];
    write(target, i * slice, slice);
  }
  return {result};
}

const RegisterOp elements_registration{
    {.op = Op::scatter_elements, .traits = graph::Opaque, .infer = infer_elements, .reference = scatter_elements}};
const RegisterOp nd_registration{
    {.op = Op::scatter_nd, .traits = graph::Opaque, .infer = infer_nd, .reference = scatter_nd}};

}  // namespace
}  // namespace sardonyx::ops
