#include "runtime/base/mini_float.h"

#include <bit>

namespace sardonyx {

namespace {

constexpr MiniFloat formats[] = {
    {DType::F8E4M3FN, 3, 7, 0x80, 0x7e, 0x7f, 0x7f, false, 448},
    {DType::F8E4M3FNUZ, 3, 8, 0x80, 0x7f, 0x80, 0x80, true, 240},
    {DType::F8E5M2, 2, 15, 0x80, 0x7b, 0x7c, 0x7e, false, 57344},
    {DType::F8E5M2FNUZ, 2, 16, 0x80, 0x7f, 0x80, 0x80, true, 57344},
    {DType::F4E2M1, 1, 1, 0x8, 0x7, 0x7, 0x8, false, 6},
    {DType::F8E8M0, 0, 127, 0, 0xfe, 0xff, 0xff, false, 0x1p127},
};

// The algebra of numbers. Integers wrap.
struct Numbers {
  using Int = int32_t;
  using Float = float;
  Int constant(int32_t value) const { return value; }
  Int bits(float x) const { return std::bit_cast<int32_t>(x); }
  Float from_bits(Int bits) const { return std::bit_cast<float>(bits); }
  Int add(Int x, Int y) const { return Int(uint32_t(x) + uint32_t(y)); }
  Int subtract(Int x, Int y) const { return Int(uint32_t(x) - uint32_t(y)); }
  Int shift_left(Int x, int n) const { return Int(uint32_t(x) << n); }
  Int shift_right(Int x, int n) const { return x >> n; }
  Int bit_and(Int x, Int y) const { return x & y; }
  Int bit_or(Int x, Int y) const { return x | y; }
  Float add_floats(Float x, Float y) const { return x + y; }
  Float subtract_floats(Float x, Float y) const { return x - y; }
  bool less(Int x, Int y) const { return x < y; }
  bool equal(Int x, Int y) const { return x == y; }
  bool both(bool x, bool y) const { return x && y; }
  Int select(bool condition, Int x, Int y) const { return condition ? x : y; }
};

}  // namespace

const MiniFloat* mini_float(DType dtype) {
  for (const MiniFloat& format : formats)
    if (format.dtype == dtype) return &format;
  return nullptr;
}

uint8_t encode_mini(const MiniFloat& format, float value) { return uint8_t(encode_mini(Numbers{}, format, value)); }

float decode_mini(const MiniFloat& format, uint8_t code) { return decode_mini(Numbers{}, format, int32_t{code}); }

}  // namespace sardonyx
