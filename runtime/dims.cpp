#include "runtime/dims.h"

#include <algorithm>

#include "runtime/base/status.h"

namespace sardonyx::runtime {

namespace {
using Op = DimExpr::Op;

struct OpRow {
  Op op;
  const char* name;
  int operands;
};
constexpr OpRow op_rows[] = {
    {Op::Constant, "const", 0},
    {Op::Input, "input", 0},
    {Op::Runtime, "runtime", 0},
    {Op::Add, "add", 2},
    {Op::Sub, "sub", 2},
    {Op::Mul, "mul", 2},
    {Op::FloorDiv, "floordiv", 2},
    {Op::FloorMod, "floormod", 2},
    {Op::Min, "min", 2},
    {Op::Max, "max", 2},
    {Op::Eq, "eq", 2},
    {Op::Lt, "lt", 2},
    {Op::Le, "le", 2},
    {Op::And, "and", 2},
    {Op::Or, "or", 2},
    {Op::Not, "not", 1},
    {Op::Select, "select", 3},
};

// Floor division; false when there is no result.
bool floor_divide(int64_t a, int64_t b, int64_t& quotient, int64_t& remainder) {
  if (b == 0 || (a == INT64_MIN && b == -1)) return false;
  quotient = a / b;
  remainder = a % b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    --quotient;
    remainder += b;
  }
  return true;
}

// The result of a two-operand op; false when there is none.
bool apply(Op op, int64_t a, int64_t b, int64_t& result) {
  int64_t other = 0;
  switch (op) {
    case Op::Add:
      return !__builtin_add_overflow(a, b, &result);
    case Op::Sub:
      return !__builtin_sub_overflow(a, b, &result);
    case Op::Mul:
      return !__builtin_mul_overflow(a, b, &result);
    case Op::FloorDiv:
      return floor_divide(a, b, result, other);
    case Op::FloorMod:
      return floor_divide(a, b, other, result);
    case Op::Min:
      result = std::min(a, b);
      return true;
    case Op::Max:
      result = std::max(a, b);
      return true;
    case Op::Eq:
      result = a == b;
      return true;
    case Op::Lt:
      result = a < b;
      return true;
    case Op::Le:
      result = a <= b;
      return true;
    case Op::And:
      result = a != 0 && b != 0;
      return true;
    case Op::Or:
      result = a != 0 || b != 0;
      return true;
    default:
      return false;
  }
}
}  // namespace

int dim_operand_count(Op op) { return op_rows[int(op)].operands; }

const char* dim_op_name(Op op) { return op_rows[int(op)].name; }

void evaluate_dim(const DimExpr& expr, DimId id, DimValues& dims) {
  int64_t result = 0;
  bool known = false;
  const auto is_known = [&](int32_t slot) { return dims.known[size_t(slot)] != 0; };
  const auto value = [&](int32_t slot) { return dims.value[size_t(slot)]; };
  switch (expr.op) {
    case Op::Input:
    case Op::Runtime:
      return;
    case Op::Constant:
      result = expr.value;
      known = true;
      break;
    case Op::Not:
      known = is_known(expr.a);
      result = known && value(expr.a) == 0;
      break;
    case Op::Select:
      if (is_known(expr.a)) {
        const int32_t chosen = value(expr.a) != 0 ? expr.b : expr.c;
        known = is_known(chosen);
        result = value(chosen);
      }
      break;
    default:
      known = is_known(expr.a) && is_known(expr.b) && apply(expr.op, value(expr.a), value(expr.b), result);
  }
  dims.value[size_t(id)] = known ? result : 0;
  dims.known[size_t(id)] = known;
}

std::string unknown_dim_reason(const Program& program, const DimValues& dims, DimId id) {
  for (;;) {
    const DimExpr& expr = program.dims[size_t(id)];
    const int operands = dim_operand_count(expr.op);
    const int32_t all[] = {expr.a, expr.b, expr.c};
    const auto* unknown = std::find_if(all, all + operands, [&](int32_t slot) { return !dims.known[size_t(slot)]; });
    if (unknown != all + operands) {
      id = *unknown;
      continue;
    }
    if (operands == 0)
      return expr.name.empty() ? "a size is not bound yet" : "size `" + expr.name + "` is not bound yet";
    const bool division = expr.op == Op::FloorDiv || expr.op == Op::FloorMod;
    return division && dims.value[size_t(expr.b)] == 0 ? "division by zero in a size" : "a size overflows";
  }
}

int64_t dim_value(const Program& program, const DimValues& dims, DimId id) {
  if (!dims.known[size_t(id)]) fail(Status::UnsupportedShape, unknown_dim_reason(program, dims, id));
  return dims.value[size_t(id)];
}

std::vector<GroupReport> report_under(const Program& program, const DimValues& dims) {
  const size_t planned = program.dims.size(), count = planned + program.report_dims.size();
  DimValues all = dims;
  all.value.resize(count);
  all.known.resize(count);
  for (size_t i = planned; i < count; ++i) evaluate_dim(program.report_dims[i - planned], DimId(i), all);
  const auto take = [&](DimId id, double& work) {
    if (id >= 0 && all.known[size_t(id)]) work = double(all.value[size_t(id)]);
  };
  std::vector<GroupReport> report = program.report;
  for (GroupReport& entry : report) {
    take(entry.flops_dim, entry.flops);
    take(entry.bytes_dim, entry.bytes);
  }
  return report;
}

}  // namespace sardonyx::runtime
