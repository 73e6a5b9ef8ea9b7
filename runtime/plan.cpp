#include "runtime/plan.h"

#include <algorithm>
#include <cstring>

#include "runtime/memory.h"
#include "runtime/memory_plan.h"

namespace sardonyx::runtime {

namespace {
constexpr int64_t byte_limit = int64_t{1} << 47;
// Assumed costs of work whose size is unknown at plan time.
constexpr double unknown_launch_ns = 5'000;
constexpr double host_call_ns = 5'000;
constexpr double loop_ns = 10 * inline_cost_ns;
constexpr double split_cost_ns = 4'000;
// The host's part of a command for a device.
constexpr double submit_ns = 3'000;

class CopyInvocation final : public HostInvocation {
 public:
  explicit CopyInvocation(int64_t bytes) : bytes_(bytes) {
    grid = (bytes + piece - 1) / piece;
    cost_ns = 20 + double(bytes) / 10;
  }
  int32_t run(void* const* buffers, const int64_t*, void*, int64_t begin, int64_t end) const noexcept override {
    const int64_t first = begin * piece;
    const int64_t count = std::min(end * piece, bytes_) - first;
    if (count > 0 && buffers[0] != buffers[1])
      std::memmove(static_cast<uint8_t*>(buffers[1]) + first, static_cast<const uint8_t*>(buffers[0]) + first,
                   size_t(count));
    return KernelOk;
  }

 private:
  static constexpr int64_t piece = 32 << 10;
  int64_t bytes_;
};

std::string dim_text(const Program& program, DimId id, size_t axis) {
  const std::string& name = program.dims[size_t(id)].name;
  return name.empty() ? str("dimension ", axis) : str("dimension `", name, "`");
}

class Planner {
 public:
  Planner(Plan& plan) : plan_(plan), analysis_(*plan.analysis), program_(*analysis_.program) {}

  void run() {
    sizes();
    plan_.arena_offset.assign(program_.values.size(), -1);
    plan_.arena_bytes = arena(0);
    require(plan_.arena_bytes <= physical_memory(), Status::UnsupportedShape, "a run needs ", plan_.arena_bytes,
            " bytes of memory, more than the machine has");
    plan_.device_arena_bytes.resize(program_.devices.size());
    for (size_t d = 1; d < program_.devices.size(); ++d) plan_.device_arena_bytes[d] = arena(int32_t(d));
    views();
    patches();
    commands();
  }

 private:
  bool is_static(DimId id) const { return id < 0 || !analysis_.runtime_dim[size_t(id)]; }

  void sizes() {
    bytes_.assign(program_.values.size(), -1);
    for (size_t i = 0; i < program_.values.size(); ++i) {
      if (analysis_.runtime_shape[i]) continue;
      try {
        bytes_[i] = value_bytes(program_, plan_.dims, ValueId(i));
      } catch (const Error& error) {
        impossible_.emplace(ValueId(i), error);  // fails the steps that touch it
      }
    }
  }

  bool in_arena(ValueId id, int32_t device) const {
    const ValueInfo& info = program_.values[size_t(id)];
    return info.kind == ValueInfo::Kind::Temporary && info.device == device && !analysis_.dynamic_value[size_t(id)] &&
           analysis_.lifetime[size_t(id)].last >= 0;
  }

  int64_t root_bytes(ValueId id) const {
    if (bytes_[size_t(id)] >= 0) return bytes_[size_t(id)];
    if (impossible_.contains(id)) return 0;
    return dim_value(program_, plan_.dims, program_.values[size_t(id)].bytes);  // known size, unknown logical shape
  }

  // Places the temporaries of a device; answers the size of its arena.
  int64_t arena(int32_t device) {
    const size_t n = program_.values.size();
    std::vector<int32_t> group(n, -1);
    std::vector<ArenaBlock> blocks;
    for (size_t i = 0; i < n; ++i) {
      if (!in_arena(ValueId(i), device)) continue;
      const Lifetime& life = analysis_.lifetime[i];
      group[i] = int32_t(blocks.size());
      blocks.push_back({root_bytes(ValueId(i)), life.first, life.last, 0});
    }
    share_in_place(group, blocks);
    const int64_t bytes = pack(blocks);
    for (size_t i = 0; i < n; ++i)
      if (group[i] >= 0) plan_.arena_offset[i] = blocks[size_t(group[i])].offset;
    return bytes;
  }

  static int64_t pack(std::vector<ArenaBlock>& blocks) {
    std::vector<ArenaBlock> live;
    std::vector<size_t> index;
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].last < blocks[i].first) continue;  // merged into another
      live.push_back(blocks[i]);
      index.push_back(i);
    }
    const int64_t bytes = assign_offsets(live);
    for (size_t k = 0; k < live.size(); ++k) blocks[index[k]].offset = live[k].offset;
    return bytes;
  }

  // A launch that may overwrite an operand gives its result that operand's memory when nobody reads it afterwards.
  void share_in_place(std::vector<int32_t>& group, std::vector<ArenaBlock>& blocks) {
    for (const StepInfo& info : analysis_.steps) {
      for (const InPlace& pair : info.step->in_place) {
        const ValueId in = info.step->inputs[size_t(pair.input)], out = info.step->outputs[size_t(pair.output)];
        const ValueId in_root = analysis_.root[size_t(in)];
        if (program_.values[size_t(out)].kind != ValueInfo::Kind::Temporary) continue;
        if (group[size_t(out)] < 0 || group[size_t(in_root)] < 0) continue;
        const int32_t target = group[size_t(in_root)];
        ArenaBlock& from = blocks[size_t(target)];
        ArenaBlock& to = blocks[size_t(group[size_t(out)])];
        if (from.last != info.position || to.first != info.position) continue;
        if (root_bytes(out) != root_bytes(in_root) || program_.values[size_t(in)].kind == ValueInfo::Kind::View)
          continue;
        const auto others = std::count_if(info.step->inputs.begin(), info.step->inputs.end(), [&](ValueId id) {
          return id >= 0 && group[size_t(analysis_.root[size_t(id)])] == target;
        });
        const auto writers = std::count_if(info.step->outputs.begin(), info.step->outputs.end(), [&](ValueId id) {
          return group[size_t(analysis_.root[size_t(id)])] == target;
        });
        if (others != 1 || writers != 0) continue;
        from.last = to.last;
        to.first = INT32_MAX;
        to.last = -1;
        group[size_t(out)] = target;
      }
    }
  }

  void views() {
    const size_t n = program_.values.size();
    plan_.view_offset.assign(n, 0);
    for (size_t i = 0; i < n; ++i) {
      int64_t offset = 0;
      bool known = true;
      for (ValueId id = ValueId(i); program_.values[size_t(id)].kind == ValueInfo::Kind::View;
           id = program_.values[size_t(id)].base) {
        const DimId slot = program_.values[size_t(id)].byte_offset;
        if (slot < 0) continue;
        known &= is_static(slot);
        if (known) offset += dim_value(program_, plan_.dims, slot);
      }
      if (!known) continue;
      plan_.view_offset[i] = offset;
      const ValueId root = analysis_.root[i];
      if (bytes_[i] >= 0 && bytes_[size_t(root)] >= 0 && root != ValueId(i))
        check(offset >= 0 && offset + bytes_[i] <= bytes_[size_t(root)], "view `", program_.values[i].name,
              "` leaves its base");
    }
  }

  void patches() {
    plan_.input_patches.resize(program_.inputs.size());
    plan_.output_patches.resize(program_.outputs.size());
    const uint32_t values = uint32_t(program_.values.size());
    for (uint32_t i = 0; i < values; ++i) add_patch(i, ValueId(i));
    for (size_t k = 0; k < analysis_.operands.size(); ++k)
      if (analysis_.operands[k] >= 0) add_patch(values + uint32_t(k), analysis_.operands[k]);
  }

  void add_patch(uint32_t slot, ValueId id) {
    if (analysis_.dynamic_value[size_t(id)]) return;
    const ValueInfo& root = program_.values[size_t(analysis_.root[size_t(id)])];
    const Patch patch{slot, plan_.view_offset[size_t(id)]};
    if (root.kind == ValueInfo::Kind::Input) plan_.input_patches[size_t(root.index)].push_back(patch);
    if (root.kind == ValueInfo::Kind::Output) plan_.output_patches[size_t(root.index)].push_back(patch);
  }

  void commands() {
    plan_.dim_operands.reserve(analysis_.dim_operands.size());
    for (DimId id : analysis_.dim_operands) plan_.dim_operands.push_back(plan_.dims.value[size_t(id)]);
    plan_.commands.resize(analysis_.steps.size());
    for (size_t i = 0; i < analysis_.steps.size(); ++i) {
      try {
        command(uint32_t(i));
      } catch (Error& error) {
        const bool nested = i >= analysis_.blocks[0].step_count;
        if (!nested) {
          error.add_context(str("while planning '", analysis_.steps[i].step->label, "'"));
          throw;
        }
        plan_.commands[i].ready = false;
        plan_.deferred.emplace(uint32_t(i), error);
      }
    }
    plan_.cost_ns = block_cost(0);
  }

  void require_possible(const Step& step) const {
    if (impossible_.empty()) return;
    for (const auto* operands : {&step.inputs, &step.outputs})
      for (ValueId id : *operands)
        if (const auto found = impossible_.find(id); found != impossible_.end()) throw Error(found->second);
  }

  bool gives_nothing(const Step& step) const {
    return !step.outputs.empty() &&
           std::all_of(step.outputs.begin(), step.outputs.end(), [&](ValueId id) { return bytes_[size_t(id)] == 0; });
  }

  void command(uint32_t number) {
    const StepInfo& info = analysis_.steps[number];
    Command& command = plan_.commands[number];
    command.step = number;
    command.first_operand = info.first_operand;
    command.dims = plan_.dim_operands.data() + info.first_dim;
    require_possible(*info.step);
    if (info.step->op == Step::Op::Check)
      for (DimId id : info.step->dims)
        if (is_static(id)) dim_value(program_, plan_.dims, id);
    const bool launch = info.step->op == Step::Op::Launch;
    if (info.dynamic || (!launch && (info.step->op != Step::Op::Copy || info.on_device))) return;
    std::shared_ptr<const Invocation> invocation;
    if (launch && gives_nothing(*info.step)) {
      invocation = make_copy(0);  // a loop around no elements may be of any length
    } else if (launch) {
      for (DimId id : info.step->dims) dim_value(program_, plan_.dims, id);
      invocation = info.step->kernel->prepare({command.dims, info.step->dims.size()});
      if (!info.on_device) check_on_host(*info.step->kernel, *invocation);
    } else {
      invocation = make_copy(bytes_[size_t(info.step->inputs[0])]);
    }
    command.invocation = invocation.get();
    command.grid = invocation->grid;
    if (!info.on_device) {
      command.ready = info.releases.empty() && !info.awaits;
      plan_.scratch_bytes = std::max(plan_.scratch_bytes, invocation->scratch_bytes);
      plan_.parallel |= invocation->cost_ns > split_cost_ns && invocation->grid > 1;
    }
    command.owner = uint32_t(plan_.invocations.size());
    plan_.invocations.push_back(std::move(invocation));
  }

  double block_cost(int32_t number) const {
    const BlockInfo& block = analysis_.blocks[size_t(number)];
    double total = 0;
    for (uint32_t i = block.first_step; i < block.first_step + block.step_count; ++i) {
      const StepInfo& info = analysis_.steps[i];
      switch (info.step->op) {
        case Step::Op::Launch:
        case Step::Op::Copy: {
          const Invocation* invocation = plan_.commands[i].invocation;
          total += info.on_device ? submit_ns : invocation ? invocation->cost_ns : unknown_launch_ns;
          break;
        }
        case Step::Op::HostCall:
          total += host_call_ns;
          break;
        case Step::Op::If:
          total += std::max(block_cost(info.blocks[0]), block_cost(info.blocks[1]));
          // Branches with work for devices may wait for it, which is not for a host's thread.
          if (analysis_.image != nullptr) total += loop_ns;
          break;
        case Step::Op::Loop:
          total += loop_ns;
          break;
        default:
          break;
      }
    }
    return total;
  }

  Plan& plan_;
  const Analysis& analysis_;
  const Program& program_;
  std::vector<int64_t>& bytes_ = plan_.bytes;
  std::map<ValueId, Error> impossible_;  // values whose size has no sense with these shapes
};

}  // namespace

DimValues bind_dims(const Analysis& analysis, std::span<const std::span<const int64_t>> input_shapes) {
  const Program& program = *analysis.program;
  check(input_shapes.size() == program.inputs.size(), "expected ", program.inputs.size(), " inputs");
  for (size_t i = 0; i < program.inputs.size(); ++i)
    require(input_shapes[i].size() == program.inputs[i].dims.size(), Status::MismatchingShape, "input `",
            program.inputs[i].name, "` has rank ", input_shapes[i].size(), " but the model declares rank ",
            program.inputs[i].dims.size());
  DimValues dims(program.dims.size());
  for (size_t i = 0; i < program.dims.size(); ++i) {
    const DimExpr& expr = program.dims[i];
    if (expr.op == DimExpr::Op::Input)
      dims.set(DimId(i), input_shapes[size_t(expr.a)][size_t(expr.axis)]);
    else
      evaluate_dim(expr, DimId(i), dims);
  }
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const IoInfo& input = program.inputs[i];
    for (size_t axis = 0; axis < input.dims.size(); ++axis) {
      const int64_t given = input_shapes[i][axis], expected = dims.value[size_t(input.dims[axis])];
      if (given == expected) continue;
      const bool fixed = program.dims[size_t(input.dims[axis])].op == DimExpr::Op::Constant;
      fail(Status::MismatchingShape, dim_text(program, input.dims[axis], axis), " of input `", input.name, "` is ",
           given, " but ", expected, fixed ? " in the model" : " elsewhere");
    }
  }
  for (const DimEquality& equality : program.equalities) {
    if (analysis.runtime_dim[size_t(equality.left)] || analysis.runtime_dim[size_t(equality.right)]) continue;
    const int64_t left = dim_value(program, dims, equality.left), right = dim_value(program, dims, equality.right);
    require(left == right, Status::MismatchingShape, equality.text, ": ", left, " is not ", right);
  }
  return dims;
}

std::vector<Dims> output_shapes(const Analysis& analysis, const DimValues& dims) {
  const Program& program = *analysis.program;
  std::vector<Dims> shapes;
  for (const IoInfo& output : program.outputs) {
    Dims& shape = shapes.emplace_back();
    for (DimId id : output.dims) {
      const bool known = !analysis.runtime_dim[size_t(id)];
      shape.push_back(known ? dim_value(program, dims, id) : -1);
      require(!known || shape.back() >= 0, Status::MismatchingShape, "output `", output.name,
              "` gets the negative dimension ", shape.back());
    }
  }
  return shapes;
}

void check_output_shape(const Plan& plan, size_t index, std::span<const int64_t> given) {
  const Dims& expected = plan.output_shapes[index];
  const IoInfo& output = plan.analysis->program->outputs[index];
  const bool same = output.data_dependent ? given.size() == expected.size() : std::ranges::equal(given, expected);
  if (same) return;
  fail(Status::MismatchingShape, "output `", output.name, "` has shape [", join(expected, ","), "], not [",
       join(given, ","), "]");
}

int64_t value_bytes(const Program& program, const DimValues& dims, ValueId id) {
  const ValueInfo& info = program.values[size_t(id)];
  int64_t bytes = 0;
  if (info.bytes >= 0) {
    bytes = dim_value(program, dims, info.bytes);
  } else {
    bytes = int64_t(size_of(info.dtype));
    for (DimId dim : info.dims) {
      const int64_t extent = dim_value(program, dims, dim);
      require(extent >= 0, Status::UnsupportedShape, "`", info.name, "` gets the negative dimension ", extent);
      require(!__builtin_mul_overflow(bytes, extent, &bytes), Status::UnsupportedShape, "`", info.name,
              "` is too large");
    }
  }
  require(bytes >= 0 && bytes <= byte_limit, Status::UnsupportedShape, "`", info.name, "` gets a size of ", bytes,
          " bytes");
  return bytes;
}

void check_on_host(const Kernel& kernel, const Invocation& invocation) {
  check(dynamic_cast<const HostInvocation*>(&invocation) != nullptr, "kernel '", kernel.name(),
        "' is not one of the host's");
}

std::shared_ptr<const HostInvocation> make_copy(int64_t bytes) { return std::make_shared<CopyInvocation>(bytes); }

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const Analysis> analysis,
                                      std::span<const std::span<const int64_t>> input_shapes) {
  auto plan = std::make_shared<Plan>();
  plan->analysis = std::move(analysis);
  plan->dims = bind_dims(*plan->analysis, input_shapes);
  for (auto shape : input_shapes) plan->input_shapes.emplace_back(shape.begin(), shape.end());
  plan->output_shapes = output_shapes(*plan->analysis, plan->dims);
  std::map<std::string, Dims> shapes;
  bool known = true;
  for (size_t i = 0; i < plan->output_shapes.size(); ++i) {
    const Dims& shape = plan->output_shapes[i];
    known &= std::find(shape.begin(), shape.end(), -1) == shape.end();
    shapes[plan->analysis->program->outputs[i].name] = shape;
  }
  if (known) plan->shape_map = std::make_shared<const std::map<std::string, Dims>>(std::move(shapes));
  Planner(*plan).run();
  return plan;
}

}  // namespace sardonyx::runtime
