// Mini floats against tables made here from the formats' definitions: every code, and rounding at every boundary.
#include "runtime/base/mini_float.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <random>

#include "runtime/base/packing.h"

namespace sardonyx {
namespace {

enum class Beyond { Nan, Infinity, Largest };
// What the standards say of a format with a sign: value = mantissa and exponent fields as written in `value_of`.
struct Standard {
  DType dtype;
  int exponent_bits, mantissa_bits, bias;
  Beyond beyond;
  std::vector<int> nans;  // codes
  bool negative_zero;
};
const Standard standards[] = {
    {DType::F8E4M3FN, 4, 3, 7, Beyond::Nan, {0x7f, 0xff}, true},
    {DType::F8E4M3FNUZ, 4, 3, 8, Beyond::Nan, {0x80}, false},
    {DType::F8E5M2, 5, 2, 15, Beyond::Infinity, {0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff}, true},
    {DType::F8E5M2FNUZ, 5, 2, 16, Beyond::Nan, {0x80}, false},
    {DType::F4E2M1, 2, 1, 1, Beyond::Largest, {}, true},
};

double value_of(const Standard& s, int magnitude) {
  const int exponent = magnitude >> s.mantissa_bits;
  const double fraction = double(magnitude % (1 << s.mantissa_bits)) / (1 << s.mantissa_bits);
  return exponent == 0 ? std::ldexp(fraction, 1 - s.bias) : std::ldexp(1 + fraction, exponent - s.bias);
}

int sign_bit(const Standard& s) { return 1 << (s.exponent_bits + s.mantissa_bits); }

bool is_nan_code(const Standard& s, int code) { return std::find(s.nans.begin(), s.nans.end(), code) != s.nans.end(); }

// Finite magnitudes by code, ascending without a gap from 0.
std::vector<double> magnitudes(const Standard& s) {
  std::vector<double> values;
  for (int code = 0; code < sign_bit(s); ++code) {
    if (is_nan_code(s, code) || (s.beyond == Beyond::Infinity && code == 0x7c)) break;
    values.push_back(value_of(s, code));
  }
  return values;
}

// Nearest, ties to the even code; one more number than there are stands for all that is out of range.
float rounded(const Standard& s, double x) {
  if (std::isnan(x)) return s.beyond == Beyond::Largest ? -0.0f : NAN;
  const std::vector<double> values = magnitudes(s);
  const double magnitude = std::fabs(x), next = value_of(s, int(values.size()));
  double result = 0;
  for (size_t code = 0; code < values.size(); ++code) {
    const double low = values[code], high = code + 1 < values.size() ? values[code + 1] : next;
    if (magnitude < low) break;
    const double middle = (low + high) / 2;
    const bool up = magnitude > middle || (magnitude == middle && code % 2 == 1);
    result = up ? high : low;
  }
  if (magnitude >= next || result == next)
    result = s.beyond == Beyond::Nan ? NAN : s.beyond == Beyond::Infinity ? double(INFINITY) : values.back();
  return float(std::signbit(x) ? -result : result);
}

bool same(float a, float b, bool signs) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && (!signs || std::signbit(a) == std::signbit(b));
}

TEST(MiniFloat, EveryCodeHasTheValueOfItsFormat) {
  for (const Standard& s : standards) {
    const MiniFloat& format = *mini_float(s.dtype);
    for (int code = 0; code < 2 * sign_bit(s); ++code) {
      SCOPED_TRACE(testing::Message() << dtype_name(s.dtype) << " " << code);
      const bool infinite = s.beyond == Beyond::Infinity && (code & 0x7f) == 0x7c;
      const double magnitude = infinite ? INFINITY : value_of(s, code % sign_bit(s));
      const float expected = is_nan_code(s, code) ? NAN : float(code >= sign_bit(s) ? -magnitude : magnitude);
      const float actual = decode_mini(format, uint8_t(code));
      EXPECT_TRUE(same(actual, expected, s.negative_zero)) << actual << " is not " << expected;
      if (!std::isnan(expected)) {
        EXPECT_EQ(encode_mini(format, expected), code);
      }
    }
    EXPECT_EQ(format.maximum, magnitudes(s).back());
  }
}

TEST(MiniFloat, RoundsAtEveryBoundary) {
  for (const Standard& s : standards) {
    const MiniFloat& format = *mini_float(s.dtype);
    std::vector<double> values = magnitudes(s);
    values.push_back(value_of(s, int(values.size())));
    std::vector<float> inputs{0, NAN, INFINITY, 1e30f, 1e-30f, 0x1p-149f, 3.4e38f};
    for (size_t i = 0; i < values.size(); ++i) {
      inputs.push_back(float(values[i]));
      if (i > 0) inputs.push_back(float((values[i - 1] + values[i]) / 2));
    }
    for (size_t i = inputs.size(); i-- > 0;)
      inputs.insert(inputs.end(), {std::nextafter(inputs[i], INFINITY), std::nextafter(inputs[i], 0.0f)});
    for (uint32_t half = 0; half < 0x10000; ++half) inputs.push_back(f16_to_f32(uint16_t(half)));
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) inputs.push_back(std::bit_cast<float>(uint32_t(random())));
    for (float magnitude : inputs)
      for (float x : {magnitude, -magnitude}) {
        const uint8_t code = encode_mini(format, x);
        ASSERT_LT(code, 2 * sign_bit(s));
        const float expected = rounded(s, x), actual = decode_mini(format, code);
        ASSERT_TRUE(same(actual, expected, s.negative_zero && !std::isnan(x)))
            << dtype_name(s.dtype) << " of " << x << ": " << actual << " is not " << expected;
      }
  }
}

TEST(MiniFloat, PowersOfTwoHaveNoSignAndTiesGoUp) {
  const MiniFloat& format = *mini_float(DType::F8E8M0);
  for (int code = 0; code < 255; ++code) {
    const float power = std::ldexp(1.0f, code - 127);
    EXPECT_EQ(decode_mini(format, uint8_t(code)), power);
    EXPECT_EQ(encode_mini(format, power), code);
    if (code == 254) continue;
    const float tie = power * 1.5f;
    EXPECT_EQ(encode_mini(format, tie), code + 1);
    EXPECT_EQ(encode_mini(format, std::nextafter(tie, 0.0f)), code);
    EXPECT_EQ(encode_mini(format, std::nextafter(tie, INFINITY)), code + 1);
  }
  EXPECT_TRUE(std::isnan(decode_mini(format, 255)));
  for (float x : {0.0f, -0.0f, -1.0f, NAN, INFINITY, -INFINITY, std::nextafter(0x1p127f, INFINITY),
                  std::nextafter(0x1p-127f, 0.0f)})
    EXPECT_EQ(encode_mini(format, x), 255) << x;
}

TEST(MiniFloat, DoublesRoundOnce) {
  // Just above the middle of 1 and 1.125: through F32 it would become the tie and round down.
  const double x = 1.0625 + 0x1p-40;
  const MiniFloat& format = *mini_float(DType::F8E4M3FN);
  EXPECT_EQ(decode_mini(format, encode_mini(format, float(x))), 1);
  EXPECT_EQ(decode_mini(format, encode_mini(format, f64_to_f32_odd(x))), 1.125f);
  EXPECT_EQ(f64_to_f32_odd(0.5), 0.5f);
  EXPECT_EQ(f64_to_f32_odd(1e300), std::numeric_limits<float>::max());
  EXPECT_EQ(f64_to_f32_odd(-1e-300), -0x1p-149f);
  EXPECT_TRUE(std::isnan(f64_to_f32_odd(NAN)));
  EXPECT_EQ(f64_to_f32_odd(-INFINITY), -INFINITY);
}

TEST(Packing, FirstElementIsInTheLowBits) {
  const std::map<DType, std::pair<std::vector<uint8_t>, std::vector<int>>> cases = {
      {DType::I4, {{0x87, 0x0f}, {7, -8, -1}}},     {DType::U4, {{0x87, 0x0f}, {7, 8, 15}}},
      {DType::F4E2M1, {{0x87, 0x0f}, {7, 8, 15}}},  {DType::I2, {{0xe4, 0x02}, {0, 1, -2, -1, -2}}},
      {DType::U2, {{0xe4, 0x02}, {0, 1, 2, 3, 2}}},
  };
  for (const auto& [dtype, data] : cases) {
    SCOPED_TRACE(std::string(dtype_name(dtype)));
    const auto& [packed, elements] = data;
    ASSERT_TRUE(is_packed(dtype));
    EXPECT_EQ(host_bytes(dtype, int64_t(elements.size())), int64_t(packed.size()));
    std::vector<uint8_t> unpacked(elements.size()), again(packed.size(), 0xff);
    unpack(dtype, packed.data(), int64_t(elements.size()), unpacked.data());
    for (size_t i = 0; i < elements.size(); ++i) EXPECT_EQ(unpacked[i], uint8_t(elements[i]));
    pack(dtype, unpacked.data(), int64_t(elements.size()), again.data());
    EXPECT_EQ(again, packed);
  }
  EXPECT_FALSE(is_packed(DType::F8E5M2));
  EXPECT_FALSE(is_packed(DType::String));
  EXPECT_EQ(host_bytes(DType::U2, 0), 0);
  EXPECT_EQ(host_bytes(DType::Complex128, 3), 48);
}

}  // namespace
}  // namespace sardonyx
