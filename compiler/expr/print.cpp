// Text of expressions. Grammar: see parse.h, which reads the I64 part of it back.
#include <cmath>

#include "compiler/expr/expr.h"
#include "runtime/base/strings.h"

namespace sardonyx::expr {

namespace {

struct Operator {
  Kind kind;
  const char* text;
  int precedence;
};
constexpr Operator operators[] = {
    {Kind::Or, " || ", 1}, {Kind::And, " && ", 2}, {Kind::Eq, " == ", 3}, {Kind::Ne, " != ", 3}, {Kind::Lt, " < ", 3},
    {Kind::Le, " <= ", 3}, {Kind::Add, " + ", 4},  {Kind::Sub, " - ", 4}, {Kind::Mul, " * ", 5},
};
constexpr int unary_precedence = 6;

struct Named {
  Kind kind;
  const char* name;
};
constexpr Named functions[] = {
    {Kind::Div, "floordiv"}, {Kind::Mod, "floormod"}, {Kind::TruncDiv, "truncdiv"}, {Kind::TruncRem, "truncrem"},
    {Kind::Min, "min"},      {Kind::Max, "max"},      {Kind::Select, "select"},
};

std::string float_text(double value, DType dtype) {
  if (std::isnan(value)) return str(dtype_name(dtype), "(nan)");
  if (std::isinf(value)) return str(dtype_name(dtype), value < 0 ? "(-inf)" : "(inf)");
  std::string result = decimal(value, dtype == DType::F64 ? 17 : 9);
  if (result.find_first_of(".e") == std::string::npos) result += ".0";
  return dtype == DType::F32 ? result : str(dtype_name(dtype), '(', result, ')');
}

class Printer {
 public:
  void print(const Expr& e, int outer) {
    if (!e.defined()) {
      out_ += "undefined";
      return;
    }
    const Node& node = *e;
    for (const Operator& entry : operators) {
      if (entry.kind != node.kind) continue;
      bool parentheses = entry.precedence < outer;
      if (parentheses) out_ += '(';
      // Operators of one level group to the left; comparisons do not chain.
      print(node.args[0], entry.precedence + (entry.precedence == 3));
      out_ += entry.text;
      print(node.args[1], entry.precedence + 1);
      if (parentheses) out_ += ')';
      return;
    }
    for (const Named& entry : functions)
      if (entry.kind == node.kind) return list(entry.name, node.args, '(', ')');
    switch (node.kind) {
      case Kind::IntImm:
        return integer(node);
      case Kind::FloatImm:
        out_ += float_text(node.float_value, node.type.dtype);
        return;
      case Kind::Var:
        out_ += node.var->name;
        return;
      case Kind::Cast:
        return list(dtype_name(node.type.dtype), node.args, '(', ')');
      case Kind::Not:
        out_ += '!';
        return print(node.args[0], unary_precedence);
      case Kind::Load:
        return list(node.buffer->name, node.args, '[', ']');
      case Kind::Call:
        return list(function_name(node.function), node.args, '(', ')');
      default:
        break;
    }
    out_ += node.kind == Kind::Ramp ? "ramp(" : "broadcast(";
    for (const Expr& arg : node.args) {
      print(arg, 0);
      out_ += ", ";
    }
    out_ += std::to_string(node.type.lanes) + ')';
  }

  std::string take() { return std::move(out_); }

 private:
  void integer(const Node& node) {
    if (node.type.dtype == DType::Bool) {
      out_ += node.int_value ? "true" : "false";
      return;
    }
    std::string digits =
        node.type.dtype == DType::U64 ? std::to_string(uint64_t(node.int_value)) : std::to_string(node.int_value);
    out_ += node.type.dtype == DType::I64 ? digits : str(dtype_name(node.type.dtype), '(', digits, ')');
  }

  void list(std::string_view name, const std::vector<Expr>& args, char open, char close) {
    out_ += name;
    out_ += open;
    for (size_t i = 0; i < args.size(); ++i) {
      if (i) out_ += ", ";
      print(args[i], 0);
    }
    out_ += close;
  }

  std::string out_;
};

}  // namespace

std::string to_string(const Expr& e) {
  Printer printer;
  printer.print(e, 0);
  return printer.take();
}

}  // namespace sardonyx::expr
