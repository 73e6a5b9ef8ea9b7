// What the definitions of primitives share: short names, operand checks, and helpers that build terms.
//
// Inference is lenient about dims that are merely not provably equal (the builder records an equality that the run
// checks) and strict about dims that are provably different. Every message names the shapes that do not fit.
//
//   Term y = map(x, DType::Bool, [](const Expr& v) { return !v; });   // y.at(i) == !x.at(i)
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "compiler/expr/simplify.h"
#include "compiler/graph/attributes.h"
#include "compiler/graph/op.h"
#include "compiler/tensor/compute.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {

using expr::Expr;
using graph::Attributes;
using graph::Op;
using graph::OpDef;
using graph::RegisterOp;
using graph::TensorType;
using tensor::Index;
using tensor::ProgramBuilder;
using tensor::Term;
using Exprs = std::vector<Expr>;
using Types = std::span<const TensorType>;
using Terms = std::span<const Term>;

template <class A>
const A& as(const Attributes& attributes) {
  return static_cast<const A&>(attributes);
}

// ---- inference ----
// Throws InvalidModel unless there are `count` operands.
void expect_operands(Op op, Types operands, size_t count);
void expect_rank_at_least(Op op, const TensorType& type, int rank);
void expect_same_dtype(Op op, const TensorType& a, const TensorType& b);
// Provably different for some values of the symbols that are all values (constants that differ).
bool surely_differ(const Expr& a, const Expr& b);
// The dim that both are, the simpler of the two; throws InvalidModel naming both types when they surely differ.
Expr unify(Op op, const Expr& a, const Expr& b, const TensorType& left, const TensorType& right);
Exprs simplified(Exprs dims);
// Types of operands for messages: "f32[2,3], i64[4]".
std::string type_list(Types operands);
// numpy broadcast of batch dims, lenient as unify is.
Exprs broadcast_batch(Op op, const Exprs& a, const Exprs& b, Types operands);

// ---- terms ----
Term map(const Term& x, DType dtype, const std::function<Expr(const Expr&)>& f);
Term cast_term(const Term& x, DType dtype);
// The dtype in which sums over `dtype` are kept: F32 for narrower floats, else the same.
DType accumulation_dtype(DType dtype);
// Row-major position of `index` in `dims`, and back.
Expr flatten(const Index& index, const Exprs& dims);
Index unflatten(const Expr& flat, const Exprs& dims);
// Index of an operand of `dims` that is broadcast (right-aligned) to a result index.
Index broadcast_index(const Exprs& dims, const Exprs& result_dims, const Index& index);
// index + dim when negative: ONNX's indices that count from the end. I64, checked against the dim.
Expr wrap_negative(const Expr& index, const Expr& dim);
// `value`, an index or a divisor that `condition` must hold for: marked for a check unless it holds for sure.
Expr checked(const Expr& value, const Expr& condition);
// all(conditions), true when there are none.
Expr all_of(const std::vector<Expr>& conditions);

}  // namespace sardonyx::ops
