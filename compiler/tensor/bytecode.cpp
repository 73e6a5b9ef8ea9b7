#include "compiler/tensor/bytecode.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "compiler/expr/scalar.h"
#include "runtime/base/mini_float.h"
#include "runtime/base/packing.h"
#include "runtime/base/status.h"

namespace sardonyx::tensor {

using expr::Function;
using expr::Kind;

namespace {

struct StructuralHash {
  size_t operator()(const Expr& e) const { return e->hash; }
};
struct StructuralEqual {
  bool operator()(const Expr& a, const Expr& b) const { return expr::equal(a, b); }
};

class Compiler {
 public:
  Compiler(const std::vector<VarPtr>& loops, const std::unordered_map<const expr::Variable*, int64_t>& symbols,
           const Memory& memory, const expr::Buffer* varying)
      : symbols_(symbols), memory_(memory), varying_(varying), innermost_(loops.size()), arms_(1) {
    code_.levels.resize(loops.size() + 1);
    for (size_t i = 0; i < loops.size(); ++i) {
      code_.variables.push_back(new_register(i + 1));
      loop_registers_[loops[i].get()] = code_.variables.back();
    }
  }

  Code compile(const Expr& body) {
    code_.result = value_of(body);
    return std::move(code_);
  }

 private:
  // What is computed inside a select's arm; arms_[0] is the outermost code, which goes to code_.levels instead.
  struct Arm {
    std::vector<Instruction> code;
    std::unordered_map<Expr, uint32_t, StructuralHash, StructuralEqual> registers;
    size_t level = 0;  // the deepest of the code
  };
  struct Register {
    size_t level;  // of the loop that it changes with
    size_t depth;  // of the arm that computes it, 0 when it is always there
  };

  uint32_t new_register(size_t level, size_t depth = 0) {
    code_.registers.push_back({.i = 0});
    register_info_.push_back({level, depth});
    return uint32_t(code_.registers.size() - 1);
  }

  uint32_t constant(Value value) {
    uint32_t result = new_register(0);
    code_.registers[result] = value;
    return result;
  }

  uint32_t value_of(const Expr& e) {
    check(e->type.lanes == 1, "interpretation of a vector");
    for (const Arm& arm : arms_)
      if (auto found = arm.registers.find(e); found != arm.registers.end()) return found->second;
    uint32_t result = e->kind == Kind::Select ? select(e) : leaf_or_instruction(e);
    arms_[register_info_[result].depth].registers.emplace(e, result);
    return result;
  }

  uint32_t leaf_or_instruction(const Expr& e) {
    switch (e->kind) {
      case Kind::IntImm:
        return constant({.i = e->int_value});
      case Kind::FloatImm:
        return constant({.f = e->float_value});
      case Kind::Var:
        return variable(*e->var);
      case Kind::Load:
        return load(e);
      default:
        break;
    }
    uint32_t operands[3] = {0, 0, 0};
    check(e->args.size() <= 3, "interpretation of a node with ", e->args.size(), " operands");
    for (size_t i = 0; i < e->args.size(); ++i) operands[i] = value_of(e->args[i]);
    for (size_t i = e->args.size(); i < 3; ++i) operands[i] = operands[0];
    Instruction instruction = operation(*e);
    instruction.a = operands[0];
    instruction.b = operands[1];
    instruction.c = operands[2];
    bool may_fail = e->kind >= Kind::Div && e->kind <= Kind::TruncRem;
    may_fail |= e->kind == Kind::Call && e->function == Function::Fmod;
    return place(instruction, operands, may_fail);
  }

  uint32_t variable(const expr::Variable& var) {
    if (auto loop = loop_registers_.find(&var); loop != loop_registers_.end()) return loop->second;
    auto symbol = symbols_.find(&var);
    check(symbol != symbols_.end(), "variable ", var.name, " has no value");
    return constant({.i = symbol->second});
  }

  // Appends where the operands are known: as far out as possible, unless it may fail inside an arm.
  template <class Registers>
  uint32_t place(Instruction instruction, const Registers& operands, bool may_fail, size_t least_level = 0) {
    size_t level = least_level, depth = 0;
    for (uint32_t operand : operands) {
      level = std::max(level, register_info_[operand].level);
      depth = std::max(depth, register_info_[operand].depth);
    }
    if (may_fail || level == innermost_) depth = arms_.size() - 1;
    instruction.result = new_register(level, depth);
    if (depth == 0) {
      code_.levels[level].push_back(instruction);
    } else {
      arms_[depth].code.push_back(instruction);
      arms_[depth].level = std::max(arms_[depth].level, level);
    }
    return instruction.result;
  }

  static Instruction make(Opcode opcode, DType dtype) {
    Instruction instruction{};
    instruction.opcode = opcode;
    instruction.dtype = dtype;
    return instruction;
  }

  static Instruction operation(const expr::Node& node) {
    DType dtype = node.args[0]->type.dtype;
    bool floats = is_float(dtype);
    switch (node.kind) {
      case Kind::Cast: {
        bool to_float = is_float(node.type.dtype);
        Opcode opcode = floats ? (to_float ? Opcode::FloatToFloat : Opcode::FloatToInt)
                               : (to_float ? Opcode::IntToFloat : Opcode::IntToInt);
        Instruction cast = make(opcode, node.type.dtype);
        cast.from = dtype;
        return cast;
      }
      case Kind::Not:
        return make(Opcode::Not, dtype);
      case Kind::Call:
        return call(node, dtype);
      case Kind::Ramp:
      case Kind::Broadcast:
        fail(Status::InternalError, "internal error: interpretation of a vector");
      default:
        break;
    }
    bool compares = node.kind >= Kind::Eq && node.kind <= Kind::Le;
    Instruction binary =
        make(floats ? (compares ? Opcode::FloatCompare : Opcode::FloatBinary) : Opcode::IntBinary, dtype);
    binary.kind = node.kind;
    struct Short {
      Kind kind;
      DType dtype;
      Opcode opcode;
    };
    static constexpr Short shorts[] = {
        {Kind::Add, DType::I64, Opcode::AddInt},    {Kind::Sub, DType::I64, Opcode::SubInt},
        {Kind::Mul, DType::I64, Opcode::MulInt},    {Kind::Lt, DType::I64, Opcode::LtInt},
        {Kind::Le, DType::I64, Opcode::LeInt},      {Kind::Add, DType::F32, Opcode::AddSingle},
        {Kind::Sub, DType::F32, Opcode::SubSingle}, {Kind::Mul, DType::F32, Opcode::MulSingle},
    };
    for (const Short& entry : shorts)
      if (entry.kind == node.kind && entry.dtype == dtype) binary.opcode = entry.opcode;
    return binary;
  }

  static Instruction call(const expr::Node& node, DType dtype) {
    check(!expr::is_horizontal(node.function), "interpretation of a vector");
    Opcode opcode = is_float(dtype) ? Opcode::FloatFunction : Opcode::IntFunction;
    if (node.function == Function::Bits) opcode = Opcode::Bits;
    if (is_float(dtype) && node.function == Function::IsNan) opcode = Opcode::IsNan;
    if (is_float(dtype) && node.function == Function::IsInf) opcode = Opcode::IsInf;
    Instruction result = make(opcode, dtype);
    result.function = node.function;
    return result;
  }

  uint32_t load(const Expr& e) {
    auto found = memory_.find(e->buffer.get());
    check(found != memory_.end(), "load from buffer ", e->buffer->name, ", which no stage defines");
    const Storage& storage = found->second;
    Access access{e->buffer->name, storage.bytes, storage.dtype, {}};
    std::vector<int64_t> extents = storage.dims;
    if (e->args.size() == 1 && extents.size() != 1) extents = {element_count(storage.dims)};  // a flat offset
    check(extents.size() == e->args.size(), "load from ", e->buffer->name, " with ", e->args.size(), " indices");
    std::vector<uint32_t> operands;
    int64_t stride = 1;
    for (size_t i = extents.size(); i-- > 0;) {
      operands.push_back(value_of(e->args[i]));
      access.dims.insert(access.dims.begin(), {operands.back(), extents[i], stride});
      stride *= extents[i];
    }
    Instruction instruction = make(Opcode::Load, storage.dtype);
    instruction.target = uint32_t(code_.accesses.size());
    code_.accesses.push_back(std::move(access));
    return place(instruction, operands, true, e->buffer.get() == varying_ ? innermost_ : 0);
  }

  uint32_t select(const Expr& e) {
    uint32_t condition = value_of(e->args[0]);
    Arm arms[2];
    uint32_t values[2];
    size_t level = register_info_[condition].level;
    for (int i = 0; i < 2; ++i) {
      arms_.emplace_back();
      values[i] = value_of(e->args[size_t(i) + 1]);
      arms[i] = std::move(arms_.back());
      arms_.pop_back();
      level = std::max({level, arms[i].level, register_info_[values[i]].level});
    }
    size_t depth = arms_.size() - 1;
    uint32_t result = new_register(level, depth);
    auto& code = depth == 0 ? code_.levels[level] : arms_[depth].code;
    arms_[depth].level = std::max(arms_[depth].level, level);
    Instruction unless = make(Opcode::JumpUnless, DType::Bool), jump = make(Opcode::Jump, DType::Bool);
    unless.a = condition;
    unless.target = uint32_t(arms[0].code.size() + 2);
    jump.target = uint32_t(arms[1].code.size() + 1);
    code.push_back(unless);
    for (int i = 0; i < 2; ++i) {
      code.insert(code.end(), arms[i].code.begin(), arms[i].code.end());
      Instruction move = make(Opcode::Move, e->type.dtype);
      move.result = result;
      move.a = values[i];
      code.push_back(move);
      if (i == 0) code.push_back(jump);
    }
    return result;
  }

  const std::unordered_map<const expr::Variable*, int64_t>& symbols_;
  const Memory& memory_;
  const expr::Buffer* varying_;
  size_t innermost_;
  std::unordered_map<const expr::Variable*, uint32_t> loop_registers_;
  std::vector<Register> register_info_;
  std::vector<Arm> arms_;
  Code code_;
};

template <class T>
T element(const uint8_t* bytes, int64_t index) {
  T result;
  std::memcpy(&result, bytes + index * int64_t(sizeof(T)), sizeof(T));
  return result;
}

template <class T>
void put_element(uint8_t* bytes, int64_t index, T value) {
  std::memcpy(bytes + index * int64_t(sizeof(T)), &value, sizeof(T));
}

Value load_words(const uint8_t* bytes, size_t size, int64_t index) {
  Value result{.words = {0, 0}};
  std::memcpy(result.words, bytes + index * int64_t(size), size);
  return result;
}

[[noreturn]] void out_of_range(const Access& access, const std::vector<Value>& registers) {
  std::vector<int64_t> index, extents;
  for (const Access::Dim& dim : access.dims) {
    index.push_back(registers[dim.index].i);
    extents.push_back(dim.extent);
  }
  fail(Status::InternalError, "index ", index, " is out of range for buffer ", access.buffer, " of shape ", extents);
}

Value load(const Access& access, const std::vector<Value>& registers) {
  int64_t offset = 0;
  for (const Access::Dim& dim : access.dims) {
    int64_t index = registers[dim.index].i;
    if (uint64_t(index) >= uint64_t(dim.extent)) out_of_range(access, registers);
    offset += index * dim.stride;
  }
  return load_element(access.bytes, access.dtype, offset);
}

Value bits(Value value, DType dtype) {
  switch (dtype) {
    case DType::F32:
      return {.i = std::bit_cast<int32_t>(float(value.f))};
    case DType::I32:
      return {.f = std::bit_cast<float>(int32_t(value.i))};
    case DType::F64:
      return {.i = std::bit_cast<int64_t>(value.f)};
    default:
      return {.f = std::bit_cast<double>(value.i)};
  }
}

void nonzero(int64_t divisor) { require(divisor != 0, Status::InternalError, "integer division by zero"); }

}  // namespace

Value load_element(const uint8_t* bytes, DType dtype, int64_t index) {
  switch (dtype) {
    case DType::F32:
      return {.f = element<float>(bytes, index)};
    case DType::F64:
      return {.f = element<double>(bytes, index)};
    case DType::I64:
    case DType::U64:
      return {.i = element<int64_t>(bytes, index)};
    case DType::I32:
      return {.i = element<int32_t>(bytes, index)};
    case DType::U32:
      return {.i = element<uint32_t>(bytes, index)};
    case DType::I16:
      return {.i = element<int16_t>(bytes, index)};
    case DType::U16:
      return {.i = element<uint16_t>(bytes, index)};
    case DType::I8:
      return {.i = element<int8_t>(bytes, index)};
    case DType::U8:
      return {.i = bytes[index]};
    case DType::Bool:
      return {.i = bytes[index] != 0};
    case DType::F16:
      return {.f = f16_to_f32(element<uint16_t>(bytes, index))};
    case DType::BF16:
      return {.f = bf16_to_f32(element<uint16_t>(bytes, index))};
    default:
      if (const MiniFloat* format = mini_float(dtype)) return {.f = decode_mini(*format, bytes[index])};
      if (is_packed(dtype)) return {.i = extend_element(bytes[index], dtype)};
      if (is_complex(dtype)) return load_words(bytes, size_of(dtype), index);
  }
  fail(Status::InternalError, "internal error: interpretation of ", dtype_name(dtype), " elements");
}

void store_element(uint8_t* bytes, DType dtype, int64_t index, Value value) {
  switch (dtype) {
    case DType::F32:
      return put_element(bytes, index, float(value.f));
    case DType::F64:
      return put_element(bytes, index, value.f);
    case DType::F16:
      return put_element(bytes, index, f32_to_f16(float(value.f)));
    case DType::BF16:
      return put_element(bytes, index, f32_to_bf16(float(value.f)));
    case DType::Bool:
      return put_element(bytes, index, uint8_t(value.i != 0));
    default:
      if (const MiniFloat* format = mini_float(dtype))
        return put_element(bytes, index, encode_mini(*format, float(value.f)));
      if (is_complex(dtype)) {
        std::memcpy(bytes + index * int64_t(size_of(dtype)), value.words, size_of(dtype));
        return;
      }
  }
  switch (size_of(dtype)) {
    case 1:
      return put_element(bytes, index, uint8_t(value.i));
    case 2:
      return put_element(bytes, index, uint16_t(value.i));
    case 4:
      return put_element(bytes, index, uint32_t(value.i));
    case 8:
      return put_element(bytes, index, value.i);
    default:
      break;
  }
  fail(Status::InternalError, "internal error: interpretation of ", dtype_name(dtype), " elements");
}

Code compile(const Expr& body, const std::vector<VarPtr>& loops,
             const std::unordered_map<const expr::Variable*, int64_t>& symbols, const Memory& memory,
             const expr::Buffer* varying) {
  return Compiler(loops, symbols, memory, varying).compile(body);
}

void run(Code& code, size_t level) {
  std::vector<Value>& r = code.registers;
  const std::vector<Instruction>& instructions = code.levels[level];
  const Instruction* const end = instructions.data() + instructions.size();
  for (const Instruction* x = instructions.data(); x < end; ++x) {
    Value &result = r[x->result], a = r[x->a], b = r[x->b];
    switch (x->opcode) {
      case Opcode::AddInt:
        result.i = int64_t(uint64_t(a.i) + uint64_t(b.i));
        break;
      case Opcode::SubInt:
        result.i = int64_t(uint64_t(a.i) - uint64_t(b.i));
        break;
      case Opcode::MulInt:
        result.i = int64_t(uint64_t(a.i) * uint64_t(b.i));
        break;
      case Opcode::LtInt:
        result.i = a.i < b.i;
        break;
      case Opcode::LeInt:
        result.i = a.i <= b.i;
        break;
      case Opcode::AddSingle:
        result.f = float(a.f) + float(b.f);
        break;
      case Opcode::SubSingle:
        result.f = float(a.f) - float(b.f);
        break;
      case Opcode::MulSingle:
        result.f = float(a.f) * float(b.f);
        break;
      case Opcode::IntBinary:
        if (x->kind >= Kind::Div && x->kind <= Kind::TruncRem) nonzero(b.i);
        result.i = expr::integer(x->kind, a.i, b.i, x->dtype);
        break;
      case Opcode::FloatBinary:
        result.f = expr::floating(x->kind, a.f, b.f, x->dtype);
        break;
      case Opcode::FloatCompare:
        result.i = expr::compare(x->kind, a.f, b.f);
        break;
      case Opcode::IntFunction:
        if (x->function == Function::Fmod) nonzero(b.i);
        result.i = expr::integer_function(x->function, a.i, b.i, r[x->c].i, x->dtype);
        break;
      case Opcode::FloatFunction:
        result.f = expr::float_function(x->function, a.f, b.f, r[x->c].f, x->dtype);
        break;
      case Opcode::IsNan:
        result.i = std::isnan(a.f);
        break;
      case Opcode::IsInf:
        result.i = std::isinf(a.f);
        break;
      case Opcode::Bits:
        result = bits(a, x->dtype);
        break;
      case Opcode::IntToInt:
        result.i = expr::wrap(a.i, x->dtype);
        break;
      case Opcode::IntToFloat:
        result.f = expr::int_to_float(a.i, x->from, x->dtype);
        break;
      case Opcode::FloatToInt:
        result.i = expr::float_to_int(a.f, x->dtype);
        break;
      case Opcode::FloatToFloat:
        result.f = expr::float_to_float(a.f, x->from, x->dtype);
        break;
      case Opcode::Not:
        result.i = !a.i;
        break;
      case Opcode::Move:
        result = a;
        break;
      case Opcode::JumpUnless:
        if (a.i) break;
        [[fallthrough]];
      case Opcode::Jump:
        x += x->target;
        break;
      case Opcode::Load:
        result = load(code.accesses[x->target], r);
        break;
    }
  }
}

}  // namespace sardonyx::tensor
