#include "compiler/driver/dim_table.h"

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::driver {

using expr::Expr;
using expr::Kind;
using runtime::DimExpr;
using runtime::DimId;

DimId DimTable::push(DimExpr slot) {
  slots_.push_back(std::move(slot));
  return DimId(slots_.size()) - 1;
}

DimId DimTable::binary(DimExpr::Op op, DimId a, DimId b, DimId c) {
  DimExpr slot;
  slot.op = op;
  slot.a = a, slot.b = b, slot.c = c;
  return push(slot);
}

DimId DimTable::input(const Expr& dim, int input, int axis) {
  if (dim->kind != Kind::Var) return slot(dim);
  auto found = symbols_.find(dim->var.get());
  if (found != symbols_.end()) return found->second;
  DimExpr slot;
  slot.op = DimExpr::Op::Input;
  slot.a = input;
  slot.axis = axis;
  slot.name = dim->var->name;
  return symbols_[dim->var.get()] = push(slot);
}

DimId DimTable::slot(const Expr& e) {
  Expr simple = expr::simplify(e);
  auto [first, last] = known_.equal_range(simple->hash);
  for (auto entry = first; entry != last; ++entry)
    if (expr::equal(entry->second.first, simple)) return entry->second.second;
  DimId id = translate(simple);
  known_.emplace(simple->hash, std::make_pair(simple, id));
  return id;
}

DimId DimTable::translate(const Expr& e) {
  using Op = DimExpr::Op;
  auto arg = [&](size_t i) { return slot(e->args[i]); };
  switch (e->kind) {
    case Kind::IntImm: {
      auto found = constants_.find(e->int_value);
      if (found != constants_.end()) return found->second;
      DimExpr slot;
      slot.value = e->int_value;
      return constants_[e->int_value] = push(slot);
    }
    case Kind::Var: {
      auto found = symbols_.find(e->var.get());
      if (found != symbols_.end()) return found->second;
      runtime_.insert(e->var.get());
      DimExpr slot;
      slot.op = Op::Runtime;
      slot.name = e->var->name;
      return symbols_[e->var.get()] = push(slot);
    }
    case Kind::Cast:
      return arg(0);  // dims are integers and booleans only
    case Kind::Add:
      return binary(Op::Add, arg(0), arg(1));
    case Kind::Sub:
      return binary(Op::Sub, arg(0), arg(1));
    case Kind::Mul:
      return binary(Op::Mul, arg(0), arg(1));
    case Kind::Div:
      return binary(Op::FloorDiv, arg(0), arg(1));
    case Kind::Mod:
      return binary(Op::FloorMod, arg(0), arg(1));
    case Kind::Min:
      return binary(Op::Min, arg(0), arg(1));
    case Kind::Max:
      return binary(Op::Max, arg(0), arg(1));
    case Kind::Eq:
      return binary(Op::Eq, arg(0), arg(1));
    case Kind::Ne:
      return binary(Op::Not, binary(Op::Eq, arg(0), arg(1)), -1);
    case Kind::Lt:
      return binary(Op::Lt, arg(0), arg(1));
    case Kind::Le:
      return binary(Op::Le, arg(0), arg(1));
    case Kind::And:
      return binary(Op::And, arg(0), arg(1));
    case Kind::Or:
      return binary(Op::Or, arg(0), arg(1));
    case Kind::Not:
      return binary(Op::Not, arg(0), -1);
    case Kind::Select: {
      DimId condition = arg(0), yes = arg(1), no = arg(2);
      return binary(Op::Select, condition, yes, no);
    }
    case Kind::TruncDiv: {  // |a| / |b| with the sign of a * b
      const Expr &a = e->args[0], &b = e->args[1];
      return slot(expr::select((a < 0) != (b < 0), -(expr::max(a, -a) / expr::max(b, -b)),
                               expr::max(a, -a) / expr::max(b, -b)));
    }
    case Kind::TruncRem:
      return slot(e->args[0] - e->args[1] * expr::make(Kind::TruncDiv, e->args[0], e->args[1]));
    case Kind::Call:
      if (e->function == expr::Function::Abs) return slot(expr::max(e->args[0], -e->args[0]));
      break;
    default:
      break;
  }
  fail(Status::UnsupportedShape, "a dimension is computed by '", expr::to_string(e),
       "', which is not integer arithmetic");
}

bool DimTable::runtime_dependent(const Expr& e) const {
  bool found = false;
  expr::visit(e, [&](const Expr& node) {
    if (node->kind == Kind::Var && (runtime_.count(node->var.get()) || !symbols_.count(node->var.get()))) found = true;
    return !found;
  });
  return found;
}

bool DimTable::mark_bound(const Expr& symbol) {
  return symbol->kind == Kind::Var && runtime_.count(symbol->var.get()) && bound_.insert(symbol->var.get()).second;
}

bool DimTable::all_bound(const Expr& e) const {
  bool all = true;
  expr::visit(e, [&](const Expr& node) {
    if (node->kind == Kind::Var) {
      bool known = symbols_.count(node->var.get()) && !runtime_.count(node->var.get());
      if (!known && !bound_.count(node->var.get())) all = false;
    }
    return all;
  });
  return all;
}

}  // namespace sardonyx::driver
