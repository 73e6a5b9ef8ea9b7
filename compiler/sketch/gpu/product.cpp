#include "compiler/sketch/gpu/product.h"

#include "compiler/sketch/gpu/group.h"
#include "compiler/tensor/lower/lower.h"

namespace sardonyx::sketch::gpu {

using expr::Kind;

namespace {

void substitute_all(TileProblem& tile, const expr::Substitution& at) {
  auto rewritten = [&](const Expr& e) { return tensor::simplify_index(tensor::substitute_shared(e, at), {}); };
  tile.body = rewritten(tile.body);
  for (Map::Output& out : tile.epilogue) {
    for (Expr& e : out.index) e = rewritten(e);
    out.value = rewritten(out.value);
  }
}

// The groups of a grouped convolution: an axis v that is read as v / size becomes two, so that the quotient is a batch
// axis and the rest belongs to the weights alone.
void split_groups(TileProblem& tile) {
  for (size_t a = 0; a < tile.axes.size(); ++a) {
    const Axis axis = tile.axes[a];
    int64_t size = 0;
    expr::visit(tile.body, [&](const Expr& x) {
      if (x->kind == Kind::Div && x->args[0]->kind == Kind::Var && x->args[0]->var == axis.var) {
        size = expr::as_int(x->args[1]).value_or(0);
      }
      return true;
    });
    if (size <= 1 || !expr::prove_divisible(axis.extent, size)) continue;
    Expr groups = expr::simplify(axis.extent / size);
    Axis outer{loop_var(axis.var->name + "g", groups), groups}, inner{loop_var(axis.var->name, size), size};
    substitute_all(tile, {{axis.var.get(), Expr(outer.var) * size + Expr(inner.var)}});
    tile.axes[a] = outer;
    tile.axes.insert(tile.axes.begin() + long(a) + 1, inner);
    ++a;
  }
}

bool stores_densely(const TileProblem& tile, const Axis& axis) {
  const Map::Output& out = tile.epilogue.front();
  return stride_along(expr::load(out.buffer, out.index), axis) == 1;
}

}  // namespace

std::variant<Product, Refusal> product_of(const Problem& problem) {
  auto found = tile_problem(problem);
  if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  Product product;
  product.tile = std::move(std::get<TileProblem>(found));
  TileProblem& tile = product.tile;
  if (tile.reduce != tensor::Reduce::Sum || tile.body->kind != Kind::Mul) return Refusal{"not a sum of products"};
  split_groups(tile);
  product.left = tile.body->args[0];
  product.right = tile.body->args[1];
  bool rows_are_dense = false;
  for (const Axis& axis : tile.axes) {
    bool in_left = expr::uses_var(product.left, axis.var.get()),
         in_right = expr::uses_var(product.right, axis.var.get());
    bool dense = stores_densely(tile, axis);
    if (in_left == in_right) {
      product.batch.push_back(axis);
    } else if (in_left) {
      product.rows.push_back(axis);
      rows_are_dense = rows_are_dense || dense;
    } else {
      product.columns.push_back(axis);
    }
  }
  if (product.rows.empty() && product.columns.empty()) return Refusal{"both factors depend on every axis"};
  if (rows_are_dense || product.columns.empty()) {
    std::swap(product.left, product.right);
    std::swap(product.rows, product.columns);
  }
  product.depth = tile.reduce_axes;
  return product;
}

}  // namespace sardonyx::sketch::gpu
