#include "compiler/ops/onnx/legacy_broadcast.h"

namespace sardonyx::ops {

Value* trailing_ones(Builder& builder, Value* x, int count) {
  std::vector<Expr> dims = x->type.dims;
  dims.insert(dims.end(), size_t(count), Expr(1));
  return builder.reshape(x, dims);
}

Value* legacy_right_operand(Lowering& in) {
  Value *a = in[0], *b = in[1];
  if (in.version() >= 7 || in.attr_int("broadcast", 0) == 0 || !in.has("axis")) return b;
  const int64_t axis = in.axis(in.attr_int("axis"), a->type.rank(), true);
  const int64_t ones = a->type.rank() - axis - b->type.rank();
  in.require(ones >= 0, Status::InvalidModel, "axis ", axis, " leaves no room for ", graph::to_string(b->type), " in ",
             graph::to_string(a->type));
  return trailing_ones(in.builder(), b, int(ones));
}

}  // namespace sardonyx::ops
