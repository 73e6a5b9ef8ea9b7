// ReverseSequence: time step t of batch entry i reads length[i] - 1 - t while t < length[i], else t.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  int rank = x->type.rank();
  auto time = size_t(in.axis(in.attr_int("time_axis", 0), rank));
  auto batch = size_t(in.axis(in.attr_int("batch_axis", 1), rank));
  in.require(time != batch, Status::InvalidModel, "time_axis and batch_axis are both ", time);
  std::vector<Expr> length_dims(size_t(rank), Expr(1)), step_dims = length_dims;
  length_dims[batch] = x->type.dims[batch];
  step_dims[time] = x->type.dims[time];
  Value* length = b.reshape(b.cast(in[1], DType::I64), length_dims);
  Value* step = b.iota(DType::I64, step_dims, int64_t(time));
  Value* mirrored = b.sub(b.sub(length, b.scalar(DType::I64, 1)), step);
  Value* index = b.select(b.less(step, length), mirrored, step);
  // A negative length fails the run, as one that is too long does: it reads beyond the end.
  Value* beyond = b.dims_tensor({x->type.dims[time]}, {});
  index = b.select(b.less(length, b.scalar(DType::I64, 0)), beyond, index);
  return {b.gather_elements(x, b.broadcast(index, x->type.dims), int64_t(time))};
}

const OnnxOp op{operator_row("ReverseSequence", {10}, lower, {2, 2})};

}  // namespace
}  // namespace sardonyx::ops
