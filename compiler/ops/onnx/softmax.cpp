// Softmax, LogSoftmax and Hardmax. Before opset 13 the input is coerced to two dims at `axis` (default 1) and the
// function goes over all of the second; since then it goes over `axis` (default -1) alone.
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Applies `f(builder, x, axis)` under the version's reading of `axis`.
template <class F>
std::vector<Value*> along_axis(Lowering& in, F f) {
  auto& b = in.builder();
  Value* x = in[0];
  const std::vector<Expr>& dims = x->type.dims;
  const int rank = x->type.rank();
  if (in.version() >= 13) return {f(b, x, in.axis(in.attr_int("axis", -1), rank))};
  const size_t axis = size_t(in.axis(in.attr_int("axis", 1), rank, true));
  Expr rows = 1, columns = 1;
  for (size_t i = 0; i < dims.size(); ++i) (i < axis ? rows : columns) = (i < axis ? rows : columns) * dims[i];
  bool only_axis = axis < dims.size();
  for (size_t i = axis + 1; i < dims.size(); ++i) only_axis &= expr::is_const(dims[i], 1);
  if (only_axis) return {f(b, x, int64_t(axis))};
  const std::vector<Expr> original = dims;
  return {b.reshape(f(b, b.reshape(x, {rows, columns}), 1), original)};
}

std::vector<Value*> softmax(Lowering& in) {
  return along_axis(in, [](Builder& b, Value* x, int64_t axis) { return b.softmax(x, axis); });
}

std::vector<Value*> log_softmax(Lowering& in) {
  return along_axis(in, [](Builder& b, Value* x, int64_t axis) { return b.softmax(x, axis, true); });
}

// 1 at the first maximum, else 0.
std::vector<Value*> hardmax(Lowering& in) {
  return along_axis(in, [](Builder& b, Value* x, int64_t axis) {
    Value* best = b.arg_reduce(x, true, false, axis, true);
    return b.cast(b.equal(b.iota(DType::I64, x->type.dims, axis), best), x->type.dtype);
  });
}

const OnnxOp ops[] = {
    operator_row("Hardmax", {1, 11, 13}, hardmax),
    operator_row("LogSoftmax", {1, 11, 13}, log_softmax),
    operator_row("Softmax", {1, 11, 13}, softmax),
};

}  // namespace
}  // namespace sardonyx::ops
