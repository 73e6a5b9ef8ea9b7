// PBM, PGM and PPM, as text (P1 to P3) and as bytes (P4 to P6).
#include "compiler/ops/image/image.h"

namespace sardonyx::ops::image {
namespace {

bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The next number of a text; comments go from # to the end of the line.
uint32_t number(Reader& in) {
  uint8_t c = in.u8();
  while (is_space(c) || c == '#') {
    if (c == '#')
      while (in.u8() != '\n') {
      }
    c = in.u8();
  }
  uint32_t value = 0;
  for (; c >= '0' && c <= '9'; c = in.u8()) {
    value = value * 10 + (c - '0');
    expect(value < 1u << 28, "a number of a PNM");
    if (in.done()) return value;
  }
  expect(is_space(c), "the text of a PNM");
  return value;
}

// One digit of a P1 file, which need not be separated.
uint32_t digit(Reader& in) {
  uint8_t c = in.u8();
  while (is_space(c)) c = in.u8();
  expect(c == '0' || c == '1', "the text of a PBM");
  return c - '0';
}

}  // namespace

Image decode_pnm(Bytes file) {
  Reader in(file, true, 1);
  const int kind = in.u8() - '0';
  const bool bitmap = kind == 1 || kind == 4, colour = kind == 3 || kind == 6;
  const int64_t width = number(in), height = number(in);
  const uint32_t most = bitmap ? 1 : number(in);
  expect(most >= 1 && most <= 255, "samples of more than 8 bits");
  Image image(height, width, file.size() * 8);
  for (int64_t row = 0; row < height; ++row) {
    const Bytes bits = kind == 4 ? in.take(size_t(width + 7) / 8) : Bytes();
    for (int64_t x = 0; x < width; ++x)
      for (int channel = 0; channel < 3; ++channel) {
        uint8_t* out = image.pixel(row, x);
        if (channel > 0 && !colour) {
          out[channel] = out[0];
          continue;
        }
        const uint32_t sample = kind == 1   ? digit(in)
                                : kind == 4 ? bits[size_t(x) / 8] >> (7 - x % 8) & 1u
                                : kind <= 3 ? number(in)
                                            : in.u8();
        expect(sample <= most, "a sample of a PNM");
        out[channel] = uint8_t(bitmap ? (sample ? 0 : 255) : (sample * 255 + most / 2) / most);
      }
  }
  return image;
}

}  // namespace sardonyx::ops::image
