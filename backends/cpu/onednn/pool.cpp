#include "backends/cpu/onednn/pool.h"

#include <algorithm>
#include <cmath>

#include "backends/scheduled.h"
#include "compiler/expr/simplify.h"
#include "compiler/sketch/support.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu::onednn {

using expr::Expr;
using graph::Layout;
using graph::Node;
using memory = dnnl::memory;

namespace {

// Two spatial dims, static channels a multiple of the block, so that a cut by channel blocks is a contiguous slice.
struct Shape {
  dnnl::algorithm algorithm = dnnl::algorithm::pooling_max;
  std::vector<int64_t> kernel, strides, dilations, before;
  bool global = false;  // the whole map: kernel and out dims follow the input
  int64_t channels = 0, block = 16;
};

std::optional<Shape> shape_of(const Node& group, const Node& anchor, const backends::Target& target, std::string* why) {
  auto decline = [&](const char* reason) {
    *why = reason;
    return std::nullopt;
  };
  const graph::TensorType& input = anchor.operand(0)->type;
  if (input.rank() != 4 || input.dtype != DType::F32) return decline("not a rank 4 f32 tensor");
  if (group_operand(group, anchor.operand(0)) < 0 || anchor.operand(0)->producer)
    return decline("operand computed inside");
  Shape shape;
  shape.block = target.vector_bytes >= 64 ? 16 : 8;
  shape.channels = expr::as_int(input.dims[1]).value_or(0);
  if (shape.channels == 0 || shape.channels % shape.block != 0) return decline("channels not a multiple of the block");
  std::string epilogue_why;
  auto epilogue = match_epilogue(group, anchor, 1, &epilogue_why);
  if (!epilogue || epilogue->bias >= 0) return decline("epilogue");
  if (anchor.op == graph::Op::reduce) {
    const auto& attrs = anchor.attrs<graph::ReduceAttrs>();
    auto rows = expr::as_int(input.dims[2]), columns = expr::as_int(input.dims[3]);
    if (attrs.function != graph::ReduceFunction::Sum || attrs.axes != graph::Ints{2, 3} || !rows || !columns)
      return decline("not a mean over a static map");
    bool mean = epilogue->post.size() == 1 && epilogue->post[0].kind == PostOp::Kind::Eltwise &&
                epilogue->post[0].function == Eltwise::Linear && epilogue->post[0].beta == 0 &&
                std::fabs(double(epilogue->post[0].alpha) * double(*rows * *columns) - 1) < 1e-5;
    if (!mean) return decline("not a mean over a static map");
    shape.algorithm = dnnl::algorithm::pooling_avg_exclude_padding;
    shape.global = true;
    shape.kernel = {*rows, *columns};
    shape.strides = shape.kernel;
    shape.dilations = shape.before = {0, 0};
    return shape;
  }
  const auto& attrs = anchor.attrs<graph::PoolAttrs>();
  if (!epilogue->post.empty()) return decline("epilogue");
  if (attrs.function == graph::PoolFunction::Average)
    shape.algorithm =
        attrs.include_pad ? dnnl::algorithm::pooling_avg_include_padding : dnnl::algorithm::pooling_avg_exclude_padding;
  else if (attrs.function != graph::PoolFunction::Max)
    return decline("not max or average");
  shape.kernel = attrs.kernel;
  shape.strides = attrs.strides;
  for (int64_t d : attrs.dilations) shape.dilations.push_back(d - 1);
  for (size_t i = 0; i < 4; ++i) {
    auto pad = expr::as_int(attrs.pads[i]);
    if (!pad) return decline("symbolic padding");
    if (*pad >= attrs.kernel[i % 2]) return decline("padding not smaller than the kernel");
    if (i < 2) shape.before.push_back(*pad);
  }
  // Ceil mode may start windows behind the padding; average counts then differ between libraries.
  if (attrs.function == graph::PoolFunction::Average)
    for (size_t i = 0; i < 2; ++i) {
      Expr covered = (attrs.out_dims[i] - 1) * attrs.strides[i] + (attrs.kernel[i] - 1) * attrs.dilations[i] + 1;
      if (!expr::prove(covered <= input.dims[i + 2] + attrs.pads[i] + attrs.pads[i + 2]))
        return decline("windows past the padding");
    }
  return shape;
}

double cost_of(const Shape& shape, double batch, double rows, double columns, double out_rows, double out_columns,
               const backends::Target& target) {
  double taps = double(shape.kernel[0] * shape.kernel[1]) * out_rows * out_columns;
  double bytes = 4 * (rows * columns + out_rows * out_columns);
  return 1500 + batch * double(shape.channels) *
                    std::max(taps / (target.flops_per_ns * 0.2), bytes / (target.bytes_per_ns * 2));
}

// Buffers: source, target. dims: batch, rows, columns, out rows, out columns.
class PoolKernel : public runtime::Kernel {
 public:
  PoolKernel(Shape shape, backends::Target target) : shape_(std::move(shape)), target_(std::move(target)) {}
  std::string name() const override { return "onednn.pool"; }

  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> d) const override {
    return guarded("pooling", [&] {
      double cost = cost_of(shape_, double(d[0]), double(d[1]), double(d[2]), double(d[3]), double(d[4]), target_);
      int64_t blocks = shape_.channels / shape_.block;
      int64_t in_block = 4 * shape_.block * d[1] * d[2], out_block = 4 * shape_.block * d[3] * d[4];
      std::vector<Chunk> chunks;
      for (int64_t image = 0; image < d[0]; ++image)
        for (auto [begin, end] : split_evenly(blocks, cost < 20000 ? 1 : target_.cores)) {
          int64_t channels = (end - begin) * shape_.block;
          auto tag = shape_.block == 16 ? memory::format_tag::nChw16c : memory::format_tag::nChw8c;
          memory::desc source({1, channels, d[1], d[2]}, memory::data_type::f32, tag);
          memory::desc target({1, channels, d[3], d[4]}, memory::data_type::f32, tag);
          memory::dims after;
          for (size_t i = 0; i < 2; ++i)
            after.push_back((d[3 + i] - 1) * shape_.strides[i] + (shape_.kernel[i] - 1) * (shape_.dilations[i] + 1) +
                            1 - d[1 + i] - shape_.before[i]);
          for (int64_t& pad : after) pad = std::max<int64_t>(pad, 0);
          dnnl::pooling_v2_forward::desc desc(dnnl::prop_kind::forward_inference, shape_.algorithm, source, target,
                                              shape_.strides, shape_.kernel, shape_.dilations, shape_.before, after);
          dnnl::primitive_attr attributes;
          attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
          dnnl::pooling_v2_forward::primitive_desc pd(desc, attributes, engine());
          Chunk chunk{dnnl::pooling_v2_forward(pd), {}, pd.scratchpad_desc()};
          chunk.arguments.push_back({DNNL_ARG_SRC, source, 0, (image * blocks + begin) * in_block});
          chunk.arguments.push_back({DNNL_ARG_DST, target, 1, (image * blocks + begin) * out_block});
          chunks.push_back(std::move(chunk));
        }
      return std::make_shared<ChunkInvocation>(std::move(chunks), cost);
    });
  }

 private:
  Shape shape_;
  backends::Target target_;
};

}  // namespace

void propose_pool(const Node& group, const Node& anchor, const backends::Target& target, backends::Candidates& result) {
  std::string why;
  auto shape = shape_of(group, anchor, target, &why);
  if (!shape) {
    result.refusals.push_back("onednn.pool: " + why);
    return;
  }
  backends::Candidate candidate;
  candidate.kind = backends::Candidate::Kind::Vendor;
  candidate.family = "onednn.pool";
  candidate.inputs.resize(group.operands.size());
  Layout blocked = Layout::blocked(1, int(shape->block));
  candidate.inputs[size_t(group_operand(group, anchor.operand(0)))] = blocked;
  // A global mean has rank 2: blocks of [C] are row-major.
  if (!shape->global) candidate.outputs = {blocked};
  const auto& in = anchor.operand(0)->type.dims;
  const auto& out = anchor.result()->type.dims;
  const auto extent = [](const Expr& e) { return double(sketch::typical(e)); };
  double cost = cost_of(*shape, extent(in[0]), extent(in[2]), extent(in[3]), shape->global ? 1 : extent(out[2]),
                        shape->global ? 1 : extent(out[3]), target);
  candidate.cost_ns = backends::on_all_cores(cost, target);
  result.list.push_back(std::move(candidate));
}

backends::CompiledGroup compile_pool(const backends::Chosen& chosen, const Node& anchor,
                                     const backends::Target& target) {
  std::string why;
  auto shape = shape_of(*chosen.group, anchor, target, &why);
  check(shape.has_value(), "onednn.pool no longer fits: ", why);
  const auto& in = anchor.operand(0)->type.dims;
  const auto& out = anchor.result()->type.dims;
  backends::GroupLaunch launch;
  launch.inputs = {group_operand(*chosen.group, anchor.operand(0))};
  launch.outputs = {int(chosen.group->operands.size())};
  launch.dims = {in[0], in[2], in[3], shape->global ? Expr(1) : out[2], shape->global ? Expr(1) : out[3]};
  launch.kernel = std::make_shared<PoolKernel>(*shape, target);
  backends::CompiledGroup result;
  result.launches.push_back(std::move(launch));
  return result;
}

}  // namespace sardonyx::cpu::onednn
