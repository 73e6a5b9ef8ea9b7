#include "runtime/executor.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/status.h"

namespace sardonyx::runtime {

namespace {
constexpr size_t prepared_limit = 16;

std::string step_name(const Step& step) {
  std::string kernel = step.kernel ? step.kernel->name() : step.host ? step.host->name() : "";
  return kernel.empty() ? "'" + step.label + "'" : "'" + step.label + "' (" + kernel + ")";
}
}  // namespace

Executor::Executor(RunState& state, const Binding& binding, Team* team, std::vector<TraceEvent>* trace)
    : state_(state),
      binding_(binding),
      plan_(*state.plan),
      analysis_(*plan_.analysis),
      program_(*analysis_.program),
      team_(team),
      trace_(trace) {}

void Executor::run() {
  if (team_ != nullptr && plan_.parallel) team_->wake();
  run_block(0);
  if (!analysis_.copied_outputs.empty()) finish_outputs();
  for (ValueId id : analysis_.blocks[0].releases) release(id);
}

void Executor::run_block(int32_t number) {
  const BlockInfo& block = analysis_.blocks[size_t(number)];
  const Command* command = plan_.commands.data() + block.first_step;
  const Command* const end = command + block.step_count;
  void* scratch = state_.scratch.data();
  for (; command != end; ++command) {
    if (!command->ready || trace_ != nullptr) {
      run_step(*command);
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
}

void Executor::run_step(const Command& command) {
  const StepInfo& info = analysis_.steps[command.step];
  const int64_t start = trace_ ? Trace::now_ns() : 0;
  try {
    dispatch(command, info);
  } catch (const Error& error) {
    // Nested steps have named themselves already.
    if (!info.blocks.empty()) throw;
    throw Error(error.status(), step_name(*info.step) + ": " + error.text());
  } catch (const std::bad_alloc&) {
    fail(Status::NoSystemMemory, step_name(*info.step), ": out of memory");
  } catch (const std::exception& error) {
    fail(Status::InternalError, step_name(*info.step), ": ", error.what());
  }
  if (trace_ != nullptr)
    trace_->push_back({info.step->label, "step",
                       info.step->kernel ? info.step->kernel->name()
                       : info.step->host ? info.step->host->name()
                                         : "",
                       start, Trace::now_ns() - start});
  for (ValueId id : info.releases) release(id);
}

void Executor::dispatch(const Command& command, const StepInfo& info) {
  const Step& step = *info.step;
  if (!plan_.deferred.empty()) {
    const auto failed = plan_.deferred.find(command.step);
    if (failed != plan_.deferred.end()) throw Error(failed->second);
  }
  switch (step.op) {
    case Step::Op::Launch:
    case Step::Op::Copy:
      return launch_resolved(command, info);
    case Step::Op::HostCall:
      return host_call(step);
    case Step::Op::BindDims:
      return bind_dims(step);
    case Step::Op::Check:
      return check_condition(step);
    case Step::Op::If:
      return branch(info);
    case Step::Op::Loop:
      return loop(info);
  }
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
  // The dims live in the state: the invocation may be running on other threads.
  std::vector<int64_t>& dims = state_.launch_dims;
  dims.clear();
  for (DimId id : step.dims) dims.push_back(dim(id));
  launch(prepared(command, info, dims.data()), state_.operands(command), dims.data());
}

const HostInvocation& Executor::prepared(const Command& command, const StepInfo& info, const int64_t* dims) {
  const size_t count = info.step->dims.size();
  auto& known = state_.prepared[command.step];
  for (size_t i = 0; i < known.size(); ++i)
    if (std::equal(known[i].dims.begin(), known[i].dims.end(), dims)) return on_host(*known[i].invocation);
  if (known.size() == prepared_limit) known.erase(known.begin());
  known.push_back({{dims, dims + count}, info.step->kernel->prepare({dims, count})});
  return on_host(*known.back().invocation);
}

void Executor::ensure_scratch(const Invocation& invocation) {
  if (invocation.scratch_bytes > state_.scratch.bytes()) state_.scratch.reserve(invocation.scratch_bytes);
}

void Executor::host_call(const Step& step) {
  std::vector<Tensor> inputs;
  inputs.reserve(step.inputs.size());
  for (ValueId id : step.inputs)
    inputs.emplace_back(program_.values[size_t(id)].dtype, shape_of(id),
                        std::shared_ptr<uint8_t>(std::shared_ptr<void>(), address(id)));
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
    receive(id, source);
  }
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

void Executor::finish_outputs() {
  for (int32_t index : analysis_.copied_outputs) {
    const ValueId id = program_.output_values[size_t(index)];
    const IoInfo& output = program_.outputs[size_t(index)];
    try {
      const Dims actual = shape_of(id);
      if (output.data_dependent) check_limit(size_t(index), actual);
      const int64_t bytes = byte_size(output.dtype, actual);
      std::memmove(binding_.output(size_t(index)), address(id), size_t(bytes));
    } catch (Error& error) {
      error.add_context("while storing output `" + output.name + "`");
      throw;
    }
  }
}

std::shared_ptr<const std::map<std::string, Dims>> Executor::output_shapes() const {
  if (plan_.shape_map) return plan_.shape_map;
  std::map<std::string, Dims> shapes;
  for (size_t i = 0; i < program_.outputs.size(); ++i)
    shapes[program_.outputs[i].name] = shape_of(program_.output_values[i]);
  return std::make_shared<const std::map<std::string, Dims>>(std::move(shapes));
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
  const ValueInfo& info = program_.values[size_t(id)];
  if (info.kind != ValueInfo::Kind::View) {
    check(state_.slots[size_t(id)] != nullptr, "`", info.name, "` is read before it is written");
    return state_.slots[size_t(id)];
  }
  const int64_t offset = info.byte_offset < 0 ? 0 : dim(info.byte_offset);
  const int64_t bytes = bytes_of(id), available = bytes_of(info.base);
  require(offset >= 0 && bytes <= available && offset <= available - bytes, Status::InternalError, "view `", info.name,
          "` of ", bytes, " bytes at offset ", offset, " leaves its base of ", available, " bytes");
  return address(info.base) + offset;
}

void Executor::check_limit(size_t output, std::span<const int64_t> actual) const {
  const Dims& limit = binding_.limits[output];
  for (size_t axis = 0; axis < actual.size(); ++axis)
    if (actual[axis] > limit[axis])
      fail(Status::MismatchingShape, "output `", program_.outputs[output].name, "` gets shape [", join(actual, ","),
           "], beyond its limit [", join(limit, ","), "]");
}

uint8_t* Executor::writable(ValueId id) {
  const ValueId root = analysis_.root[size_t(id)];
  const ValueInfo& info = program_.values[size_t(root)];
  if (info.kind == ValueInfo::Kind::Output && program_.outputs[size_t(info.index)].data_dependent)
    check_limit(size_t(info.index), shape_of(root));
  if (analysis_.dynamic_value[size_t(root)] && state_.slots[size_t(root)] == nullptr)
    adopt(root, state_.cache.take(bytes_of(root)));
  return address(id);
}

void Executor::adopt(ValueId to, DynamicBlock block) {
  state_.slots[size_t(to)] = block.memory.get();
  state_.dynamic[size_t(to)] = std::move(block);
}

void Executor::release(ValueId id) {
  state_.slots[size_t(id)] = nullptr;
  DynamicBlock& block = state_.dynamic[size_t(id)];
  if (block.memory) state_.cache.give(std::exchange(block, {}));
}

bool Executor::owns_dynamic_memory(ValueId id) const {
  return analysis_.dynamic_value[size_t(id)] && program_.values[size_t(id)].kind == ValueInfo::Kind::Temporary;
}

Executor::Source Executor::source(ValueId from, ValueId to) const {
  Source result;
  result.data = address(from);
  result.bytes = bytes_of(from);
  if (analysis_.runtime_shape[size_t(from)] || analysis_.runtime_shape[size_t(to)]) result.dims = shape_of(from);
  if (owns_dynamic_memory(from)) result.owner = state_.dynamic[size_t(from)];
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
