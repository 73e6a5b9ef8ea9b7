// Unrolled loops become straight code.
#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {

Stmt unroll(const Stmt& stmt) {
  return mutate(stmt, [](const Stmt& s) {
    if (s->kind != StmtKind::For || s->for_kind != ForKind::Unrolled) return s;
    int64_t extent = *expr::as_int(s->extent);
    std::vector<Stmt> copies;
    for (int64_t i = 0; i < extent; ++i) copies.push_back(substitute(s->body[0], {{s->var.get(), Expr(i)}}));
    return make_block(std::move(copies));
  });
}

}  // namespace sardonyx::tensor
