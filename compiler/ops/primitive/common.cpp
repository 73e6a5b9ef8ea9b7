#include "compiler/ops/primitive/common.h"

#include <algorithm>

namespace sardonyx::ops {

void expect_operands(Op op, Types operands, size_t count) {
  require(operands.size() == count, Status::InvalidModel, graph::op_name(op), " expects ", count, " operands, got ",
          operands.size(), " (", type_list(operands), ")");
}

void expect_rank_at_least(Op op, const TensorType& type, int rank) {
  require(type.rank() >= rank, Status::InvalidModel, graph::op_name(op), " expects rank ", rank, " or more, got ",
          graph::to_string(type));
}

void expect_same_dtype(Op op, const TensorType& a, const TensorType& b) {
  require(a.dtype == b.dtype, Status::InvalidModel, graph::op_name(op), " expects operands of one type, got ",
          graph::to_string(a), " and ", graph::to_string(b));
}

bool surely_differ(const Expr& a, const Expr& b) {
  if (a.same_as(b)) return false;
  auto difference = expr::as_int(expr::simplify(a - b));
  return difference && *difference != 0;
}

Expr unify(Op op, const Expr& a, const Expr& b, const TensorType& left, const TensorType& right) {
  require(!surely_differ(a, b), Status::InvalidModel, graph::op_name(op), ": dims ", expr::to_string(a), " and ",
          expr::to_string(b), " of ", graph::to_string(left), " and ", graph::to_string(right), " differ");
  return expr::as_int(b) ? b : a;
}

Exprs simplified(Exprs dims) {
  for (Expr& dim : dims) dim = expr::simplify(dim);
  return dims;
}

std::string type_list(Types operands) {
  std::vector<std::string> texts;
  for (const TensorType& type : operands) texts.push_back(graph::to_string(type));
  return join(texts, ", ");
}

Exprs broadcast_batch(Op op, const Exprs& a, const Exprs& b, Types operands) {
  const size_t rank = std::max(a.size(), b.size());
  Exprs result(rank);
  for (size_t i = 0; i < rank; ++i) {
    const bool in_a = i + a.size() >= rank, in_b = i + b.size() >= rank;
    const Expr left = in_a ? a[i + a.size() - rank] : Expr(1), right = in_b ? b[i + b.size() - rank] : Expr(1);
    if (expr::is_const(left, 1)) {
      result[i] = right;
    } else if (expr::is_const(right, 1)) {
      result[i] = left;
    } else {
      result[i] = unify(op, left, right, operands[0], operands[1]);
    }
  }
  return result;
}

Term map(const Term& x, DType dtype, const std::function<Expr(const Expr&)>& f) {
  return {dtype, x.dims, [x, f](const Index& index) { return f(x.at(index)); }};
}

Term cast_term(const Term& x, DType dtype) {
  if (x.dtype == dtype) return x;
  return map(x, dtype, [dtype](const Expr& value) { return expr::cast(value, dtype); });
}

DType accumulation_dtype(DType dtype) { return is_float(dtype) && size_of(dtype) < 4 ? DType::F32 : dtype; }

Expr flatten(const Index& index, const Exprs& dims) {
  check(index.size() == dims.size(), "index of ", index.size(), " for ", dims.size(), " dims");
  if (index.empty()) return 0;
  Expr result = index[0];
  for (size_t i = 1; i < dims.size(); ++i) result = result * dims[i] + index[i];
  return result;
}

Index unflatten(const Expr& flat, const Exprs& dims) {
  Index index(dims.size());
  Expr rest = flat;
  for (size_t i = dims.size(); i-- > 1;) {
    index[i] = expr::simplify(rest % dims[i]);
    rest = expr::simplify(rest / dims[i]);
  }
  if (!dims.empty()) index[0] = rest;
  return index;
}

Index broadcast_index(const Exprs& dims, const Exprs& result_dims, const Index& index) {
  Index result(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t j = i + result_dims.size() - dims.size();
    if (expr::is_const(dims[i], 1)) {
      result[i] = 0;
    } else if (expr::as_int(dims[i]) || expr::prove_equal(dims[i], result_dims[j])) {
      result[i] = index[j];
    } else {
      // The dim is 1 or the result's, which only the run knows.
      result[i] = expr::min(index[j], dims[i] - 1);
    }
  }
  return result;
}

Expr wrap_negative(const Expr& index, const Expr& dim) {
  const Expr wide = expr::cast(index, DType::I64);
  const Expr result = expr::select(wide < Expr(0), wide + dim, wide);
  return checked(result, Expr(0) <= result && result < dim);
}

Expr checked(const Expr& value, const Expr& condition) {
  bool reads = false;
  expr::visit(value, [&](const Expr& part) {
    reads = reads || part->kind == expr::Kind::Load;
    return !reads;
  });
  return reads || expr::prove(condition) ? value : expr::call(expr::Function::Checked, {value});
}

Expr all_of(const std::vector<Expr>& conditions) {
  Expr result;
  for (const Expr& condition : conditions) result = result.defined() ? result && condition : condition;
  return result.defined() ? result : expr::bool_imm(true);
}

}  // namespace sardonyx::ops
