// The executor's steps on devices: launches, copies from and to any place, and waiting for them.
#include <cstring>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/executor.h"

namespace sardonyx::runtime {

using Op = DeviceCommand::Op;

void Executor::begin_devices() {
  DeviceWork& work = *state_.work;
  for (const Binding::DeviceCopy& copy : binding_.copies)
    if (copy.bytes > 0)
      work.add(copy.device,
               {.op = Op::Copy, .operands = {{copy.from, 0}, {copy.to, 0}}, .bytes = copy.bytes, .label = "input"});
  for (const Binding::HostCopy& copy : binding_.downloads)
    if (copy.bytes > 0)
      work.add(copy.device, {.op = Op::Download,
                             .operands = {{copy.memory, 0}},
                             .host = state_.staging() + copy.offset,
                             .bytes = copy.bytes,
                             .label = program_.inputs[copy.index].name});
  work.submit();
}

void Executor::launch_on_device(const Command& command, const StepInfo& info) {
  const Step& step = *info.step;
  DeviceCommand launch{.op = Op::Launch, .label = step.label, .group = group_of(step)};
  launch.invocation = command.invocation ? plan_.invocations[command.owner] : prepared(command, info);
  for (ValueId id : step.outputs) make_writable(id);
  if (launch.invocation->grid <= 0) return;
  launch.operands.reserve(step.inputs.size() + step.outputs.size());
  for (ValueId id : step.inputs) launch.operands.push_back(range(id));
  for (ValueId id : step.outputs) launch.operands.push_back(range(id));
  state_.work->add(step.device, std::move(launch));
}

bool Executor::copy_step(const Command& command, const StepInfo& info) {
  if (command.step < binding_.in_place.size() && binding_.in_place[command.step]) return true;
  const Step& step = *info.step;
  const ValueId from = step.inputs[0], to = step.outputs[0];
  const int64_t bytes = bytes_of(from);
  make_writable(to);
  check(bytes <= bytes_of(to), "copy of ", bytes, " bytes into ", bytes_of(to));
  while (const DeviceWait wait =
             move(place(from), place(to), bytes, step.label, analysis_.root[size_t(to)], group_of(step)))
    if (!await(wait)) return false;
  return true;
}

DeviceWait Executor::move(const Place& from, const Place& to, int64_t bytes, const std::string& label, ValueId filled,
                          std::string_view group) {
  if (bytes == 0) return {};
  DeviceCommand command{.bytes = bytes, .label = label, .group = group};
  if (from.device == to.device) {
    transfer_ = "copy";
    if (from.device == 0) {
      if (to.host != from.host) std::memmove(to.host, from.host, size_t(bytes));
      return {};
    }
    command.op = Op::Copy;
    command.operands = {from.range, to.range};
    state_.work->add(from.device, std::move(command));
  } else if (from.device == 0) {
    transfer_ = "upload";
    command.op = Op::Upload;
    command.operands = {to.range};
    command.host = from.host;
    state_.work->add(to.device, std::move(command));
  } else if (to.device == 0) {
    transfer_ = "download";
    command.op = Op::Download;
    command.operands = {from.range};
    command.host = to.host;
    state_.work->add(from.device, std::move(command), filled);
  } else if (crossing_.memory == nullptr) {
    // Devices meet in host memory: down first, and up when it is there.
    crossing_ = state_.cache.take(bytes);
    command.op = Op::Download;
    command.operands = {from.range};
    command.host = crossing_.memory.get();
    state_.work->add(from.device, std::move(command));
    state_.work->submit();
    return state_.work->latest(from.device);
  } else {
    transfer_ = "download and upload";
    command.op = Op::Upload;
    command.operands = {to.range};
    command.host = crossing_.memory.get();
    state_.work->add(to.device, std::move(command));
    state_.crossing.push_back(std::exchange(crossing_, {}));
  }
  return {};
}

DeviceWait Executor::finish_outputs() {
  const size_t copied = analysis_.copied_outputs.size(), uploads = binding_.uploads.size();
  for (; next_output_ < copied; ++next_output_)
    if (const DeviceWait wait = finish_output(size_t(analysis_.copied_outputs[next_output_]))) return wait;
  if (state_.work == nullptr) return {};
  for (; next_output_ < copied + uploads; ++next_output_) {
    const Binding::HostCopy& copy = binding_.uploads[next_output_ - copied];
    state_.work->submit();
    if (const DeviceWait wait = state_.work->arrival(program_.output_values[copy.index], copy.device)) return wait;
    move({0, state_.staging() + copy.offset, {}}, {copy.device, nullptr, {copy.memory, 0}}, copy.bytes,
         program_.outputs[copy.index].name, -1);
  }
  state_.work->submit();
  return state_.work->outstanding();
}

DeviceWait Executor::finish_output(size_t index) {
  const ValueId id = program_.output_values[index];
  const IoInfo& output = program_.outputs[index];
  try {
    const Dims actual = shape_of(id);
    if (output.data_dependent) check_limit(index, actual);
    const Place from = place(id);
    Place to{0, output_memory(index), {}};
    if (to.host == nullptr && !binding_.output_memory.empty())
      to = {binding_.output_memory[index].device, nullptr, {binding_.output_memory[index].memory, 0}};
    if (state_.work != nullptr && from.device == 0) {
      state_.work->submit();
      if (const DeviceWait wait = state_.work->arrival(analysis_.root[size_t(id)], to.device)) return wait;
    }
    return move(from, to, byte_size(output.dtype, actual), output.name, -1);
  } catch (Error& error) {
    error.add_context("while storing output `" + output.name + "`");
    throw;
  }
}

DeviceWait Executor::drain() {
  if (state_.work == nullptr) return {};
  state_.work->drop();
  return state_.work->outstanding();
}

bool Executor::await(const DeviceWait& wait) {
  wait_ = wait;
  if (nesting_ == 0) return false;
  state_.work->wait(wait);
  state_.work->require_success();
  return true;
}

bool Executor::await_inputs(const StepInfo& info) {
  const Step& step = *info.step;
  // Copies on the queue of the device that writes the value need not wait.
  const int32_t reader = info.on_device ? state_.places[size_t(analysis_.root[size_t(step.outputs[0])])].device : 0;
  state_.work->submit();
  for (ValueId id : step.inputs)
    while (id >= 0) {
      const DeviceWait wait = state_.work->arrival(analysis_.root[size_t(id)], reader);
      if (!wait) break;
      if (!await(wait)) return false;
    }
  return true;
}

void Executor::await_value(ValueId id) {
  if (state_.work == nullptr) return;
  while (const DeviceWait wait = state_.work->arrival(analysis_.root[size_t(id)], 0)) {
    state_.work->wait(wait);
    state_.work->require_success();
  }
}

Executor::Place Executor::place(ValueId id) const {
  const ValueId root = analysis_.root[size_t(id)];
  if (!state_.places.empty())
    if (const int32_t device = state_.places[size_t(root)].device; device != 0) return {device, nullptr, range(id)};
  return {0, address(id), {}};
}

DeviceRange Executor::range(ValueId id) const {
  const DeviceRange& base = state_.places[size_t(analysis_.root[size_t(id)])].range;
  check(base.memory != nullptr, "`", program_.values[size_t(id)].name, "` is read before it is written");
  const bool dynamic = analysis_.dynamic_value[size_t(id)] != 0;
  return {base.memory, base.offset + (dynamic ? dynamic_offset(id) : plan_.view_offset[size_t(id)])};
}

}  // namespace sardonyx::runtime
