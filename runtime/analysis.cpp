#include "runtime/analysis.h"

#include <algorithm>

#include "runtime/dims.h"

namespace sardonyx::runtime {

namespace {

class Analyser {
 public:
  Analyser(Analysis& result, const Program& program) : a_(result), program_(program) {}

  void run() {
    dims();
    values();
    walk(program_.main);
    a_.end = position_;
    for (size_t i = 0; i < program_.output_values.size(); ++i) {
      const ValueId id = program_.output_values[i];
      const ValueInfo& info = program_.values[size_t(id)];
      if (info.kind == ValueInfo::Kind::Output && info.index == int32_t(i)) continue;
      a_.copied_outputs.push_back(int32_t(i));
      used_at_block_end(id, 0);
      touch(id, a_.end);
    }
    for (ValueId id : uploaded_inputs_) touch(id, a_.end);
    releases();
    device_steps();
  }

 private:
  struct Frame {
    int32_t block;
    int32_t step;  // the step of the block being walked
  };
  struct OpenLoop {
    int32_t begin;
    std::vector<ValueId> captured;
  };

  void dims() {
    const size_t n = program_.dims.size();
    a_.runtime_dim.assign(n, 0);
    a_.dependents.resize(n);
    // Leaves of every runtime-dependent slot; such slots are few, so small sorted vectors do.
    std::vector<std::vector<DimId>> leaves(n);
    for (size_t i = 0; i < n; ++i) {
      const DimExpr& expr = program_.dims[i];
      if (expr.op == DimExpr::Op::Runtime) {
        a_.runtime_dim[i] = 1;
        a_.has_runtime_dims = true;
        leaves[i] = {DimId(i)};
        continue;
      }
      const int32_t operands[] = {expr.a, expr.b, expr.c};
      for (int k = 0; k < dim_operand_count(expr.op); ++k) {
        const auto& more = leaves[size_t(operands[k])];
        leaves[i].insert(leaves[i].end(), more.begin(), more.end());
      }
      std::sort(leaves[i].begin(), leaves[i].end());
      leaves[i].erase(std::unique(leaves[i].begin(), leaves[i].end()), leaves[i].end());
      a_.runtime_dim[i] = !leaves[i].empty();
      for (DimId leaf : leaves[i]) a_.dependents[size_t(leaf)].push_back(DimId(i));
    }
  }

  bool runtime(DimId id) const { return id >= 0 && a_.runtime_dim[size_t(id)]; }

  void values() {
    const size_t n = program_.values.size();
    a_.root.resize(n);
    a_.dynamic_value.assign(n, 0);
    a_.runtime_shape.assign(n, 0);
    a_.lifetime.resize(n);
    a_.access.resize(n);
    a_.device.resize(n);
    home_.assign(n, -1);
    last_step_.assign(n, -1);
    at_end_.assign(n, 0);
    for (size_t i = 0; i < n; ++i) {
      const ValueInfo& info = program_.values[i];
      a_.runtime_shape[i] = runtime(info.bytes) ||
                            std::any_of(info.dims.begin(), info.dims.end(), [&](DimId dim) { return runtime(dim); });
      ValueId root = ValueId(i);
      bool moving = false;  // some offset on the chain is known only at run time
      while (program_.values[size_t(root)].kind == ValueInfo::Kind::View) {
        moving |= runtime(program_.values[size_t(root)].byte_offset);
        root = program_.values[size_t(root)].base;
      }
      a_.root[i] = root;
      const ValueInfo& base = program_.values[size_t(root)];
      a_.device[i] = base.device;
      const bool own_shape_unknown =
          runtime(base.bytes) ||
          (base.bytes < 0 && std::any_of(base.dims.begin(), base.dims.end(), [&](DimId dim) { return runtime(dim); }));
      a_.dynamic_value[i] =
          moving || (base.kind == ValueInfo::Kind::Temporary && (own_shape_unknown || is_held(base.dtype)));
    }
  }

  // Memory of `id` is in use at `position`.
  void touch(ValueId id, int32_t position) {
    Lifetime& life = a_.lifetime[size_t(a_.root[size_t(id)])];
    life.first = std::min(life.first, position);
    life.last = std::max(life.last, position);
  }

  void define(ValueId id, int32_t position) {
    touch(id, position);
    const ValueId root = a_.root[size_t(id)];
    if (home_[size_t(root)] < 0) home_[size_t(root)] = stack_.back().block;
    Access& access = a_.access[size_t(root)];
    ++access.writers;
    access.last_write = std::max(access.last_write, position);
    note_step(root);
  }

  void use(ValueId id, int32_t position) {
    const ValueId root = a_.root[size_t(id)];
    touch(root, position);
    for (OpenLoop& loop : loops_) {
      if (outside(root, loop.begin)) {
        loop.captured.push_back(root);
        break;
      }
    }
    note_step(root);
  }

  bool outside(ValueId root, int32_t begin) const {
    const auto kind = program_.values[size_t(root)].kind;
    return kind == ValueInfo::Kind::Input || kind == ValueInfo::Kind::Constant ||
           a_.lifetime[size_t(root)].first < begin;
  }

  // Remembers which step of the value's own block used it last.
  void note_step(ValueId root) {
    for (const Frame& frame : stack_)
      if (frame.block == home_[size_t(root)]) last_step_[size_t(root)] = frame.step;
  }

  void used_at_block_end(ValueId id, int32_t block) {
    const ValueId root = a_.root[size_t(id)];
    if (home_[size_t(root)] == block) at_end_[size_t(root)] = 1;
  }

  bool step_is_dynamic(const Step& step) const {
    const auto dynamic_operand = [&](ValueId id) { return id >= 0 && a_.dynamic_value[size_t(id)] != 0; };
    const auto limited_output = [&](ValueId id) {
      const ValueInfo& info = program_.values[size_t(a_.root[size_t(id)])];
      return info.kind == ValueInfo::Kind::Output && program_.outputs[size_t(info.index)].data_dependent;
    };
    return std::any_of(step.inputs.begin(), step.inputs.end(), dynamic_operand) ||
           std::any_of(step.outputs.begin(), step.outputs.end(), dynamic_operand) ||
           std::any_of(step.outputs.begin(), step.outputs.end(), limited_output) ||
           std::any_of(step.dims.begin(), step.dims.end(), [&](DimId dim) { return runtime(dim); }) ||
           (step.op == Step::Op::Copy &&
            (a_.runtime_shape[size_t(step.inputs[0])] || is_held(program_.values[size_t(step.inputs[0])].dtype)));
  }

  int32_t walk(const Block& block) {
    const int32_t number = int32_t(a_.blocks.size());
    const uint32_t first = uint32_t(a_.steps.size());
    a_.blocks.push_back({&block, first, uint32_t(block.steps.size()), false, false, {}});
    a_.steps.resize(first + block.steps.size());
    stack_.push_back({number, -1});
    for (ValueId id : block.parameters)
      if (id >= 0) define(id, position_);
    for (size_t i = 0; i < block.steps.size(); ++i) {
      stack_.back().step = int32_t(first + i);
      walk_step(block.steps[i], first + uint32_t(i));
    }
    for (ValueId id : block.results) {
      if (id < 0) continue;
      use(id, position_);
      a_.access[size_t(a_.root[size_t(id)])].host_reads = true;
      used_at_block_end(id, number);
    }
    for (ValueId id : block.parameters)
      if (id >= 0) at_end_[size_t(a_.root[size_t(id)])] = 1;
    for (ValueId root : transferred_) {
      if (home_[size_t(root)] != number) continue;
      touch(root, position_);
      at_end_[size_t(root)] = 1;
    }
    stack_.pop_back();
    return number;
  }

  void walk_step(const Step& step, uint32_t number) {
    StepInfo info;
    info.step = &step;
    info.first_operand = uint32_t(a_.operands.size());
    info.first_dim = uint32_t(a_.dim_operands.size());
    info.position = position_;
    info.dynamic = step_is_dynamic(step);
    a_.operands.insert(a_.operands.end(), step.inputs.begin(), step.inputs.end());
    a_.operands.insert(a_.operands.end(), step.outputs.begin(), step.outputs.end());
    a_.dim_operands.insert(a_.dim_operands.end(), step.dims.begin(), step.dims.end());
    const int32_t begin = position_++;
    for (ValueId id : step.inputs)
      if (id >= 0) use(id, begin);
    for (ValueId id : step.outputs) define(id, begin);
    access(step, info);
    if (!step.blocks.empty()) walk_nested(step, info, begin);
    a_.steps[number] = std::move(info);
  }

  void access(const Step& step, StepInfo& info) {
    const auto on_host = [&](ValueId id) { return a_.device[size_t(id)] == 0; };
    const bool copy = step.op == Step::Op::Copy;
    info.on_device =
        copy ? !on_host(step.inputs[0]) || !on_host(step.outputs[0]) : step.op == Step::Op::Launch && step.device != 0;
    if (!info.on_device) {
      for (ValueId id : step.inputs)
        if (id >= 0) a_.access[size_t(a_.root[size_t(id)])].host_reads = true;
      for (ValueId id : step.outputs) a_.access[size_t(a_.root[size_t(id)])].host_writes = true;
    } else if (copy) {
      const ValueId from = a_.root[size_t(step.inputs[0])], to = a_.root[size_t(step.outputs[0])];
      if (on_host(to)) a_.access[size_t(to)].arrives = true;
      if (!on_host(from) && !on_host(to)) return;
      a_.blocks[size_t(stack_.back().block)].transfers = true;
      const ValueId host = on_host(from) ? from : to;
      if (program_.values[size_t(host)].kind == ValueInfo::Kind::Temporary) transferred_.push_back(host);
      if (program_.values[size_t(host)].kind == ValueInfo::Kind::Input) uploaded_inputs_.push_back(host);
    }
  }

  // What steps need to know of later ones.
  void device_steps() {
    for (const BlockInfo& block : a_.blocks) {
      const uint32_t end = block.first_step + block.step_count;
      for (uint32_t i = block.first_step; i < end; ++i) {
        StepInfo& info = a_.steps[i];
        info.submits = info.on_device && (i + 1 == end || !a_.steps[i + 1].on_device);
        for (ValueId id : info.step->inputs) info.awaits |= id >= 0 && a_.access[size_t(a_.root[size_t(id)])].arrives;
      }
    }
  }

  void walk_nested(const Step& step, StepInfo& info, int32_t begin) {
    const bool loop = step.op == Step::Op::Loop;
    if (loop) loops_.push_back({begin, {}});
    for (const auto& block : step.blocks) info.blocks.push_back(walk(*block));
    const int32_t end = position_++;
    for (ValueId id : step.outputs) touch(id, end);
    if (!loop) return;
    for (ValueId id : loops_.back().captured) touch(id, end);
    for (ValueId id : step.inputs)
      if (id >= 0) touch(id, end);
    loops_.pop_back();
    const Block& body = *step.blocks[0];
    for (ValueId id : body.parameters)
      if (id >= 0) touch(id, end);
    for (ValueId id : body.results)
      if (id >= 0) touch(id, end);
    a_.blocks[size_t(info.blocks[0])].rotates = rotates(body);
  }

  bool rotates(const Block& body) const {
    for (size_t k = 1; k < body.results.size() && k + 1 < body.parameters.size(); ++k) {
      if (body.results[k] == body.parameters[k + 1]) continue;
      const ValueId root = a_.root[size_t(body.results[k])];
      for (size_t p = 2; p < body.parameters.size(); ++p)
        if (root == a_.root[size_t(body.parameters[p])]) return true;
    }
    return false;
  }

  void releases() {
    for (size_t i = 0; i < program_.values.size(); ++i) {
      if (a_.root[i] != ValueId(i) || !a_.dynamic_value[i] || home_[i] < 0) continue;
      if (at_end_[i])
        a_.blocks[size_t(home_[i])].releases.push_back(ValueId(i));
      else
        a_.steps[size_t(last_step_[i])].releases.push_back(ValueId(i));
    }
    // Parameters outlive the iterations; the loop itself lets go of them.
    for (BlockInfo& info : a_.blocks)
      std::erase_if(info.releases, [&](ValueId id) {
        const auto& parameters = info.block->parameters;
        return std::find(parameters.begin(), parameters.end(), id) != parameters.end();
      });
  }

  Analysis& a_;
  const Program& program_;
  int32_t position_ = 0;
  std::vector<Frame> stack_;
  std::vector<OpenLoop> loops_;
  std::vector<int32_t> home_;       // block that defines the value
  std::vector<int32_t> last_step_;  // step of that block that uses it last
  std::vector<uint8_t> at_end_;
  std::vector<ValueId> transferred_, uploaded_inputs_;  // roots
};

}  // namespace

Analysis::Analysis(std::shared_ptr<const Program> the_program) : program(std::move(the_program)) {
  Analyser(*this, *program).run();
}

Analysis::Analysis(std::shared_ptr<const DeviceImage> the_image) : Analysis(the_image->program) {
  image = std::move(the_image);
}

}  // namespace sardonyx::runtime
