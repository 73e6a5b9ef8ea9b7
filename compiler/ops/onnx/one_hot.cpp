// OneHot: select(iota along the new axis == index, on, off); an index out of [-depth, depth) matches nothing.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* indices = b.cast(in[0], DType::I64);
  Value* depth = b.reshape(b.cast(in[1], DType::I64), {});
  int64_t axis = in.axis(in.attr_int("axis", -1), indices->type.rank() + 1);
  Value* values = in[2];
  in.require(values->type.rank() == 1, Status::InvalidModel, "the values are ", graph::to_string(values->type),
             ", expected [off, on]");
  b.require_equal(values->type.dims[0], 2, str("the number of values of node '", in.node(), "' (OneHot)"));
  auto dims = indices->type.dims;
  dims.insert(dims.begin() + axis, b.values_of(depth, {0, INT64_MAX, 1})[0]);
  Value* index = b.unsqueeze(indices, {axis});
  index = b.select(b.less(index, b.scalar(DType::I64, 0)), b.add(index, depth), index);
  Value* off = b.reshape(b.slice_axis(values, 0, 0, 1), {});
  Value* on = b.reshape(b.slice_axis(values, 0, 1, 1), {});
  return {b.select(b.equal(b.iota(DType::I64, dims, axis), index), on, off)};
}

const OnnxOp op{operator_row("OneHot", {9, 11}, lower, {3, 3})};

}  // namespace
}  // namespace sardonyx::ops
