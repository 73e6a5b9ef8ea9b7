// Attention: softmax(query x key^T * scale + bias) x value, with caches of keys and values, masks, soft caps, and
// several query heads per head of keys and values.
//
// ONNX 1.23 moved the soft cap from behind the bias to before it, and exchanged the modes 1 and 2 of the fourth result.
// Versions 23 and 24 do what was released with them, except that what is masked out stays out; 25 does the new order.
#include <cmath>
#include <limits>

#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/attention_heads.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::UnaryFunction;

// [batch, length, heads * size] as [batch, heads, length, size].
Value* split_heads(Lowering& in, Value* x, const char* attribute) {
  auto& b = in.builder();
  const int64_t heads = in.attr_int(attribute);
  const auto& dims = x->type.dims;
  const auto hidden = expr::as_int(dims[2]);
  in.require(heads > 0 && hidden.value_or(heads) % heads == 0, Status::InvalidModel, attribute, " = ", heads,
             " does not divide the last dim of ", graph::to_string(x->type));
  return b.transpose(b.reshape(x, {dims[0], dims[1], Expr(heads), expr::simplify(dims[2] / Expr(heads))}),
                     {0, 2, 1, 3});
}

Value* merge_heads(Builder& b, Value* x) {
  x = b.transpose(x, {0, 2, 1, 3});
  const auto& dims = x->type.dims;
  return b.reshape(x, {dims[0], dims[1], expr::simplify(dims[2] * dims[3])});
}

// The cache, if there is one, and behind it the new keys or values.
Value* appended(Lowering& in, int past, Value* x) {
  Value* cache = in.optional(past);
  if (!cache) return x;
  in.require(cache->type.rank() == 4 && cache->type.dtype == x->type.dtype, Status::InvalidModel, "the cache is ",
             graph::to_string(cache->type), " for ", graph::to_string(x->type));
  return in.builder().concat({cache, x}, 2);
}

// What is added to the scores, and who takes part at all; null where there is nothing to say.
struct Masks {
  Value* bias = nullptr;      // float, broadcasts to the scores
  Value* keep = nullptr;      // bool, broadcasts to the scores
  bool may_be_empty = false;  // a query may be left without any key
};

class MaskBuilder {
 public:
  MaskBuilder(Lowering& in, Value* scores) : in_(in), b_(in.builder()), scores_(scores) {}

  Masks masks() {
    add_mask_input();
    add_positions();
    return masks_;
  }

 private:
  const Expr& queries() const { return scores_->type.dims[2]; }
  const Expr& keys() const { return scores_->type.dims[3]; }

  void keep(Value* condition) {
    masks_.keep = masks_.keep ? b_.binary(BinaryFunction::And, masks_.keep, condition) : condition;
  }

  // A mask that is shorter than the keys leaves the rest out.
  void add_mask_input() {
    Value* mask = in_.optional(3);
    if (!mask) return;
    const int rank = mask->type.rank();
    in_.require(rank >= 1 && rank <= 4, Status::InvalidModel, "the mask is ", graph::to_string(mask->type),
                ", expected rank 1 to 4");
    const DType dtype = scores_->type.dtype;
    const bool is_bool = mask->type.dtype == DType::Bool;
    if (!is_bool) mask = b_.cast(mask, dtype);
    const Expr length = mask->type.dims.back();
    if (!expr::prove_equal(length, keys())) {
      const auto missing = expr::as_int(expr::simplify(keys() - length));
      in_.require(missing.value_or(0) >= 0, Status::InvalidModel, "the mask ", graph::to_string(mask->type),
                  " is longer than the ", b_.shape_text({keys()}), " keys");
      std::vector<Expr> before(size_t(rank), Expr(0)), after = before;
      after.back() = expr::simplify(keys() - length);
      b_.check(length <= keys(), Status::MismatchingShape,
               str("node '", in_.node(), "' (Attention): the mask is longer than the keys"));
      Value* out = b_.scalar(is_bool ? DType::Bool : dtype, is_bool ? 0 : -std::numeric_limits<double>::infinity());
      mask = b_.pad(mask, before, after, graph::PadMode::Constant, out);
    }
    if (is_bool)
      keep(mask);
    else
      masks_.bias = mask;
    masks_.may_be_empty = true;
  }

  // Keys in front of the first query: a scalar or [batch, 1, 1, 1].
  Value* offset(Value* valid) {
    if (in_.optional(4)) return b_.dims_tensor({in_.optional(4)->type.dims[2]}, {});
    if (valid) return b_.sub(valid, b_.dims_tensor({queries()}, {}));
    return b_.scalar(DType::I64, 0);
  }

  // Causality, windows, and the number of valid keys.
  void add_positions() {
    Value* valid = in_.version() >= 24 ? in_.optional(6) : nullptr;
    if (valid) {
      in_.require(!in_.optional(4) && !in_.optional(5), Status::InvalidModel,
                  "nonpad_kv_seqlen does not go with past_key and past_value");
      in_.require(valid->type.rank() == 1 && is_integer(valid->type.dtype), Status::InvalidModel,
                  "nonpad_kv_seqlen is ", graph::to_string(valid->type), ", expected [batch]");
      valid = b_.unsqueeze(b_.cast(valid, DType::I64), {1, 2, 3});
      keep(b_.less(b_.iota(DType::I64, {keys()}, 0), valid));
      masks_.may_be_empty = true;
    }
    const bool causal = in_.attr_int("is_causal", 0) != 0;
    const int64_t left = window("left_window_size"), right = window("right_window_size");
    if (!causal && left < 0 && right < 0) return;
    const std::vector<Expr> dims{queries(), keys()};
    Value* position = b_.add(b_.iota(DType::I64, dims, 0), offset(valid));  // of each query among the keys
    Value* key = b_.iota(DType::I64, dims, 1);
    if (causal) keep(b_.less_equal(key, position));
    if (left >= 0) keep(b_.less_equal(b_.sub(position, b_.scalar(DType::I64, double(left))), key));
    if (right >= 0 && !causal) keep(b_.less_equal(key, b_.add(position, b_.scalar(DType::I64, double(right)))));
    masks_.may_be_empty |= left >= 0;
  }

  int64_t window(const char* name) {
    if (in_.version() < 25) return -1;
    const int64_t size = in_.attr_int(name, -1);
    in_.require(size >= -1 && size <= int64_t{1} << 40, Status::InvalidModel, name, " = ", size, " is out of range");
    return size;
  }

  Lowering& in_;
  Builder& b_;
  Value* scores_;
  Masks masks_;
};

Value* minus_infinity(Builder& b, Value* like) { return b.scalar_like(like, -std::numeric_limits<double>::infinity()); }

Value* with_bias(Builder& b, Value* scores, const Masks& masks) {
  return masks.bias ? b.add(scores, masks.bias) : scores;
}

Value* masked(Builder& b, Value* scores, const Masks& masks) {
  return masks.keep ? b.select(masks.keep, scores, minus_infinity(b, scores)) : scores;
}

Value* softcapped(Builder& b, Value* scores, double cap) {
  if (cap == 0) return scores;
  Value* limit = b.scalar_like(scores, cap);
  return b.mul(b.unary(UnaryFunction::Tanh, b.div(scores, limit)), limit);
}

// Scores as the softmax sees them; `stages` are what the fourth result may show, in the order of its modes.
Value* biased(Lowering& in, Value* scores, const Masks& masks, std::vector<Value*>* stages) {
  auto& b = in.builder();
  const double cap = in.attr_float("softcap", 0);
  in.require(cap >= 0 && std::isfinite(cap), Status::InvalidModel, "softcap ", cap, " must not be negative");
  stages->push_back(scores);
  if (in.version() >= 25) {
    Value* capped = softcapped(b, scores, cap);
    Value* result = masked(b, with_bias(b, capped, masks), masks);
    stages->insert(stages->end(), {capped, result});
    return result;
  }
  Value* shifted = masked(b, with_bias(b, scores, masks), masks);
  stages->push_back(shifted);
  Value* result = shifted;
  if (cap > 0) {
    Value* low = minus_infinity(b, shifted);
    result = b.select(b.equal(shifted, low), low, softcapped(b, shifted, cap));
  }
  stages->push_back(result);
  return result;
}

// Softmax along the keys; queries without any key get zeros.
Value* probabilities(Lowering& in, Value* scores, bool may_be_empty) {
  auto& b = in.builder();
  const DType precision = DType(in.attr_int("softmax_precision", int64_t(scores->type.dtype)));
  in.require(is_float(precision), Status::InvalidModel, "softmax_precision ", int(precision), " is no float type");
  scores = b.cast(scores, precision);
  Value* result = b.softmax(scores, 3);
  if (!may_be_empty) return result;
  Value* largest = b.reduce(graph::ReduceFunction::Max, scores, {3}, true);
  return b.select(b.equal(largest, minus_infinity(b, scores)), b.scalar_like(result, 0), result);
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *query = in[0], *key = in[1], *value = in[2];
  const int rank = query->type.rank();
  in.require((rank == 3 || rank == 4) && key->type.rank() == rank && value->type.rank() == rank, Status::InvalidModel,
             "queries, keys and values must all have rank 3 or 4, got ", graph::to_string(query->type), ", ",
             graph::to_string(key->type), ", ", graph::to_string(value->type));
  in.require(!in.optional(4) == !in.optional(5), Status::InvalidModel, "past_key and past_value go together");
  if (rank == 3) {
    query = split_heads(in, query, "q_num_heads");
    key = split_heads(in, key, "kv_num_heads");
    value = split_heads(in, value, "kv_num_heads");
  }
  key = appended(in, 4, key);
  value = appended(in, 5, value);

  // Half of the scale on either side keeps products of the narrow floats in range.
  const DType dtype = query->type.dtype;
  const bool narrow = dtype == DType::F16 || dtype == DType::BF16;
  Value* scaled_key = key;
  Value* factor = in.has("scale") ? b.scalar(dtype, in.attr_float("scale")) : attention_scale(b, query, dtype);
  if (narrow) {
    in.require(in.attr_float("scale", 1) >= 0, Status::InvalidModel, "scale must not be negative");
    factor = b.cast(b.sqrt(b.cast(factor, DType::F32)), dtype);
    scaled_key = b.mul(key, factor);
    query = b.mul(query, factor);
  }
  const AttentionHeads heads(in, query, scaled_key, value);
  Value* scores = heads.scores();
  if (!narrow) scores = b.mul(scores, factor);

  const Masks masks = MaskBuilder(in, scores).masks();
  std::vector<Value*> stages;
  Value* weights = probabilities(in, biased(in, scores, masks, &stages), masks.may_be_empty);
  stages.push_back(b.cast(weights, dtype));
  const int64_t mode = in.attr_int("qk_matmul_output_mode", 0);
  in.require(mode >= 0 && mode < int64_t(stages.size()), Status::InvalidModel, "qk_matmul_output_mode ", mode,
             " is unknown");
  Value* result = b.cast(heads.weighted(weights), dtype);
  if (rank == 3) result = merge_heads(b, result);
  return {result, key, value, stages[size_t(mode)]};
}

const OnnxOp op{operator_row("Attention", {23, 24, 25}, lower, {3, 7}, {1, 4})};

}  // namespace
}  // namespace sardonyx::ops
