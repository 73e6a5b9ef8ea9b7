// Arithmetic, comparisons and logic of two tensors, and the variadic Min, Max, Sum, Mean.
#include "compiler/ops/onnx/legacy_broadcast.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;

template <BinaryFunction function>
std::vector<Value*> map(Lowering& in) {
  return {in.builder().binary(function, in[0], legacy_right_operand(in))};
}

// a > b is b < a.
template <BinaryFunction function>
std::vector<Value*> swapped(Lowering& in) {
  return {in.builder().binary(function, legacy_right_operand(in), in[0])};
}

// The result has the base's type; types may differ since version 12.
std::vector<Value*> power(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *y = legacy_right_operand(in);
  const DType base = x->type.dtype, exponent = y->type.dtype;
  const DType working = is_float(base) || !is_float(exponent) ? base : exponent;
  Value* result = b.binary(BinaryFunction::Pow, b.cast(x, working), b.cast(y, working));
  return {b.cast(result, base)};
}

std::vector<Value*> modulo(Lowering& in) {
  const bool fmod = in.attr_int("fmod", 0) != 0;
  in.require(fmod || !is_float(in[0]->type.dtype), Status::InvalidModel, "fmod must be 1 for ",
             graph::to_string(in[0]->type));
  return {in.builder().binary(fmod ? BinaryFunction::Rem : BinaryFunction::Mod, in[0], in[1])};
}

std::vector<Value*> bit_shift(Lowering& in) {
  const std::string direction = in.attr_string("direction");
  in.require(direction == "LEFT" || direction == "RIGHT", Status::InvalidModel, "unknown direction '", direction, "'");
  return {
      in.builder().binary(direction == "LEFT" ? BinaryFunction::ShiftLeft : BinaryFunction::ShiftRight, in[0], in[1])};
}

Value* folded(Lowering& in, BinaryFunction function) {
  Value* result = in[0];
  for (int i = 1; i < in.inputs(); ++i) result = in.builder().binary(function, result, in[i]);
  return result;
}

template <BinaryFunction function>
std::vector<Value*> variadic(Lowering& in) {
  return {folded(in, function)};
}

std::vector<Value*> mean(Lowering& in) {
  Value* sum = folded(in, BinaryFunction::Add);
  return {in.builder().div(sum, in.builder().scalar_like(sum, in.inputs()))};
}

constexpr OnnxOpDef::Arity two{2, 2}, many{1, -1};

const OnnxOp ops[] = {
    operator_row("Add", {1, 6, 7, 13, 14}, map<BinaryFunction::Add>, two),
    operator_row("And", {1, 7}, map<BinaryFunction::And>, two),
    operator_row("BitShift", {11}, bit_shift, two),
    operator_row("BitwiseAnd", {18}, map<BinaryFunction::And>, two),
    operator_row("BitwiseOr", {18}, map<BinaryFunction::Or>, two),
    operator_row("BitwiseXor", {18}, map<BinaryFunction::Xor>, two),
    operator_row("Div", {1, 6, 7, 13, 14}, map<BinaryFunction::Div>, two),
    operator_row("Equal", {1, 7, 11, 13, 19}, map<BinaryFunction::Eq>, two),
    operator_row("Greater", {1, 7, 9, 13}, swapped<BinaryFunction::Lt>, two),
    operator_row("GreaterOrEqual", {12, 16}, swapped<BinaryFunction::Le>, two),
    operator_row("Less", {1, 7, 9, 13}, map<BinaryFunction::Lt>, two),
    operator_row("LessOrEqual", {12, 16}, map<BinaryFunction::Le>, two),
    operator_row("Max", {1, 6, 8, 12, 13}, variadic<BinaryFunction::Max>, many),
    operator_row("Mean", {1, 6, 8, 13}, mean, many),
    operator_row("Min", {1, 6, 8, 12, 13}, variadic<BinaryFunction::Min>, many),
    operator_row("Mod", {10, 13}, modulo, two),
    operator_row("Mul", {1, 6, 7, 13, 14}, map<BinaryFunction::Mul>, two),
    operator_row("Or", {1, 7}, map<BinaryFunction::Or>, two),
    operator_row("Pow", {1, 7, 12, 13, 15}, power, two),
    operator_row("Sub", {1, 6, 7, 13, 14}, map<BinaryFunction::Sub>, two),
    operator_row("Sum", {1, 6, 8, 13}, variadic<BinaryFunction::Add>, many),
    operator_row("Xor", {1, 7}, map<BinaryFunction::Xor>, two),
};

}  // namespace
}  // namespace sardonyx::ops
