// If and Loop steps of the executor.
#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/executor.h"

namespace sardonyx::runtime {

void Executor::branch(const StepInfo& info) {
  const Step& step = *info.step;
  const bool condition = *address(step.inputs[0]) != 0;
  const int32_t number = info.blocks[condition ? 0 : 1];
  run_block(number);
  const BlockInfo& block = analysis_.blocks[size_t(number)];
  std::vector<Source> sources;
  for (size_t i = 0; i < step.outputs.size(); ++i) sources.push_back(source(block.block->results[i], step.outputs[i]));
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    if (!sources[i].dims.empty()) bind_shape(step.outputs[i], sources[i].dims);
    receive(step.outputs[i], sources[i]);
  }
  sources.clear();
  for (ValueId id : block.releases) release(id);
}

void Executor::loop(const StepInfo& info) {
  const Step& step = *info.step;
  const BlockInfo& block = analysis_.blocks[size_t(info.blocks[0])];
  const std::vector<ValueId>& parameters = block.block->parameters;
  const std::vector<ValueId>& results = block.block->results;
  const size_t carried = step.inputs.size() - 2;

  int64_t trips = INT64_MAX;
  if (step.inputs[0] >= 0) std::memcpy(&trips, address(step.inputs[0]), sizeof trips);
  bool condition = step.inputs[1] < 0 || *address(step.inputs[1]) != 0;

  // Values move from initial inputs or results to parameters in two phases: all shapes are read before any is bound.
  std::vector<Source> sources(carried);
  std::vector<Memory> held(block.rotates ? carried : 0);
  const auto enter = [&](auto&& from) {
    for (size_t k = 0; k < carried; ++k) sources[k] = source(from(k), parameters[k + 2]);
    for (size_t k = 0; k < held.size(); ++k) {
      if (sources[k].owner.memory) continue;
      held[k].reserve(sources[k].bytes);
      std::memcpy(held[k].data(), sources[k].data, size_t(sources[k].bytes));
      sources[k].data = held[k].data();
    }
    for (size_t k = 0; k < carried; ++k) {
      if (!sources[k].dims.empty()) bind_shape(parameters[k + 2], sources[k].dims);
      receive(parameters[k + 2], sources[k]);
      sources[k].owner = {};
    }
  };
  enter([&](size_t k) { return step.inputs[k + 2]; });

  std::vector<Scan> scans(step.outputs.size() - carried);
  for (int64_t iteration = 0; iteration < trips && condition; ++iteration) {
    if (parameters[0] >= 0) std::memcpy(writable(parameters[0]), &iteration, sizeof iteration);
    if (parameters[1] >= 0) *writable(parameters[1]) = 1;
    run_block(info.blocks[0]);
    if (results[0] >= 0) {
      await_value(results[0]);
      condition = *address(results[0]) != 0;
    }
    for (size_t k = 0; k < scans.size(); ++k) {
      const Source element = source(results[1 + carried + k], step.outputs[carried + k]);
      append(scans[k], step.outputs[carried + k], element);
    }
    enter([&](size_t k) { return results[k + 1]; });
    for (ValueId id : block.releases) release(id);
  }

  for (size_t k = 0; k < carried; ++k) {
    Source last = source(parameters[k + 2], step.outputs[k]);
    if (!last.dims.empty()) bind_shape(step.outputs[k], last.dims);
    receive(step.outputs[k], last);
  }
  for (size_t k = 0; k < scans.size(); ++k) end_scan(scans[k], step.outputs[carried + k]);
  for (ValueId id : parameters)
    if (id >= 0 && owns_dynamic_memory(id)) release(id);
}

void Executor::begin_scan(Scan& scan, ValueId output, const Source& first) {
  const ValueInfo& root = program_.values[size_t(analysis_.root[size_t(output)])];
  scan.element = first.dims;
  if (owns_dynamic_memory(output)) return;
  // The size or, for a host buffer, its upper limit is known: elements go straight to their place.
  const bool limited = root.kind == ValueInfo::Kind::Output && program_.outputs[size_t(root.index)].data_dependent;
  scan.direct = true;
  scan.data = address(output);
  scan.capacity = limited ? byte_size(root.dtype, binding_.limits[size_t(root.index)]) : bytes_of(output);
}

void Executor::append(Scan& scan, ValueId output, const Source& source) {
  const std::string& name = program_.values[size_t(output)].name;
  if (scan.count == 0) begin_scan(scan, output, source);
  if (source.dims != scan.element)
    fail(Status::MismatchingShape, "`", name, "` collects elements of shape [", join(scan.element, ","), "] and [",
         join(source.dims, ","), "]");
  ++scan.count;
  if (program_.values[size_t(output)].dtype == DType::String) scan.texts.push_back(source.owner.memory);
  const int64_t needed = scan.used + source.bytes;
  if (scan.direct) {
    require(needed <= scan.capacity, Status::MismatchingShape, "`", name, "` collects more than its ", scan.capacity,
            " bytes");
  } else if (needed > scan.capacity || scan.data == nullptr) {
    DynamicBlock larger = state_.cache.take(std::max(needed, 2 * scan.capacity));
    if (scan.used > 0) std::memcpy(larger.memory.get(), scan.data, size_t(scan.used));
    if (scan.memory.memory) state_.cache.give(std::exchange(scan.memory, {}));
    scan.memory = std::move(larger);
    scan.data = scan.memory.memory.get();
    scan.capacity = scan.memory.capacity;
  }
  std::memcpy(scan.data + scan.used, source.data, size_t(source.bytes));
  scan.used = needed;
}

void Executor::end_scan(Scan& scan, ValueId output) {
  const ValueInfo& info = program_.values[size_t(output)];
  Dims actual{scan.count};
  if (scan.count > 0 && analysis_.runtime_shape[size_t(output)]) {
    actual.insert(actual.end(), scan.element.begin(), scan.element.end());
  } else {
    // Without an iteration the element's shape is whatever is known of it.
    for (size_t axis = 1; axis < info.dims.size(); ++axis) {
      const bool known = state_.dims->known[size_t(info.dims[axis])] != 0;
      actual.push_back(known ? state_.dims->value[size_t(info.dims[axis])] : 0);
    }
  }
  bind_shape(output, actual);
  if (!owns_dynamic_memory(output)) {
    writable(output);
    return;
  }
  release(output);
  if (info.dtype == DType::String) {
    const Tensor elements(info.dtype, actual, std::shared_ptr<uint8_t>(std::shared_ptr<void>(), scan.data));
    const Tensor texts = scan.count > 0 ? elements.clone() : Tensor(info.dtype, actual);
    if (scan.memory.memory) state_.cache.give(std::exchange(scan.memory, {}));
    return adopt(output, {texts.storage(), 0});
  }
  if (scan.data == nullptr) scan.memory = state_.cache.take(0);
  adopt(output, std::move(scan.memory));
}

}  // namespace sardonyx::runtime
