// MaxUnpool: scatters values to the positions that MaxPool took them from.
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *indices = in[1];
  int rank = x->type.rank();
  in.require(rank >= 3, Status::InvalidModel, "expected [N, C, spatial...], got ", graph::to_string(x->type));
  size_t spatial = size_t(rank - 2);
  in.require(in.has("kernel_shape"), Status::InvalidModel, "kernel_shape is required");
  std::vector<int64_t> kernel = spatial_ints(in, "kernel_shape", spatial, 1);
  std::vector<int64_t> strides = spatial_ints(in, "strides", spatial, 1);
  std::vector<int64_t> pads = in.attr_ints("pads", std::vector<int64_t>(2 * spatial, 0));
  in.require(pads.size() == 2 * spatial, Status::InvalidModel, "pads [", join(pads, ","), "] for ", spatial,
             " spatial dims");
  for (int64_t pad : pads)
    in.require(pad >= 0 && pad <= largest_spatial, Status::InvalidModel, "pads [", join(pads, ","), "]");
  std::vector<Expr> dims(x->type.dims.begin(), x->type.dims.begin() + 2);
  for (size_t i = 0; i < spatial; ++i)
    dims.push_back((x->type.dims[i + 2] - 1) * Expr(strides[i]) + (kernel[i] - pads[i] - pads[i + spatial]));

  // Indices count through the whole tensor that was pooled.
  Expr total = 1;
  for (const Expr& dim : dims) total = total * dim;
  Expr count = graph::element_count(x->type);
  Value* zeros = b.full(b.scalar_like(x, 0), {total});
  Value* flat =
      b.scatter_elements(zeros, b.reshape(indices, {count}), b.reshape(x, {count}), 0, graph::ScatterReduce::None);
  Value* result = b.reshape(flat, dims);
  if (!in.optional(2)) return {result};

  // A larger requested shape continues with zeros behind.
  std::vector<Expr> wanted = b.values_of(in[2], {0, INT64_MAX, 1});
  in.require(wanted.size() == size_t(rank), Status::InvalidModel, "output_shape has ", wanted.size(),
             " entries for rank ", rank);
  std::vector<Expr> before(size_t(rank), Expr(0)), after;
  for (size_t i = 0; i < size_t(rank); ++i) {
    b.check(dims[i] <= wanted[i], Status::InvalidModel,
            str("node '", in.node(), "' (MaxUnpool): output_shape is smaller than the unpooled tensor"));
    after.push_back(wanted[i] - dims[i]);
  }
  return {b.pad(result, before, after, graph::PadMode::Constant)};
}

const OnnxOp op{operator_row("MaxUnpool", {9, 11, 22}, lower, {2, 3}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
