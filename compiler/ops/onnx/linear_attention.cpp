// LinearAttention: a loop over time with one matrix of state per head; a single step (decoding) needs no loop.
#include <cmath>

#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

struct Rule {
  bool gated = false, delta = false;
};

Rule rule_of(Lowering& in) {
  const std::string name = in.attr_string("update_rule", "gated_delta");
  in.require(name == "linear" || name == "gated" || name == "delta" || name == "gated_delta", Status::InvalidModel,
             "update_rule '", name, "' is unknown");
  const Rule rule{name == "gated" || name == "gated_delta", name == "delta" || name == "gated_delta"};
  in.require(rule.gated == (in.optional(4) != nullptr), Status::InvalidModel, "update_rule '", name, "' ",
             rule.gated ? "needs" : "takes no", " decay");
  in.require(rule.delta == (in.optional(5) != nullptr), Status::InvalidModel, "update_rule '", name, "' ",
             rule.delta ? "needs" : "takes no", " beta");
  return rule;
}

// [batch, time, heads * size] in F32 as [time, batch, heads, size].
Value* by_time(Lowering& in, Value* x, int64_t heads) {
  auto& b = in.builder();
  in.require(x->type.rank() == 3 && is_float(x->type.dtype), Status::InvalidModel,
             "expected [batch, time, hidden] of floats, got ", graph::to_string(x->type));
  const auto& dims = x->type.dims;
  const auto hidden = expr::as_int(dims[2]);
  in.require(hidden && *hidden % heads == 0, Status::InvalidModel, heads, " heads do not divide the last dim of ",
             graph::to_string(x->type));
  x = b.reshape(b.cast(x, DType::F32), {dims[0], dims[1], Expr(heads), Expr(*hidden / heads)});
  return b.transpose(x, {1, 0, 2, 3});
}

// Operands of all steps; the results of `step` use one step's of them, [batch, heads, size].
struct Operands {
  Value *query, *key, *value, *decay = nullptr, *beta = nullptr;

  template <class F>
  Operands mapped(F&& f) const {
    return {f(query), f(key), f(value), decay ? f(decay) : nullptr, beta ? f(beta) : nullptr};
  }
};

struct StepResult {
  Value *state, *output;
};

// state: [batch, heads, key size, value size]. `group`: query heads per state.
StepResult step(Builder& b, const Operands& now, Value* state, int64_t group) {
  if (now.decay) state = b.mul(state, b.unsqueeze(b.exp(now.decay), {3}));
  Value *key = b.unsqueeze(now.key, {3}), *value = b.unsqueeze(now.value, {2});
  if (now.beta) {
    Value* retrieved = b.matmul(b.unsqueeze(now.key, {2}), state, false, false, DType::F32);
    value = b.mul(b.unsqueeze(now.beta, {2}), b.sub(value, retrieved));
  }
  state = b.add(state, b.mul(key, value));
  const auto& dims = now.query->type.dims;  // the query heads of one state are rows of one product
  Value* query = b.reshape(now.query, {dims[0], state->type.dims[1], Expr(group), dims[2]});
  Value* output = b.matmul(query, state, false, false, DType::F32);
  return {state, b.reshape(output, {dims[0], dims[1], state->type.dims[3]})};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  const Rule rule = rule_of(in);
  const int64_t query_heads = in.attr_int("q_num_heads"), heads = in.attr_int("kv_num_heads");
  in.require(heads > 0 && query_heads > 0 && query_heads % heads == 0, Status::InvalidModel, "q_num_heads ",
             query_heads, " is no multiple of kv_num_heads ", heads);
  Operands all{by_time(in, in[0], query_heads), by_time(in, in[1], heads), by_time(in, in[2], heads)};
  const Expr time = all.query->type.dims[0], batch = all.query->type.dims[1];
  const Expr key_size = all.key->type.dims[3], value_size = all.value->type.dims[3];
  b.require_equal(all.query->type.dims[3], key_size, str("the sizes of queries and keys of node '", in.node(), "'"));
  const auto with_time = [&](Value* x) {
    b.require_equal(x->type.dims[0], time, str("the time of node '", in.node(), "'"));
    b.require_equal(x->type.dims[1], batch, str("the batch of node '", in.node(), "'"));
    return x;
  };
  with_time(all.key);
  with_time(all.value);
  if (rule.gated) {
    all.decay = with_time(by_time(in, in[4], heads));  // one number per head, or one per row of the state
    if (!expr::is_const(all.decay->type.dims[3], 1))
      b.require_equal(all.decay->type.dims[3], key_size, str("the size of decay of node '", in.node(), "'"));
  }
  if (rule.delta) {
    const auto width = expr::as_int(in[5]->type.dims.back());
    in.require(width && (*width == 1 || *width == heads), Status::InvalidModel, "beta is ",
               graph::to_string(in[5]->type), ", expected a last dim of 1 or ", heads);
    all.beta = with_time(by_time(in, in[5], *width));
  }

  const std::vector<Expr> state_dims{batch, Expr(heads), key_size, value_size};
  Value* state = in.optional(3);
  const DType state_dtype = state ? state->type.dtype : in[0]->type.dtype;
  if (state) {
    in.require(state->type.rank() == 4 && is_float(state_dtype), Status::InvalidModel, "past_state is ",
               graph::to_string(state->type));
    for (size_t i = 0; i < 4; ++i)
      b.require_equal(state->type.dims[i], state_dims[i], str("dim ", i, " of past_state of node '", in.node(), "'"));
    state = b.cast(state, DType::F32);
  } else {
    state = b.full(b.scalar(DType::F32, 0), state_dims);
  }

  const int64_t group = query_heads / heads;
  Value* output = nullptr;  // [time, batch, query heads, value size]
  if (expr::is_const(time, 1)) {
    const StepResult result = step(b, all.mapped([&](Value* x) { return b.squeeze(x, {0}); }), state, group);
    state = result.state;
    output = b.unsqueeze(result.output, {0});
  } else {
    const auto results = b.loop(b.dims_tensor({time}, {}), nullptr, {state},
                                [&](Builder& inner, Value* iteration, Value* condition, std::vector<Value*> carried) {
                                  const Operands now =
                                      all.mapped([&](Value* x) { return inner.gather(x, iteration, 0); });
                                  const StepResult result = step(inner, now, carried.at(0), group);
                                  return std::vector<Value*>{condition, result.state, result.output};
                                });
    state = results[0];
    output = results[1];
  }
  const double given = in.attr_float("scale", 0);
  const double scale = given != 0 ? given : 1 / std::sqrt(double(expr::as_int(key_size).value_or(1)));
  output = b.transpose(b.mul(output, b.scalar(DType::F32, scale)), {1, 0, 2, 3});
  output = b.reshape(output, {batch, time, expr::simplify(Expr(query_heads) * value_size)});
  return {b.cast(output, in[0]->type.dtype), b.cast(state, state_dtype)};
}

const OnnxOp op{operator_row("LinearAttention", {27}, lower, {3, 6}, {1, 2})};

}  // namespace
}  // namespace sardonyx::ops
