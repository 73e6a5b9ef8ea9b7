// Lowering: from a scheduled kernel body to what a code generator emits directly.
//
// After lower() every buffer is addressed by one flat index, Vector loops have become vector expressions (Unrolled
// loops are copied by the code generator, which keeps statements small), arithmetic on narrow types runs in wider ones,
// and calls of exp, tanh ... are polynomials. Each pass is a function from statement to statement and can be tested
// alone; lower() is the list of them.
#pragma once
#include "compiler/expr/simplify.h"
#include "compiler/tensor/kernel.h"

namespace sardonyx::tensor {

// All passes in order.
Stmt lower(const Stmt& body, const expr::Scope& scope = {});

// Indices that contain a Load or a Checked are checked against the buffer's dims, integer divisors that do against zero;
// then nothing is Checked any more. Runs on multi-dimensional indices.
Stmt add_bound_checks(const Stmt& stmt);
// Row-major flattening of all indices.
Stmt flatten(const Stmt& stmt);
// Vector loops become Ramp and Broadcast expressions. Buffers allocated inside get one element per lane.
Stmt vectorize(const Stmt& stmt);
// Simplifies integer expressions with the loops' bounds as facts; drops branches and loops that never run.
Stmt simplify(const Stmt& stmt, const expr::Scope& scope = {});
Expr simplify_index(const Expr& e, const expr::Scope& scope);
// Narrow floats are computed with in F32 and small integers in a byte: loads widen, stores round (lower/narrow.h).
Stmt legalize_types(const Stmt& stmt);
// Expands Exp, Log, Tanh, Pow ... into arithmetic (F32 within 4 ulp, F64 within 1e-14 relative).
Stmt expand_math(const Stmt& stmt);
Expr expand_math(const Expr& call);

}  // namespace sardonyx::tensor
