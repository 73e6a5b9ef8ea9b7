// BatchNormalization, InstanceNormalization, LayerNormalization, GroupNormalization, RMSNormalization,
// MeanVarianceNormalization and LRN.
#include <algorithm>

#include "compiler/ops/onnx/spatial.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Mean and population variance over `axes`, which stay as dims of 1.
struct Moments {
  Value *mean, *centered, *variance;
};
Moments moments_of(Builder& b, Value* x, const std::vector<int64_t>& axes) {
  Value* mean = b.mean(x, axes, true);
  Value* centered = b.sub(x, mean);
  return {mean, centered, b.mean(b.mul(centered, centered), axes, true)};
}

// 1 / sqrt(variance + epsilon)
Value* inverse_deviation(Builder& b, Value* variance, double epsilon) {
  Value* deviation = b.sqrt(b.add(variance, b.scalar_like(variance, epsilon)));
  return b.div(b.scalar_like(variance, 1), deviation);
}

// What several types of parameters and statistics are computed in.
DType common_type(const std::vector<Value*>& values) {
  bool same = true, wide = false;
  for (const Value* value : values) {
    same = same && value->type.dtype == values[0]->type.dtype;
    wide = wide || value->type.dtype == DType::F64;
  }
  return same ? values[0]->type.dtype : wide ? DType::F64 : DType::F32;
}

// scale and shift of known statistics are constants as a rule, and then fold into the convolution before.
Value* scale_and_shift(Builder& b, Value* x, Value* scale, Value* bias, Value* mean, Value* variance, double epsilon,
                       int spatial_rank) {
  const DType working = common_type({scale, bias, mean, variance});
  for (Value** parameter : {&scale, &bias, &mean, &variance}) *parameter = b.cast(*parameter, working);
  Value* factor = b.mul(scale, inverse_deviation(b, variance, epsilon));
  Value* shift = b.sub(bias, b.mul(mean, factor));
  const DType dtype = x->type.dtype;
  factor = b.cast(per_channel(b, factor, spatial_rank), dtype);
  shift = b.cast(per_channel(b, shift, spatial_rank), dtype);
  return b.add(b.mul(x, factor), shift);
}

// Training mode normalises with the batch's statistics. Results: the tensor, running mean and variance, and (before
// version 14) the batch's own.
std::vector<Value*> train_batch_normalization(Lowering& in, double epsilon) {
  auto& b = in.builder();
  Value* x = in[0];
  const double momentum = in.attr_float("momentum", 0.9);
  std::vector<int64_t> axes = axes_from(2, x->type.rank());
  axes.insert(axes.begin(), 0);
  const Moments moments = moments_of(b, x, axes);
  const auto flat = [&](Value* previous, Value* current) {
    return b.cast(b.reshape(current, previous->type.dims), previous->type.dtype);
  };
  const auto running = [&](Value* previous, Value* current) {
    Value* now = flat(previous, current);
    return b.add(b.mul(previous, b.scalar_like(previous, momentum)), b.mul(now, b.scalar_like(now, 1 - momentum)));
  };
  const int spatial_rank = x->type.rank() - 2;
  Value* normal = b.mul(moments.centered, inverse_deviation(b, moments.variance, epsilon));
  Value* scale = b.cast(per_channel(b, in[1], spatial_rank), x->type.dtype);
  Value* bias = b.cast(per_channel(b, in[2], spatial_rank), x->type.dtype);
  return {b.add(b.mul(normal, scale), bias), running(in[3], moments.mean), running(in[4], moments.variance),
          flat(in[3], moments.mean), flat(in[4], moments.variance)};
}

std::vector<Value*> batch_normalization(Lowering& in) {
  const double epsilon = in.attr_float("epsilon", 1e-5);
  const int rank = in[0]->type.rank();
  in.require(rank >= 2, Status::InvalidModel, "rank 2 or more expected, got ", graph::to_string(in[0]->type));
  // Before version 9, spatial = 0 has statistics per feature: parameters of all dims but the first.
  const bool per_feature = in.version() < 9 && in.attr_int("spatial", 1) == 0;
  // Before version 14, asking for statistics means training.
  const bool training = in.version() >= 14 ? in.attr_int("training_mode", 0) != 0 : in.outputs() > 1;
  if (training) {
    in.require(!per_feature, Status::UnsupportedAttribute, "training with statistics per feature is not supported");
    std::vector<Value*> results = train_batch_normalization(in, epsilon);
    results.resize(size_t(std::min(in.outputs(), in.version() >= 14 ? 3 : 5)));
    return results;
  }
  in.require(in.outputs() <= 1, Status::InvalidModel, "statistics of a batch are for training_mode 1");
  const int spatial_rank = per_feature ? 0 : rank - 2;
  return {scale_and_shift(in.builder(), in[0], in[1], in[2], in[3], in[4], epsilon, spatial_rank)};
}

std::vector<Value*> instance_normalization(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const int rank = x->type.rank();
  in.require(rank >= 3, Status::InvalidModel, "rank 3 or more expected, got ", graph::to_string(x->type));
  const Moments moments = moments_of(b, x, axes_from(2, rank));
  Value* normal = b.mul(moments.centered, inverse_deviation(b, moments.variance, in.attr_float("epsilon", 1e-5)));
  return {b.add(b.mul(normal, per_channel(b, in[1], rank - 2)), per_channel(b, in[2], rank - 2))};
}

// The dtype in which stash_type says that the statistics are kept.
DType stash_type(Lowering& in) {
  const DType dtype = DType(in.attr_int("stash_type", 1));
  in.require(is_float(dtype), Status::InvalidModel, "stash_type ", int(dtype), " is no float type");
  return in[0]->type.dtype == DType::F64 ? DType::F64 : dtype;
}

std::vector<Value*> layer_normalization(Lowering& in) {
  auto& b = in.builder();
  Value *x = in[0], *scale = in[1], *bias = in.optional(2);
  const int64_t axis = in.axis(in.attr_int("axis", -1), x->type.rank());
  const double epsilon = in.attr_float("epsilon", 1e-5);
  if (!bias) bias = b.scalar_like(x, 0);
  std::vector<Value*> results{b.layer_norm(x, scale, bias, axis, epsilon)};
  if (in.outputs() > 1) {
    const Moments moments = moments_of(b, b.cast(x, stash_type(in)), axes_from(axis, x->type.rank()));
    results.push_back(moments.mean);
    if (in.outputs() > 2) results.push_back(inverse_deviation(b, moments.variance, epsilon));
  }
  return results;
}

std::vector<Value*> rms_normalization(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const int rank = x->type.rank();
  Value* wide = b.cast(x, stash_type(in));
  Value* squares = b.mean(b.mul(wide, wide), axes_from(in.axis(in.attr_int("axis", -1), rank), rank), true);
  Value* normal = b.mul(wide, inverse_deviation(b, squares, in.attr_float("epsilon", 1e-5)));
  return {b.mul(b.cast(normal, x->type.dtype), in[1])};
}

// Version 18 has a scale and bias per group, version 21 per channel.
std::vector<Value*> group_normalization(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const int rank = x->type.rank();
  const int64_t groups = in.attr_int("num_groups");
  in.require(rank >= 3 && groups > 0, Status::InvalidModel, groups, " groups of ", graph::to_string(x->type));
  const std::vector<Expr> dims = x->type.dims;
  std::vector<Expr> grouped{dims[0], Expr(groups), dims[1] / Expr(groups)};
  grouped.insert(grouped.end(), dims.begin() + 2, dims.end());
  const DType working = in.version() >= 21 ? stash_type(in) : x->type.dtype;
  const Moments moments = moments_of(b, b.cast(b.reshape(x, grouped), working), axes_from(2, rank + 1));
  Value* normal = b.mul(moments.centered, inverse_deviation(b, moments.variance, in.attr_float("epsilon", 1e-5)));
  normal = b.cast(normal, x->type.dtype);
  if (in.version() < 21) {
    normal = b.add(b.mul(normal, per_channel(b, in[1], rank - 1)), per_channel(b, in[2], rank - 1));
    return {b.reshape(normal, dims)};
  }
  normal = b.reshape(normal, dims);
  return {b.add(b.mul(normal, per_channel(b, in[1], rank - 2)), per_channel(b, in[2], rank - 2))};
}

std::vector<Value*> mean_variance_normalization(Lowering& in) {
  auto& b = in.builder();
  std::vector<int64_t> axes = in.attr_ints("axes", std::vector<int64_t>{0, 2, 3});
  for (int64_t& axis : axes) axis = in.axis(axis, in[0]->type.rank());
  const Moments moments = moments_of(b, in[0], axes);
  return {b.div(moments.centered, b.add(b.sqrt(moments.variance), b.scalar_like(in[0], 1e-9)))};
}

std::vector<Value*> lrn(Lowering& in) {
  graph::LrnAttrs attributes;
  attributes.alpha = in.attr_float("alpha", 1e-4);
  attributes.beta = in.attr_float("beta", 0.75);
  attributes.bias = in.attr_float("bias", 1);
  attributes.size = in.attr_int("size");
  return {in.builder().lrn(in[0], attributes)};
}

const OnnxOp ops[] = {
    operator_row("BatchNormalization", {1, 6, 7, 9, 14, 15}, batch_normalization, {5, 5}, {1, 5}),
    operator_row("GroupNormalization", {18, 21}, group_normalization, {3, 3}),
    operator_row("InstanceNormalization", {1, 6, 22}, instance_normalization, {3, 3}),
    operator_row("LRN", {1, 13}, lrn),
    operator_row("LayerNormalization", {17}, layer_normalization, {2, 3}, {1, 3}),
    operator_row("MeanVarianceNormalization", {9, 13}, mean_variance_normalization),
    operator_row("RMSNormalization", {23}, rms_normalization, {2, 2}),
};

}  // namespace
}  // namespace sardonyx::ops
