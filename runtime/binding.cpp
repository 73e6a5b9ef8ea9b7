#include "runtime/binding.h"

#include <algorithm>

#include "runtime/base/packing.h"
#include "runtime/base/status.h"
#include "runtime/memory_plan.h"

namespace sardonyx::runtime {

namespace {
int64_t dense_bytes(DType dtype, std::span<const int64_t> dims) {
  int64_t bytes = int64_t(size_of(dtype));
  for (int64_t dim : dims) {
    require(dim >= 0, Status::MismatchingShape, "negative dimension ", dim);
    if (__builtin_mul_overflow(bytes, dim, &bytes))
      fail(Status::UnsupportedShape, "shape [", join(dims, ","), "] is too large");
  }
  return bytes;
}

ByteRange range(const HostTensor& tensor, DType dtype) {
  int64_t size = dense_bytes(dtype, tensor.dims);
  if (is_packed(dtype) && !tensor.owner.defined()) size = host_bytes(dtype, size);  // one byte each until here
  const auto bytes = uintptr_t(size);
  // Device memory counts as one place, named by an address that nothing else has.
  if (tensor.memory != nullptr) {
    const auto object = reinterpret_cast<uintptr_t>(tensor.memory.get());
    return {object, object + 1};
  }
  const auto begin = reinterpret_cast<uintptr_t>(tensor.data);
  require(begin + bytes >= begin, Status::UnsupportedShape, "a buffer of ", bytes, " bytes exceeds the address space");
  return {begin, begin + bytes};
}

bool any_overlap(const std::vector<ByteRange>& a, const std::vector<ByteRange>& b) {
  return std::any_of(a.begin(), a.end(), [&](const ByteRange& x) {
    return std::any_of(b.begin(), b.end(), [&](const ByteRange& y) { return x.overlaps(y); });
  });
}
}  // namespace

Binding::Binding(std::shared_ptr<const Plan> the_plan, std::span<const HostTensor> input_tensors,
                 std::span<const HostTensor> output_tensors)
    : plan(std::move(the_plan)) {
  const Program& program = *plan->analysis->program;
  check(output_tensors.size() == program.outputs.size(), "expected ", program.outputs.size(), " outputs");
  reads_.reserve(input_tensors.size());
  writes_.reserve(output_tensors.size());
  inputs_.reserve(input_tensors.size());
  outputs_.reserve(output_tensors.size());
  bool on_device = false;
  for (size_t i = 0; i < input_tensors.size(); ++i) {
    reads_.push_back(range(input_tensors[i], program.inputs[i].dtype));
    on_device |= input_tensors[i].memory != nullptr;
    if (input_tensors[i].owner.defined()) owners.push_back(input_tensors[i].owner);
    inputs_.push_back(input_tensors[i].memory ? nullptr : static_cast<uint8_t*>(input_tensors[i].data));
  }
  bool limited = false;
  for (size_t i = 0; i < output_tensors.size(); ++i) {
    if (output_tensors[i].owner.defined()) {
      results.resize(output_tensors.size());
      results[i] = output_tensors[i].owner;
    }
    if (output_tensors[i].collect) {
      collected.resize(output_tensors.size());
      collected[i] = 1;
      writes_.push_back({});
      outputs_.push_back(nullptr);
      continue;
    }
    check_output_shape(*plan, i, output_tensors[i].dims);
    writes_.push_back(range(output_tensors[i], program.outputs[i].dtype));
    on_device |= output_tensors[i].memory != nullptr;
    outputs_.push_back(output_tensors[i].memory ? nullptr : static_cast<uint8_t*>(output_tensors[i].data));
    limited |= program.outputs[i].data_dependent;
  }
  if (limited)
    for (const HostTensor& tensor : output_tensors) limits.push_back(tensor.dims);
  stage_packed(input_tensors, output_tensors);
  if (any_overlap(reads_, writes_)) stage_overlaps();
  if (!on_device) return;
  in_place.assign(plan->analysis->blocks[0].step_count, 0);
  bind_inputs(input_tensors);
  bind_outputs(output_tensors);
}

void Binding::stage_packed(std::span<const HostTensor> input_tensors, std::span<const HostTensor> output_tensors) {
  const Program& program = *plan->analysis->program;
  for (size_t i = 0; i < input_tensors.size(); ++i) {
    if (!is_packed(program.inputs[i].dtype) || input_tensors[i].owner.defined()) continue;
    const int64_t bytes = dense_bytes(program.inputs[i].dtype, input_tensors[i].dims);
    staged.push_back({uint32_t(i), reserve(bytes), bytes});
  }
  for (size_t i = 0; i < output_tensors.size(); ++i)
    if (is_packed(program.outputs[i].dtype) && !output_tensors[i].owner.defined() && !output_tensors[i].collect)
      packed_outputs.push_back({uint32_t(i), reserve(dense_bytes(program.outputs[i].dtype, output_tensors[i].dims))});
}

void Binding::stage_overlaps() {
  const Analysis& analysis = *plan->analysis;
  const Program& program = *analysis.program;
  for (size_t i = 0; i < reads_.size(); ++i) {
    if (inputs_[i] == nullptr || is_packed(program.inputs[i].dtype)) continue;
    const Lifetime& read = analysis.lifetime[size_t(program.input_values[i])];
    const auto overwritten = [&](size_t o) {
      const ValueInfo& value = program.values[size_t(program.output_values[o])];
      const int32_t first_write = value.kind == ValueInfo::Kind::Output && value.index == int32_t(o)
                                      ? analysis.lifetime[size_t(program.output_values[o])].first
                                      : analysis.end;
      return reads_[i].overlaps(writes_[o]) && read.last >= first_write;
    };
    bool stage = false;
    for (size_t o = 0; o < writes_.size(); ++o) stage |= overwritten(o);
    if (!stage) continue;
    const auto bytes = int64_t(reads_[i].end - reads_[i].begin);
    staged.push_back({uint32_t(i), reserve(bytes), bytes});
  }
}

int64_t Binding::reserve(int64_t bytes) {
  const int64_t offset = staging_bytes;
  staging_bytes += (bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
  return offset;
}

bool Binding::conflicts(const Binding& other) const {
  return any_overlap(writes_, other.writes_) || any_overlap(writes_, other.reads_) ||
         any_overlap(reads_, other.writes_);
}

}  // namespace sardonyx::runtime
