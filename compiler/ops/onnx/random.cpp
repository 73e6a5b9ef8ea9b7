// RandomNormal, RandomUniform, their Like forms, Bernoulli and Multinomial.
#include "compiler/ops/onnx/random_numbers.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;

struct Sample {
  std::vector<Expr> dims;
  DType dtype;
};

DType float_dtype(Lowering& in, DType fallback) {
  const auto dtype = DType(in.attr_int("dtype", int64_t(fallback)));
  in.require(is_float(dtype), Status::InvalidModel, "dtype ", int(dtype), " is no float type");
  return dtype;
}

// Attribute `shape`.
Sample shaped(Lowering& in) {
  const auto shape = in.attr_ints("shape");
  for (int64_t dim : shape)
    in.require(dim >= 0, Status::InvalidModel, "shape [", join(shape, ","), "] has a negative dim");
  element_count(shape);
  return {{shape.begin(), shape.end()}, float_dtype(in, DType::F32)};
}

// The shape of the input, and its type unless attribute `dtype` says otherwise.
Sample like(Lowering& in) { return {in[0]->type.dims, float_dtype(in, in[0]->type.dtype)}; }

template <Sample (*sample_of)(Lowering&)>
std::vector<Value*> uniform(Lowering& in) {
  auto& b = in.builder();
  const Sample sample = sample_of(in);
  const double low = in.attr_float("low", 0), high = in.attr_float("high", 1);
  Value* x = random_uniform(b, random_key(in), sample.dims, sample.dtype);
  return {b.add(b.mul(x, b.scalar_like(x, high - low)), b.scalar_like(x, low))};
}

template <Sample (*sample_of)(Lowering&)>
std::vector<Value*> normal(Lowering& in) {
  auto& b = in.builder();
  const Sample sample = sample_of(in);
  const double mean = in.attr_float("mean", 0), scale = in.attr_float("scale", 1);
  Value* x = random_normal(b, random_key(in), sample.dims, sample.dtype);
  return {b.add(b.mul(x, b.scalar_like(x, scale)), b.scalar_like(x, mean))};
}

std::vector<Value*> bernoulli(Lowering& in) {
  auto& b = in.builder();
  Value* probability = in[0];
  in.require(is_float(probability->type.dtype), Status::InvalidModel, "probabilities are ",
             graph::to_string(probability->type));
  const auto dtype = DType(in.attr_int("dtype", int64_t(probability->type.dtype)));
  in.require(is_float(dtype) || is_integer(dtype) || dtype == DType::Bool, Status::InvalidModel, "dtype ", int(dtype),
             " is not numeric");
  const DType wide = probability->type.dtype == DType::F64 ? DType::F64 : DType::F32;
  Value* x = random_uniform(b, random_key(in), probability->type.dims, wide);
  return {b.cast(b.less(x, b.cast(probability, wide)), dtype)};
}

// Each row holds logarithms of weights. A class is chosen by how many cumulated weights a random number exceeds.
std::vector<Value*> multinomial(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(x->type.rank() == 2 && is_float(x->type.dtype), Status::InvalidModel,
             "expected [batch, classes] of floats, got ", graph::to_string(x->type));
  const int64_t samples = in.attr_int("sample_size", 1);
  const auto dtype = DType(in.attr_int("dtype", int64_t(DType::I32)));
  in.require(samples > 0, Status::InvalidModel, "sample_size ", samples, " must be positive");
  in.require(dtype == DType::I32 || dtype == DType::I64, Status::InvalidModel, "dtype ", int(dtype),
             " is neither int32 nor int64");
  const DType wide = x->type.dtype == DType::F64 ? DType::F64 : DType::F32;
  const Expr batch = x->type.dims[0], classes = x->type.dims[1];
  Value* cumulated = b.cumulate(ReduceFunction::Sum, b.softmax(b.cast(x, wide), 1), 1, false, false);
  // Rounding may leave the last sum below 1, so that a number exceeds them all.
  Value* drawn = b.unsqueeze(random_uniform(b, random_key(in), {batch, samples}, wide), {2});
  Value* exceeded = b.cast(b.less_equal(b.unsqueeze(cumulated, {1}), drawn), DType::I64);
  Value* chosen = b.reduce(ReduceFunction::Sum, exceeded, {2}, false);
  return {b.cast(b.minimum(chosen, b.dims_tensor({classes - 1}, {})), dtype)};
}

const OnnxOp ops[] = {
    operator_row("Bernoulli", {15, 22}, bernoulli),
    operator_row("Multinomial", {7, 22}, multinomial),
    operator_row("RandomNormal", {1, 22}, normal<shaped>, {0, 0}),
    operator_row("RandomNormalLike", {1, 22}, normal<like>),
    operator_row("RandomUniform", {1, 22}, uniform<shaped>, {0, 0}),
    operator_row("RandomUniformLike", {1, 22}, uniform<like>),
};

}  // namespace
}  // namespace sardonyx::ops
