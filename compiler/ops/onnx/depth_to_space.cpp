// DepthToSpace and SpaceToDepth: blocks of channels <-> blocks of pixels.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

int64_t block_size(Lowering& in) {
  in.require(in[0]->type.rank() == 4, Status::InvalidModel, "expected [N,C,H,W], got ", graph::to_string(in[0]->type));
  int64_t block = in.attr_int("blocksize");
  in.require(block >= 1, Status::InvalidModel, "blocksize is ", block);
  return block;
}

std::vector<Value*> lower_depth_to_space(Lowering& in) {
  auto& b = in.builder();
  const auto& d = in[0]->type.dims;
  Expr s = block_size(in), depth = d[1] / (s * s);
  std::string mode = in.attr_string("mode", "DCR");
  in.require(mode == "DCR" || mode == "CRD", Status::InvalidModel, "mode '", mode, "' is unknown");
  Value* x = mode == "DCR" ? b.transpose(b.reshape(in[0], {d[0], s, s, depth, d[2], d[3]}), {0, 3, 4, 1, 5, 2})
                           : b.transpose(b.reshape(in[0], {d[0], depth, s, s, d[2], d[3]}), {0, 1, 4, 2, 5, 3});
  return {b.reshape(x, {d[0], depth, d[2] * s, d[3] * s})};
}

std::vector<Value*> lower_space_to_depth(Lowering& in) {
  auto& b = in.builder();
  const auto& d = in[0]->type.dims;
  Expr s = block_size(in), height = d[2] / s, width = d[3] / s;
  Value* x = b.transpose(b.reshape(in[0], {d[0], d[1], height, s, width, s}), {0, 3, 5, 1, 2, 4});
  return {b.reshape(x, {d[0], d[1] * s * s, height, width})};
}

const OnnxOp depth_to_space{operator_row("DepthToSpace", {1, 11, 13}, lower_depth_to_space)};
const OnnxOp space_to_depth{operator_row("SpaceToDepth", {1, 13}, lower_space_to_depth)};

}  // namespace
}  // namespace sardonyx::ops
