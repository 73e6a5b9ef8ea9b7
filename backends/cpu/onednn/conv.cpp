#include "backends/cpu/onednn/conv.h"

#include <algorithm>
#include <cstring>

#include "backends/scheduled.h"
#include "compiler/expr/simplify.h"
#include "compiler/sketch/support.h"
#include "runtime/base/status.h"

namespace sardonyx::cpu::onednn {

using graph::Layout;
using graph::Node;
using memory = dnnl::memory;

namespace {

// A symbolic spatial extent counts as this when weight formats are chosen.

// Everything static about the convolution; spatial dims and batch are arguments.
struct Shape {
  int spatial = 2;
  int64_t groups = 1, in = 0, out = 0;  // channels, all groups
  std::vector<int64_t> kernel, strides, dilations, pads;
  int64_t block = 16;         // channels per block of the activations
  bool planar_input = false;  // few input channels: row-major
  Epilogue epilogue;
  bool depthwise() const { return groups > 1 && groups == in && groups == out; }
  // With zero-padded weights a partly filled last block computes zeros, so channels may be rounded up.
  int64_t in_padded() const { return planar_input ? in : (in + block - 1) / block * block; }
  int64_t out_padded() const { return (out + block - 1) / block * block; }
};

memory::format_tag plain_tag(int spatial) {
  return spatial == 1 ? memory::format_tag::ncw : spatial == 2 ? memory::format_tag::nchw : memory::format_tag::ncdhw;
}
memory::format_tag blocked_tag(int spatial, int64_t block) {
  if (block == 16)
    return spatial == 1   ? memory::format_tag::nCw16c
           : spatial == 2 ? memory::format_tag::nChw16c
                          : memory::format_tag::nCdhw16c;
  return spatial == 1   ? memory::format_tag::nCw8c
         : spatial == 2 ? memory::format_tag::nChw8c
                        : memory::format_tag::nCdhw8c;
}

std::optional<Shape> shape_of(const Node& group, const Node& anchor, const backends::Target& target, std::string* why) {
  const auto& attrs = anchor.attrs<graph::ConvAttrs>();
  Shape shape;
  shape.spatial = int(attrs.strides.size());
  auto decline = [&](const char* reason) {
    *why = reason;
    return std::nullopt;
  };
  if (anchor.result()->type.dtype != DType::F32 || anchor.operand(0)->type.dtype != DType::F32)
    return decline("not f32");
  if (shape.spatial < 1 || shape.spatial > 3) return decline("not 1-3 spatial dims");
  int weights = group_operand(group, anchor.operand(1));
  if (group_operand(group, anchor.operand(0)) < 0 || weights < 0) return decline("operands computed inside");
  auto dims = graph::static_dims(anchor.operand(1)->type);
  if (!group.operand(weights)->constant() || !dims) return decline("weights not constant");
  shape.groups = attrs.groups;
  shape.out = (*dims)[0];
  shape.in = (*dims)[1] * attrs.groups;
  shape.kernel.assign(dims->begin() + 2, dims->end());
  shape.strides = attrs.strides;
  for (int64_t d : attrs.dilations) shape.dilations.push_back(d - 1);
  for (const expr::Expr& pad : attrs.pads) {
    auto value = expr::as_int(pad);
    if (!value) return decline("symbolic padding");
    shape.pads.push_back(*value);
  }
  shape.block = target.vector_bytes >= 64 ? 16 : 8;
  shape.planar_input = shape.groups == 1 && shape.in <= 4;
  if (shape.groups > 1 && !shape.depthwise() &&
      ((shape.in / shape.groups) % shape.block != 0 || (shape.out / shape.groups) % shape.block != 0))
    return decline("channels per group not a multiple of the block");
  auto epilogue = match_epilogue(group, anchor, 1, why);
  if (!epilogue) return std::nullopt;
  shape.epilogue = *epilogue;
  bool constant_bias = epilogue->bias < 0 || group.operand(epilogue->bias)->constant();
  if (shape.out % shape.block != 0 && !constant_bias) return decline("run-time bias with padded channels");
  if (shape.out % shape.block != 0) {
    if (!epilogue->zero_stays_zero) return decline("epilogue makes padded channels non-zero");
    for (const PostOp& op : epilogue->post)
      if (op.per_channel) return decline("per-channel operand with padded channels");
  }
  return shape;
}

// One image on one core, by bench_kernels: products with padded channels, and the start and end of every sum.
double cost_of(const Shape& shape, const std::vector<int64_t>& out_dims, const backends::Target& target) {
  double weights = double(shape.in / shape.groups * shape.out_padded());
  for (int64_t k : shape.kernel) weights *= double(k);
  double outputs = double(shape.out_padded()), pixels = 1;
  for (int64_t d : out_dims) pixels *= double(d);
  outputs *= pixels;
  const double efficiency = shape.depthwise() ? 0.3 : shape.planar_input ? 0.65 : 0.75;
  constexpr double multiply_adds_per_output = 10;
  return 1500 + 2 * weights * pixels / (target.flops_per_ns * efficiency) +
         2 * outputs * multiply_adds_per_output / target.flops_per_ns + 4 * weights / target.bytes_per_ns * 0.2;
}

std::vector<int64_t> out_dims_of(const Shape& shape, const std::vector<int64_t>& in_dims) {
  std::vector<int64_t> out;
  for (int i = 0; i < shape.spatial; ++i) {
    size_t s = size_t(i);
    int64_t reach = (shape.kernel[s] - 1) * (shape.dilations[s] + 1) + 1;
    out.push_back((in_dims[s] + shape.pads[s] + shape.pads[s + size_t(shape.spatial)] - reach) / shape.strides[s] + 1);
  }
  return out;
}

memory::dims join_dims(std::initializer_list<int64_t> head, const std::vector<int64_t>& tail) {
  memory::dims result(head);
  result.insert(result.end(), tail.begin(), tail.end());
  return result;
}

// A range of output-channel blocks, its weights' format, and where they lie in the packed tensor.
struct Part {
  int64_t block_begin = 0, block_end = 0;
  memory::desc plain, packed;
  int64_t offset = 0;
};

// The primitive for one image and one range of channel blocks. `weights` fixes the weight format; null lets oneDNN
// choose.
dnnl::convolution_forward::primitive_desc descriptor(const Shape& shape, int64_t block_begin, int64_t block_end,
                                                     const std::vector<int64_t>& in_dims, const memory::desc* weights) {
  using dt = memory::data_type;
  int64_t out = (block_end - block_begin) * shape.block;
  int64_t groups = shape.groups == 1 ? 1 : shape.depthwise() ? out : shape.groups * out / shape.out;
  int64_t in = shape.groups == 1 ? shape.in_padded() : shape.depthwise() ? out : shape.in / shape.groups * groups;
  auto blocked = blocked_tag(shape.spatial, shape.block);
  memory::desc source(join_dims({1, in}, in_dims), dt::f32, shape.planar_input ? plain_tag(shape.spatial) : blocked);
  memory::desc target(join_dims({1, out}, out_dims_of(shape, in_dims)), dt::f32, blocked);
  memory::dims weight_dims =
      groups > 1 ? join_dims({groups, out / groups, in / groups}, shape.kernel) : join_dims({out, in}, shape.kernel);
  memory::desc any(weight_dims, dt::f32, memory::format_tag::any), bias({out}, dt::f32, memory::format_tag::a);
  auto middle = shape.pads.begin() + shape.spatial;
  memory::dims before(shape.pads.begin(), middle), after(middle, shape.pads.end());
  auto attributes = attributes_of(shape.epilogue, [&](const PostOp& op) {
    if (!op.per_channel) return target;
    memory::dims ones(size_t(shape.spatial) + 2, 1);
    ones[1] = out;
    return memory::desc(ones, dt::f32, plain_tag(shape.spatial));
  });
  dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, source,
                                       weights ? *weights : any, bias, target, shape.strides, shape.dilations, before,
                                       after);
  return {desc, attributes, engine()};
}

memory::desc plain_weights(const memory::desc& packed) {
  memory::dims dims = packed.dims();
  memory::dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  return memory::desc(dims, memory::data_type::f32, strides);
}

// How the output channels are cut, and the packed format of each range.
std::vector<Part> parts_of(const Shape& shape, std::optional<int64_t> batch, const std::vector<int64_t>& in_dims,
                           const backends::Target& target) {
  bool by_image = batch && *batch > 1 && *batch % target.cores == 0;
  bool small = cost_of(shape, out_dims_of(shape, in_dims), target) < 20000;
  int64_t wanted = by_image || small ? 1 : target.cores;
  int64_t blocks = shape.out_padded() / shape.block;
  int64_t unit = shape.groups > 1 && !shape.depthwise() ? blocks / shape.groups : 1;
  std::vector<Part> parts;
  int64_t offset = 0;
  for (auto [begin, end] : split_evenly(blocks / unit, wanted)) {
    Part part{begin * unit, end * unit, {}, {}, offset};
    part.packed = descriptor(shape, part.block_begin, part.block_end, in_dims, nullptr).weights_desc();
    part.plain = plain_weights(part.packed);
    offset += align64(int64_t(part.packed.get_size()));
    parts.push_back(std::move(part));
  }
  return parts;
}

int64_t packed_bytes(const std::vector<Part>& parts) {
  return parts.back().offset + align64(int64_t(parts.back().packed.get_size()));
}

// Plain weights [out, in/groups, k...] -> the parts' formats one behind the other, each 64-byte aligned, channels
// rounded up with zeros; then a bias of zeros for groups without one.
Tensor pack_weights(const Shape& shape, const std::vector<Part>& parts, const Tensor& weights) {
  int64_t bytes = packed_bytes(parts), bias = shape.out_padded() * 4;
  Tensor result(DType::U8, {bytes + bias});
  std::memset(result.raw() + bytes, 0, size_t(bias));
  int64_t kernel = 1;
  for (int64_t k : shape.kernel) kernel *= k;
  int64_t in_per_group = shape.in / shape.groups;
  int64_t in_padded = shape.groups == 1 ? shape.in_padded() : in_per_group;
  guarded("weights", [&] {
    dnnl::stream stream(engine());
    for (const Part& part : parts) {
      int64_t first = part.block_begin * shape.block, rows = (part.block_end - part.block_begin) * shape.block;
      std::vector<float> plain(size_t(rows * in_padded * kernel), 0.0f);
      for (int64_t o = first; o < std::min(first + rows, shape.out); ++o)
        std::memcpy(plain.data() + (o - first) * in_padded * kernel, weights.data<float>() + o * in_per_group * kernel,
                    size_t(in_per_group * kernel) * sizeof(float));
      memory source(part.plain, engine(), plain.data()), target(part.packed, engine(), result.raw() + part.offset);
      dnnl::reorder(source, target).execute(stream, source, target);
      stream.wait();
    }
    return 0;
  });
  return result;
}

// A constant operand of the result's dims into the result's layout (constants are never reordered at run time).
Tensor pack_operand(const Shape& shape, const Tensor& plain) {
  memory::dims dims(plain.dims().begin(), plain.dims().end());
  memory::desc from(dims, memory::data_type::f32, plain_tag(shape.spatial));
  memory::desc to(dims, memory::data_type::f32, blocked_tag(shape.spatial, shape.block));
  Tensor result(DType::U8, {int64_t(to.get_size())});
  guarded("operand", [&] {
    dnnl::stream stream(engine());
    memory source(from, engine(), const_cast<uint8_t*>(plain.raw())), target(to, engine(), result.raw());
    dnnl::reorder(source, target).execute(stream, source, target);
    stream.wait();
    return 0;
  });
  return result;
}

Tensor pad_bias(int64_t padded, const Tensor& bias) {
  Tensor result(DType::F32, {padded});
  std::memset(result.raw(), 0, size_t(result.bytes()));
  std::memcpy(result.raw(), bias.raw(), size_t(bias.bytes()));
  return result;
}

// Buffers of the launch: source, weights, [bias,] binaries..., target.
class ConvKernel : public runtime::Kernel {
 public:
  ConvKernel(Shape shape, std::vector<Part> parts, backends::Target target)
      : shape_(std::move(shape)), parts_(std::move(parts)), target_(std::move(target)) {}

  std::string name() const override { return "onednn.conv"; }

  // dims: batch, spatial...
  std::shared_ptr<const runtime::Invocation> prepare(std::span<const int64_t> dims) const override {
    return guarded("convolution", [&] {
      std::vector<int64_t> in_dims(dims.begin() + 1, dims.end()), out_dims = out_dims_of(shape_, in_dims);
      for (int64_t d : out_dims) require(d > 0, Status::UnsupportedShape, "convolution with an empty result");
      int64_t in_plane = 4 * shape_.block, out_plane = 4 * shape_.block;  // bytes of one channel block
      for (int64_t d : in_dims) in_plane *= d;
      for (int64_t d : out_dims) out_plane *= d;
      int64_t in_image =
          shape_.planar_input ? in_plane / shape_.block * shape_.in : in_plane * (shape_.in_padded() / shape_.block);
      int64_t out_image = out_plane * (shape_.out_padded() / shape_.block);
      std::vector<Chunk> per_part;
      for (const Part& part : parts_) per_part.push_back(chunk_of(part, in_dims, in_plane, out_plane));
      std::vector<Chunk> chunks;
      for (int64_t image = 0; image < dims[0]; ++image)
        for (Chunk chunk : per_part) {
          for (Argument& argument : chunk.arguments) {
            if (argument.id == DNNL_ARG_SRC)
              argument.offset += image * in_image;
            else if (argument.desc == chunk.arguments.back().desc)
              argument.offset += image * out_image;
          }
          chunks.push_back(std::move(chunk));
        }
      return std::make_shared<ChunkInvocation>(std::move(chunks), cost_of(shape_, out_dims, target_) * double(dims[0]));
    });
  }

 private:
  // The arguments for the first image; the target comes last.
  Chunk chunk_of(const Part& part, const std::vector<int64_t>& in_dims, int64_t in_plane, int64_t out_plane) const {
    auto pd = descriptor(shape_, part.block_begin, part.block_end, in_dims, &part.packed);
    Chunk chunk{dnnl::convolution_forward(pd), {}, pd.scratchpad_desc()};
    int64_t in_block = shape_.groups == 1   ? 0
                       : shape_.depthwise() ? part.block_begin
                                            : part.block_begin / (shape_.out / shape_.groups / shape_.block) *
                                                  (shape_.in / shape_.groups / shape_.block);
    bool has_bias = shape_.epilogue.bias >= 0;
    int64_t channel = part.block_begin * shape_.block * 4, target = part.block_begin * out_plane;
    chunk.arguments.push_back({DNNL_ARG_SRC, pd.src_desc(), 0, in_block * in_plane});
    chunk.arguments.push_back({DNNL_ARG_WEIGHTS, part.packed, 1, part.offset});
    chunk.arguments.push_back(
        {DNNL_ARG_BIAS, pd.bias_desc(), has_bias ? 2 : 1, has_bias ? channel : packed_bytes(parts_) + channel});
    int next = has_bias ? 3 : 2;
    append_binaries(chunk, pd.get_primitive_attr(), shape_.epilogue, next,
                    [&](const PostOp& op) { return op.per_channel ? channel : target; });
    chunk.arguments.push_back({DNNL_ARG_DST, pd.dst_desc(), next, target});
    return chunk;
  }

  Shape shape_;
  std::vector<Part> parts_;
  backends::Target target_;
};

// Spatial dims with typical values of symbols.
std::vector<int64_t> spatial_dims(const graph::TensorType& type) {
  std::vector<int64_t> dims;
  for (size_t i = 2; i < type.dims.size(); ++i) dims.push_back(sketch::typical(type.dims[i]));
  return dims;
}

}  // namespace

void propose_conv(const Node& group, const Node& anchor, const backends::Target& target, backends::Candidates& result) {
  std::string why;
  auto shape = shape_of(group, anchor, target, &why);
  const graph::TensorType& input = anchor.operand(0)->type;
  std::vector<int64_t> in_dims = spatial_dims(input);
  if (shape) {
    try {
      auto pd = guarded("convolution",
                        [&] { return descriptor(*shape, 0, shape->out_padded() / shape->block, in_dims, nullptr); });
      if (std::string(pd.impl_info_str()).find("ref") != std::string::npos) why = "only a reference implementation";
    } catch (const Error& error) {
      why = error.text();
    }
  }
  if (!why.empty()) {
    result.refusals.push_back("onednn.conv: " + why);
    return;
  }
  backends::Candidate candidate;
  candidate.kind = backends::Candidate::Kind::Vendor;
  candidate.family = "onednn.conv";
  Layout blocked = Layout::blocked(1, int(shape->block));
  candidate.inputs.resize(group.operands.size());
  candidate.outputs = {blocked};
  if (!shape->planar_input) candidate.inputs[size_t(group_operand(group, anchor.operand(0)))] = blocked;
  for (const PostOp& op : shape->epilogue.post)
    if (op.kind != PostOp::Kind::Eltwise && !op.per_channel) candidate.inputs[size_t(op.operand)] = blocked;
  candidate.cost_ns = backends::on_all_cores(
      cost_of(*shape, out_dims_of(*shape, in_dims), target) * double(sketch::typical(input.dims[0])), target);
  result.list.push_back(std::move(candidate));
}

backends::CompiledGroup compile_conv(const backends::Chosen& chosen, const Node& anchor,
                                     const backends::Target& target) {
  const Node& group = *chosen.group;
  std::string why;
  auto shape = shape_of(group, anchor, target, &why);
  check(shape.has_value(), "onednn.conv no longer fits: ", why);
  const graph::TensorType& input = anchor.operand(0)->type;
  auto parts = guarded("convolution",
                       [&] { return parts_of(*shape, expr::as_int(input.dims[0]), spatial_dims(input), target); });
  backends::CompiledGroup result;
  backends::GroupLaunch launch;
  int weights = group_operand(group, anchor.operand(1));
  launch.inputs = {group_operand(group, anchor.operand(0)), weights};
  if (shape->epilogue.bias >= 0) launch.inputs.push_back(shape->epilogue.bias);
  for (const PostOp& op : shape->epilogue.post)
    if (op.operand >= 0) launch.inputs.push_back(op.operand);
  launch.outputs = {int(group.operands.size())};
  launch.dims.push_back(input.dims[0]);
  for (size_t i = 2; i < input.dims.size(); ++i) launch.dims.push_back(input.dims[i]);
  result.pack[weights] = [shape = *shape, parts](const Tensor& w) { return pack_weights(shape, parts, w); };
  if (shape->epilogue.bias >= 0 && group.operand(shape->epilogue.bias)->constant() && shape->out_padded() != shape->out)
    result.pack[shape->epilogue.bias] = [padded = shape->out_padded()](const Tensor& b) { return pad_bias(padded, b); };
  for (const PostOp& op : shape->epilogue.post)
    if (op.operand >= 0 && !op.per_channel && group.operand(op.operand)->constant())
      result.pack[op.operand] = [shape = *shape](const Tensor& plain) { return pack_operand(shape, plain); };
  launch.kernel = std::make_shared<ConvKernel>(*shape, std::move(parts), target);
  result.launches.push_back(std::move(launch));
  return result;
}

}  // namespace sardonyx::cpu::onednn
