#include "compiler/ops/onnx/reduce_run_time_axes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/wrapping.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;

template <class T>
T combined(ReduceFunction function, T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
  switch (function) {
    case ReduceFunction::Sum:
      return wrapping_add(a, b);
    case ReduceFunction::Product:
      return wrapping_mul(a, b);
    case ReduceFunction::Max:
      return std::max(a, b);
    case ReduceFunction::Min:
      return std::min(a, b);
  }
  return a;
}

// Parameters: the reduction's number, and whether reduced dims stay as 1: "0 1" is a sum that keeps dims.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &axes = operands[1];
  const auto function = ReduceFunction(parameters[0] - '0');
  const bool keep_dims = parameters[2] == '1';
  const size_t rank = x.dims().size();
  std::vector<bool> reduced(rank, axes.count() == 0);
  for (int64_t i = 0; i < axes.count(); ++i) {
    const int64_t axis = axes.as_int(i), wrapped = axis < 0 ? axis + int64_t(rank) : axis;
    require(wrapped >= 0 && wrapped < int64_t(rank), Status::MismatchingShape, "reduction axis ", axis,
            " is out of range for rank ", rank);
    require(!reduced[size_t(wrapped)], Status::MismatchingShape, "reduction axis ", axis, " is repeated");
    reduced[size_t(wrapped)] = true;
  }
  Dims dims;
  std::vector<int64_t> strides(rank, 0);  // of the result, 0 along reduced axes
  int64_t stride = 1;
  for (size_t i = rank; i-- > 0;) {
    if (reduced[i]) continue;
    strides[i] = stride;
    stride *= x.dims()[i];
  }
  for (size_t i = 0; i < rank; ++i)
    if (keep_dims || !reduced[i]) dims.push_back(reduced[i] ? 1 : x.dims()[i]);
  Tensor result(x.dtype(), dims);
  const bool known = visit_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_same_v<T, bool>) {
      const T neutral = function == ReduceFunction::Sum       ? T(0)
                        : function == ReduceFunction::Product ? T(1)
                        : function == ReduceFunction::Max
                            ? (std::numeric_limits<T>::has_infinity ? T(-std::numeric_limits<T>::infinity())
                                                                    : std::numeric_limits<T>::lowest())
                        : std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                               : std::numeric_limits<T>::max();
      std::fill_n(result.data<T>(), result.count(), neutral);
      for (int64_t i = 0; i < x.count(); ++i) {
        int64_t target = 0, rest = i;
        for (size_t d = rank; d-- > 0; rest /= x.dims()[d]) target += rest % x.dims()[d] * strides[d];
        T& slot = result.data<T>()[target];
        slot = combined(function, slot, x.data<T>()[i]);
      }
    }
  });
  require(known && x.dtype() != DType::Bool, Status::UnsupportedDatatype, "a reduction with run-time axes of ",
          dtype_name(x.dtype()), " is not supported");
  return {result};
}

const HostFunctionEntry entry{{.name = "reduce_run_time_axes", .run = run}};

}  // namespace

Value* reduce_run_time_axes(Lowering& in, ReduceFunction function, Value* x, Value* axes, bool keep_dims) {
  auto& b = in.builder();
  const auto count = expr::as_int(graph::element_count(axes->type));
  in.require(keep_dims || count, Status::UnsupportedShape, "the number of axes must be known, got ",
             graph::to_string(axes->type));
  // Half precision accumulates in single, as reductions with known axes do.
  const DType dtype = x->type.dtype;
  const bool half = size_of(dtype) == 2 && is_float(dtype);
  const DType working = half ? DType::F32 : dtype == DType::Bool ? DType::U8 : dtype;
  const int64_t rank = x->type.rank() - (keep_dims ? 0 : *count);
  in.require(rank >= 0, Status::InvalidModel, *count, " axes for ", graph::to_string(x->type));
  graph::TensorType type{working, {}, {}};
  for (int64_t i = 0; i < rank; ++i) type.dims.push_back(b.graph().fresh_symbol("reduced"));
  const std::string parameters = str(int(function), ' ', keep_dims ? 1 : 0);
  return b.cast(b.host_call("reduce_run_time_axes", parameters, {b.cast(x, working), axes}, {type})[0], dtype);
}

}  // namespace sardonyx::ops
