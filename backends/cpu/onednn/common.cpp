#include "backends/cpu/onednn/common.h"

#include <algorithm>

extern "C" {
int omp_get_max_threads(void);
void omp_set_num_threads(int);
}

namespace sardonyx::cpu::onednn {

const dnnl::engine& engine() {
  // Never destroyed: a host may exit while a run is still executing on a worker.
  static const auto* cpu = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *cpu;
}

SingleThread::SingleThread() : previous_(omp_get_max_threads()) {
  if (previous_ != 1) omp_set_num_threads(1);
}
SingleThread::~SingleThread() {
  if (previous_ != 1) omp_set_num_threads(previous_);
}

ChunkInvocation::ChunkInvocation(std::vector<Chunk> chunks, double cost) : chunks_(std::move(chunks)) {
  grid = int64_t(chunks_.size());
  cost_ns = cost;
  for (const Chunk& chunk : chunks_) scratch_bytes = std::max(scratch_bytes, int64_t(chunk.scratchpad.get_size()));
}

int32_t ChunkInvocation::run(void* const* buffers, const int64_t*, void* scratch, int64_t begin,
                             int64_t end) const noexcept {
  SingleThread single;
  try {
    static thread_local dnnl::stream stream(engine());
    for (int64_t i = begin; i < end; ++i) {
      const Chunk& chunk = chunks_[size_t(i)];
      std::unordered_map<int, dnnl::memory> arguments;
      arguments.reserve(chunk.arguments.size() + 1);
      for (const Argument& argument : chunk.arguments)
        arguments.emplace(argument.id, dnnl::memory(argument.desc, engine(),
                                                    static_cast<char*>(buffers[argument.buffer]) + argument.offset));
      if (chunk.scratchpad.get_size() > 0)
        arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(chunk.scratchpad, engine(), scratch));
      chunk.primitive.execute(stream, arguments);
    }
    return runtime::KernelOk;
  } catch (const dnnl::error& error) {
    return error.status == dnnl_out_of_memory ? runtime::OutOfMemory : runtime::KernelFailed;
  } catch (...) {
    return runtime::KernelFailed;
  }
}

namespace {
dnnl::algorithm algorithm_of(Eltwise function) {
  switch (function) {
    case Eltwise::Linear:
      return dnnl::algorithm::eltwise_linear;
    case Eltwise::Relu:
      return dnnl::algorithm::eltwise_relu;
    case Eltwise::Clip:
      return dnnl::algorithm::eltwise_clip_v2;
    case Eltwise::Logistic:
      return dnnl::algorithm::eltwise_logistic;
    case Eltwise::Tanh:
      return dnnl::algorithm::eltwise_tanh;
    case Eltwise::GeluErf:
      return dnnl::algorithm::eltwise_gelu_erf;
    case Eltwise::GeluTanh:
      return dnnl::algorithm::eltwise_gelu_tanh;
    case Eltwise::Swish:
      return dnnl::algorithm::eltwise_swish;
    case Eltwise::HardSwish:
      return dnnl::algorithm::eltwise_hardswish;
    case Eltwise::Square:
      return dnnl::algorithm::eltwise_square;
    case Eltwise::Abs:
      return dnnl::algorithm::eltwise_abs;
    case Eltwise::Sqrt:
      return dnnl::algorithm::eltwise_sqrt;
    case Eltwise::Exp:
      return dnnl::algorithm::eltwise_exp;
  }
  return dnnl::algorithm::undef;
}
}  // namespace

dnnl::primitive_attr attributes_of(const Epilogue& epilogue,
                                   const std::function<dnnl::memory::desc(const PostOp&)>& binary) {
  dnnl::post_ops ops;
  for (const PostOp& op : epilogue.post) {
    switch (op.kind) {
      case PostOp::Kind::Eltwise:
        ops.append_eltwise(1.0f, algorithm_of(op.function), op.alpha, op.beta);
        break;
      case PostOp::Kind::BinaryAdd:
        ops.append_binary(dnnl::algorithm::binary_add, binary(op));
        break;
      case PostOp::Kind::BinaryMul:
        ops.append_binary(dnnl::algorithm::binary_mul, binary(op));
        break;
      case PostOp::Kind::BinarySub:
        ops.append_binary(dnnl::algorithm::binary_sub, binary(op));
        break;
    }
  }
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(ops);
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

void append_binaries(Chunk& chunk, const dnnl::primitive_attr& attributes, const Epilogue& epilogue, int& next,
                     const std::function<int64_t(const PostOp&)>& offset) {
  auto ops = attributes.get_post_ops();
  for (size_t i = 0; i < epilogue.post.size(); ++i) {
    const PostOp& op = epilogue.post[i];
    if (op.kind == PostOp::Kind::Eltwise) continue;
    dnnl::algorithm algorithm;
    dnnl::memory::desc desc;
    ops.get_params_binary(int(i), algorithm, desc);
    chunk.arguments.push_back({DNNL_ARG_ATTR_MULTIPLE_POST_OP(int(i)) | DNNL_ARG_SRC_1, desc, next++, offset(op)});
  }
}

std::vector<std::pair<int64_t, int64_t>> split_evenly(int64_t count, int64_t parts) {
  parts = std::max<int64_t>(1, std::min(parts, count));
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (int64_t i = 0; i < parts; ++i) ranges.emplace_back(count * i / parts, count * (i + 1) / parts);
  return ranges;
}

}  // namespace sardonyx::cpu::onednn
