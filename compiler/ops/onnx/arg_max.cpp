// ArgMax and ArgMin.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

template <bool maximum>
std::vector<Value*> lower(Lowering& in) {
  return {in.builder().arg_reduce(in[0], maximum, in.attr_int("select_last_index", 0) != 0,
                                  in.axis(in.attr_int("axis", 0), in[0]->type.rank()),
                                  in.attr_int("keepdims", 1) != 0)};
}

const OnnxOp arg_max{operator_row("ArgMax", {1, 11, 12, 13}, lower<true>)};
const OnnxOp arg_min{operator_row("ArgMin", {1, 11, 12, 13}, lower<false>)};

}  // namespace
}  // namespace sardonyx::ops
