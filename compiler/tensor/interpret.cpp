// A stage's body is compiled once to a tape of register instructions, then run for every point. Shared sub-expressions
// are computed once per point; the arms of a Select are jumped over, so an untaken Load cannot fault.
#include "compiler/tensor/interpret.h"

#include <cmath>
#include <unordered_map>

#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

using expr::Function;
using expr::Kind;

namespace {

union Register {
  int64_t i;
  double f;
};

struct Instruction {
  enum class Op : uint8_t {
    Integer,
    Floating,
    CompareInt,
    CompareFloat,
    Not,
    Cast,
    Load,
    IntCall,
    FloatCall,
    Test,
    Move,
    Jump,
    JumpUnless
  } op;
  Kind kind = Kind::Add;
  Function function = Function::Abs;
  DType dtype = DType::I64;  // of the operands
  DType to = DType::I64;     // of the result (Cast)
  int target = 0;            // register, or instruction for jumps
  int a = 0, b = 0, c = 0;
  int buffer = 0;          // Load
  std::vector<int> index;  // Load
};

// A buffer's memory during the run.
struct Memory {
  Tensor tensor;
  std::string name;
};

class Tape {
 public:
  std::vector<Instruction> code;
  std::vector<Register> registers;

  int constant(Register value) {
    registers.push_back(value);
    return int(registers.size()) - 1;
  }

  void run(const std::vector<Memory>& memory) {
    Register* r = registers.data();
    for (size_t pc = 0; pc < code.size(); ++pc) {
      const Instruction& in = code[pc];
      switch (in.op) {
        case Instruction::Op::Integer:
          if (in.kind >= Kind::Div && in.kind <= Kind::TruncRem)
            require(r[in.b].i != 0, Status::InternalError, "integer division by zero");
          r[in.target].i = expr::integer(in.kind, r[in.a].i, r[in.b].i, in.dtype);
          break;
        case Instruction::Op::Floating:
          r[in.target].f = expr::floating(in.kind, r[in.a].f, r[in.b].f, in.dtype);
          break;
        case Instruction::Op::CompareInt:
          r[in.target].i = expr::integer(in.kind, r[in.a].i, r[in.b].i, in.dtype);
          break;
        case Instruction::Op::CompareFloat:
          r[in.target].i = expr::compare(in.kind, r[in.a].f, r[in.b].f);
          break;
        case Instruction::Op::Not:
          r[in.target].i = !r[in.a].i;
          break;
        case Instruction::Op::Cast:
          convert(in, r);
          break;
        case Instruction::Op::Load:
          read(in, memory[size_t(in.buffer)], r);
          break;
        case Instruction::Op::IntCall:
          if (in.function == Function::Fmod) require(r[in.b].i != 0, Status::InternalError, "integer division by zero");
          r[in.target].i = expr::integer_function(in.function, r[in.a].i, r[in.b].i, r[in.c].i, in.dtype);
          break;
        case Instruction::Op::FloatCall:
          r[in.target].f = expr::float_function(in.function, r[in.a].f, r[in.b].f, r[in.c].f, in.dtype);
          break;
        case Instruction::Op::Test:
          r[in.target].i = in.function == Function::IsNan ? std::isnan(r[in.a].f) : std::isinf(r[in.a].f);
          break;
        case Instruction::Op::Move:
          r[in.target] = r[in.a];
          break;
        case Instruction::Op::Jump:
          pc = size_t(in.target) - 1;
          break;
        case Instruction::Op::JumpUnless:
          if (!r[in.a].i) pc = size_t(in.target) - 1;
          break;
      }
    }
  }

 private:
  static void convert(const Instruction& in, Register* r) {
    bool from_float = is_float(in.dtype), to_float = is_float(in.to);
    if (from_float && to_float)
      r[in.target].f = expr::round_to(r[in.a].f, in.to);
    else if (from_float)
      r[in.target].i = expr::float_to_int(r[in.a].f, in.to);
    else if (to_float)
      r[in.target].f = expr::int_to_float(r[in.a].i, in.dtype, in.to);
    else
      r[in.target].i = expr::wrap(r[in.a].i, in.to);
  }

  static void read(const Instruction& in, const Memory& memory, Register* r) {
    const Tensor& tensor = memory.tensor;
    int64_t offset = 0;
    for (size_t d = 0; d < in.index.size(); ++d) {
      int64_t i = r[in.index[d]].i, extent = tensor.dims()[d];
      require(i >= 0 && i < extent, Status::InternalError, "index ", i, " of dim ", d, " of '", memory.name,
              "' is out of [0, ", extent, ")");
      offset = offset * extent + i;
    }
    if (is_float(in.dtype))
      r[in.target].f = tensor.as_double(offset);
    else
      r[in.target].i = tensor.as_int(offset);
  }
};

class Compiler {
 public:
  Compiler(Tape& tape, const std::unordered_map<const expr::Buffer*, int>& buffers) : tape_(tape), buffers_(buffers) {
    scopes_.emplace_back();
  }

  int variable(const expr::Variable* var) {
    auto [entry, added] = variables_.try_emplace(var, 0);
    if (added) entry->second = tape_.constant({.i = 0});
    return entry->second;
  }

  int compile(const Expr& e) {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      auto found = scope->find(e.get());
      if (found != scope->end()) return found->second;
    }
    int result = emit(e);
    scopes_.back()[e.get()] = result;
    return result;
  }

 private:
  int emit(const Expr& e) {
    using Op = Instruction::Op;
    check(e->type.lanes == 1, "the interpreter runs scalar programs");
    DType operand = e->args.empty() ? e->type.dtype : e->args[0]->type.dtype;
    bool floats = is_float(operand);
    switch (e->kind) {
      case Kind::IntImm:
        return tape_.constant({.i = e->int_value});
      case Kind::FloatImm:
        return tape_.constant({.f = e->float_value});
      case Kind::Var:
        return variable(e->var.get());
      case Kind::Cast: {
        Instruction in = begin(Op::Cast, e);
        in.to = e->type.dtype;
        return push(in);
      }
      case Kind::Not:
        return push(begin(Op::Not, e));
      case Kind::Eq:
      case Kind::Ne:
      case Kind::Lt:
      case Kind::Le:
        return push(begin(floats ? Op::CompareFloat : Op::CompareInt, e));
      case Kind::Select:
        return emit_select(e);
      case Kind::Load: {
        Instruction in;
        in.op = Op::Load;
        in.dtype = e->type.dtype;
        in.buffer = buffers_.at(e->buffer.get());
        for (const Expr& i : e->args) in.index.push_back(compile(i));
        return push(in);
      }
      case Kind::Call: {
        bool test = e->function == Function::IsNan || e->function == Function::IsInf;
        check(!expr::is_horizontal(e->function) && e->function != Function::Bits,
              "the interpreter runs unscheduled programs");
        Instruction in = begin(test ? Op::Test : floats ? Op::FloatCall : Op::IntCall, e);
        in.function = e->function;
        return push(in);
      }
      default:
        return push(begin(floats ? Op::Floating : Op::Integer, e));
    }
  }

  Instruction begin(Instruction::Op op, const Expr& e) {
    Instruction in;
    in.op = op;
    in.kind = e->kind;
    in.dtype = e->args[0]->type.dtype;
    in.a = compile(e->args[0]);
    if (e->args.size() > 1) in.b = compile(e->args[1]);
    if (e->args.size() > 2) in.c = compile(e->args[2]);
    return in;
  }

  int push(Instruction in) {
    in.target = tape_.constant({.i = 0});
    tape_.code.push_back(in);
    return in.target;
  }

  int emit_select(const Expr& e) {
    int condition = compile(e->args[0]), result = tape_.constant({.i = 0});
    size_t skip = jump(Instruction::Op::JumpUnless, condition);
    arm(e->args[1], result);
    size_t leave = jump(Instruction::Op::Jump, 0);
    tape_.code[skip].target = int(tape_.code.size());
    arm(e->args[2], result);
    tape_.code[leave].target = int(tape_.code.size());
    return result;
  }

  size_t jump(Instruction::Op op, int condition) {
    Instruction in;
    in.op = op;
    in.a = condition;
    tape_.code.push_back(in);
    return tape_.code.size() - 1;
  }

  // Values computed in an arm are not there when the arm is skipped: they stay in a scope of their own.
  void arm(const Expr& e, int result) {
    scopes_.emplace_back();
    Instruction move;
    move.op = Instruction::Op::Move;
    move.a = compile(e);
    move.target = result;
    tape_.code.push_back(move);
    scopes_.pop_back();
  }

  Tape& tape_;
  const std::unordered_map<const expr::Buffer*, int>& buffers_;
  std::unordered_map<const expr::Variable*, int> variables_;
  std::vector<std::unordered_map<const expr::Node*, int>> scopes_;
};

void store(Tensor& tensor, int64_t offset, Register value, DType dtype) {
  if (is_float(dtype))
    tensor.set_double(offset, value.f);
  else
    tensor.set_int(offset, value.i);
}

// Advances a multi-index; false after the last one.
bool advance(std::vector<int64_t>& index, const std::vector<int64_t>& extents) {
  for (size_t d = index.size(); d-- > 0;) {
    if (++index[d] < extents[d]) return true;
    index[d] = 0;
  }
  return false;
}

class Interpreter {
 public:
  Interpreter(const Program& program, std::span<const int64_t> symbols) {
    check(symbols.size() == program.symbols.size(), "program has ", program.symbols.size(), " symbols");
    for (size_t i = 0; i < symbols.size(); ++i) values_[program.symbols[i].get()] = symbols[i];
  }

  void bind(const BufferPtr& buffer, Tensor tensor) {
    numbers_[buffer.get()] = int(memory_.size());
    memory_.push_back({std::move(tensor), buffer->name});
  }

  Tensor allocate(const BufferPtr& buffer) const {
    Dims dims;
    for (const Expr& dim : buffer->dims) dims.push_back(expr::evaluate(dim, values_));
    return Tensor(buffer->dtype, dims);
  }

  void run(const Stage& stage) {
    bind(stage.output, allocate(stage.output));
    Tape tape;
    Compiler compiler(tape, numbers_);
    for (const auto& [symbol, value] : values_) tape.registers[size_t(compiler.variable(symbol))].i = value;
    std::vector<int> axes, inner;
    std::vector<int64_t> extents, inner_extents;
    for (const Axis& axis : stage.axes)
      axes.push_back(compiler.variable(axis.var.get())), extents.push_back(expr::evaluate(axis.extent, values_));
    for (const Axis& axis : stage.reduce_axes)
      inner.push_back(compiler.variable(axis.var.get())), inner_extents.push_back(expr::evaluate(axis.extent, values_));
    int body = compiler.compile(stage.body);
    points(stage, tape, body, axes, extents, inner, inner_extents);
  }

  const Tensor& tensor(const BufferPtr& buffer) const { return memory_[size_t(numbers_.at(buffer.get()))].tensor; }

 private:
  void points(const Stage& stage, Tape& tape, int body, const std::vector<int>& axes,
              const std::vector<int64_t>& extents, const std::vector<int>& inner,
              const std::vector<int64_t>& inner_extents) {
    Tensor& output = memory_.back().tensor;
    if (output.count() == 0) return;
    DType dtype = stage.output->dtype;
    bool floats = is_float(dtype), reduces = stage.reduce != Reduce::None;
    Kind kind = stage.reduce == Reduce::Sum       ? Kind::Add
                : stage.reduce == Reduce::Product ? Kind::Mul
                : stage.reduce == Reduce::Max     ? Kind::Max
                                                  : Kind::Min;
    bool empty = false;
    for (int64_t extent : inner_extents) empty |= extent == 0;
    Expr identity = reduces ? identity_of(stage.reduce, dtype) : Expr(0);
    std::vector<int64_t> index(axes.size(), 0), deep(inner.size(), 0);
    int64_t offset = 0;
    do {
      for (size_t d = 0; d < axes.size(); ++d) tape.registers[size_t(axes[d])].i = index[d];
      Register value;
      if (!reduces) {
        tape.run(memory_);
        value = tape.registers[size_t(body)];
      } else {
        if (floats)
          value.f = identity->float_value;
        else
          value.i = identity->int_value;
        if (!empty) {
          std::fill(deep.begin(), deep.end(), 0);
          do {
            for (size_t d = 0; d < inner.size(); ++d) tape.registers[size_t(inner[d])].i = deep[d];
            tape.run(memory_);
            Register point = tape.registers[size_t(body)];
            if (floats)
              value.f = expr::floating(kind, value.f, point.f, dtype);
            else
              value.i = expr::integer(kind, value.i, point.i, dtype);
          } while (advance(deep, inner_extents));
        }
      }
      store(output, offset++, value, dtype);
    } while (advance(index, extents));
  }

  std::unordered_map<const expr::Variable*, int64_t> values_;
  std::unordered_map<const expr::Buffer*, int> numbers_;
  std::vector<Memory> memory_;
};

}  // namespace

std::vector<Tensor> interpret(const Program& program, std::span<const Tensor> inputs,
                              std::span<const int64_t> symbols) {
  check(inputs.size() == program.inputs.size(), "program has ", program.inputs.size(), " inputs");
  Interpreter interpreter(program, symbols);
  for (size_t i = 0; i < inputs.size(); ++i) interpreter.bind(program.inputs[i], inputs[i]);
  for (const Stage& stage : program.stages) interpreter.run(stage);
  std::vector<Tensor> outputs;
  for (const BufferPtr& buffer : program.outputs) outputs.push_back(interpreter.tensor(buffer));
  return outputs;
}

}  // namespace sardonyx::tensor
