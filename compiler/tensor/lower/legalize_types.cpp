// F16 and BF16 are storage types: arithmetic runs in F32 and rounds where a value is stored or cast.
#include "compiler/tensor/lower/lower.h"

namespace sardonyx::tensor {

namespace {

using expr::Kind;

bool narrow(DType dtype) { return dtype == DType::F16 || dtype == DType::BF16; }

// Rewrites an expression so that no narrow value remains but loads under a widening cast.
Expr legalize(const Expr& e) {
  return mutate_shared(e, [](const Expr& x) -> Expr {
    if (x->kind == Kind::Load && narrow(x->type.dtype)) return expr::cast(x, DType::F32);
    if (x->kind == Kind::FloatImm && narrow(x->type.dtype)) return expr::float_imm(x->float_value, DType::F32);
    // Casting to a narrow type rounds, then the value goes on as F32.
    if (x->kind == Kind::Cast && narrow(x->type.dtype)) return expr::cast(x, DType::F32);
    return x;
  });
}

}  // namespace

Stmt legalize_types(const Stmt& stmt) {
  Stmt wide = mutate_exprs(stmt, legalize);
  return mutate(wide, [](const Stmt& s) {
    if (s->kind != StmtKind::Store || s->value->type.dtype == s->buffer->dtype) return s;
    return make_store(s->buffer, s->index, expr::cast(s->value, s->buffer->dtype));
  });
}

}  // namespace sardonyx::tensor
