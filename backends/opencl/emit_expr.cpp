// Expressions.
#include <charconv>
#include <optional>

#include "backends/opencl/emitter.h"
#include "backends/opencl/types.h"
#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

using expr::Expr;
using expr::Function;
using expr::Kind;
using expr::Type;
using Text = std::string;

namespace {

constexpr size_t longest_inline = 160;  // characters of a value that is not named

bool leaf(const Expr& e) { return e->kind == Kind::IntImm || e->kind == Kind::FloatImm || e->kind == Kind::Var; }

// Operators promote narrow scalars to int, so their results are cast back.
Text typed(const Text& operation, Type type) {
  bool narrow = type.lanes == 1 && bits_of(type.dtype) < 32;
  return narrow ? "((" + type_name(type) + ")(" + operation + "))" : "(" + operation + ")";
}

// The result of a relational operator on `operand`s as a Bool.
Text relation(const Text& comparison, Type operand) {
  if (operand.lanes == 1 || bits_of(operand.dtype) == 32) return "(" + comparison + ")";
  return "convert_int" + std::to_string(operand.lanes) + "(" + comparison + ")";
}

Text broadcast(const Text& scalar, Type type) { return "((" + type_name(type) + ")(" + scalar + "))"; }

// The value of an I64 literal.
std::optional<int64_t> number_in(const Text& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size() - 1;
  auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || *end != 'L') return std::nullopt;
  return value;
}

// Index arithmetic: the variables of unrolled loops are numbers by now, so much of it folds.
Text index_arithmetic(Kind kind, const Text& a, const Text& b) {
  auto x = number_in(a), y = number_in(b);
  if (x && y) return literal(expr::integer(kind, *x, *y, DType::I64), DType::I64);
  if (kind == Kind::Mul && (x == 0 || y == 0)) return literal(int64_t{0}, DType::I64);
  if (kind == Kind::Mul ? y == 1 : y == 0) return a;
  if (kind == Kind::Mul ? x == 1 : kind == Kind::Add && x == 0) return b;
  return "(" + a + (kind == Kind::Add ? " + " : kind == Kind::Sub ? " - " : " * ") + b + ")";
}

// 0, 1, 2 ...
Text lane_numbers(Type type) {
  Text list = "(" + type_name(type) + ")(";
  for (int i = 0; i < type.lanes; ++i) list += (i ? ", " : "") + std::to_string(i);
  return list + ")";
}

}  // namespace

bool Emitter::loads(const Expr& e) {
  if (auto found = loads_.find(e.get()); found != loads_.end()) return found->second;
  bool result = e->kind == Kind::Load;
  for (const Expr& a : e->args) result = result || loads(a);
  loads_[e.get()] = result;
  return result;
}

bool Emitter::stable(const Expr& e) {
  if (auto found = stable_.find(e.get()); found != stable_.end()) return found->second;
  bool result = e->kind != Kind::Load || place(e->buffer).input;
  for (const Expr& a : e->args) result = result && stable(a);
  stable_[e.get()] = result;
  return result;
}

bool Emitter::worth_sharing(const Expr& e) {
  if (e->type.lanes == 1) return false;
  const bool loaded = e->kind == Kind::Load || (e->kind == Kind::Broadcast && e->args[0]->kind == Kind::Load);
  return (loaded || e->type.dtype == DType::Bool) && stable(e);
}

void Emitter::count(const Expr& e) {
  if (leaf(e) || uses_[e.get()]++ > 0) return;
  for (const Expr& a : e->args) count(a);
}

void Emitter::start(std::initializer_list<const Expr*> all) {
  uses_.clear();
  memo_.clear();
  memo_order_.clear();
  for (const Expr* e : all) count(*e);
}

Text Emitter::evaluate(const Expr& e) {
  start({&e});
  return value_of(e);
}

Text Emitter::named(const Text& text, Type type) {
  Text name = fresh('v');
  line("const " + type_name(type) + " " + name + " = " + text + ";");
  return name;
}

Text Emitter::shared(const Text& text, Type type) {
  for (const auto& block : shared_) {
    if (auto found = block.find(text); found != block.end()) return found->second;
  }
  return shared_.back()[text] = named(text, type);
}

Text Emitter::kept(const Expr& e, const Text& text) { return stable(e) ? shared(text, e->type) : named(text, e->type); }

Text Emitter::value_of(const Expr& e) {
  if (leaf(e)) return compute(e);
  if (auto found = memo_.find(e.get()); found != memo_.end()) return found->second;
  Text text = compute(e);
  if (worth_sharing(e)) {
    text = shared(text, e->type);
  } else if (uses_[e.get()] > 1 || text.size() > longest_inline)
    text = named(text, e->type);
  memo_[e.get()] = text;
  memo_order_.push_back(e.get());
  return text;
}

Text Emitter::compute(const Expr& e) {
  switch (e->kind) {
    case Kind::IntImm:
      return literal(e->int_value, e->type.dtype);
    case Kind::FloatImm:
      return literal(e->float_value, e->type.dtype);
    case Kind::Var: {
      auto found = variables_.find(e->var.get());
      check(found != variables_.end(), "variable ", e->var->name, " is not bound in kernel ", kernel_.name);
      return found->second;
    }
    case Kind::Cast:
      return convert(value_of(e->args[0]), e->args[0]->type, e->type);
    case Kind::Add:
    case Kind::Sub:
    case Kind::Mul:
      return emit_arithmetic(e);
    case Kind::Div:
    case Kind::Mod:
    case Kind::TruncDiv:
    case Kind::TruncRem:
      return emit_division(e);
    case Kind::Min:
    case Kind::Max:
      return emit_min_max(e);
    case Kind::Eq:
    case Kind::Ne:
    case Kind::Lt:
    case Kind::Le:
      return emit_compare(e);
    case Kind::And:
    case Kind::Or:
    case Kind::Not:
      return emit_logic(e);
    case Kind::Select:
      return emit_select(e);
    case Kind::Load:
      return emit_load(e);
    case Kind::Call:
      return emit_call(e);
    case Kind::Broadcast: {
      // A scalar Bool is 0 or 1, a lane 0 or -1.
      Text value = value_of(e->args[0]);
      return broadcast(e->type.dtype == DType::Bool ? "-" + value : value, e->type);
    }
    case Kind::Ramp:
      return emit_ramp(e);
  }
  fail(Status::InternalError, "internal error: unknown expression kind");
}

Text Emitter::emit_arithmetic(const Expr& e) {
  DType dtype = e->type.dtype;
  const Expr &a = e->args[0], &b = e->args[1];
  if (is_float(dtype) && e->kind != Kind::Mul && target_.fma) {
    // As the CPU's code generator contracts; the text forbids the OpenCL compiler to do more.
    auto product = [&](const Expr& x) { return x->kind == Kind::Mul && uses_[x.get()] <= 1 && !memo_.count(x.get()); };
    bool subtract = e->kind == Kind::Sub;
    if (product(a)) {
      Text x = value_of(a->args[0]), y = value_of(a->args[1]);
      return "fma(" + x + ", " + y + ", " + (subtract ? "-" : "") + value_of(b) + ")";
    }
    if (product(b)) {
      Text z = value_of(a), x = value_of(b->args[0]), y = value_of(b->args[1]);
      return "fma(" + Text(subtract ? "-" : "") + x + ", " + y + ", " + z + ")";
    }
  }
  Text x = value_of(a), y = value_of(b);
  const char* op = e->kind == Kind::Add ? " + " : e->kind == Kind::Sub ? " - " : " * ";
  if (dtype == DType::Bool) {
    op = e->kind == Kind::Add ? " | " : e->kind == Kind::Sub ? " ^ " : " & ";
    return "(" + x + op + y + ")";
  }
  // Dims and indices do not overflow; other signed integers wrap, which C leaves undefined.
  if (dtype == DType::I64 && e->type.lanes == 1 && !loads(e)) return index_arithmetic(e->kind, x, y);
  if (is_float(dtype) || (dtype == DType::I64 && !loads(e))) return "(" + x + op + y + ")";
  if (e->type.lanes > 1) {
    if (!is_signed(dtype)) return "(" + x + op + y + ")";
    Text u = unsigned_name(e->type);
    return "as_" + type_name(e->type) + "(as_" + u + "(" + x + ")" + op + "as_" + u + "(" + y + "))";
  }
  Text wide = bits_of(dtype) == 64 ? "(ulong)" : "(uint)";
  return "((" + type_name(e->type) + ")(" + wide + x + op + wide + y + "))";
}

Text Emitter::emit_division(const Expr& e) {
  Type type = e->type;
  Text a = value_of(e->args[0]), b = value_of(e->args[1]);
  if (is_float(type.dtype)) {
    check(e->kind == Kind::Div, "float remainder was not expanded");
    return "(" + a + " / " + b + ")";
  }
  bool quotient = e->kind == Kind::Div || e->kind == Kind::TruncDiv;
  bool truncating = e->kind == Kind::TruncDiv || e->kind == Kind::TruncRem;
  const char* op = quotient ? " / " : " % ";
  const Expr& scalar_divisor = e->args[1]->kind == Kind::Broadcast ? e->args[1]->args[0] : e->args[1];
  auto divisor = expr::as_int(scalar_divisor);
  if (divisor && *divisor != 0 && !is_signed(type.dtype)) return typed(a + op + b, type);
  if (divisor && *divisor > 0) {
    if (truncating) return typed(a + op + b, type);
    bool power = (*divisor & (*divisor - 1)) == 0;
    if (power && !quotient) return typed(a + " & " + literal(*divisor - 1, type.dtype), type);
    if (power) return typed(a + " >> " + std::to_string(__builtin_ctzll(uint64_t(*divisor))), type);
  }
  bool plain = type.lanes == 1 && type.dtype == DType::I64 && expr::facts_of(e->args[0]).min >= 0;
  if (plain && expr::facts_of(e->args[1]).min > 0) return "((long)((ulong)" + a + op + "(ulong)" + b + "))";
  return helpers_.division(e->kind, type) + "(" + a + ", " + b + ")";
}

Text Emitter::count_of_first(const Expr& condition) {
  if (condition->kind != Kind::Lt && condition->kind != Kind::Le) return "";
  const Expr &index = condition->args[0], &limit = condition->args[1];
  const bool neighbours = index->kind == Kind::Ramp && expr::is_const(index->args[1], 1);
  if (!neighbours || limit->kind != Kind::Broadcast || index->type.dtype != DType::I64) return "";
  Text left = index_arithmetic(Kind::Sub, value_of(limit->args[0]), value_of(index->args[0]));
  if (condition->kind == Kind::Le) left = index_arithmetic(Kind::Add, left, literal(int64_t{1}, DType::I64));
  const Text all = literal(int64_t{index->type.lanes}, DType::I64);
  const Text text = "(int)clamp(" + left + ", 0L, " + all + ")";
  return stable(condition) ? shared(text, {DType::I32, 1}) : named(text, {DType::I32, 1});
}

Text Emitter::emit_compare(const Expr& e) {
  Type operand = e->args[0]->type;
  // In 32 bits, as wide as the result.
  if (const Text first = count_of_first(e); !first.empty()) {
    return "((int" + std::to_string(operand.lanes) + ")(" + first + ") > " + lane_numbers({DType::I32, operand.lanes}) +
           ")";
  }
  Text a = value_of(e->args[0]), b = value_of(e->args[1]);
  if (operand.dtype == DType::Bool && operand.lanes > 1) {  // true is -1 there
    if (e->kind == Kind::Lt) return "(~" + a + " & " + b + ")";
    if (e->kind == Kind::Le) return "(~" + a + " | " + b + ")";
  }
  const char* op = e->kind == Kind::Eq ? " == " : e->kind == Kind::Ne ? " != " : e->kind == Kind::Lt ? " < " : " <= ";
  return relation(a + op + b, operand);
}

Text Emitter::emit_logic(const Expr& e) {
  bool scalar = e->type.lanes == 1;
  Text a = value_of(e->args[0]);
  if (e->kind == Kind::Not) return (scalar ? "(!" : "(~") + a + ")";
  bool both = e->kind == Kind::And;
  return "(" + a + (both ? scalar ? " && " : " & " : scalar ? " || " : " | ") + value_of(e->args[1]) + ")";
}

Text Emitter::emit_min_max(const Expr& e) {
  Text a = value_of(e->args[0]), b = value_of(e->args[1]);
  bool minimum = e->kind == Kind::Min;
  if (e->type.dtype == DType::Bool) return "(" + a + (minimum ? " & " : " | ") + b + ")";
  if (!is_float(e->type.dtype)) return Text(minimum ? "min(" : "max(") + a + ", " + b + ")";
  if (expr::is_number(e->args[0])) std::swap(a, b);
  const bool number = expr::is_number(e->args[0]) || expr::is_number(e->args[1]);
  return helpers_.min_max(minimum, e->type, number) + "(" + a + ", " + b + ")";
}

Text Emitter::emit_select(const Expr& e) {
  const Expr& condition = e->args[0];
  Guard outer = guard_;
  // What was read under a guard is not valid outside it.
  auto arm = [&](const Expr& value, bool taken) {
    if (!loads(value)) return value_of(value);
    size_t known = memo_order_.size();
    guard_ = both(outer, guard_of(condition, taken));
    Text result = value_of(value);
    guard_ = outer;
    for (; memo_order_.size() > known; memo_order_.pop_back()) memo_.erase(memo_order_.back());
    return result;
  };
  if (loads(e->args[1]) || loads(e->args[2])) ++uses_[condition.get()];  // by the guard
  Text c = value_of(condition);
  Text a = arm(e->args[1], true), b = arm(e->args[2], false);
  if (condition->type.lanes == 1) return typed(c + " ? " + a + " : " + b, e->type);
  return blend(c, a, b, e->type);
}

Text Emitter::emit_ramp(const Expr& e) {
  Type type = e->type;
  Text lanes = lane_numbers(type);
  if (!expr::is_const(e->args[1], 1)) lanes = broadcast(value_of(e->args[1]), type) + " * " + lanes;
  return "(" + broadcast(value_of(e->args[0]), type) + " + " + lanes + ")";
}

Text Emitter::convert(const Text& v, Type from, Type to) {
  if (from.dtype == to.dtype) return v;
  Type f32{DType::F32, from.lanes};
  auto narrow = [](DType dtype) { return dtype == DType::F16 || dtype == DType::BF16; };
  if (narrow(from.dtype)) return convert(helpers_.widen(from) + "(" + v + ")", f32, to);
  if (narrow(to.dtype)) return helpers_.narrow(to) + "(" + convert(v, from, f32) + ")";
  if (to.dtype == DType::Bool) {
    Text zero = is_float(from.dtype) ? literal(0.0, from.dtype) : literal(int64_t{0}, from.dtype);
    return relation(v + " != " + (from.lanes == 1 ? zero : broadcast(zero, from)), from);
  }
  if (is_float(from.dtype) && !is_float(to.dtype)) return helpers_.float_to_int(from, to) + "(" + v + ")";
  Text call = "convert_" + type_name(to);
  if (from.dtype == DType::Bool && from.lanes > 1) return call + "(-" + v + ")";
  return call + "(" + v + ")";
}

Text Emitter::emit_call(const Expr& e) {
  switch (e->function) {
    case Function::Abs:
    case Function::Floor:
    case Function::Ceil:
    case Function::Round:
    case Function::Trunc:
      return emit_round(e);
    case Function::Sqrt:
      return "sqrt(" + value_of(e->args[0]) + ")";
    case Function::Scale:
      return "ldexp(" + value_of(e->args[0]) + ", convert_" + type_name({DType::I32, e->type.lanes}) + "(" +
             value_of(e->args[1]) + "))";
    case Function::Fma: {
      Text a = value_of(e->args[0]), b = value_of(e->args[1]), c = value_of(e->args[2]);
      return target_.fma ? "fma(" + a + ", " + b + ", " + c + ")" : "(" + a + " * " + b + " + " + c + ")";
    }
    case Function::Bits:
      return "as_" + type_name(e->type) + "(" + value_of(e->args[0]) + ")";
    case Function::IsNan:
      return relation("isnan(" + value_of(e->args[0]) + ")", e->args[0]->type);
    case Function::IsInf:
      return relation("isinf(" + value_of(e->args[0]) + ")", e->args[0]->type);
    case Function::BitAnd:
    case Function::BitOr:
    case Function::BitXor:
    case Function::BitNot:
    case Function::ShiftLeft:
    case Function::ShiftRight:
      return emit_bitwise(e);
    default:
      check(expr::is_horizontal(e->function), "function ", expr::function_name(e->function), " was not expanded");
      return helpers_.reduce(e->function, e->args[0]->type) + "(" + value_of(e->args[0]) + ")";
  }
}

Text Emitter::emit_round(const Expr& e) {
  Text a = value_of(e->args[0]);
  bool is_real = is_float(e->type.dtype);
  switch (e->function) {
    case Function::Abs:
      if (is_real) return "fabs(" + a + ")";
      if (!is_signed(e->type.dtype)) return a;
      return (e->type.lanes == 1 ? "((" + type_name(e->type) + ")" : "(as_" + type_name(e->type)) + "(abs(" + a + ")))";
    case Function::Floor:
      return is_real ? "floor(" + a + ")" : a;
    case Function::Ceil:
      return is_real ? "ceil(" + a + ")" : a;
    case Function::Round:
      return is_real ? "rint(" + a + ")" : a;
    default:
      return is_real ? "trunc(" + a + ")" : a;
  }
}

Text Emitter::emit_bitwise(const Expr& e) {
  Type type = e->type;
  Text a = value_of(e->args[0]);
  if (e->function == Function::BitNot) {
    bool boolean = type.dtype == DType::Bool && type.lanes == 1;
    return typed((boolean ? "!" : "~") + a, type);
  }
  Text b = value_of(e->args[1]);
  switch (e->function) {
    case Function::BitAnd:
      return typed(a + " & " + b, type);
    case Function::BitOr:
      return typed(a + " | " + b, type);
    case Function::BitXor:
      return typed(a + " ^ " + b, type);
    default:
      return helpers_.shift(e->function == Function::ShiftLeft, type) + "(" + a + ", " + b + ")";
  }
}

}  // namespace sardonyx::opencl
