#include "compiler/ops/onnx/attention_heads.h"

#include "compiler/expr/simplify.h"

namespace sardonyx::ops {

AttentionHeads::AttentionHeads(Lowering& in, Value* query, Value* key, Value* value)
    : in_(in), query_(query), key_(key), value_(value) {
  auto& b = in.builder();
  const auto shapes = [&] {
    return str(graph::to_string(query->type), ", ", graph::to_string(key->type), ", ", graph::to_string(value->type));
  };
  for (const Value* x : {query, key, value})
    in.require(x->type.rank() == 4 && is_float(x->type.dtype), Status::InvalidModel,
               "expected queries, keys and values [batch, heads, length, size] of floats, got ", shapes());
  in.require(query->type.dtype == key->type.dtype, Status::InvalidModel, "queries and keys differ in type: ", shapes());
  const std::string what = str(" of queries, keys and values of node '", in.node(), "': ", shapes());
  b.require_equal(query->type.dims[0], key->type.dims[0], "the batch" + what);
  b.require_equal(key->type.dims[0], value->type.dims[0], "the batch" + what);
  b.require_equal(query->type.dims[3], key->type.dims[3], "the head size" + what);
  const Expr heads = query->type.dims[1],
             kv_heads = b.require_equal(key->type.dims[1], value->type.dims[1], "the heads" + what);
  b.require_equal(key->type.dims[2], value->type.dims[2], "the length" + what);
  if (expr::prove_equal(heads, kv_heads)) {
    group_ = 1;
    return;
  }
  const auto many = expr::as_int(heads), few = expr::as_int(kv_heads);
  in.require(!(many && few) || (*few > 0 && *many % *few == 0), Status::InvalidModel,
             "the heads of queries must be a multiple of those of keys and values, got ", shapes());
  group_ = expr::simplify(heads / expr::max(kv_heads, Expr(1)));
  b.check(group_ * kv_heads == heads, Status::MismatchingShape,
          str("node '", in.node(), "': the heads of queries are no multiple of those of keys and values"));
}

Value* AttentionHeads::grouped(Value* x) const {
  if (expr::is_const(group_, 1)) return x;
  const auto& dims = x->type.dims;
  return in_.builder().reshape(x, {dims[0], key_->type.dims[1], expr::simplify(group_ * dims[2]), dims[3]});
}

Value* AttentionHeads::ungrouped(Value* x) const {
  if (expr::is_const(group_, 1)) return x;
  const auto& dims = query_->type.dims;
  return in_.builder().reshape(x, {dims[0], dims[1], dims[2], x->type.dims[3]});
}

Value* AttentionHeads::scores() const {
  return ungrouped(in_.builder().matmul(grouped(query_), key_, false, true, query_->type.dtype));
}

Value* AttentionHeads::weighted(Value* probabilities) const {
  auto& b = in_.builder();
  Value* product =
      b.matmul(grouped(b.cast(probabilities, value_->type.dtype)), value_, false, false, value_->type.dtype);
  return ungrouped(product);
}

Value* attention_scale(Builder& builder, const Value* query, DType dtype) {
  Value* size = builder.cast(builder.dims_tensor({query->type.dims.back()}, {}), DType::F64);
  return builder.cast(builder.div(builder.scalar(DType::F64, 1), builder.sqrt(size)), dtype);
}

}  // namespace sardonyx::ops
