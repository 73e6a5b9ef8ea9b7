// Quantized graphs: against the same arithmetic on the same codes, and against the layer before it was quantized.
#include <cmath>

#include "tests/accuracy/compare.h"

namespace sardonyx::accuracy {

namespace {

using graph::UnaryFunction;

constexpr double step = 6.0 / 127, weight_step = 0.25 / 127, result_step = 0.05;

Value* dequantized(Maker& m, Value* codes, double scale, double zero) {
  Value* centred = m.b.sub(m.b.cast(codes, DType::I32), m.b.scalar(DType::I32, zero));
  return m.b.mul(m.b.cast(centred, m.number(0)->type.dtype), m.number(float(scale)));
}
Value* quantized(Maker& m, Value* x, double scale, double zero, double low, DType dtype) {
  Value* y = m.b.unary(UnaryFunction::Round, m.b.div(x, m.number(float(scale))));
  y = m.b.add(y, m.number(zero));
  return m.b.cast(m.b.minimum(m.b.maximum(y, m.number(low)), m.number(low + 255)), dtype);
}

Value* convolved(Maker& m, Value* x, Value* w) {
  graph::ConvAttrs attrs;
  attrs.strides = attrs.dilations = {1, 1};
  attrs.pads.assign(4, 1);
  attrs.dtype = x->type.dtype;
  return m.b.conv(x, w, attrs);
}

// What the codes stand for, contracted.
Value* convolution_of_codes(Maker& m) {
  Value* x = dequantized(m, m.codes(DType::U8, {1, 64, 14, 14}), step, 120);
  return convolved(m, x, dequantized(m, m.constant_codes(DType::I8, {48, 64, 3, 3}), weight_step, 0));
}
Value* product_of_codes(Maker& m) {
  Value* x = dequantized(m, m.codes(DType::U8, {32, 768}), step, 120);
  return m.b.matmul(x, dequantized(m, m.constant_codes(DType::I8, {768, 64}), weight_step, 0), false, false,
                    x->type.dtype);
}
Value* requantized(Maker& m, Value* y) { return quantized(m, y, result_step * 10, 128, 0, DType::U8); }
// The sum of products as it is, in I32.
Value* integer_product(Maker& m) {
  Value* x = m.codes(DType::U8, {32, 768});
  return m.b.matmul(x, m.constant_codes(DType::I8, {768, 64}), false, false, DType::I32);
}

// A layer in floats, and the same with its inputs, weights and results in codes; steps that hold all values of a normal
// distribution but the outermost.
Value* float_convolution(Maker& m) {
  Value* x = m.input({1, 64, 14, 14});
  return convolved(m, x, m.constant({48, 64, 3, 3}, std::sqrt(2 / 576.0)));
}
Value* quantized_convolution(Maker& m) {
  Value* x = m.input({1, 64, 14, 14});
  Value* w = m.constant({48, 64, 3, 3}, std::sqrt(2 / 576.0));
  x = dequantized(m, quantized(m, x, step, 128, 0, DType::U8), step, 128);
  w = dequantized(m, quantized(m, w, weight_step * 1.2, 0, -128, DType::I8), weight_step * 1.2, 0);
  Value* y = convolved(m, x, w);
  return dequantized(m, quantized(m, y, result_step, 128, 0, DType::U8), result_step, 128);
}

constexpr const char* family = "Quantized layers";

}  // namespace

std::vector<Row> quantized_rows() {
  return {
      {family, "product of U8 by I8 in I32, 768 deep: sums that differ", Measure::Codes, 0,
       [] { return error_of(integer_product, Measure::Codes); }},
      {family, "convolution of codes, F32 result, against exact sums", Measure::Largest, 1e-7,
       [] { return error_of(convolution_of_codes, Measure::Largest); }},
      {family, "product of codes, F32 result, against exact sums", Measure::Largest, 1e-7,
       [] { return error_of(product_of_codes, Measure::Largest); }},
      {family, "convolution of codes to codes: codes that differ, by one", Measure::Codes, 20,
       [] {
         const auto build = [](Maker& m) { return requantized(m, convolution_of_codes(m)); };
         require(error_of(build, Measure::Absolute) <= 1, Status::InternalError, "a code differs by more than one");
         return error_of(build, Measure::Codes);
       }},
      {family, "convolution quantized to 8 bits, against the float layer", Measure::Rms, 0.03,
       [] { return error_of(quantized_convolution, float_convolution, Measure::Rms); }},
  };
}

}  // namespace sardonyx::accuracy
