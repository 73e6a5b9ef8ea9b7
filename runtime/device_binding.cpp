// Device memory in the place of host buffers: which copies of the program it makes needless, and who needs one more.
#include <algorithm>

#include "runtime/base/status.h"
#include "runtime/binding.h"

namespace sardonyx::runtime {

namespace {
using Kind = ValueInfo::Kind;

void check_memory(const Program& program, const HostTensor& tensor, const IoInfo& info) {
  const int64_t bytes = byte_size(info.dtype, tensor.dims);
  check(tensor.device > 0 && size_t(tensor.device) < program.devices.size(), "`", info.name,
        "` lies in memory of device ", tensor.device, " of ", program.devices.size());
  check(tensor.memory->bytes >= bytes, "`", info.name, "` of ", bytes, " bytes lies in memory of ",
        tensor.memory->bytes);
}
}  // namespace

void Binding::bind_inputs(std::span<const HostTensor> tensors) {
  const Analysis& analysis = *plan->analysis;
  const Program& program = *analysis.program;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const HostTensor& tensor = tensors[i];
    if (tensor.memory == nullptr) continue;
    check_memory(program, tensor, program.inputs[i]);
    const int64_t bytes = byte_size(program.inputs[i].dtype, tensor.dims);
    Bound value{program.input_values[i], tensor.device, tensor.memory};
    if (overlaps_output(reads_[i], writes_.size())) {
      value.memory = analysis.image->devices[size_t(tensor.device)]->allocate(bytes, {});
      copies.push_back({tensor.device, tensor.memory, value.memory, bytes});
    }
    if (analysis.access[size_t(value.root)].host_reads)
      downloads.push_back({uint32_t(i), value.device, value.memory, reserve(bytes), bytes});
    use_in_place(value, true);
    bound.push_back(std::move(value));
  }
}

void Binding::bind_outputs(std::span<const HostTensor> tensors) {
  const Analysis& analysis = *plan->analysis;
  const Program& program = *analysis.program;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const HostTensor& tensor = tensors[i];
    output_memory.push_back({program.output_values[i], tensor.device, tensor.memory});
    if (tensor.memory == nullptr) continue;
    check_memory(program, tensor, program.outputs[i]);
    Bound value{program.output_values[i], tensor.device, tensor.memory};
    const ValueInfo& info = program.values[size_t(value.root)];
    if (info.kind != Kind::Output || info.index != int32_t(i)) continue;  // copied at the end of the run
    const Access& access = analysis.access[size_t(value.root)];
    if (access.host_reads || access.host_writes) {
      const int64_t bytes = byte_size(program.outputs[i].dtype, tensor.dims);
      uploads.push_back({uint32_t(i), tensor.device, tensor.memory, reserve(bytes), bytes});
      continue;
    }
    if (!overlaps_output(writes_[i], i)) use_in_place(value, false);
    bound.push_back(std::move(value));
  }
}

bool Binding::overlaps_output(const ByteRange& range, size_t except) const {
  for (size_t o = 0; o < writes_.size(); ++o)
    if (o != except && writes_[o].overlaps(range)) return true;
  return false;
}

void Binding::use_in_place(const Bound& value, bool input) {
  const Analysis& analysis = *plan->analysis;
  const Program& program = *analysis.program;
  // Of an output nothing but the copy may be its writer, else a part of it would be missing.
  if (!input && analysis.access[size_t(value.root)].writers != 1) return;
  for (uint32_t s = 0; s < in_place.size(); ++s) {
    const Step& step = *analysis.steps[s].step;
    if (step.op != Step::Op::Copy || (input ? step.inputs[0] : step.outputs[0]) != value.root) continue;
    const ValueId other = input ? step.outputs[0] : step.inputs[0];
    const ValueInfo& info = program.values[size_t(other)];
    if (info.kind != Kind::Temporary || info.device != value.device || analysis.dynamic_value[size_t(other)]) continue;
    if (plan->bytes[size_t(other)] != plan->bytes[size_t(value.root)]) continue;
    // The copy is the temporary's only writer, or its contents do not change behind the copy.
    const Access& access = analysis.access[size_t(other)];
    if (input ? access.writers != 1 : access.last_write >= analysis.steps[s].position) continue;
    const auto taken = [&](const Bound& earlier) { return earlier.root == other; };
    if (std::any_of(bound.begin(), bound.end(), taken)) continue;
    bound.push_back({other, value.device, value.memory});
    in_place[s] = 1;
    if (!input) return;
  }
}

}  // namespace sardonyx::runtime
