// Row-major flattening.
#include <unordered_map>

#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {

namespace {

Expr flat_index(const std::vector<Expr>& dims, const std::vector<Expr>& index) {
  Expr flat = 0;
  for (size_t i = 0; i < index.size(); ++i) flat = i == 0 ? index[0] : flat * dims[i] + index[i];
  return flat;
}

}  // namespace

Stmt flatten(const Stmt& stmt) {
  auto flat_loads = [](const Expr& e) {
    return mutate_shared(e, [](const Expr& x) {
      if (x->kind != expr::Kind::Load || x->args.size() == 1) return x;
      return expr::rebuild(x, {flat_index(x->buffer->dims, x->args)});
    });
  };
  Stmt loads = mutate_exprs(stmt, flat_loads);
  return mutate(loads, [](const Stmt& s) {
    if ((s->kind != StmtKind::Store && s->kind != StmtKind::Prefetch) || s->index.size() == 1) return s;
    Expr flat = flat_index(s->buffer->dims, s->index);
    return s->kind == StmtKind::Store ? make_store(s->buffer, {flat}, s->value)
                                      : make_prefetch(s->buffer, {flat}, s->level);
  });
}

}  // namespace sardonyx::tensor
