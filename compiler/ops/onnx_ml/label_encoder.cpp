// LabelEncoder and CategoryMapper : the position of every element in a list of keys, then the value at
// that position, or a default behind the values.
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/onnx_ml/scores.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// Calls key(tensor, i) for keys and elements; of equal keys the last counts. Elements without a key get the number of
// keys.
template <class Map, class Key>
Tensor positions(const Tensor& x, const Tensor& keys, Key&& key) {
  Map places;
  for (int64_t i = 0; i < keys.count(); ++i) places[key(keys, i)] = i;
  Tensor result(DType::I64, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) {
    const auto found = places.find(key(x, i));
    result.data<int64_t>()[i] = found == places.end() ? keys.count() : found->second;
  }
  return result;
}

// Numbers are compared by their bits; all NaNs are one, and so are both zeros.
uint64_t bits_of(const Tensor& tensor, int64_t i) {
  if (!is_float(tensor.dtype())) return uint64_t(tensor.as_int(i));
  const double value = tensor.as_double(i);
  uint64_t bits = 0;
  const double same = std::isnan(value) ? NAN : value == 0 ? 0 : value;
  std::memcpy(&bits, &same, sizeof bits);
  return bits;
}

// Operands: elements, keys of the same type.
std::vector<Tensor> find_keys(const std::string&, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &keys = operands[1];
  if (x.dtype() == DType::String)
    return {positions<std::unordered_map<std::string_view, int64_t>>(
        x, keys, [](const Tensor& t, int64_t i) { return t.text(i); })};
  return {positions<std::unordered_map<uint64_t, int64_t>>(x, keys, bits_of)};
}

Tensor floats(const std::vector<double>& values) {
  Tensor result(DType::F32, {int64_t(values.size())});
  for (size_t i = 0; i < values.size(); ++i) result.set_double(int64_t(i), values[i]);
  return result;
}

Tensor texts(const std::vector<std::string>& values) {
  return Tensor::strings({int64_t(values.size())}, std::span(values));
}

// One element of `values`' type for what has no key.
Value* encode(Lowering& in, const Tensor& keys, const Tensor& values, const Tensor& fallback) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(x->type.dtype == keys.dtype(), Status::InvalidModel, "the input is ", graph::to_string(x->type),
             ", but the keys are of ", dtype_name(keys.dtype()));
  in.require(keys.count() == values.count(), Status::InvalidModel, keys.count(), " keys and ", values.count(),
             " values");
  in.require(fallback.dtype() == values.dtype() && fallback.count() == 1, Status::InvalidModel,
             "the default is no single ", dtype_name(values.dtype()));
  Value* table = b.concat({b.constant(values.reshaped({values.count()})), b.constant(fallback.reshaped({1}))}, 0);
  Value* place = b.value_call("find_keys", "", {x, b.constant(keys.reshaped({keys.count()}))},
                              {{DType::I64, x->type.dims, {}}})[0];
  return b.gather(table, place, 0);
}

// keys_* or values_*.
Tensor list(Lowering& in, const std::string& what) {
  if (in.has(what + "_tensor")) return in.attr_tensor(what + "_tensor");
  if (in.has(what + "_strings")) return texts(in.attr_strings(what + "_strings"));
  if (in.has(what + "_int64s")) return Tensor::ints(in.attr_ints(what + "_int64s"));
  return floats(in.attr_floats(what + "_floats"));
}

Tensor fallback_of(Lowering& in, DType dtype) {
  if (in.has("default_tensor")) return in.attr_tensor("default_tensor");
  if (dtype == DType::String) return texts({in.attr_string("default_string", "_Unused")});
  if (is_float(dtype)) {
    Tensor result(dtype, {1});
    result.set_double(0, in.attr_float("default_float", -0.0));
    return result;
  }
  Tensor result(dtype, {1});
  in.require(is_integer(dtype) || dtype == DType::Bool, Status::UnsupportedDatatype, "values of ", dtype_name(dtype),
             " are not supported");
  result.set_int(0, in.attr_int("default_int64", -1));
  return result;
}

std::vector<Value*> lower_label_encoder(Lowering& in) {
  const Tensor keys = list(in, "keys"), values = list(in, "values");
  return {encode(in, keys, values, fallback_of(in, values.dtype()))};
}

// Version 1: strings are their positions among the classes, and the reverse.
std::vector<Value*> lower_label_encoder_1(Lowering& in) {
  const std::vector<std::string> classes = in.attr_strings("classes_strings");
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < classes.size(); ++i) numbers.push_back(int64_t(i));
  if (in[0]->type.dtype == DType::String)
    return {encode(in, texts(classes), Tensor::ints(numbers), fallback_of(in, DType::I64))};
  return {encode(in, Tensor::ints(numbers), texts(classes), fallback_of(in, DType::String))};
}

std::vector<Value*> lower_category_mapper(Lowering& in) {
  const Tensor names = texts(in.attr_strings("cats_strings")), numbers = Tensor::ints(in.attr_ints("cats_int64s"));
  const bool text = in[0]->type.dtype == DType::String;
  const Tensor &keys = text ? names : numbers, &values = text ? numbers : names;
  return {encode(in, keys, values, fallback_of(in, values.dtype()))};
}

const HostFunctionEntry entry{{.name = "find_keys", .run = find_keys}};
const OnnxOp ops[] = {
    ml_row("LabelEncoder", {{1, lower_label_encoder_1}, {2, lower_label_encoder}, {4, lower_label_encoder}}, {1, 1},
           {1, 1}, Execution::Host),
    ml_row("CategoryMapper", {{1, lower_category_mapper}}, {1, 1}, {1, 1}, Execution::Host),
};

}  // namespace
}  // namespace sardonyx::ops
