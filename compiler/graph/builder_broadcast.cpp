// Broadcasting of dims by numpy's rules (ONNX, docs/Broadcasting.md): dims are equal or one of them is 1.
//
// Symbols may turn out to be 1 in some run, so two symbols that meet are broadcast at run time: the dim of the result
// is the one that is not 1. Dims that are computed are nearly always meant to be equal (the parts of a skip
// connection), and reading them as equal keeps addresses plain: those become equalities that the run checks.
#include <algorithm>

#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

// Symbols that broadcast with each other, sorted by name. Their common dim is `x == 1 ? (y == 1 ? z : y) : x`.
using Symbols = std::vector<Expr>;

// a where it is not 1, else b: the common dim if there is one, as 0 and 1 make 0.
Expr unless_one(const Expr& a, const Expr& b) { return expr::simplify(expr::select(a == Expr(1), b, a)); }

Expr common_dim(const Symbols& symbols) {
  Expr dim = symbols.back();
  for (size_t i = symbols.size() - 1; i-- > 0;) dim = unless_one(symbols[i], dim);
  return dim;
}

// The symbols whose common dim `dim` is; empty when it is something else.
Symbols symbols_of(const Expr& dim) {
  Symbols symbols;
  Expr rest = dim;
  while (rest->kind == expr::Kind::Select) {
    symbols.push_back(rest->args[2]);
    rest = rest->args[1];
  }
  symbols.push_back(rest);
  const bool all_symbols =
      std::all_of(symbols.begin(), symbols.end(), [](const Expr& e) { return e->kind == expr::Kind::Var; });
  return all_symbols && expr::equal(common_dim(symbols), dim) ? symbols : Symbols{};
}

bool before(const Expr& a, const Expr& b) { return a->var->name < b->var->name; }

bool includes(const Symbols& all, const Symbols& part) {
  return std::includes(all.begin(), all.end(), part.begin(), part.end(), before);
}

}  // namespace

Expr Builder::broadcast_dim(const Expr& a, const Expr& b, const std::string& what) {
  if (expr::is_const(a, 1) || a.same_as(b)) return b;
  if (expr::is_const(b, 1)) return a;
  const Expr left = expr::simplify(a), right = expr::simplify(b);
  const bool left_known = expr::as_int(left).has_value(), right_known = expr::as_int(right).has_value();
  const Symbols of_left = left_known ? Symbols{} : symbols_of(left);
  const Symbols of_right = right_known ? Symbols{} : symbols_of(right);
  if ((!left_known && of_left.empty()) || (!right_known && of_right.empty()) || (left_known && right_known))
    return require_equal(left, right, "broadcast of " + what);
  if (!left_known && !right_known && includes(of_left, of_right)) return left;
  if (!left_known && !right_known && includes(of_right, of_left)) return right;
  equate(unless_one(left, right), unless_one(right, left),
         str("broadcast of ", what, ": ", expr::to_string(left), " and ", expr::to_string(right),
             " must be equal, or one of them 1"));
  if (left_known || right_known) return left_known ? left : right;
  Symbols all;
  std::set_union(of_left.begin(), of_left.end(), of_right.begin(), of_right.end(), std::back_inserter(all), before);
  return common_dim(all);
}

std::vector<Expr> Builder::broadcast_dims(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  const auto& longer = a.size() >= b.size() ? a : b;
  const auto& shorter = a.size() >= b.size() ? b : a;
  const std::string what = str(shape_text(a), " and ", shape_text(b));
  std::vector<Expr> dims = longer;
  for (size_t i = 0, offset = longer.size() - shorter.size(); i < shorter.size(); ++i) {
    Expr& dim = dims[offset + i];
    require(!expr::as_int(dim) || !expr::as_int(shorter[i]) || expr::is_const(dim, 1) ||
                expr::is_const(shorter[i], 1) || expr::equal(dim, shorter[i]),
            Status::InvalidModel, "shapes ", what, " do not broadcast");
    dim = broadcast_dim(dim, shorter[i], what);
  }
  return dims;
}

Value* Builder::broadcast(Value* x, std::vector<Expr> dims) {
  if (same_dims(x->type.dims, dims)) return x;
  const size_t rank = x->type.dims.size();
  const std::string what = str(to_string(x->type), " to ", shape_text(dims));
  require(rank <= dims.size(), Status::InvalidModel, "broadcast of ", what, ": the rank shrinks");
  for (size_t i = 0; i < rank; ++i) {
    const Expr& to = dims[dims.size() - rank + i];
    // Where the two make a third dim, x must not stretch it.
    if (!expr::is_const(x->type.dims[i], 1))
      require_equal(broadcast_dim(x->type.dims[i], to, what), to, "broadcast of " + what);
  }
  return broadcast_agreed(x, std::move(dims));
}

Value* Builder::broadcast_batch(Value* x, const std::vector<Expr>& batch) {
  std::vector<Expr> dims = x->type.dims;
  for (size_t i = 0, offset = batch.size() + 2 - dims.size(); i + 2 < dims.size(); ++i)
    if (!expr::as_int(dims[i]) && !symbols_of(dims[i]).empty()) dims[i] = batch[offset + i];
  return broadcast_agreed(x, std::move(dims));
}

Value* Builder::broadcast_agreed(Value* x, std::vector<Expr> dims) {
  if (same_dims(x->type.dims, dims)) return x;
  auto attributes = std::make_shared<BroadcastAttrs>();
  attributes->dims = std::move(dims);
  return create(Op::broadcast, std::move(attributes), {x})->result();
}

}  // namespace sardonyx::graph
