// LabelEncoder: maps every element through a table, by binary search in the sorted keys, on the host.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/onnx_ml/scores.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// NaNs equal each other and come last.
template <class T>
bool before(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return a < b;
}

// Operands: elements, sorted distinct keys of their type. Result: the position of each element among the keys, or
// their number where it is none of them.
std::vector<Tensor> find(const std::string&, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &keys = operands[1];
  require(x.dtype() == keys.dtype(), Status::MismatchingDatatype, "elements of ", dtype_name(x.dtype()),
          " and keys of ", dtype_name(keys.dtype()));
  Tensor result(DType::I64, x.dims());
  visit_dtype(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T *first = keys.data<T>(), *last = first + keys.count();
    for (int64_t i = 0; i < x.count(); ++i) {
      const T value = x.data<T>()[i];
      const T* found = std::lower_bound(first, last, value, before<T>);
      if (found != last && before(value, *found)) found = last;
      result.data<int64_t>()[i] = found - first;
    }
  });
  return {result};
}

// A list attribute of any of its spellings as a vector.
Tensor list_of(Lowering& in, const std::string& prefix) {
  for (const char* kind : {"_strings", "_string"})
    in.require(!in.has(prefix + kind), Status::UnsupportedDatatype, "attribute '", prefix, kind,
               "': strings are not supported");
  if (in.has(prefix + "_tensor")) {
    const Tensor& tensor = in.attr_tensor(prefix + "_tensor");
    in.require(tensor.dtype() != DType::String, Status::UnsupportedDatatype, "attribute '", prefix,
               "_tensor': strings are not supported");
    return tensor.reshaped({tensor.count()});
  }
  if (in.has(prefix + "_int64s")) return Tensor::ints(in.attr_ints(prefix + "_int64s"));
  const auto floats = in.attr_floats(prefix + "_floats");
  const std::vector<float> narrow(floats.begin(), floats.end());
  return Tensor::of<float>(DType::F32, {int64_t(narrow.size())}, std::span(narrow));
}

Tensor default_of(Lowering& in, DType dtype) {
  if (in.has("default_tensor")) {
    const Tensor& tensor = in.attr_tensor("default_tensor");
    in.require(tensor.count() == 1 && tensor.dtype() == dtype, Status::InvalidModel, "default_tensor is ",
               dtype_name(tensor.dtype()), " with ", tensor.count(), " elements, expected one ", dtype_name(dtype));
    return tensor.reshaped({});
  }
  if (is_float(dtype)) return Tensor::scalar(dtype, in.attr_float("default_float", -0.0));
  return Tensor::ints(std::vector<int64_t>{in.attr_int("default_int64", -1)}).reshaped({});
}

// Order of distinct keys: of equal ones the last counts.
std::vector<int64_t> sorted_keys(Lowering& in, const Tensor& keys) {
  std::vector<int64_t> order(size_t(keys.count())), distinct;
  std::iota(order.begin(), order.end(), 0);
  const bool known = visit_dtype(keys.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* data = keys.data<T>();
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return before(data[a], data[b]); });
    for (size_t i = 0; i < order.size(); ++i)
      if (i + 1 == order.size() || before(data[order[i]], data[order[i + 1]])) distinct.push_back(order[i]);
  });
  in.require(known, Status::UnsupportedDatatype, "keys of ", dtype_name(keys.dtype()), " are not supported");
  return distinct;
}

Tensor taken(const Tensor& list, const std::vector<int64_t>& positions) {
  const size_t size = size_of(list.dtype());
  Tensor result(list.dtype(), {int64_t(positions.size())});
  for (size_t i = 0; i < positions.size(); ++i)
    std::copy_n(list.raw() + size_t(positions[i]) * size, size, result.raw() + i * size);
  return result;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(in.version() >= 2 || !in.has("classes_strings"), Status::UnsupportedDatatype,
             "classes that are strings are not supported");
  const Tensor keys = list_of(in, "keys"), values = list_of(in, "values");
  in.require(keys.count() == values.count(), Status::InvalidModel, keys.count(), " keys and ", values.count(),
             " values");
  in.require(x->type.dtype == keys.dtype(), Status::InvalidModel, "keys of ", dtype_name(keys.dtype()), " for ",
             graph::to_string(x->type));
  const auto order = sorted_keys(in, keys);
  Value* position =
      b.host_call("label_position", "", {x, b.constant(taken(keys, order))}, {{DType::I64, x->type.dims, {}}})[0];
  Value* fallback = b.reshape(b.constant(default_of(in, values.dtype())), {1});
  return {b.gather(b.concat({b.constant(taken(values, order)), fallback}, 0), position, 0)};
}

const HostFunctionEntry entry{{.name = "label_position", .run = find}};
const OnnxOp op{ml_row("LabelEncoder", {{1, lower}, {2, lower}, {4, lower}}, {1, 1}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
