// Attention: softmax(query x key^T, scaled and masked) x value, as one kernel.
//
// A grid index is one head and a share of its queries. The keys, and values whose rows lie far apart, are packed into
// panels once; then, a few rows at a time, come the scores with their whole sums in registers, the softmax in the
// first-level cache, and the product with the values, which goes where the result wants it. A few queries are not worth
// a packing: their scores are sums along the keys as they lie in memory.
#pragma once
#include <variant>

#include "compiler/sketch/support.h"

namespace sardonyx::sketch {

// What a program of two products and a softmax between them computes, over variables of its own.
struct AttentionProblem {
  const Program* program = nullptr;
  std::vector<Axis> batch;        // heads and what is around them
  Axis query, key, inner, value;  // rows and columns of the scores, what they are summed over, columns of the result
  Expr queries;                   // over batch, query and inner
  Expr keys;                      // over batch, key and inner
  Expr values;                    // over batch, key and value
  Expr logits;                    // over batch, query and key; loads from `scores`
  BufferPtr scores;               // the result of the first product
  bool empty_is_zero = false;     // queries whose logits are all -inf give zeros, else NaN
  BufferPtr result;
  tensor::Index at;  // of an element of the result, over batch, query and value

  // An expression at another query, key, inner element or column.
  Expr at_point(const Expr& e, const Axis& first, const Expr& i, const Axis& second, const Expr& j) const {
    return tensor::substitute_shared(e, {{first.var.get(), i}, {second.var.get(), j}});
  }
};

std::variant<AttentionProblem, Refusal> attention_problem(const Problem& problem);

struct AttentionShape {
  int64_t tiles = 1;   // of rows that go through the three steps together
  int64_t splits = 1;  // grid indices that share a head
  bool pack = false;   // the values, as the keys are
};
// Nanoseconds on one core at typical sizes.
double attention_cost(const AttentionProblem& problem, const AttentionShape& shape, const Target& target);
Lowered lower_attention(const AttentionProblem& problem, const AttentionShape& shape, const Target& target);

}  // namespace sardonyx::sketch
