// DFT and STFT.
#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/fourier.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;

// One part of a [..., 1 or 2] tensor without its last dim; null when there is no imaginary part.
Value* part(Builder& b, Value* x, int64_t index) {
  int64_t last = x->type.rank() - 1;
  if (index == 1 && expr::is_const(x->type.dims[size_t(last)], 1)) return nullptr;
  return b.squeeze(b.slice_axis(x, last, index, 1), {last});
}

void require_signal(Lowering& in, Value* x) {
  in.require(x->type.rank() >= 2 && is_float(x->type.dtype), Status::InvalidModel, "expected a signal of floats, got ",
             graph::to_string(x->type));
  auto parts = expr::as_int(x->type.dims.back());
  in.require(parts.has_value(), Status::UnsupportedShape, "the last dim must be known to be 1 or 2");
  in.require(*parts == 1 || *parts == 2, Status::InvalidModel, "the last dim is ", *parts, ", expected 1 or 2");
}

// The axis moved to the end, cut or continued with zeros to `length`.
Value* prepared(Builder& b, Value* x, int64_t axis, const Expr& length) {
  int64_t last = x->type.rank() - 1;
  std::vector<int64_t> perm;
  for (int64_t i = 0; i <= last; ++i)
    if (i != axis) perm.push_back(i);
  perm.push_back(axis);
  x = b.transpose(x, perm);
  const Expr extent = x->type.dims.back();
  if (expr::prove_equal(extent, length)) return x;
  x = b.slice_axis(x, last, 0, expr::simplify(expr::min(extent, length)));
  std::vector<Expr> before(size_t(last + 1), Expr(0)), after = before;
  after.back() = expr::simplify(expr::max(length - extent, Expr(0)));
  return b.pad(x, before, after, graph::PadMode::Constant);
}

// The transform along one axis, of `length` elements or, undefined, of all there are.
Value* along(Builder& b, Value* x, int64_t axis, Expr length, bool inverse, bool one_sided) {
  const int rank = x->type.rank();
  const bool to_real = inverse && one_sided;
  const Expr dim = x->type.dims[size_t(axis)];
  if (!length.defined()) length = to_real ? expr::simplify((dim - 1) * Expr(2)) : dim;
  const Expr used = to_real ? expr::simplify(length / 2 + 1) : length;
  Value* real = prepared(b, part(b, x, 0), axis, used);
  Value* imaginary = part(b, x, 1);
  if (imaginary) imaginary = prepared(b, imaginary, axis, used);
  Value* result = fourier_transform(b, real, imaginary, length, {inverse, one_sided});
  // [batch..., bins, 1 or 2] back to where the axis was.
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < rank - 2; ++i) perm.push_back(i);
  perm.insert(perm.begin() + axis, rank - 2);
  perm.push_back(rank - 1);
  return b.transpose(result, perm);
}

std::vector<Value*> lower_dft(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  require_signal(in, x);
  const int rank = x->type.rank();
  const bool inverse = in.attr_int("inverse", 0) != 0, one_sided = in.attr_int("onesided", 0) != 0;
  in.require(!inverse || !one_sided || expr::is_const(x->type.dims.back(), 2), Status::InvalidModel,
             "an inverse one-sided transform of ", graph::to_string(x->type), ", expected complex numbers");
  Expr length;
  if (in.optional(1)) length = b.values_of(b.reshape(in[1], {}), {1, INT64_MAX, 1})[0];
  const auto known = [&](int64_t given) {
    const int64_t axis = in.axis(given, rank);
    in.require(axis != rank - 1, Status::InvalidModel, "the axis is that of real and imaginary parts");
    return std::vector<Value*>{along(b, x, axis, length, inverse, one_sided)};
  };
  if (in.version() < 20) return known(in.attr_int("axis", 1));
  if (!in.optional(2)) return known(-2);
  Value* given = b.cast(b.reshape(in[2], {}), DType::I64);
  if (auto constant = b.static_ints(given)) return known(constant->at(0));
  // An axis that only the run knows: one branch for each.
  const Expr axis = b.values_of(given)[0];
  b.check(Expr(int64_t(-rank)) <= axis && axis < Expr(int64_t(rank - 1)) && axis != Expr(-1), Status::InvalidModel,
          str("node '", in.node(), "' (DFT): the axis is out of range"));
  const std::function<std::vector<Value*>(Builder&, int64_t)> branch = [&](Builder& inner, int64_t candidate) {
    if (candidate == rank - 2) return std::vector<Value*>{along(inner, x, candidate, length, inverse, one_sided)};
    Value* here = inner.binary(BinaryFunction::Or, inner.equal(given, inner.scalar(DType::I64, double(candidate))),
                               inner.equal(given, inner.scalar(DType::I64, double(candidate - rank))));
    return inner.if_then_else(
        here,
        [&](Builder& taken) { return std::vector<Value*>{along(taken, x, candidate, length, inverse, one_sided)}; },
        [&](Builder& other) { return branch(other, candidate + 1); });
  };
  return branch(b, 0);
}

std::vector<Value*> lower_stft(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *window = in.optional(2);
  require_signal(in, x);
  in.require(x->type.rank() == 3, Status::InvalidModel, "expected [batch, length, 1 or 2], got ",
             graph::to_string(x->type));
  in.require(window || in.optional(3), Status::InvalidModel, "neither a window nor a frame length is given");
  in.require(!window || window->type.rank() == 1, Status::InvalidModel, "the window must be a vector");
  Expr length = in.optional(3) ? b.values_of(b.reshape(in[3], {}), {1, INT64_MAX, 1})[0] : window->type.dims.at(0);
  if (window) length = b.require_equal(length, window->type.dims.at(0), "window and frame length");
  Expr step = b.values_of(b.reshape(in[1], {}), {1, INT64_MAX, 1})[0];
  Expr frames = expr::simplify((x->type.dims[1] - length) / step + 1);
  Value* starts = b.mul(b.iota(DType::I64, {frames, length}, 0), b.dims_tensor({step}, {}));
  Value* positions = b.add(starts, b.iota(DType::I64, {frames, length}, 1));
  auto framed = [&](Value* signal) {
    Value* result = b.gather(signal, positions, 1);
    return window ? b.mul(result, b.cast(window, result->type.dtype)) : result;
  };
  Value* imaginary = part(b, x, 1);
  bool one_sided = in.attr_int("onesided", 1) != 0;
  return {
      fourier_transform(b, framed(part(b, x, 0)), imaginary ? framed(imaginary) : nullptr, length, {false, one_sided})};
}

const OnnxOp ops[] = {
    operator_row("DFT", {17, 20}, lower_dft, {1, 3}, {1, 1}, Execution::Host),
    operator_row("STFT", {17}, lower_stft, {2, 4}, {1, 1}, Execution::Host),
};

}  // namespace
}  // namespace sardonyx::ops
