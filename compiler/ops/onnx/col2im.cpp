// Col2Im: sums the columns of a sliding block back into an image. Every pixel gathers what the taps of the block left
// for it, so nothing is scattered.
#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;

struct Block {
  std::vector<Expr> image, block, steps;  // spatial dims; steps: block positions per axis
  std::vector<int64_t> strides, dilations, pads;
};

Block block_of(Lowering& in) {
  auto& b = in.builder();
  Block block;
  block.image = b.values_of(in[1], {1, INT64_MAX, 1});
  block.block = b.values_of(in[2], {1, INT64_MAX, 1});
  const size_t rank = block.image.size();
  in.require(rank >= 1 && block.block.size() == rank, Status::InvalidModel, "an image of ", rank,
             " dims for blocks of ", block.block.size());
  block.strides = spatial_ints(in, "strides", rank, 1);
  block.dilations = spatial_ints(in, "dilations", rank, 1);
  block.pads = in.attr_ints("pads", std::vector<int64_t>(2 * rank, 0));
  in.require(block.pads.size() == 2 * rank, Status::InvalidModel, "pads [", join(block.pads, ","), "] for ", rank,
             " spatial dims");
  for (int64_t pad : block.pads)
    in.require(pad >= 0 && pad <= largest_spatial, Status::InvalidModel, "pads [", join(block.pads, ","), "]");
  for (size_t i = 0; i < rank; ++i) {
    for (const Expr& dim : {block.image[i], block.block[i]})
      in.require(expr::as_int(dim).value_or(1) >= 1 && expr::as_int(dim).value_or(1) <= largest_spatial,
                 Status::InvalidModel, "image_shape or block_shape has a dim of ", expr::as_int(dim).value_or(0));
    const Expr covered = (block.block[i] - 1) * Expr(block.dilations[i]) + 1;
    const Expr room = block.image[i] + Expr(block.pads[i] + block.pads[i + rank]) - covered;
    block.steps.push_back(expr::simplify(expr::max(Expr(0), room / Expr(block.strides[i]) + 1)));
  }
  return block;
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(x->type.rank() == 3, Status::InvalidModel, "expected [batch, channels * block, positions], got ",
             graph::to_string(x->type));
  const Block block = block_of(in);
  const auto rank = int64_t(block.image.size());
  const Expr taps = expr::product(block.block), pixels = expr::product(block.image);
  const Expr channels = expr::simplify(x->type.dims[1] / taps);
  b.require_equal(x->type.dims[2], expr::product(block.steps), str("the positions of node '", in.node(), "' (Col2Im)"));
  x = b.reshape(x, {x->type.dims[0], channels, taps, x->type.dims[2]});

  // For each tap and pixel: the block position whose tap lies on the pixel, if there is one.
  std::vector<Expr> dims = block.block;
  dims.insert(dims.end(), block.image.begin(), block.image.end());
  Value *position = nullptr, *hit = nullptr, *zero = b.scalar(DType::I64, 0);
  for (int64_t i = 0; i < rank; ++i) {
    const auto at = size_t(i);
    Value* reach = b.mul(b.iota(DType::I64, dims, i), b.scalar(DType::I64, double(block.dilations[at])));
    Value* pixel = b.add(b.iota(DType::I64, dims, rank + i), b.scalar(DType::I64, double(block.pads[at])));
    Value *distance = b.sub(pixel, reach), *stride = b.scalar(DType::I64, double(block.strides[at]));
    Value* step = b.div(b.maximum(distance, zero), stride);
    Value* steps = b.dims_tensor({block.steps[at]}, {});
    Value* here = b.binary(BinaryFunction::And, b.equal(b.mul(step, stride), distance), b.less(step, steps));
    hit = hit ? b.binary(BinaryFunction::And, hit, here) : here;
    position = position ? b.add(b.mul(position, steps), step) : step;
  }
  const std::vector<Expr> flat{1, 1, taps, pixels};
  hit = b.reshape(hit, flat);
  position = b.select(hit, b.reshape(position, flat), zero);
  position = b.broadcast(position, {x->type.dims[0], channels, taps, pixels});
  Value* parts = b.select(hit, b.gather_elements(x, position, 3), b.scalar_like(x, 0));
  std::vector<Expr> result{x->type.dims[0], channels};
  result.insert(result.end(), block.image.begin(), block.image.end());
  return {b.reshape(b.reduce(graph::ReduceFunction::Sum, parts, {2}, false), result)};
}

const OnnxOp op{operator_row("Col2Im", {18}, lower, {3, 3})};

}  // namespace
}  // namespace sardonyx::ops
