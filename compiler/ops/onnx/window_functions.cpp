// HannWindow, HammingWindow, BlackmanWindow: sums of cosines over a run-time length.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// a0 - a1 cos(2 pi k / n) + a2 cos(4 pi k / n), n being the size, less one when symmetric.
struct Cosines {
  double a0, a1, a2;
};
constexpr Cosines hann{0.5, 0.5, 0}, hamming{25.0 / 46.0, 21.0 / 46.0, 0}, blackman{0.42, 0.5, 0.08};

template <const Cosines& terms>
std::vector<Value*> lower(Lowering& in) {
  constexpr double two_pi = 6.283185307179586476925;
  auto& b = in.builder();
  in.require(is_integer(in[0]->type.dtype), Status::InvalidModel, "the size must be an integer, but is ",
             graph::to_string(in[0]->type));
  Expr size = b.values_of(b.reshape(in[0], {}), {0, INT64_MAX, 1})[0];
  auto dtype = DType(in.attr_int("output_datatype", int64_t(DType::F32)));
  in.require(is_float(dtype) || is_integer(dtype), Status::InvalidModel, "output_datatype ", int(dtype),
             " is not numeric");
  Expr period = in.attr_int("periodic", 1) != 0 ? size : size - 1;
  auto number = [&](double value) { return b.scalar(DType::F64, value); };
  auto cosine = [&](Value* x) { return b.unary(graph::UnaryFunction::Cos, x); };
  Value* angle =
      b.div(b.mul(b.iota(DType::F64, {size}, 0), number(two_pi)), b.cast(b.dims_tensor({period}, {}), DType::F64));
  Value* window = b.sub(number(terms.a0), b.mul(number(terms.a1), cosine(angle)));
  if (terms.a2 != 0) window = b.add(window, b.mul(number(terms.a2), cosine(b.mul(angle, number(2)))));
  return {b.cast(window, dtype)};
}

const OnnxOp ops[] = {
    operator_row("HannWindow", {17}, lower<hann>),
    operator_row("HammingWindow", {17}, lower<hamming>),
    operator_row("BlackmanWindow", {17}, lower<blackman>),
};

}  // namespace
}  // namespace sardonyx::ops
