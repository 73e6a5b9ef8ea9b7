// Shape and Size: dims as tensors.
#include <algorithm>

#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower_shape(Lowering& in) {
  Value* x = in[0];
  int64_t rank = x->type.rank();
  auto clamp = [&](int64_t at) { return std::clamp(at < 0 ? at + rank : at, int64_t{0}, rank); };
  int64_t start = clamp(in.attr_int("start", 0));
  int64_t end = std::max(start, clamp(in.attr_int("end", rank)));
  return {in.builder().dims_tensor({x->type.dims.begin() + start, x->type.dims.begin() + end}, {end - start})};
}

std::vector<Value*> lower_size(Lowering& in) {
  return {in.builder().dims_tensor({graph::element_count(in[0]->type)}, {})};
}

const OnnxOp shape{operator_row("Shape", {1, 13, 15, 19, 21, 23, 24, 25}, lower_shape)};
const OnnxOp size{operator_row("Size", {1, 13, 19, 21, 23, 24, 25}, lower_size)};

}  // namespace
}  // namespace sardonyx::ops
