#include "compiler/tensor/interpret.h"

#include <algorithm>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "compiler/tensor/bytecode.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

namespace {

using Symbols = std::unordered_map<const expr::Variable*, int64_t>;

Dims evaluated(const std::vector<Expr>& dims, const Symbols& symbols) {
  Dims result;
  for (const Expr& dim : dims) result.push_back(expr::evaluate(dim, symbols));
  return result;
}

Value immediate(const Expr& e) {
  if (e->kind == expr::Kind::FloatImm) return {.f = e->float_value};
  return {.i = e->int_value};
}

// Sums and products of floats are kept in double and rounded once: the reference is more exact than any kernel.
Value combined(Reduce reduce, Value a, Value b, DType dtype) {
  using expr::Kind;
  if (!is_float(dtype)) {
    bool logic = dtype == DType::Bool;
    Kind kind = reduce == Reduce::Sum       ? (logic ? Kind::Or : Kind::Add)
                : reduce == Reduce::Product ? (logic ? Kind::And : Kind::Mul)
                : reduce == Reduce::Min     ? Kind::Min
                                            : Kind::Max;
    return {.i = expr::integer(kind, a.i, b.i, dtype)};
  }
  switch (reduce) {
    case Reduce::Sum:
      return {.f = a.f + b.f};
    case Reduce::Product:
      return {.f = a.f * b.f};
    default:
      return {.f = expr::floating(reduce == Reduce::Min ? Kind::Min : Kind::Max, a.f, b.f, DType::F64)};
  }
}

// The loops of a stage as an odometer: axes (the scan axis first), then reduce axes. Level k + 1 belongs to loop k.
class StageRun {
 public:
  StageRun(const Stage& stage, const Symbols& symbols, const Memory& memory, Tensor& output)
      : stage_(stage), output_(output), dtype_(stage.output->dtype) {
    std::vector<size_t> order;
    for (size_t i = 0; i < stage.axes.size(); ++i) order.push_back(i);
    if (stage.scan_axis >= 0)
      std::rotate(order.begin(), order.begin() + stage.scan_axis, order.begin() + stage.scan_axis + 1);
    std::vector<int64_t> strides(stage.axes.size(), 1);
    for (size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * output.dims()[i];
    std::vector<VarPtr> loops;
    for (size_t i : order) {
      loops.push_back(stage.axes[i].var);
      extents_.push_back(expr::evaluate(stage.axes[i].extent, symbols));
      check(extents_.back() <= output.dims()[i], "stage ", stage.name, " runs past its buffer");
      strides_.push_back(strides[i]);
    }
    for (const Axis& axis : stage.reduce_axes) {
      loops.push_back(axis.var);
      extents_.push_back(expr::evaluate(axis.extent, symbols));
    }
    outer_ = stage.axes.size();
    const expr::Buffer* varying = stage.scan_axis >= 0 ? stage.output.get() : nullptr;
    code_ = compile(stage.body, loops, symbols, memory, varying);
    for (size_t i = 0; i < extents_.size(); ++i) (i < outer_ ? is_empty_ : reduces_nothing_) |= extents_[i] <= 0;
  }

  void run() {
    if (is_empty_) return;
    if (!reduces_nothing_) run_levels(0);
    const bool reduces = stage_.reduce != Reduce::None;
    const Value identity = reduces ? immediate(identity_of(stage_.reduce, dtype_)) : Value{.i = 0};
    do {
      Value value = identity;
      if (!reduces)
        value = code_.registers[code_.result];
      else if (!reduces_nothing_)
        value = reduced(identity);
      store_element(output_.raw(), dtype_, offset(), value);
    } while (advance(0, outer_));
  }

 private:
  Value reduced(Value value) {
    do value = combined(stage_.reduce, value, code_.registers[code_.result], dtype_);
    while (advance(outer_, extents_.size()));
    return value;
  }

  int64_t& position(size_t loop) { return code_.registers[code_.variables[loop]].i; }

  int64_t offset() {
    int64_t result = 0;
    for (size_t i = 0; i < outer_; ++i) result += position(i) * strides_[i];
    return result;
  }

  void run_levels(size_t first) {
    for (size_t level = first; level < code_.levels.size(); ++level) tensor::run(code_, level);
  }

  // The next position of loops [begin, end); false when they start over.
  bool advance(size_t begin, size_t end) {
    for (size_t i = end; i-- > begin;) {
      if (++position(i) < extents_[i]) {
        if (!reduces_nothing_) run_levels(i + 1);
        return true;
      }
      position(i) = 0;
    }
    return false;
  }

  const Stage& stage_;
  Tensor& output_;
  DType dtype_;
  std::vector<int64_t> extents_, strides_;
  size_t outer_ = 0;
  bool is_empty_ = false, reduces_nothing_ = false;
  Code code_;
};

void attach(Memory& memory, const BufferPtr& buffer, const Tensor& tensor) {
  memory[buffer.get()] = {tensor.raw(), tensor.dtype(), tensor.dims()};
}

}  // namespace

std::vector<Tensor> interpret(const Program& program, std::span<const Tensor> inputs,
                              std::span<const int64_t> symbols) {
  check(inputs.size() == program.inputs.size(), "a program of ", program.inputs.size(), " inputs got ", inputs.size());
  check(symbols.size() == program.symbols.size(), "a program of ", program.symbols.size(), " symbols got ",
        symbols.size());
  Symbols values;
  for (size_t i = 0; i < symbols.size(); ++i) values[program.symbols[i].get()] = symbols[i];
  Memory memory;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const expr::Buffer& buffer = *program.inputs[i];
    Dims dims = evaluated(buffer.dims, values);
    check(inputs[i].dtype() == buffer.dtype && inputs[i].dims() == dims, "input ", buffer.name, " expects ",
          dtype_name(buffer.dtype), dims, ", got ", dtype_name(inputs[i].dtype()), inputs[i].dims());
    attach(memory, program.inputs[i], inputs[i]);
  }
  std::unordered_map<const expr::Buffer*, Tensor> results;
  for (const Stage& stage : program.stages) {
    Tensor& output = results[stage.output.get()] = Tensor(stage.output->dtype, evaluated(stage.output->dims, values));
    attach(memory, stage.output, output);
    try {
      StageRun(stage, values, memory, output).run();
    } catch (Error& error) {
      error.add_context(str("in stage ", stage.name));
      throw;
    }
  }
  std::vector<Tensor> outputs;
  for (const BufferPtr& buffer : program.outputs) outputs.push_back(results.at(buffer.get()));
  return outputs;
}

}  // namespace sardonyx::tensor
