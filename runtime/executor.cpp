#include "runtime/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/packing.h"
#include "runtime/base/status.h"

namespace sardonyx::runtime {

namespace {
constexpr size_t prepared_limit = 16;

std::string step_name(const Step& step) {
  std::string kernel = step.kernel ? step.kernel->name() : step.host ? step.host->name() : "";
  return kernel.empty() ? "'" + step.label + "'" : "'" + step.label + "' (" + kernel + ")";
}
}  // namespace

Executor::Executor(RunState& state, const Binding& binding, std::vector<TraceEvent>* trace)
    : state_(state),
      binding_(binding),
      plan_(*state.plan),
      analysis_(*plan_.analysis),
      program_(*analysis_.program),
      trace_(trace),
      next_(plan_.commands.data()),
      end_(next_ + analysis_.blocks[0].step_count) {}

DeviceWait Executor::run(Team* team) {
  team_ = team;
  if (state_.work != nullptr) {
    state_.work->require_success();
    if (!begun_) begin_devices();
    begun_ = true;
    if (next_ == plan_.commands.data() && !binding_.downloads.empty())
      if (const DeviceWait wait = state_.work->transfers()) return wait;
  }
  if (team_ != nullptr && plan_.parallel && next_ != end_) team_->wake();
  next_ = run_steps(next_, end_);
  if (next_ != end_) return wait_;
  if (const DeviceWait wait = finish_outputs()) return wait;
  pack_outputs();
  for (ValueId id : analysis_.blocks[0].releases) release(id);
  return {};
}

const Command* Executor::run_steps(const Command* command, const Command* const end) {
  void* scratch = state_.scratch.data();
  for (; command != end; ++command) {
    if (!command->ready || trace_ != nullptr) {
      if (!run_step(*command)) return command;
      scratch = state_.scratch.data();
      continue;
    }
    const auto& invocation = on_host(*command->invocation);
    void* const* operands = state_.operands(*command);
    int32_t code = KernelOk;
    if (team_ != nullptr)
      code = team_->run(invocation, operands, command->dims, scratch);
    else if (command->grid > 0)
      code = invocation.run(operands, command->dims, scratch, 0, command->grid);
    if (code != KernelOk) [[unlikely]]
      fail(kernel_error_status(code), step_name(*analysis_.steps[command->step].step), ": ", kernel_error_text(code));
  }
  return end;
}

void Executor::run_block(int32_t number) {
  const BlockInfo& block = analysis_.blocks[size_t(number)];
  const Command* first = plan_.commands.data() + block.first_step;
  ++nesting_;
  run_steps(first, first + block.step_count);
  while (block.transfers) {
    const DeviceWait wait = state_.work->transfers();
    if (!wait) {
      state_.clear_crossing();
      break;
    }
    await(wait);
  }
  // A loop that never waits would fill the queue without bound.
  if (state_.work != nullptr)
    while (const DeviceWait wait = state_.work->overdue()) await(wait);
  --nesting_;
}

bool Executor::run_step(const Command& command) {
  const StepInfo& info = analysis_.steps[command.step];
  const int64_t start = trace_ ? Trace::now_ns() : 0;
  transfer_ = nullptr;
  bool done = false;
  try {
    done = (!info.awaits || await_inputs(info)) && dispatch(command, info);
  } catch (const Error& error) {
    // Nested steps have named themselves already.
    if (!info.blocks.empty()) throw;
    throw Error(error.status(), step_name(*info.step) + ": " + error.text());
  } catch (const std::bad_alloc&) {
    fail(Status::NoSystemMemory, step_name(*info.step), ": out of memory");
  } catch (const std::exception& error) {
    fail(Status::InternalError, step_name(*info.step), ": ", error.what());
  }
  if (!done) return false;
  const bool happened = !info.on_device || info.step->kernel || transfer_ != nullptr;
  if (trace_ != nullptr && happened)
    trace_->push_back({info.step->label, "step",
                       info.step->kernel ? info.step->kernel->name()
                       : info.step->host ? info.step->host->name()
                       : transfer_       ? transfer_
                                         : "",
                       std::string(group_of(*info.step)), start, Trace::now_ns() - start});
  for (ValueId id : info.releases) release(id);
  if (info.submits) state_.work->submit();
  return true;
}

bool Executor::dispatch(const Command& command, const StepInfo& info) {
  const Step& step = *info.step;
  if (!plan_.deferred.empty()) {
    const auto failed = plan_.deferred.find(command.step);
    if (failed != plan_.deferred.end()) throw Error(failed->second);
  }
  switch (step.op) {
    case Step::Op::Launch:
      info.on_device ? launch_on_device(command, info) : launch_resolved(command, info);
      break;
    case Step::Op::Copy:
      if (info.on_device) return copy_step(command, info);
      if (const auto output = collected_output(step))
        collect(step, *output);
      else
        launch_resolved(command, info);
      break;
    case Step::Op::HostCall:
      host_call(step);
      break;
    case Step::Op::BindDims:
      bind_dims(step);
      break;
    case Step::Op::Check:
      check_condition(step);
      break;
    case Step::Op::If:
      branch(info);
      break;
    case Step::Op::Loop:
      loop(info);
      break;
  }
  return true;
}

std::string_view Executor::group_of(const Step& step) const {
  return step.report < 0 ? std::string_view() : program_.report[size_t(step.report)].name;
}

void Executor::launch(const HostInvocation& invocation, void* const* buffers, const int64_t* dims) {
  ensure_scratch(invocation);
  int32_t code = KernelOk;
  if (team_ != nullptr)
    code = team_->run(invocation, buffers, dims, state_.scratch.data());
  else if (invocation.grid > 0)
    code = invocation.run(buffers, dims, state_.scratch.data(), 0, invocation.grid);
  if (code != KernelOk) fail(kernel_error_status(code), kernel_error_text(code));
}

void Executor::launch_resolved(const Command& command, const StepInfo& info) {
  const Step& step = *info.step;
  if (command.invocation != nullptr)
    return launch(on_host(*command.invocation), state_.operands(command), command.dims);
  uint8_t** operands = state_.slots.data() + program_.values.size() + info.first_operand;
  for (size_t i = 0; i < step.inputs.size(); ++i) operands[i] = address(step.inputs[i]);
  for (size_t i = 0; i < step.outputs.size(); ++i) operands[step.inputs.size() + i] = writable(step.outputs[i]);
  if (step.op == Step::Op::Copy) {
    const int64_t bytes = bytes_of(step.inputs[0]);
    check(bytes <= bytes_of(step.outputs[0]), "copy of ", bytes, " bytes into ", bytes_of(step.outputs[0]));
    return launch(*make_copy(bytes), state_.operands(command), nullptr);
  }
  const HostInvocation& invocation = on_host(*prepared(command, info));
  launch(invocation, state_.operands(command), state_.launch_dims.data());
}

const std::shared_ptr<const Invocation>& Executor::prepared(const Command& command, const StepInfo& info) {
  // The dims live in the state: the invocation may be running on other threads.
  std::vector<int64_t>& dims = state_.launch_dims;
  dims.clear();
  for (DimId id : info.step->dims) dims.push_back(dim(id));
  const auto& outputs = info.step->outputs;
  if (!outputs.empty() && std::all_of(outputs.begin(), outputs.end(), [&](ValueId id) { return bytes_of(id) == 0; })) {
    static const std::shared_ptr<const Invocation> nothing = make_copy(0);
    return nothing;  // a loop around no elements may be of any length
  }
  auto& known = state_.prepared[command.step];
  for (size_t i = 0; i < known.size(); ++i)
    if (known[i].dims == dims) return known[i].invocation;
  if (known.size() == prepared_limit) known.erase(known.begin());
  auto invocation = info.step->kernel->prepare(dims);
  if (!info.on_device) check_on_host(*info.step->kernel, *invocation);
  known.push_back({dims, std::move(invocation)});
  return known.back().invocation;
}

void Executor::ensure_scratch(const Invocation& invocation) {
  if (invocation.scratch_bytes > state_.scratch.bytes()) state_.scratch.reserve(invocation.scratch_bytes);
}

void Executor::host_call(const Step& step) {
  std::vector<Tensor> inputs;
  inputs.reserve(step.inputs.size());
  for (ValueId id : step.inputs) inputs.push_back(operand(id));
  std::vector<Tensor> results = step.host->call(inputs);
  check(results.size() == step.outputs.size(), "expected ", step.outputs.size(), " results, got ", results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const ValueId id = step.outputs[i];
    check(results[i].dtype() == program_.values[size_t(id)].dtype, "result ", i, " has type ",
          dtype_name(results[i].dtype()));
    bind_shape(id, results[i].dims());
    Source source{results[i].raw(), results[i].bytes(), {}, {}};
    // A result that is an input under another name shares memory that nobody owns here: copied, not adopted.
    if (results[i].storage().use_count() > 0) source.owner.memory = results[i].storage();
    check(!is_held(results[i].dtype()) || source.owner.memory, "result ", i, " does not own its memory");
    receive(id, source);
  }
}

Tensor Executor::operand(ValueId id) const {
  const DType dtype = program_.values[size_t(id)].dtype;
  std::shared_ptr<void> owner;
  if (is_held(dtype) && owns_dynamic_memory(id)) owner = state_.dynamic[size_t(id)].memory;
  return Tensor(dtype, shape_of(id), std::shared_ptr<uint8_t>(std::move(owner), address(id)));
}

std::shared_ptr<uint8_t> Executor::held_memory(ValueId id) const {
  const Tensor value = operand(id);
  if (value.dtype() == DType::Object) return boxed(unboxed(value)).storage();
  return owned(value).storage();
}

std::optional<size_t> Executor::collected_output(const Step& step) const {
  const ValueInfo& target = program_.values[size_t(step.outputs[0])];
  if (target.kind != ValueInfo::Kind::Output) return std::nullopt;
  const auto output = size_t(target.index);
  const bool collected = is_held(target.dtype) || (!binding_.collected.empty() && binding_.collected[output]);
  return collected ? std::optional(output) : std::nullopt;
}

void Executor::collect(const Step& step, size_t output) {
  const ValueId from = step.inputs[0];
  await_value(from);
  Dims shape = shape_of(from);
  const bool bound = binding_.collected.empty() || !binding_.collected[output];
  if (bound && program_.outputs[output].data_dependent) check_limit(output, shape);
  const DType dtype = program_.values[size_t(from)].dtype;
  Tensor& result = (state_.results.resize(program_.outputs.size()), state_.results[output]);
  if (is_held(dtype))
    result = Tensor(dtype, std::move(shape), held_memory(from));
  else
    result = operand(from).clone();
  if (bound && result.count() > 0) std::memcpy(binding_.output(output), result.raw(), size_t(result.bytes()));
}

std::vector<Tensor> Executor::take_results() {
  std::vector<Tensor> results = std::exchange(state_.results, {});
  if (results.empty()) return binding_.results;
  for (size_t i = 0; i < binding_.results.size(); ++i)
    if (binding_.results[i].defined()) results[i] = binding_.results[i];
  return results;
}

void Executor::bind_dims(const Step& step) {
  const auto* values = reinterpret_cast<const int64_t*>(address(step.inputs[0]));
  check(bytes_of(step.inputs[0]) >= int64_t(step.dims.size() * sizeof(int64_t)), "too few integers");
  for (size_t i = 0; i < step.dims.size(); ++i) {
    int64_t value = 0;
    std::memcpy(&value, values + i, sizeof value);
    const int64_t least = step.least.empty() ? 0 : step.least[i];
    const std::string& name = program_.dims[size_t(step.dims[i])].name;
    require(value >= least, Status::MismatchingShape, "dimension ", name.empty() ? str(i) : "`" + name + "`",
            " gets the ", least <= 0 ? "negative value " : "value ", value);
    bind(step.dims[i], value);
  }
}

void Executor::check_condition(const Step& step) {
  if (dim(step.dims[0]) == 0) throw Error(step.status, step.text);
}

std::shared_ptr<const std::map<std::string, Dims>> Executor::output_shapes() const {
  if (plan_.shape_map) return plan_.shape_map;
  std::map<std::string, Dims> shapes;
  for (const IoInfo& output : program_.outputs) {  // not of its value, which may lie below a view
    Dims& shape = shapes[output.name];
    for (DimId id : output.dims) shape.push_back(dim(id));
  }
  return std::make_shared<const std::map<std::string, Dims>>(std::move(shapes));
}

uint8_t* Executor::output_memory(size_t index) const {
  for (const Binding::PackedOutput& packed : binding_.packed_outputs)
    if (packed.output == index) return state_.staging() + packed.offset;
  return binding_.output(index);
}

void Executor::pack_outputs() {
  for (const Binding::PackedOutput& packed : binding_.packed_outputs) {
    const int64_t elements = element_count(shape_of(program_.output_values[packed.output]));
    pack(program_.outputs[packed.output].dtype, state_.staging() + packed.offset, elements,
         binding_.output(packed.output));
  }
}

void Executor::bind(DimId slot, int64_t value) {
  state_.own_dims.set(slot, value);
  for (DimId dependent : analysis_.dependents[size_t(slot)])
    if (dependent != slot) evaluate_dim(program_.dims[size_t(dependent)], dependent, state_.own_dims);
}

void Executor::bind_shape(ValueId id, std::span<const int64_t> actual) {
  const ValueInfo& info = program_.values[size_t(id)];
  if (actual.size() != info.dims.size())
    fail(Status::MismatchingShape, "`", info.name, "` gets shape [", join(actual, ","), "] but has rank ",
         info.dims.size());
  for (size_t axis = 0; axis < actual.size(); ++axis) {
    const DimId slot = info.dims[axis];
    if (program_.dims[size_t(slot)].op == DimExpr::Op::Runtime) {
      bind(slot, actual[axis]);
      continue;
    }
    const int64_t expected = dim(slot);
    if (expected != actual[axis])
      fail(Status::MismatchingShape, "`", info.name, "` gets shape [", join(actual, ","), "] where dimension ", axis,
           " is ", expected);
  }
}

Dims Executor::shape_of(ValueId id) const {
  Dims dims;
  for (DimId slot : program_.values[size_t(id)].dims) {
    dims.push_back(dim(slot));
    require(dims.back() >= 0, Status::UnsupportedShape, "`", program_.values[size_t(id)].name,
            "` gets the negative dimension ", dims.back());
  }
  return dims;
}

int64_t Executor::bytes_of(ValueId id) const {
  const int64_t known = plan_.bytes[size_t(id)];
  return known >= 0 ? known : value_bytes(program_, *state_.dims, id);
}

uint8_t* Executor::address(ValueId id) const {
  if (!analysis_.dynamic_value[size_t(id)]) return state_.slots[size_t(id)];
  uint8_t* base = state_.slots[size_t(analysis_.root[size_t(id)])];
  check(base != nullptr, "`", program_.values[size_t(id)].name, "` is read before it is written");
  return base + dynamic_offset(id);
}

int64_t Executor::dynamic_offset(ValueId id) const {
  const ValueInfo& info = program_.values[size_t(id)];
  if (info.kind != ValueInfo::Kind::View) return 0;
  const int64_t offset = info.byte_offset < 0 ? 0 : dim(info.byte_offset);
  const int64_t bytes = bytes_of(id), available = bytes_of(info.base);
  require(offset >= 0 && bytes <= available && offset <= available - bytes, Status::InternalError, "view `", info.name,
          "` of ", bytes, " bytes at offset ", offset, " leaves its base of ", available, " bytes");
  return offset + dynamic_offset(info.base);
}

void Executor::check_limit(size_t output, std::span<const int64_t> actual) const {
  const Dims& limit = binding_.limits[output];
  for (size_t axis = 0; axis < actual.size(); ++axis)
    if (actual[axis] > limit[axis])
      fail(Status::MismatchingShape, "output `", program_.outputs[output].name, "` gets shape [", join(actual, ","),
           "], beyond its limit [", join(limit, ","), "]");
}

void Executor::make_writable(ValueId id) {
  const ValueId root = analysis_.root[size_t(id)];
  const ValueInfo& info = program_.values[size_t(root)];
  if (info.kind == ValueInfo::Kind::Output && program_.outputs[size_t(info.index)].data_dependent)
    check_limit(size_t(info.index), shape_of(root));
  if (!owns_dynamic_memory(root)) return;
  if (info.device == 0) {
    if (state_.slots[size_t(root)] == nullptr) adopt(root, state_.cache.take(bytes_of(root)));
    return;
  }
  DeviceRange& range = state_.places[size_t(root)].range;
  Device& device = *analysis_.image->devices[size_t(info.device)];
  if (range.memory == nullptr) range = {state_.pool->allocate(device, bytes_of(root)), 0};
}

uint8_t* Executor::writable(ValueId id) {
  make_writable(id);
  return address(id);
}

void Executor::adopt(ValueId to, DynamicBlock block) {
  state_.slots[size_t(to)] = block.memory.get();
  state_.dynamic[size_t(to)] = std::move(block);
}

void Executor::release(ValueId id) {
  if (analysis_.device[size_t(id)] != 0) {
    state_.places[size_t(id)].range = {};
    return;
  }
  state_.slots[size_t(id)] = nullptr;
  DynamicBlock& block = state_.dynamic[size_t(id)];
  if (block.memory) state_.cache.give(std::exchange(block, {}));
}

bool Executor::owns_dynamic_memory(ValueId id) const {
  return analysis_.dynamic_value[size_t(id)] && program_.values[size_t(id)].kind == ValueInfo::Kind::Temporary;
}

Executor::Source Executor::source(ValueId from, ValueId to) {
  await_value(from);
  Source result;
  result.data = address(from);
  result.bytes = bytes_of(from);
  if (analysis_.runtime_shape[size_t(from)] || analysis_.runtime_shape[size_t(to)]) result.dims = shape_of(from);
  if (owns_dynamic_memory(from))
    result.owner = state_.dynamic[size_t(from)];
  else if (is_held(program_.values[size_t(from)].dtype))
    result.owner.memory = held_memory(from);
  return result;
}

void Executor::receive(ValueId to, Source& source) {
  if (owns_dynamic_memory(to) && source.owner.memory) {
    release(to);
    return adopt(to, std::move(source.owner));
  }
  if (owns_dynamic_memory(to)) release(to);
  uint8_t* destination = writable(to);
  check(source.bytes == bytes_of(to), "`", program_.values[size_t(to)].name, "` has ", bytes_of(to), " bytes and gets ",
        source.bytes);
  if (destination != source.data) std::memmove(destination, source.data, size_t(source.bytes));
}

}  // namespace sardonyx::runtime
