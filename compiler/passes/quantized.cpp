#include "compiler/passes/quantized.h"

namespace sardonyx::passes {

using graph::BinaryFunction;
using graph::Node;
using graph::Op;
using graph::Value;

namespace {

bool has_bytes(const Value* value) { return value->type.dtype == DType::U8 || value->type.dtype == DType::I8; }

// The operand of binary `value` beside the one that is a constant number; null when it is none.
Value* beside_number(const Value* value, BinaryFunction function, double number) {
  Node* node = binary_if(value, function);
  return node && uniform_value(node->operand(1)) == number ? node->operand(0) : nullptr;
}

}  // namespace

std::optional<Centered> match_centered(const Value* value) {
  Centered result;
  if (value->type.dtype != DType::I32) return std::nullopt;
  if (Node* difference = binary_if(value, BinaryFunction::Sub)) {
    result.zero = strip_broadcast(difference->operand(1));
    value = difference->operand(0);
  }
  Node* cast = producer_if(value, Op::cast);
  if (!cast || !has_bytes(cast->operand(0))) return std::nullopt;
  result.codes = cast->operand(0);
  return result;
}

std::optional<Dequantized> match_dequantized(const Value* value) {
  Node* product = binary_if(value, BinaryFunction::Mul);
  if (!product || value->type.dtype != DType::F32) return std::nullopt;
  Node* cast = producer_if(product->operand(0), Op::cast);
  if (!cast) return std::nullopt;
  auto centered = match_centered(cast->operand(0));
  if (!centered) return std::nullopt;
  return Dequantized{*centered, strip_broadcast(product->operand(1))};
}

std::optional<Quantized> match_quantized(const Value* codes) {
  Node* cast = producer_if(codes, Op::cast);
  if (!cast || !has_bytes(codes)) return std::nullopt;
  const bool negative = codes->type.dtype == DType::I8;
  const Value* inside = beside_number(cast->operand(0), BinaryFunction::Min, negative ? 127 : 255);
  if (inside) inside = beside_number(inside, BinaryFunction::Max, negative ? -128 : 0);
  if (!inside || inside->type.dtype != DType::F32) return std::nullopt;
  Quantized result;
  result.shifted = binary_if(inside, BinaryFunction::Add);
  if (result.shifted) {
    result.zero = strip_broadcast(result.shifted->operand(1));
    inside = result.shifted->operand(0);
  }
  Node* rounded = producer_if(inside, Op::unary);
  if (!rounded || rounded->attrs<graph::UnaryAttrs>().function != graph::UnaryFunction::Round) return std::nullopt;
  result.division = binary_if(rounded->operand(0), BinaryFunction::Div);
  if (!result.division) return std::nullopt;
  result.source = result.division->operand(0);
  result.scale = strip_broadcast(result.division->operand(1));
  return result;
}

std::optional<Tensor> parameter_value(const Value* value) {
  if (const Tensor* tensor = value->constant()) return *tensor;
  const auto dims = graph::static_dims(value->type);
  if (Node* reshape = producer_if(value, Op::reshape); reshape && dims) {
    const auto source = parameter_value(reshape->operand(0));
    return source ? std::optional(source->reshaped(*dims)) : std::nullopt;
  }
  Node* cast = producer_if(value, Op::cast);
  if (!cast || !(is_integer(value->type.dtype) || value->type.dtype == DType::F32)) return std::nullopt;
  const auto source = parameter_value(cast->operand(0));
  if (!source || !is_integer(source->dtype())) return std::nullopt;
  Tensor result(value->type.dtype, source->dims());
  for (int64_t i = 0; i < result.count(); ++i)
    is_integer(result.dtype()) ? result.set_int(i, source->as_int(i)) : result.set_double(i, source->as_double(i));
  return result;
}

std::optional<double> scalar_parameter(const Value* value) {
  const auto number = parameter_along(value, 0, std::max(1, value->type.rank()), 1);
  return number ? std::optional(number->front()) : std::nullopt;
}

std::optional<std::vector<double>> parameter_along(const Value* value, int axis, int rank, int64_t extent) {
  const auto tensor = parameter_value(value);
  if (!tensor || tensor->rank() > rank) return std::nullopt;
  const int at = axis - (rank - tensor->rank());  // where the axis is in the parameter, if it is
  const int64_t count = tensor->count(), own = at >= 0 && extent > 1 ? tensor->dims()[size_t(at)] : 1;
  if (count == 0 || (own != 1 && own != extent)) return std::nullopt;
  int64_t inner = 1;
  for (int i = std::max(at, -1) + 1; i < tensor->rank(); ++i) inner *= tensor->dims()[size_t(i)];
  std::vector<double> numbers(size_t(extent), tensor->as_double(0));
  for (int64_t channel = 1; channel < own; ++channel) numbers[size_t(channel)] = tensor->as_double(channel * inner);
  for (int64_t i = 0; i < count; ++i)
    if (tensor->as_double(i) != numbers[size_t(i / inner % own)]) return std::nullopt;
  return numbers;
}

}  // namespace sardonyx::passes
