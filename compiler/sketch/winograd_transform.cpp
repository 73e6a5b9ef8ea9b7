#include <algorithm>
#include <array>

#include "compiler/sketch/winograd.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/pages.h"

namespace sardonyx::sketch {

using expr::Expr;

namespace {

// The finite points other than 0 are +-a and +-b.
constexpr double a = 0.625, b = 1.5;
constexpr double aa = a * a, bb = b * b;

Expr number(double value) { return expr::imm(value, DType::F32); }

}  // namespace

Expr Winograd::input(int i, const std::vector<Expr>& d) const {
  if (outputs == 2) {
    const Expr rows[] = {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]};
    return rows[i];
  }
  // Row i of B' has the coefficients of the product of (x - p) over all points p but the i-th.
  const auto even = [&](double root) { return d[4] - number(root) * d[2]; };
  const auto odd = [&](double root) { return d[3] - number(root) * d[1]; };
  switch (i) {
    case 0:
      return d[4] - number(aa + bb) * d[2] + number(aa * bb) * d[0];
    case 1:
      return even(bb) + number(a) * odd(bb);
    case 2:
      return even(bb) - number(a) * odd(bb);
    case 3:
      return even(aa) + number(b) * odd(aa);
    case 4:
      return even(aa) - number(b) * odd(aa);
    default:
      return d[5] - number(aa + bb) * d[3] + number(aa * bb) * d[1];
  }
}

Expr Winograd::output(int i, const std::vector<Expr>& m) const {
  if (outputs == 2) return i == 0 ? m[0] + m[1] + m[2] : m[1] - m[2] + m[3];
  switch (i) {
    case 0:
      return m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    case 1:
      return number(a) * (m[1] - m[2]) + number(b) * (m[3] - m[4]);
    case 2:
      return number(aa) * (m[1] + m[2]) + number(bb) * (m[3] + m[4]);
    default:
      return m[5] + number(b * bb) * (m[3] - m[4]) + number(a * aa) * (m[1] - m[2]);
  }
}

std::vector<std::vector<double>> Winograd::weights() const {
  if (outputs == 2) return {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  constexpr std::array<double, 5> points = {0, a, -a, b, -b};
  std::vector<std::vector<double>> rows;
  for (double point : points) {
    double scale = 1;
    for (double other : points) scale *= other == point ? 1 : point - other;
    rows.push_back({1 / scale, point / scale, point * point / scale});
  }
  rows.push_back({0, 0, 1});
  return rows;
}

Tensor Winograd::pack(const Tensor& weights, int64_t width) const {
  const int64_t oc = weights.dims()[0], ic = weights.dims()[1], size = inputs(), panels = (oc + width - 1) / width;
  const auto g = this->weights();
  const Dims dims{panels, products(), ic, width};
  Tensor packed(DType::F32, dims, weight_bytes(byte_size(DType::F32, dims), Pages::Huge));
  const Unaligned<float>* source = weights.unaligned<float>();
  float* to = packed.data<float>();
  parallel_parts(panels, packed.bytes(), [&](int64_t panel) {
    std::vector<double> taps(size_t(9 * width)), half(size_t(size * 3 * width));
    const int64_t filled = std::min(width, oc - panel * width);
    for (int64_t c = 0; c < ic; ++c) {
      for (int64_t lane = 0; lane < filled; ++lane) {
        const Unaligned<float>* tap = source + ((panel * width + lane) * ic + c) * 9;
        for (int64_t k = 0; k < 9; ++k) taps[size_t(k * width + lane)] = tap[k];
      }
      for (int64_t y = 0; y < size; ++y) {
        for (int64_t x = 0; x < 3; ++x) {
          double* out = &half[size_t((y * 3 + x) * width)];
          for (int64_t lane = 0; lane < width; ++lane) {
            out[lane] = g[size_t(y)][0] * taps[size_t(x * width + lane)] +
                        g[size_t(y)][1] * taps[size_t((3 + x) * width + lane)] +
                        g[size_t(y)][2] * taps[size_t((6 + x) * width + lane)];
          }
        }
      }
      for (int64_t y = 0; y < size; ++y) {
        for (int64_t x = 0; x < size; ++x) {
          const double* row = &half[size_t(y * 3 * width)];
          float* out = to + (((panel * products() + y * size + x) * ic + c) * width);
          for (int64_t lane = 0; lane < width; ++lane) {
            out[lane] = float(g[size_t(x)][0] * row[lane] + g[size_t(x)][1] * row[width + lane] +
                              g[size_t(x)][2] * row[2 * width + lane]);
          }
        }
      }
    }
  });
  return packed;
}

}  // namespace sardonyx::sketch
