// Construction of expressions: type checks, folding of immediates, hashes, structural equality.
#include "compiler/expr/expr.h"

#include <algorithm>
#include <bit>
#include <set>

#include "compiler/expr/scalar.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15u + (hash << 12) + (hash >> 4);
  hash *= 0xBF58476D1CE4E5B9u;
  return hash ^ (hash >> 29);
}

Expr finish(Node&& node) {
  uint64_t hash = mix(uint64_t(node.kind) << 16 | uint64_t(node.type.dtype) << 8 | uint64_t(node.function),
                      uint64_t(node.type.lanes));
  hash = mix(hash, uint64_t(node.int_value));
  hash = mix(hash, std::bit_cast<uint64_t>(node.float_value));
  hash = mix(hash, uint64_t(reinterpret_cast<uintptr_t>(node.var.get())));
  hash = mix(hash, uint64_t(reinterpret_cast<uintptr_t>(node.buffer.get())));
  for (const Expr& arg : node.args) hash = mix(hash, arg->hash);
  node.hash = hash;
  return Expr(std::make_shared<const Node>(std::move(node)));
}

Expr int_node(int64_t value, DType dtype) {
  Node node;
  node.kind = Kind::IntImm;
  node.type.dtype = dtype;
  node.int_value = value;
  return finish(std::move(node));
}

// Dims and indices are mostly small constants: their nodes are shared.
const Expr* small_ints() {
  constexpr int64_t low = -16, high = 256;
  static const std::vector<Expr>* nodes = [] {
    auto* result = new std::vector<Expr>;
    for (int64_t value = low; value <= high; ++value) result->push_back(int_node(value, DType::I64));
    return result;
  }();
  return nodes->data() - low;
}

bool is_comparison(Kind kind) { return kind >= Kind::Eq && kind <= Kind::Le; }
bool is_logic(Kind kind) { return kind == Kind::And || kind == Kind::Or; }
bool is_division(Kind kind) { return kind >= Kind::Div && kind <= Kind::TruncRem; }

std::string type_text(const Type& type) {
  return type.lanes == 1 ? std::string(dtype_name(type.dtype)) : str(dtype_name(type.dtype), "x", type.lanes);
}

[[noreturn]] void fail_on_types(const Expr& a, const Expr& b) {
  fail(Status::InternalError, "internal error: operands of different types: ", to_string(a), " is ", type_text(a->type),
       ", ", to_string(b), " is ", type_text(b->type));
}

[[noreturn]] void fail_on_type(const char* what, DType dtype) {
  fail(Status::InternalError, "internal error: ", what, dtype_name(dtype));
}

Expr node_of(Kind kind, Type type, std::vector<Expr> args) {
  Node node;
  node.kind = kind;
  node.type = type;
  node.args = std::move(args);
  return finish(std::move(node));
}

// Null unless the result is a constant.
Expr fold_binary(Kind kind, const Expr& a, const Expr& b) {
  DType dtype = a->type.dtype;
  if (a->kind == Kind::IntImm && b->kind == Kind::IntImm) {
    if (is_division(kind) && b->int_value == 0) return {};
    int64_t value = integer(kind, a->int_value, b->int_value, dtype);
    return is_comparison(kind) ? bool_imm(value) : int_imm(value, dtype);
  }
  if (a->kind == Kind::FloatImm && b->kind == Kind::FloatImm) {
    if (is_comparison(kind)) return bool_imm(compare(kind, a->float_value, b->float_value));
    return float_imm(floating(kind, a->float_value, b->float_value, dtype), dtype);
  }
  return {};
}

DType call_type(Function function, DType operand) {
  switch (function) {
    case Function::IsNan:
    case Function::IsInf:
      return DType::Bool;
    case Function::Bits:
      switch (operand) {
        case DType::F32:
          return DType::I32;
        case DType::I32:
          return DType::F32;
        case DType::F64:
          return DType::I64;
        case DType::I64:
          return DType::F64;
        case DType::I4:
        case DType::I2:
          return DType::I8;
        default:
          if (is_mini_float(operand) || bits_of_element(operand) < 8) return DType::U8;
      }
      fail(Status::InternalError, "internal error: bits of ", dtype_name(operand));
    default:
      return operand;
  }
}

// The same but for the args, which hashes nearly decide.
bool same_node(const Node& x, const Node& y) {
  return x.hash == y.hash && x.kind == y.kind && x.type == y.type && x.int_value == y.int_value && x.var == y.var &&
         x.buffer == y.buffer && x.function == y.function && x.args.size() == y.args.size() &&
         std::bit_cast<uint64_t>(x.float_value) == std::bit_cast<uint64_t>(y.float_value);
}

// One comparison of two structures. Sub-trees that many parents share are compared once: after some steps it remembers
// the pairs that it has found equal.
class Comparison {
 public:
  bool equal_args(const Node& x, const Node& y) {
    for (size_t i = 0; i < x.args.size(); ++i) {
      if (x.args[i].same_as(y.args[i])) continue;
      if (!same_node(*x.args[i], *y.args[i]) || !equal_below(*x.args[i], *y.args[i])) return false;
    }
    return true;
  }

 private:
  bool equal_below(const Node& x, const Node& y) {
    if (x.args.empty()) return true;
    bool remembers = ++steps_ > steps_without_memory;
    if (remembers && equal_.contains({&x, &y})) return true;
    if (!equal_args(x, y)) return false;
    if (remembers) equal_.insert({&x, &y});
    return true;
  }

  static constexpr int steps_without_memory = 256;
  int steps_ = 0;
  std::set<std::pair<const Node*, const Node*>> equal_;
};

constexpr const char* function_names[] = {
    "abs",        "sign",  "floor", "ceil",  "round",   "trunc",      "sqrt",       "exp",        "log",
    "log1p",      "expm1", "sin",   "cos",   "tan",     "asin",       "acos",       "atan",       "sinh",
    "cosh",       "tanh",  "asinh", "acosh", "atanh",   "erf",        "sigmoid",    "pow",        "fmod",
    "isnan",      "isinf", "scale", "fma",   "bitand",  "bitor",      "bitxor",     "bitnot",     "shiftleft",
    "shiftright", "dot4",  "dot2",  "bits",  "checked", "reduce_add", "reduce_mul", "reduce_min", "reduce_max"};
static_assert(std::size(function_names) == size_t(Function::ReduceMax) + 1);

}  // namespace

std::string_view function_name(Function function) { return function_names[size_t(function)]; }

Expr::Expr(int64_t value) : node_(int_imm(value).node_) {}

Expr::Expr(VarPtr var) {
  check(var != nullptr, "an expression of no variable");
  Node node;
  node.kind = Kind::Var;
  node.var = std::move(var);
  *this = finish(std::move(node));
}

Expr int_imm(int64_t value, DType dtype) {
  if (!is_integer(dtype) && dtype != DType::Bool) fail_on_type("integer constant of ", dtype);
  value = wrap(value, dtype);
  if (dtype == DType::I64 && value >= -16 && value <= 256) return small_ints()[value];
  return int_node(value, dtype);
}

Expr float_imm(double value, DType dtype) {
  if (!is_float(dtype)) fail_on_type("float constant of ", dtype);
  Node node;
  node.kind = Kind::FloatImm;
  node.type.dtype = dtype;
  node.float_value = round_to(value, dtype);
  return finish(std::move(node));
}

Expr bool_imm(bool value) { return int_imm(value, DType::Bool); }

Expr imm(double value, DType dtype) {
  return is_float(dtype) ? float_imm(value, dtype) : int_imm(float_to_int(value, dtype), dtype);
}

VarPtr make_var(std::string name, Facts facts) {
  return std::make_shared<const Variable>(Variable{std::move(name), facts});
}

Expr make(Kind kind, Expr a, Expr b) {
  check(a.defined() && b.defined(), "undefined operand");
  if (a->type != b->type) fail_on_types(a, b);
  if (Expr folded = fold_binary(kind, a, b); folded.defined()) return folded;
  Type type = a->type;
  if (is_logic(kind) && type.dtype != DType::Bool) fail_on_type("logic on ", type.dtype);
  bool integers_only = kind == Kind::Mod || kind == Kind::TruncDiv || kind == Kind::TruncRem;
  if (integers_only && !is_integer(type.dtype)) fail_on_type("integer division of ", type.dtype);
  if (is_comparison(kind)) type.dtype = DType::Bool;
  return node_of(kind, type, {std::move(a), std::move(b)});
}

Expr make_not(Expr a) {
  check(a.defined() && a->type.dtype == DType::Bool, "not of something that is no Bool");
  if (a->kind == Kind::IntImm) return bool_imm(!a->int_value);
  Type type = a->type;
  return node_of(Kind::Not, type, {std::move(a)});
}

Expr select(Expr condition, Expr then_value, Expr else_value) {
  check(condition.defined() && condition->type.dtype == DType::Bool, "the condition of a select is no Bool");
  check(then_value.defined() && else_value.defined(), "undefined arm of a select");
  if (then_value->type != else_value->type) fail_on_types(then_value, else_value);
  Type type = then_value->type;
  check(condition->type.lanes == 1 || condition->type.lanes == type.lanes, "the lanes of a select differ");
  if (condition->kind == Kind::IntImm) return condition->int_value ? then_value : else_value;
  return node_of(Kind::Select, type, {std::move(condition), std::move(then_value), std::move(else_value)});
}

Expr cast(Expr a, DType dtype) {
  check(a.defined(), "undefined operand of a cast");
  DType from = a->type.dtype;
  if (from == dtype) return a;
  if (a->kind == Kind::IntImm)
    return is_float(dtype) ? float_imm(int_to_float(a->int_value, from, dtype), dtype) : int_imm(a->int_value, dtype);
  if (a->kind == Kind::FloatImm)
    return is_float(dtype) ? float_imm(float_to_float(a->float_value, from, dtype), dtype)
                           : int_imm(float_to_int(a->float_value, dtype), dtype);
  Type type{dtype, a->type.lanes};
  return node_of(Kind::Cast, type, {std::move(a)});
}

Expr load(BufferPtr buffer, std::vector<Expr> index) {
  check(buffer != nullptr, "a load from no buffer");
  check(index.size() == (buffer->flat ? 1 : buffer->dims.size()) || index.size() == 1, "load from ", buffer->name,
        " with ", index.size(), " indices");
  Node node;
  node.kind = Kind::Load;
  node.type.dtype = buffer->dtype;
  for (const Expr& i : index) {
    check(i.defined() && is_integer(i->type.dtype), "an index of ", buffer->name, " is no integer");
    node.type.lanes = std::max(node.type.lanes, i->type.lanes);
  }
  node.buffer = std::move(buffer);
  node.args = std::move(index);
  return finish(std::move(node));
}

Expr call(Function function, std::vector<Expr> args) {
  check(int(args.size()) == function_arity(function), function_name(function), " with ", args.size(), " operands");
  for (const Expr& arg : args)
    check(arg.defined() && arg->type == args[0]->type, "operands of ", function_name(function), " differ in type");
  Node node;
  node.kind = Kind::Call;
  node.function = function;
  node.type = {call_type(function, args[0]->type.dtype), is_horizontal(function) ? 1 : args[0]->type.lanes};
  node.args = std::move(args);
  return finish(std::move(node));
}

Expr ramp(Expr base, Expr stride, int lanes) {
  check(base->type == stride->type && base->type.lanes == 1 && is_integer(base->type.dtype),
        "a ramp needs scalar integers of one type");
  if (lanes == 1) return base;
  Type type{base->type.dtype, lanes};
  return node_of(Kind::Ramp, type, {std::move(base), std::move(stride)});
}

Expr broadcast(Expr value, int lanes) {
  check(value->type.lanes == 1, "broadcast of a vector");
  if (lanes == 1) return value;
  Type type{value->type.dtype, lanes};
  return node_of(Kind::Broadcast, type, {std::move(value)});
}

Expr rebuild(const Expr& original, std::vector<Expr> args) {
  switch (original->kind) {
    case Kind::IntImm:
    case Kind::FloatImm:
    case Kind::Var:
      return original;
    case Kind::Cast:
      return cast(std::move(args[0]), original->type.dtype);
    case Kind::Not:
      return make_not(std::move(args[0]));
    case Kind::Select:
      return select(std::move(args[0]), std::move(args[1]), std::move(args[2]));
    case Kind::Load:
      return load(original->buffer, std::move(args));
    case Kind::Call:
      return call(original->function, std::move(args));
    case Kind::Ramp:
      return ramp(std::move(args[0]), std::move(args[1]), original->type.lanes);
    case Kind::Broadcast:
      return broadcast(std::move(args[0]), original->type.lanes);
    default:
      return make(original->kind, std::move(args[0]), std::move(args[1]));
  }
}

Expr operator+(const Expr& a, const Expr& b) { return make(Kind::Add, a, b); }
Expr operator-(const Expr& a, const Expr& b) { return make(Kind::Sub, a, b); }
Expr operator*(const Expr& a, const Expr& b) { return make(Kind::Mul, a, b); }
Expr operator/(const Expr& a, const Expr& b) { return make(Kind::Div, a, b); }
Expr operator%(const Expr& a, const Expr& b) { return make(Kind::Mod, a, b); }

Expr operator-(const Expr& a) {
  // On floats 0 - x loses the sign of zero; -1 * x does not.
  Expr factor = imm(-1, a->type.dtype);
  if (is_float(a->type.dtype)) return make(Kind::Mul, a, broadcast(factor, a->type.lanes));
  return make(Kind::Sub, broadcast(imm(0, a->type.dtype), a->type.lanes), a);
}

Expr operator<(const Expr& a, const Expr& b) { return make(Kind::Lt, a, b); }
Expr operator<=(const Expr& a, const Expr& b) { return make(Kind::Le, a, b); }
Expr operator>(const Expr& a, const Expr& b) { return make(Kind::Lt, b, a); }
Expr operator>=(const Expr& a, const Expr& b) { return make(Kind::Le, b, a); }
Expr operator==(const Expr& a, const Expr& b) { return make(Kind::Eq, a, b); }
Expr operator!=(const Expr& a, const Expr& b) { return make(Kind::Ne, a, b); }
Expr operator&&(const Expr& a, const Expr& b) { return make(Kind::And, a, b); }
Expr operator||(const Expr& a, const Expr& b) { return make(Kind::Or, a, b); }
Expr operator!(const Expr& a) { return make_not(a); }
Expr min(const Expr& a, const Expr& b) { return make(Kind::Min, a, b); }
Expr max(const Expr& a, const Expr& b) { return make(Kind::Max, a, b); }
Expr ceil_div(const Expr& a, const Expr& b) { return (a + b - broadcast(imm(1, a->type.dtype), a->type.lanes)) / b; }

bool equal(const Expr& a, const Expr& b) {
  if (a.same_as(b)) return true;
  if (!a.defined() || !b.defined() || !same_node(*a, *b)) return false;
  return Comparison().equal_args(*a, *b);
}

std::optional<int64_t> as_int(const Expr& e) {
  if (e.defined() && e->kind == Kind::IntImm) return e->int_value;
  return std::nullopt;
}

bool is_const(const Expr& e, int64_t value) { return as_int(e) == value; }

}  // namespace sardonyx::expr
