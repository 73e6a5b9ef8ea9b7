#include "compiler/ops/image/jpeg_transform.h"

#include <algorithm>

namespace sardonyx::ops::image {
namespace {

// Constants of the cosine transform are in units of 2^-13; the first pass keeps two more bits.
constexpr int constant_bits = 13, pass_bits = 2;

// Eight values to eight, by Loeffler, Ligtenberg and Moschytz (1989), with 11 multiplications. Results are scaled by
// sqrt(8) * 2^13.
struct Eight {
  int64_t v[8];
};
Eight inverse_row(const Eight& in) {
  // Even part.
  const int64_t z = (in.v[2] + in.v[6]) * 4433;
  const int64_t even2 = z - in.v[6] * 15137, even3 = z + in.v[2] * 6270;
  const int64_t even0 = (in.v[0] + in.v[4]) * (1 << constant_bits), even1 = (in.v[0] - in.v[4]) * (1 << constant_bits);
  const int64_t top[4] = {even0 + even3, even1 + even2, even1 - even2, even0 - even3};
  // Odd part.
  int64_t odd0 = in.v[7], odd1 = in.v[5], odd2 = in.v[3], odd3 = in.v[1];
  int64_t z1 = odd0 + odd3, z2 = odd1 + odd2, z3 = odd0 + odd2, z4 = odd1 + odd3;
  const int64_t z5 = (z3 + z4) * 9633;
  odd0 *= 2446, odd1 *= 16819, odd2 *= 25172, odd3 *= 12299;
  z1 *= -7373, z2 *= -20995;
  z3 = z5 - z3 * 16069, z4 = z5 - z4 * 3196;
  odd0 += z1 + z3, odd1 += z2 + z4, odd2 += z2 + z3, odd3 += z1 + z4;
  return {{top[0] + odd3, top[1] + odd2, top[2] + odd1, top[3] + odd0, top[3] - odd0, top[2] - odd1, top[1] - odd2,
           top[0] - odd3}};
}

int64_t rounded(int64_t value, int bits) { return (value + (int64_t{1} << (bits - 1))) >> bits; }
uint8_t clamped(int64_t value) { return uint8_t(std::clamp<int64_t>(value, 0, 255)); }

// Twice as wide as `row` from sums that are `scale` times the samples: each output is three parts of the near and one
// of the far neighbour, rounded down and up in turn.
void widen(const std::vector<int>& row, int shift, int low, int high, uint8_t* out) {
  const size_t n = row.size();
  for (size_t i = 0; i < n; ++i) {
    const int left = i > 0 ? row[i - 1] : row[i], right = i + 1 < n ? row[i + 1] : row[i];
    out[2 * i] = uint8_t((row[i] * 3 + left + low) >> shift);
    out[2 * i + 1] = uint8_t((row[i] * 3 + right + high) >> shift);
  }
}

}  // namespace

void inverse_cosine(const std::array<int64_t, 64>& coefficients, std::array<uint8_t, 64>& samples) {
  std::array<int64_t, 64> columns{};
  for (size_t c = 0; c < 8; ++c) {
    Eight in{};
    for (size_t r = 0; r < 8; ++r) in.v[r] = coefficients[r * 8 + c];
    const Eight out = inverse_row(in);
    for (size_t r = 0; r < 8; ++r) columns[r * 8 + c] = rounded(out.v[r], constant_bits - pass_bits);
  }
  for (size_t r = 0; r < 8; ++r) {
    Eight in{};
    for (size_t c = 0; c < 8; ++c) in.v[c] = columns[r * 8 + c];
    const Eight out = inverse_row(in);
    for (size_t c = 0; c < 8; ++c) samples[r * 8 + c] = clamped(rounded(out.v[c], constant_bits + pass_bits + 3) + 128);
  }
}

Plane upsampled(const Plane& plane, int64_t vertical, int64_t horizontal, int64_t height, int64_t width) {
  Plane result{height, width, std::vector<uint8_t>(size_t(height * width))};
  // Very narrow planes are not interpolated.
  const bool smooth = horizontal == 2 && (vertical == 1 || vertical == 2) && plane.width > 2;
  std::vector<int> sums(static_cast<size_t>(plane.width));
  std::vector<uint8_t> wide(static_cast<size_t>(plane.width * 2));
  for (int64_t y = 0; y < height; ++y) {
    uint8_t* out = result.samples.data() + y * width;
    const int64_t near = std::min(y / vertical, plane.height - 1);
    if (!smooth) {
      for (int64_t x = 0; x < width; ++x) out[x] = plane.at(near, std::min(x / horizontal, plane.width - 1));
      continue;
    }
    const int64_t far = std::clamp<int64_t>(y % 2 == 0 ? near - 1 : near + 1, 0, plane.height - 1);
    for (int64_t x = 0; x < plane.width; ++x)
      sums[size_t(x)] = vertical == 1 ? plane.at(near, x) : plane.at(near, x) * 3 + plane.at(far, x);
    if (vertical == 1)
      widen(sums, 2, 1, 2, wide.data());
    else
      widen(sums, 4, 8, 7, wide.data());
    std::copy_n(wide.data(), std::min<int64_t>(width, plane.width * 2), out);
  }
  return result;
}

void ycc_to_rgb(int y, int cb, int cr, uint8_t* rgb) {
  const int b = cb - 128, r = cr - 128;
  rgb[0] = clamped(y + ((91881 * r + 32768) >> 16));
  rgb[1] = clamped(y + ((-22554 * b - 46802 * r + 32768) >> 16));
  rgb[2] = clamped(y + ((116130 * b + 32768) >> 16));
}

}  // namespace sardonyx::ops::image
