// Expand and Tile.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// numpy broadcast of a dim with a requested one. A request that is computed may be 1, so it is checked rather than
// equated.
Expr expanded(Lowering& in, const Expr& dim, const Expr& wanted) {
  if (expr::is_const(dim, 1)) return wanted;
  if (expr::is_const(wanted, 1) || expr::prove_equal(dim, wanted)) return dim;
  if (expr::as_int(wanted) || (dim->kind == expr::Kind::Var && wanted->kind == expr::Kind::Var))
    return in.builder().broadcast_dim(dim, wanted, str("dims of node '", in.node(), "' (Expand)"));
  in.builder().check(
      wanted == Expr(1) || wanted == dim, Status::MismatchingShape,
      str("node '", in.node(), "' (Expand): the shape does not broadcast with ", graph::to_string(in[0]->type)));
  return dim;
}

std::vector<Value*> lower_expand(Lowering& in) {
  const auto& dims = in[0]->type.dims;
  std::vector<Expr> target = in.builder().values_of(in[1], {0, INT64_MAX, 1});
  if (target.size() < dims.size()) target.insert(target.begin(), dims.size() - target.size(), Expr(1));
  size_t offset = target.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) target[offset + i] = expanded(in, dims[i], target[offset + i]);
  return {in.builder().broadcast(in[0], std::move(target))};
}

// [a, b] repeated r and s times: [a, b] -> [1, a, 1, b] -> [r, a, s, b] -> [r * a, s * b].
Value* tile(Lowering& in, Value* x, const std::vector<Expr>& repeats) {
  auto& b = in.builder();
  std::vector<Expr> split, repeated, result;
  for (size_t i = 0; i < repeats.size(); ++i) {
    const Expr& dim = x->type.dims[i];
    if (!expr::is_const(repeats[i], 1)) {
      split.emplace_back(1);
      repeated.push_back(repeats[i]);
    }
    split.push_back(dim);
    repeated.push_back(dim);
    result.push_back(dim * repeats[i]);
  }
  return b.reshape(b.broadcast(b.reshape(x, split), repeated), result);
}

std::vector<Value*> lower_tile(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  std::vector<Expr> repeats(x->type.dims.size(), Expr(1));
  if (in.version() < 6) {
    auto axis = b.static_ints(b.cast(in[2], DType::I64));
    in.require(axis && axis->size() == 1, Status::UnsupportedShape, "the axis must be known at compile time");
    repeats[size_t(in.axis((*axis)[0], x->type.rank()))] = b.values_of(b.cast(in[1], DType::I64), {0, INT64_MAX, 1})[0];
  } else {
    auto values = b.values_of(in[1], {0, INT64_MAX, 1});
    in.require(values.size() == repeats.size(), Status::InvalidModel, values.size(), " repeats for ",
               graph::to_string(x->type));
    repeats = std::move(values);
  }
  return {tile(in, x, repeats)};
}

const OnnxOp expand{operator_row("Expand", {8, 13}, lower_expand, {2, 2})};
const OnnxOp tile_op{operator_row("Tile", {1, 6, 13}, lower_tile, {2, 3})};

}  // namespace
}  // namespace sardonyx::ops
