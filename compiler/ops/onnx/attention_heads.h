// Products of attention heads, shared by Attention and FlexAttention: scores of queries and keys, and values weighted
// by probabilities, when several query heads share a head of keys and values.
#pragma once
#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

// Query head h uses the key and value head h / (query heads / kv heads). Operands are [batch, heads, length, size].
class AttentionHeads {
 public:
  // Throws InvalidModel unless ranks are 4 and batch, heads and sizes fit.
  AttentionHeads(Lowering& in, Value* query, Value* key, Value* value);

  // query x key^T: [batch, query heads, query length, key length].
  Value* scores() const;
  // probabilities (shaped like the scores) x value: [batch, query heads, query length, value size].
  Value* weighted(Value* probabilities) const;

 private:
  // [batch, query heads, length, n] and [batch, kv heads, heads per group * length, n]: the same rows.
  Value* grouped(Value* x) const;
  Value* ungrouped(Value* x) const;

  Lowering& in_;
  Value *query_, *key_, *value_;
  Expr group_;  // query heads per kv head
};

// The default scale of scores: 1 / sqrt(size of a head of the queries), a scalar of `dtype`.
Value* attention_scale(Builder& builder, const Value* query, DType dtype);

}  // namespace sardonyx::ops
