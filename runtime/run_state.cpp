#include "runtime/run_state.h"

#include <cstring>
#include <utility>

#include "runtime/base/packing.h"

namespace sardonyx::runtime {

namespace {
constexpr size_t idle_count_limit = 64;
constexpr int64_t idle_bytes_limit = int64_t{256} << 20;
}  // namespace

RunState::RunState(std::shared_ptr<const Plan> the_plan)
    : plan(std::move(the_plan)), scratch(plan->scratch_bytes), arena_(plan->arena_bytes) {
  const Analysis& analysis = *plan->analysis;
  const Program& program = *analysis.program;
  const size_t values = program.values.size();
  slots.assign(values + analysis.operands.size(), nullptr);
  bool any_dynamic = false;
  for (size_t i = 0; i < values; ++i) {
    any_dynamic |= analysis.dynamic_value[i] != 0;
    if (analysis.dynamic_value[i]) continue;
    const ValueId root = analysis.root[i];
    const ValueInfo& info = program.values[size_t(root)];
    uint8_t* base = nullptr;
    if (info.kind == ValueInfo::Kind::Constant)
      base = const_cast<uint8_t*>(program.constants[size_t(info.index)].tensor.raw());
    else if (plan->arena_offset[size_t(root)] >= 0)
      base = arena_.data() + plan->arena_offset[size_t(root)];
    if (base != nullptr) slots[i] = base + plan->view_offset[i];
  }
  for (size_t k = 0; k < analysis.operands.size(); ++k)
    if (analysis.operands[k] >= 0) slots[values + k] = slots[size_t(analysis.operands[k])];
  if (any_dynamic) dynamic.resize(values);
  prepared.resize(analysis.steps.size());
  if (analysis.has_runtime_dims) own_dims = plan->dims;
  dims = analysis.has_runtime_dims ? &own_dims : &plan->dims;
  bound_inputs_.assign(program.inputs.size(), nullptr);
  bound_outputs_.assign(program.outputs.size(), nullptr);
  if (analysis.image != nullptr) allocate_devices();
}

void RunState::allocate_devices() {
  const DeviceImage& image = *plan->analysis->image;
  device_arenas_.resize(image.devices.size());
  for (size_t d = 1; d < image.devices.size(); ++d) {
    const int64_t bytes = plan->device_arena_bytes[d];
    if (bytes > 0) device_arenas_[d] = image.devices[d]->allocate(bytes, {});
    device_bytes_ += bytes;
  }
  places.resize(image.program->values.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = planned_place(ValueId(i));
  work = std::make_unique<DeviceWork>(image);
}

RunState::Place RunState::planned_place(ValueId root) const {
  const size_t i = size_t(root);
  Place place{plan->analysis->device[i], {}};
  if (place.device == 0) return place;
  if (plan->arena_offset[i] >= 0)
    place.range = {device_arenas_[size_t(place.device)], plan->arena_offset[i]};
  else
    place.range.memory = plan->analysis->image->constants[i];
  return place;
}

void RunState::point(const std::vector<Patch>& patches, uint8_t* base) {
  for (const Patch& patch : patches) slots[patch.slot] = base + patch.offset;
}

void RunState::start(const Binding& binding) {
  staging_.reserve(binding.staging_bytes);
  for (size_t i = 0; i < bound_inputs_.size(); ++i) {
    if (binding.input(i) == nullptr || bound_inputs_[i] == binding.input(i)) continue;
    bound_inputs_[i] = binding.input(i);
    point(plan->input_patches[i], binding.input(i));
  }
  for (size_t i = 0; i < bound_outputs_.size(); ++i) {
    if (binding.output(i) == nullptr || bound_outputs_[i] == binding.output(i)) continue;
    bound_outputs_[i] = binding.output(i);
    point(plan->output_patches[i], binding.output(i));
  }
  for (const Binding::Staged& staged : binding.staged) {
    uint8_t* copy = staging_.data() + staged.offset;
    const DType dtype = plan->analysis->program->inputs[staged.input].dtype;
    if (is_packed(dtype))
      unpack(dtype, binding.input(staged.input), staged.bytes, copy);
    else
      std::memcpy(copy, binding.input(staged.input), size_t(staged.bytes));
    bound_inputs_[staged.input] = copy;
    point(plan->input_patches[staged.input], copy);
  }
  for (const Binding::PackedOutput& packed : binding.packed_outputs) {
    bound_outputs_[packed.output] = staging_.data() + packed.offset;
    point(plan->output_patches[packed.output], bound_outputs_[packed.output]);
  }
  const auto use_staging = [&](const Binding::HostCopy& copy, std::vector<uint8_t*>& bases,
                               const std::vector<std::vector<Patch>>& patches) {
    bases[copy.index] = staging_.data() + copy.offset;
    point(patches[copy.index], bases[copy.index]);
  };
  for (const Binding::HostCopy& copy : binding.downloads) use_staging(copy, bound_inputs_, plan->input_patches);
  for (const Binding::HostCopy& copy : binding.uploads) use_staging(copy, bound_outputs_, plan->output_patches);
  for (const Binding::Bound& bound : binding.bound) places[size_t(bound.root)] = {bound.device, {bound.memory, 0}};
  if (plan->analysis->has_runtime_dims) own_dims = plan->dims;
  if (work != nullptr) work->start();
}

void RunState::finish(const Binding& binding) {
  for (const Binding::Bound& bound : binding.bound) places[size_t(bound.root)] = planned_place(bound.root);
  clear_crossing();
}

void RunState::clear_crossing() {
  for (DynamicBlock& block : crossing) cache.give(std::move(block));
  crossing.clear();
}

void RunState::clear() {
  for (size_t i = 0; i < places.size(); ++i) places[i] = planned_place(ValueId(i));
  clear_crossing();
  results.clear();
  for (size_t i = 0; i < dynamic.size(); ++i) {
    if (!dynamic[i].memory) continue;
    dynamic[i] = {};
    slots[i] = nullptr;
  }
}

std::unique_ptr<RunState> StatePool::take(const std::shared_ptr<const Plan>& plan) {
  {
    std::lock_guard lock(mutex_);
    for (size_t i = idle_.size(); i-- > 0;) {
      if (idle_[i]->plan != plan) continue;
      std::unique_ptr<RunState> state = std::move(idle_[i]);
      idle_.erase(idle_.begin() + ptrdiff_t(i));
      idle_bytes_ -= state->bytes();
      return state;
    }
  }
  return make(plan);
}

// What `make_it` makes, at the second attempt when the first fails and idle states have memory to give up.
template <class Make>
auto StatePool::with_idle_memory(const Make& make_it) {
  for (;;) {
    try {
      return make_it();
    } catch (const Error& error) {
      const bool memory = error.status() == Status::NoDeviceMemory || error.status() == Status::NoSystemMemory;
      if (!memory || !drop_idle()) throw;
    }
  }
}

std::unique_ptr<RunState> StatePool::make(const std::shared_ptr<const Plan>& plan) {
  auto state = with_idle_memory([&] { return std::make_unique<RunState>(plan); });
  state->pool = this;
  return state;
}

DeviceMemoryPtr StatePool::allocate(Device& device, int64_t bytes) {
  return with_idle_memory([&] { return device.allocate(bytes, {}); });
}

// False when there is none.
bool StatePool::drop_idle() {
  std::vector<std::unique_ptr<RunState>> dropped;  // freed outside the lock
  std::lock_guard lock(mutex_);
  dropped.swap(idle_);
  idle_bytes_ = 0;
  return !dropped.empty();
}

void StatePool::give(std::unique_ptr<RunState> state) {
  std::vector<std::unique_ptr<RunState>> dropped;  // freed outside the lock
  std::lock_guard lock(mutex_);
  idle_bytes_ += state->bytes();
  idle_.push_back(std::move(state));
  while (idle_.size() > 1 && (idle_.size() > idle_count_limit || idle_bytes_ > idle_bytes_limit)) {
    idle_bytes_ -= idle_.front()->bytes();
    dropped.push_back(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
}

void StatePool::forget(const std::shared_ptr<const Plan>& plan) {
  std::lock_guard lock(mutex_);
  std::erase_if(idle_, [&](const std::unique_ptr<RunState>& state) {
    if (state->plan != plan) return false;
    idle_bytes_ -= state->bytes();
    return true;
  });
}

}  // namespace sardonyx::runtime
