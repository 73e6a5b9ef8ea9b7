#include <numeric>

#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  std::vector<int64_t> reversed(size_t(in[0]->type.rank()));
  std::iota(reversed.rbegin(), reversed.rend(), int64_t{0});
  return {in.builder().transpose(in[0], in.attr_ints("perm", reversed))};
}

const OnnxOp op{operator_row("Transpose", {1, 13, 21, 23, 24, 25}, lower)};

}  // namespace
}  // namespace sardonyx::ops
