// The arithmetic of JPEG decoding: inverse cosine transform, chroma upsampling, colours. Integers, in the order and
// rounding of libjpeg's "islow" and "fancy" methods, which ONNX's ImageDecoder asks for.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sardonyx::ops::image {

// One component: samples of its own size.
struct Plane {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> samples;
  uint8_t at(int64_t row, int64_t column) const { return samples[size_t(row * width + column)]; }
};

// 64 dequantised coefficients, row by row, to samples.
void inverse_cosine(const std::array<int64_t, 64>& coefficients, std::array<uint8_t, 64>& samples);

// `plane`, subsampled by the factors, at the size height x width of the image. Factors of two are interpolated where
// libjpeg does it, others repeat samples.
Plane upsampled(const Plane& plane, int64_t vertical, int64_t horizontal, int64_t height, int64_t width);

void ycc_to_rgb(int y, int cb, int cr, uint8_t* rgb);

}  // namespace sardonyx::ops::image
