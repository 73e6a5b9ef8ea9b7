// Values of scalar expressions without memory: dims, guards, costs.
#include "compiler/expr/scalar.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::expr {

namespace {

using Values = std::unordered_map<const Variable*, int64_t>;

// Integers and Bool in `i`, floats in `f`.
struct Value {
  int64_t i = 0;
  double f = 0;
};

class Evaluator {
 public:
  explicit Evaluator(const Values& values) : values_(values) {}

  Value value(const Expr& e) {
    const Node& node = *e;
    switch (node.kind) {
      case Kind::IntImm:
        return {.i = node.int_value};
      case Kind::FloatImm:
        return {.f = node.float_value};
      case Kind::Var:
        return variable(*node.var);
      default:
        break;
    }
    if (auto known = known_.find(e.get()); known != known_.end()) return known->second;
    Value result = compute(node);
    known_.emplace(e.get(), result);
    return result;
  }

 private:
  Value variable(const Variable& var) {
    auto found = values_.find(&var);
    check(found != values_.end(), "variable ", var.name, " has no value");
    return {.i = found->second};
  }

  Value compute(const Node& node) {
    check(node.type.lanes == 1, "evaluation of a vector");
    DType dtype = node.args.empty() ? node.type.dtype : node.args[0]->type.dtype;
    switch (node.kind) {
      case Kind::Cast:
        return converted(value(node.args[0]), dtype, node.type.dtype);
      case Kind::Not:
        return {.i = !value(node.args[0]).i};
      case Kind::And:
        return {.i = value(node.args[0]).i && value(node.args[1]).i};
      case Kind::Or:
        return {.i = value(node.args[0]).i || value(node.args[1]).i};
      case Kind::Select:
        return value(node.args[value(node.args[0]).i ? 1 : 2]);
      case Kind::Call:
        return called(node, dtype);
      case Kind::Load:
        fail(Status::InternalError, "internal error: evaluation of a load from ", node.buffer->name);
      default:
        return binary(node, dtype);
    }
  }

  static Value converted(Value a, DType from, DType to) {
    if (is_float(from))
      return is_float(to) ? Value{.f = float_to_float(a.f, from, to)} : Value{.i = float_to_int(a.f, to)};
    return is_float(to) ? Value{.f = int_to_float(a.i, from, to)} : Value{.i = wrap(a.i, to)};
  }

  Value binary(const Node& node, DType dtype) {
    Value a = value(node.args[0]), b = value(node.args[1]);
    bool compares = node.kind >= Kind::Eq && node.kind <= Kind::Le;
    if (is_float(dtype))
      return compares ? Value{.i = compare(node.kind, a.f, b.f)} : Value{.f = floating(node.kind, a.f, b.f, dtype)};
    if (node.kind >= Kind::Div && node.kind <= Kind::TruncRem) divides_by(b.i, node);
    return {.i = integer(node.kind, a.i, b.i, dtype)};
  }

  Value called(const Node& node, DType dtype) {
    Value v[3];
    for (size_t i = 0; i < node.args.size(); ++i) v[i] = value(node.args[i]);
    if (!is_float(dtype)) {
      if (node.function == Function::Fmod) divides_by(v[1].i, node);
      return {.i = integer_function(node.function, v[0].i, v[1].i, v[2].i, dtype)};
    }
    if (node.function == Function::IsNan) return {.i = v[0].f != v[0].f};
    if (node.function == Function::IsInf) return {.i = v[0].f - v[0].f != 0 && v[0].f == v[0].f};
    return {.f = float_function(node.function, v[0].f, v[1].f, v[2].f, dtype)};
  }

  static void divides_by(int64_t divisor, const Node& node) {
    if (divisor == 0) fail(Status::MismatchingShape, "division by zero: ", to_string(node.args[1]), " is 0");
  }

  const Values& values_;
  std::unordered_map<const Node*, Value> known_;
};

}  // namespace

int64_t evaluate(const Expr& e, const std::unordered_map<const Variable*, int64_t>& values) {
  check(e.defined(), "evaluation of an undefined expression");
  check(!is_float(e->type.dtype), "evaluation of a float expression as an integer");
  return Evaluator(values).value(e).i;
}

}  // namespace sardonyx::expr
