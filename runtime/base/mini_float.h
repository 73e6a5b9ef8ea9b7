// Floats of 8 and 4 bits: their formats and the one definition of their conversions from and to F32.
//
// The conversions are written over an algebra, so that the same text computes on numbers (encode_mini, decode_mini) and
// makes expressions for code generators (compiler/tensor/lower/mini_floats.cpp):
//   struct Numbers {
//     using Int = int32_t;   // wraps
//     using Float = float;
//     Int constant(int32_t) ...
//   };
// Rounding is to nearest even. What is out of range becomes an infinity where the format has one, else NaN, except that
// F4E2M1, which has neither, saturates and makes NaN -0, as ONNX's reference data does. F8E8M0 has powers of two only:
// ties go up, and what is not in [2^-127, 2^127] is NaN. Saturation is clamping before the conversion.
#pragma once
#include <cstdint>

#include "runtime/base/dtype.h"

namespace sardonyx {

struct MiniFloat {
  DType dtype;
  int mantissa;        // bits
  int bias;            // of the exponent
  int32_t sign;        // the sign bit; 0: numbers have no sign
  int32_t largest;     // code of the largest number
  int32_t overflow;    // code, without sign, of what is beyond it
  int32_t nan;         // code, without sign
  bool unsigned_zero;  // FNUZ: the code of -0 is NaN, the only one
  double maximum;      // the largest number
};
// Null when `dtype` is no mini float.
const MiniFloat* mini_float(DType dtype);

uint8_t encode_mini(const MiniFloat& format, float value);
float decode_mini(const MiniFloat& format, uint8_t code);

// ---- the definition ----

template <class A>
typename A::Int encode_power_of_two(const A& a, typename A::Float x) {
  auto bits = a.bits(x);
  auto rounded = a.shift_right(a.add(bits, a.constant(0x400000)), 23);
  auto denormal = a.select(a.less(bits, a.constant(0x600000)), a.constant(0), a.constant(1));
  auto code = a.select(a.less(bits, a.constant(0x800000)), denormal, rounded);
  auto inside = a.both(a.less(a.constant(0x3fffff), bits), a.less(bits, a.constant(0x7f000001)));
  return a.select(inside, code, a.constant(0xff));
}

template <class A>
typename A::Float decode_power_of_two(const A& a, typename A::Int code) {
  auto bits = a.select(a.equal(code, a.constant(0)), a.constant(0x400000), a.shift_left(code, 23));
  return a.from_bits(a.select(a.equal(code, a.constant(0xff)), a.constant(0x7fc00000), bits));
}

// The code of F32 `x`.
template <class A>
typename A::Int encode_mini(const A& a, const MiniFloat& format, typename A::Float x) {
  if (format.sign == 0) return encode_power_of_two(a, x);
  const int drop = 23 - format.mantissa;
  auto bits = a.bits(x);
  auto magnitude = a.bit_and(bits, a.constant(0x7fffffff));
  // Normal results: rebias the exponent and round the mantissa; a carry runs into the exponent.
  auto rebiased = a.subtract(magnitude, a.constant((127 - format.bias) << 23));
  auto odd = a.bit_and(a.shift_right(rebiased, drop), a.constant(1));
  auto normal = a.shift_right(a.add(rebiased, a.add(odd, a.constant((1 << (drop - 1)) - 1))), drop);
  // Others: adding a number whose unit in the last place is the smallest result rounds and leaves the code below it.
  const int32_t anchor = (127 + 24 - format.bias - format.mantissa) << 23;
  auto sum = a.bits(a.add_floats(a.from_bits(magnitude), a.from_bits(a.constant(anchor))));
  auto denormal = a.subtract(sum, a.constant(anchor));
  const int32_t smallest_normal = (128 - format.bias) << 23;
  auto code = a.select(a.less(magnitude, a.constant(smallest_normal)), denormal, normal);
  code = a.select(a.less(a.constant(format.largest), code), a.constant(format.overflow), code);
  auto is_nan = a.less(a.constant(0x7f800000), magnitude);
  code = a.select(is_nan, a.constant(format.nan), code);
  auto keeps_sign = a.less(bits, a.constant(0));
  if (format.unsigned_zero) {
    keeps_sign = a.both(keeps_sign, a.both(a.less(a.constant(0), code), a.less(code, a.constant(format.sign))));
  } else if (format.dtype == DType::F4E2M1) {
    keeps_sign = a.both(keeps_sign, a.less(code, a.constant(format.sign)));
  }
  return a.select(keeps_sign, a.bit_or(code, a.constant(format.sign)), code);
}

// The F32 value of a code in [0, 255] ([0, 15]). Makes no denormals on the way, which devices may flush.
template <class A>
typename A::Float decode_mini(const A& a, const MiniFloat& format, typename A::Int code) {
  if (format.sign == 0) return decode_power_of_two(a, code);
  const int drop = 23 - format.mantissa;
  auto magnitude = a.bit_and(code, a.constant(format.sign - 1));
  auto normal = a.add(a.shift_left(magnitude, drop), a.constant((127 - format.bias) << 23));
  // A denormal is an integer times the smallest number: taken off the anchor of encode_mini, exactly.
  const int32_t anchor = (127 + 24 - format.bias - format.mantissa) << 23;
  auto sum = a.from_bits(a.bit_or(magnitude, a.constant(anchor)));
  auto denormal = a.bits(a.subtract_floats(sum, a.from_bits(a.constant(anchor))));
  auto bits = a.select(a.less(magnitude, a.constant(1 << format.mantissa)), denormal, normal);
  if (!format.unsigned_zero && format.dtype != DType::F4E2M1) {
    auto special = a.constant(0x7fc00000);
    if (format.overflow != format.nan)
      special = a.select(a.equal(magnitude, a.constant(format.overflow)), a.constant(0x7f800000), special);
    bits = a.select(a.less(a.constant(format.largest), magnitude), special, bits);
  }
  auto negative = a.less(a.constant(format.sign - 1), code);
  bits = a.select(negative, a.bit_or(bits, a.constant(INT32_MIN)), bits);
  if (format.unsigned_zero) bits = a.select(a.equal(code, a.constant(format.nan)), a.constant(0x7fc00000), bits);
  return a.from_bits(bits);
}

}  // namespace sardonyx
