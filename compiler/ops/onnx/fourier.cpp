#include "compiler/ops/onnx/fourier.h"

#include <cmath>
#include <complex>

#include "compiler/expr/simplify.h"
#include "compiler/ops/host_functions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::UnaryFunction;

constexpr double two_pi = 6.283185307179586476925;
// Quadratic work on vectors beats the host's n log n up to about here.
constexpr int64_t longest_product = 1024;

// ---- products ----

// [rows, columns] of cos and sin(2 pi i k / length). Angles are reduced as integers before they become floats.
struct Waves {
  Value *cosine, *sine;
};
Waves waves(Builder& b, const Expr& rows, const Expr& columns, const Expr& length, DType dtype) {
  Value* product = b.mul(b.iota(DType::I64, {rows, columns}, 0), b.iota(DType::I64, {rows, columns}, 1));
  Value* n = b.dims_tensor({length}, {});
  Value* step = b.cast(b.binary(BinaryFunction::Mod, product, n), DType::F64);
  Value* angle = b.div(b.mul(step, b.scalar(DType::F64, two_pi)), b.cast(n, DType::F64));
  return {b.cast(b.unary(UnaryFunction::Cos, angle), dtype), b.cast(b.unary(UnaryFunction::Sin, angle), dtype)};
}

Value* spectrum_product(Builder& b, Value* real, Value* imaginary, const Expr& length, FourierKind kind) {
  const Expr bins = kind.one_sided ? length / 2 + 1 : length;
  const DType dtype = real->type.dtype;
  const Waves w = waves(b, length, bins, length, dtype);
  Value* out_real = b.matmul(real, w.cosine);
  Value* out_imaginary = b.matmul(real, w.sine);
  if (!kind.inverse) out_imaginary = b.neg(out_imaginary);
  if (imaginary) {
    Value *cross = b.matmul(imaginary, w.sine), *straight = b.matmul(imaginary, w.cosine);
    out_real = kind.inverse ? b.sub(out_real, cross) : b.add(out_real, cross);
    out_imaginary = b.add(out_imaginary, straight);
  }
  const int64_t last = out_real->type.rank();
  Value* result = b.concat({b.unsqueeze(out_real, {last}), b.unsqueeze(out_imaginary, {last})}, last);
  return kind.inverse ? b.div(result, b.cast(b.dims_tensor({length}, {}), dtype)) : result;
}

// Bins between the first and, of an even length, the last stand for their conjugates as well.
Value* signal_product(Builder& b, Value* real, Value* imaginary, const Expr& length) {
  const DType dtype = real->type.dtype;
  const Expr bins = real->type.dims.back();
  const auto number = [&](double value) { return b.scalar(DType::I64, value); };
  Value *bin = b.iota(DType::I64, {bins}, 0), *n = b.dims_tensor({length}, {});
  Value* single = b.binary(BinaryFunction::Or, b.equal(bin, number(0)), b.equal(b.mul(bin, number(2)), n));
  Value* weight = b.cast(b.select(single, number(1), number(2)), dtype);
  const Waves w = waves(b, bins, length, length, dtype);
  Value* sum = b.sub(b.matmul(b.mul(real, weight), w.cosine), b.matmul(b.mul(imaginary, weight), w.sine));
  return b.unsqueeze(b.div(sum, b.cast(n, dtype)), {sum->type.rank()});
}

// ---- fast transforms ----

using Complex = std::complex<double>;
using Signal = std::vector<Complex>;

// exp(+-2 pi i k / n) for k < n.
Signal roots_of_unity(size_t n, bool inverse) {
  Signal roots(n);
  for (size_t k = 0; k < n; ++k) roots[k] = std::polar(1.0, (inverse ? two_pi : -two_pi) * double(k) / double(n));
  return roots;
}

// Cooley and Tukey in place; the length is a power of two and `roots` are its roots of unity.
void radix_two(Signal& x, const Signal& roots) {
  const size_t n = x.size();
  for (size_t i = 1, j = 0; i < n; ++i) {
    size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (size_t half = 1; half < n; half *= 2)
    for (size_t start = 0; start < n; start += 2 * half)
      for (size_t k = 0; k < half; ++k) {
        const Complex odd = x[start + half + k] * roots[k * (n / (2 * half))];
        x[start + half + k] = x[start + k] - odd;
        x[start + k] += odd;
      }
}

// A transform of one length, unscaled. Lengths that are no powers of two are convolutions of such (Bluestein).
class FastTransform {
 public:
  FastTransform(size_t n, bool inverse) : n_(n) {
    if ((n & (n - 1)) == 0) {
      roots_ = roots_of_unity(n, inverse);
      return;
    }
    while (padded_ < 2 * n - 1) padded_ *= 2;
    roots_ = roots_of_unity(padded_, false);
    chirp_.resize(n);
    // The square is reduced modulo 2 n before it becomes an angle.
    for (size_t k = 0; k < n; ++k)
      chirp_[k] = std::polar(1.0, (inverse ? two_pi : -two_pi) / 2 * double(k * k % (2 * n)) / double(n));
    kernel_.assign(padded_, 0);
    for (size_t k = 0; k < n; ++k) kernel_[k] = kernel_[(padded_ - k) % padded_] = std::conj(chirp_[k]);
    radix_two(kernel_, roots_);
  }

  void run(Signal& x) const {
    if (chirp_.empty()) return radix_two(x, roots_);
    Signal y(padded_, 0);
    for (size_t k = 0; k < n_; ++k) y[k] = x[k] * chirp_[k];
    radix_two(y, roots_);
    for (size_t k = 0; k < padded_; ++k) y[k] = std::conj(y[k] * kernel_[k]);  // conjugated: the way back
    radix_two(y, roots_);
    for (size_t k = 0; k < n_; ++k) x[k] = std::conj(y[k]) * chirp_[k] / double(padded_);
  }

 private:
  size_t n_, padded_ = 1;
  Signal roots_, chirp_, kernel_;
};

// Parameters: "inverse one_sided". Operands: the length, the real part, and the imaginary part if there is one.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const FourierKind kind{parameters[0] == '1', parameters[2] == '1'};
  const bool to_real = kind.inverse && kind.one_sided;
  const int64_t length = operands[0].as_int(0);
  const Tensor& real = operands[1];
  const Tensor* imaginary = operands.size() > 2 ? &operands[2] : nullptr;
  const int64_t given = real.dims().back(), bins = kind.one_sided && !to_real ? length / 2 + 1 : length;
  require(length >= 1 && given == (to_real ? length / 2 + 1 : length), Status::MismatchingShape,
          "a Fourier transform of length ", length, " of ", given, " elements");
  Dims dims = real.dims();
  dims.back() = bins;
  dims.push_back(to_real ? 1 : 2);
  Tensor result(real.dtype(), dims);
  const FastTransform transform(size_t(length), kind.inverse);
  const double scale = kind.inverse ? 1 / double(length) : 1;
  Signal x(static_cast<size_t>(length));
  for (int64_t row = 0; row * given < real.count(); ++row) {
    for (int64_t k = 0; k < given; ++k)
      x[size_t(k)] = {real.as_double(row * given + k), imaginary ? imaginary->as_double(row * given + k) : 0};
    if (to_real)
      for (int64_t k = given; k < length; ++k) x[size_t(k)] = std::conj(x[size_t(length - k)]);
    transform.run(x);
    for (int64_t k = 0; k < bins; ++k) {
      if (to_real) {
        result.set_double(row * bins + k, x[size_t(k)].real() * scale);
        continue;
      }
      result.set_double((row * bins + k) * 2, x[size_t(k)].real() * scale);
      result.set_double((row * bins + k) * 2 + 1, x[size_t(k)].imag() * scale);
    }
  }
  return {result};
}

const HostFunctionEntry entry{{.name = "fourier_transform", .run = run}};

}  // namespace

Value* fourier_transform(Builder& builder, Value* real, Value* imaginary, const Expr& length, FourierKind kind) {
  const bool to_real = kind.inverse && kind.one_sided;
  if (const auto known = expr::as_int(length); known && *known <= longest_product)
    return to_real ? signal_product(builder, real, imaginary, length)
                   : spectrum_product(builder, real, imaginary, length, kind);
  graph::TensorType type{real->type.dtype, real->type.dims, {}};
  type.dims.back() = kind.one_sided && !to_real ? expr::simplify(length / 2 + 1) : length;
  type.dims.emplace_back(to_real ? 1 : 2);
  std::vector<Value*> operands{builder.dims_tensor({length}, {}), real};
  if (imaginary) operands.push_back(imaginary);
  return builder.host_call("fourier_transform", str(int(kind.inverse), ' ', int(kind.one_sided)), operands, {type})[0];
}

}  // namespace sardonyx::ops
