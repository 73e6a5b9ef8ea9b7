// Operators on maps: DictVectorizer, CastMap, ZipMap.
#include <algorithm>
#include <numeric>

#include "compiler/ops/containers.h"
#include "compiler/ops/host_functions.h"
#include "compiler/ops/onnx_ml/scores.h"
#include "compiler/ops/values.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// The values of a map to scalars as one tensor of rank 1.
Tensor joined(const sardonyx::Value& values) {
  if (values.kind == ValueKind::Tensor) return values.tensor;
  std::vector<Tensor> parts;
  for (const ValuePtr& item : values.items) {
    require(item->kind == ValueKind::Tensor && item->tensor.count() == 1, Status::MismatchingShape,
            "a value of the map is no scalar");
    parts.push_back(item->tensor.reshaped({1}));
  }
  return parts.empty() ? Tensor(values.dtype, {0}) : concatenated(parts, 0);
}

bool same_key(const Tensor& a, int64_t i, const Tensor& b, int64_t k) {
  return a.dtype() == DType::String ? a.text(i) == b.text(k) : a.as_int(i) == b.as_int(k);
}

// Operands: map, vocabulary [C]. Result: the map's values [1,C] in the vocabulary's order, zero where there is none.
std::vector<Tensor> vectorize(const std::string&, std::span<const Tensor> operands) {
  const ValuePtr map = unboxed(operands[0]);
  const Tensor &keys = map->items[0]->tensor, &words = operands[1];
  const Tensor values = joined(*map->items[1]);
  Tensor result(values.dtype(), {1, words.count()});
  const size_t width = size_of(values.dtype());
  std::fill_n(result.raw(), size_t(result.bytes()), uint8_t{0});
  for (int64_t i = 0; i < keys.count(); ++i) {
    int64_t place = 0;
    while (place < words.count() && !same_key(keys, i, words, place)) ++place;
    require(place < words.count(), Status::InternalError, "a key of the map is not in the vocabulary");
    std::copy_n(values.raw() + size_t(i) * width, width, result.raw() + size_t(place) * width);
  }
  return {result.clone()};  // texts are the map's so far
}

// Parameters: length, or -1 for one element per pair. Result: the values [1,length] in the order of their keys.
std::vector<Tensor> arrange(const std::string& parameters, std::span<const Tensor> operands) {
  const int64_t length = numbers_in(parameters)[0];
  const ValuePtr map = unboxed(operands[0]);
  const Tensor& keys = map->items[0]->tensor;
  const Tensor values = joined(*map->items[1]);
  const size_t width = size_of(values.dtype());
  Tensor result(values.dtype(), {1, length < 0 ? keys.count() : length});
  std::fill_n(result.raw(), size_t(result.bytes()), uint8_t{0});
  std::vector<int64_t> order(size_t(keys.count()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return keys.as_int(a) < keys.as_int(b); });
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t place = length < 0 ? int64_t(i) : keys.as_int(order[i]);
    require(place >= 0 && place < result.count(), Status::InternalError, "key ", place, " of the map is beyond ",
            result.count());
    std::copy_n(values.raw() + size_t(order[i]) * width, width, result.raw() + size_t(place) * width);
  }
  return {result.clone()};
}

// Operands: numbers [N,C], labels [C]. Result: a sequence of N maps from label to number.
std::vector<Tensor> zip(const std::string&, std::span<const Tensor> operands) {
  const ValuePtr labels = value_of(operands[1]);
  std::vector<ValuePtr> maps;
  for (int64_t i = 0; i < operands[0].dims()[0]; ++i) {
    Tensor row = slice_of(operands[0], 0, i, 1);
    maps.push_back(make_map(labels, make_tensor(row.reshaped({row.count()}))));
  }
  return {boxed(make_sequence(operands[1].dtype(), std::move(maps)))};
}

const ValueType& map_type(Lowering& in) {
  const ValueTypePtr& type = in[0]->type.container;
  const bool scalars = is_map(in[0]) && type->element->kind == ValueKind::Tensor;
  in.require(scalars, Status::InvalidModel, "the input is ", graph::to_string(in[0]->type),
             ", expected a map to scalars");
  return *type;
}

Tensor texts(const std::vector<std::string>& values) {
  return Tensor::strings({int64_t(values.size())}, std::span(values));
}

// The words of one of two attributes, as the key type has it.
Tensor labels(Lowering& in, const char* strings, const char* integers) {
  in.require(in.has(strings) != in.has(integers), Status::InvalidModel, "one of '", strings, "' and '", integers,
             "' must be given");
  return in.has(strings) ? texts(in.attr_strings(strings)) : Tensor::ints(in.attr_ints(integers));
}

std::vector<Value*> lower_dict_vectorizer(Lowering& in) {
  auto& b = in.builder();
  const ValueType& type = map_type(in);
  const Tensor words = labels(in, "string_vocabulary", "int64_vocabulary");
  in.require(words.dtype() == type.dtype, Status::InvalidModel, "the input is ", to_string(type),
             ", but the vocabulary is of ", dtype_name(words.dtype()));
  return {container_call(b, "vectorize_map", "", {in[0], b.constant(words)},
                         {type.element->dtype, {1, words.count()}, {}})};
}

std::vector<Value*> lower_cast_map(Lowering& in) {
  auto& b = in.builder();
  const ValueType& type = map_type(in);
  in.require(type.dtype == DType::I64, Status::InvalidModel, "the input is ", to_string(type));
  const std::string to = in.attr_string("cast_to", "TO_FLOAT"), form = in.attr_string("map_form", "DENSE");
  in.require(to == "TO_FLOAT" || to == "TO_STRING" || to == "TO_INT64", Status::InvalidModel, "cast_to '", to,
             "' is unknown");
  in.require(form == "DENSE" || form == "SPARSE", Status::InvalidModel, "map_form '", form, "' is unknown");
  const int64_t length = form == "SPARSE" ? in.attr_int("max_map", 1) : -1;
  in.require(form == "DENSE" || length > 0, Status::InvalidModel, "max_map is ", length);
  const Expr dim = length < 0 ? b.graph().fresh_symbol("pairs") : Expr(length);
  Value* values = container_call(b, "arrange_map", str(length), {in[0]}, {type.element->dtype, {1, dim}, {}});
  return {b.cast(values, to == "TO_FLOAT" ? DType::F32 : to == "TO_STRING" ? DType::String : DType::I64)};
}

std::vector<Value*> lower_zip_map(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const Tensor names = labels(in, "classlabels_strings", "classlabels_int64s");
  const int rank = x->type.rank();
  in.require(x->type.dtype == DType::F32 && (rank == 1 || rank == 2), Status::InvalidModel, "the input is ",
             graph::to_string(x->type), ", expected f32 [N,C] or [C]");
  if (rank == 1) x = b.unsqueeze(x, {0});
  b.require_equal(x->type.dims[1], names.count(), "the number of class labels");
  const ValueTypePtr type = sequence_of(map_of(names.dtype(), tensor_type(DType::F32)));
  return {container_call(b, "zip_map", "", {x, b.constant(names)}, graph::object_type(type))};
}

const HostFunctionEntry entries[] = {
    HostFunctionEntry{{.name = "vectorize_map", .run = vectorize}},
    HostFunctionEntry{{.name = "arrange_map", .run = arrange}},
    HostFunctionEntry{{.name = "zip_map", .run = zip}},
};

OnnxOpDef map_row(const char* name, LowerFunction lower) {
  OnnxOpDef row = ml_row(name, {{1, lower}}, {1, 1}, {1, 1}, Execution::Host);
  row.containers = true;
  return row;
}

const OnnxOp ops[] = {
    map_row("DictVectorizer", lower_dict_vectorizer),
    map_row("CastMap", lower_cast_map),
    map_row("ZipMap", lower_zip_map),
};

}  // namespace
}  // namespace sardonyx::ops
