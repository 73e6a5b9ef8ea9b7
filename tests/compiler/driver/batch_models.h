// Small models over a batch, of every kind of kernel: what one sample gives may be compared between batches and runs.
#pragma once
#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {

using graph::Builder;
using graph::Value;

// From x [batch, sample...] to one result [batch, ...].
struct BatchModel {
  const char* name;
  Dims sample;
  Value* (*build)(Builder& b, Value* x);
  DType dtype = DType::F32;
};

namespace batch_models {

inline Value* weights(Builder& b, Dims dims, uint64_t seed, double scale = 0.3) {
  return b.constant(random_tensor(DType::F32, std::move(dims), seed, -scale, scale));
}
inline Value* relu(Builder& b, Value* x) { return b.maximum(x, b.scalar_like(x, 0)); }
inline Value* sigmoid(Builder& b, Value* x) { return b.unary(graph::UnaryFunction::Sigmoid, x); }
inline Value* gelu(Builder& b, Value* x) {
  Value* erf = b.unary(graph::UnaryFunction::Erf, b.mul(x, b.scalar_like(x, std::sqrt(0.5))));
  return b.mul(b.mul(x, b.add(erf, b.scalar_like(x, 1))), b.scalar_like(x, 0.5));
}

inline Value* conv(Builder& b, Value* x, int64_t outputs, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
  const int64_t inputs = *expr::as_int(x->type.dims[1]);
  const size_t rank = x->type.dims.size() - 2;
  graph::ConvAttrs attrs;
  attrs.strides.assign(rank, stride), attrs.dilations.assign(rank, 1), attrs.groups = groups;
  attrs.pads.assign(2 * rank, kernel / 2);
  Dims dims{outputs, inputs / groups}, bias{outputs};
  dims.insert(dims.end(), rank, kernel), bias.insert(bias.end(), rank, 1);
  Value* y = b.conv(x, weights(b, dims, uint64_t(outputs + kernel), 1 / std::sqrt(double(inputs * kernel))), attrs);
  return b.add(y, weights(b, bias, 3));
}

inline Value* dense(Builder& b, Value* x, int64_t outputs) {
  const int64_t inputs = *expr::as_int(x->type.dims.back());
  return b.add(b.matmul(x, weights(b, {inputs, outputs}, uint64_t(inputs + outputs))), weights(b, {outputs}, 4));
}

inline Value* pool(Builder& b, Value* x, graph::PoolFunction function, int64_t kernel, int64_t stride) {
  graph::PoolAttrs attrs;
  attrs.function = function;
  attrs.kernel = {kernel, kernel}, attrs.strides = {stride, stride}, attrs.dilations = {1, 1};
  attrs.pads.assign(4, 0);
  for (size_t i = 2; i < 4; ++i) attrs.out_dims.push_back((*expr::as_int(x->type.dims[i]) - kernel) / stride + 1);
  return b.pool(x, attrs);
}

inline Value* conv_transpose(Builder& b, Value* x, int64_t outputs, int64_t kernel, int64_t stride) {
  graph::ConvTransposeAttrs attrs;
  attrs.strides = {stride, stride}, attrs.dilations = {1, 1};
  attrs.pads.assign(4, 0);
  for (size_t i = 2; i < 4; ++i) attrs.out_dims.push_back((*expr::as_int(x->type.dims[i]) - 1) * stride + kernel);
  return b.conv_transpose(x, weights(b, {*expr::as_int(x->type.dims[1]), outputs, kernel, kernel}, 9), attrs);
}

inline Value* images(Builder& b, Value* x) {
  Value* y = relu(b, conv(b, x, 32, 3, 2));
  y = relu(b, conv(b, y, 32, 3, 1, 32));
  Value* wide = conv(b, y, 64, 1);
  y = relu(b, b.add(conv(b, wide, 64, 3), wide));
  y = pool(b, y, graph::PoolFunction::Max, 2, 2);
  y = conv_transpose(b, y, 32, 2, 2);
  y = relu(b, conv(b, y, 32, 3));
  y = b.mul(y, sigmoid(b, conv(b, b.mean(y, {2, 3}, true), 32, 1)));
  y = pool(b, y, graph::PoolFunction::Average, 3, 2);
  return b.softmax(dense(b, b.mean(y, {2, 3}, false), 10), 1);
}

inline Value* odd_channels(Builder& b, Value* x) {
  Value* y = relu(b, conv(b, x, 28, 3, 1, 4));
  y = conv_transpose(b, y, 12, 3, 2);
  return conv(b, y, 5, 5, 2);
}

inline Value* clamped(Builder& b, Value* x) { return b.minimum(relu(b, x), b.scalar_like(x, 6)); }

inline Value* inverted_residuals(Builder& b, Value* x) {  // [N, 24, 29, 28]
  Value* y = clamped(b, conv(b, clamped(b, conv(b, x, 72, 1)), 72, 3, 1, 72));
  y = b.add(conv(b, y, 24, 1), x);
  Value* wide = conv(b, y, 40, 1);
  y = conv(b, b.mul(wide, sigmoid(b, wide)), 40, 5, 2, 40);
  return conv(b, relu(b, conv(b, relu(b, y), 32, 1)), 32, 3, 1, 32);
}

inline Value* signals(Builder& b, Value* x) { return conv(b, relu(b, conv(b, x, 24, 5)), 7, 3, 2); }

inline Value* perceptron(Builder& b, Value* x) {
  Value* y = relu(b, dense(b, relu(b, dense(b, x, 64)), 33));
  return sigmoid(b, dense(b, y, 1));
}

inline Value* heads(Builder& b, Value* x, std::vector<int64_t> perm) {
  const auto& dims = x->type.dims;
  return b.transpose(b.reshape(x, {dims[0], dims[1], 4, *expr::as_int(dims[2]) / 4}), std::move(perm));
}

inline Value* transformer(Builder& b, Value* x) {
  const std::vector<expr::Expr> dims = x->type.dims;
  const auto norm = [&](Value* y) { return b.layer_norm(y, weights(b, {48}, 5), weights(b, {48}, 6), 2, 1e-5); };
  Value* scores = b.matmul(heads(b, dense(b, x, 48), {0, 2, 1, 3}), heads(b, dense(b, x, 48), {0, 2, 3, 1}));
  Value* shares = b.softmax(b.mul(scores, b.scalar_like(scores, 0.28)), 3);
  Value* mixed = b.transpose(b.matmul(shares, heads(b, dense(b, x, 48), {0, 2, 1, 3})), {0, 2, 1, 3});
  Value* y = norm(b.add(x, dense(b, b.reshape(mixed, dims), 48)));
  return norm(b.add(y, dense(b, gelu(b, dense(b, y, 100)), 48)));
}

inline Value* reductions(Builder& b, Value* x) {  // [N, 6, 20, 17]
  using graph::ReduceFunction;
  const auto normalised = [&](Value* y, std::vector<int64_t> axes) {
    Value* centred = b.sub(y, b.mean(y, axes, true));
    Value* variance = b.mean(b.mul(centred, centred), axes, true);
    return b.div(centred, b.sqrt(b.add(variance, b.scalar_like(y, 1e-5))));
  };
  Value* y = normalised(x, {2, 3});
  y = b.add(y, b.softmax(y, 1));
  const std::vector<expr::Expr> dims = y->type.dims;
  y = b.reshape(normalised(b.reshape(y, {dims[0], 2, 60, 17}), {2, 3}), dims);
  y = b.add(y, b.softmax(y, 3, true));
  y = b.add(y, b.reduce(ReduceFunction::Sum, b.mul(y, y), {2}, true));
  y = b.add(y, b.reduce(ReduceFunction::Max, y, {1, 3}, true));
  y = b.cumulate(ReduceFunction::Sum, y, 2, false, false);
  return b.reduce(ReduceFunction::Sum, y, {1, 2}, false);
}

inline Value* scalars(Builder& b, Value* x) {  // everything of a sample becomes one number
  return b.add(b.reduce(graph::ReduceFunction::Sum, b.mul(x, b.exp(x)), {1, 2}, false), b.mean(x, {1, 2}, false));
}

inline Value* recurrent(Builder& b, Value* x, graph::RnnKind kind, int64_t hidden) {  // [N, T, F]
  graph::RnnAttrs attrs;
  attrs.kind = kind, attrs.hidden = hidden, attrs.bidirectional = true;
  const bool lstm = kind == graph::RnnKind::Lstm;
  attrs.activations = lstm ? "Sigmoid,Tanh,Tanh,Sigmoid,Tanh,Tanh" : "Sigmoid,Tanh,Sigmoid,Tanh";
  const int64_t gates = attrs.gates() * hidden;
  const expr::Expr batch = x->type.dims[0];
  Value* steps = dense(b, b.transpose(x, {1, 0, 2}), 2 * gates);
  Value* state = b.full(b.scalar(DType::F32, 0), {2, batch, hidden});
  const int64_t length = *expr::as_int(x->type.dims[1]);
  std::vector<Value*> operands{steps, weights(b, {2, gates, hidden}, 11),
                               b.full(b.scalar(DType::I32, double(length)), {batch}), state};
  if (lstm) operands.push_back(state);
  return b.transpose(b.rnn(operands, attrs)[0], {2, 0, 1, 3});  // [T, 2, N, H] to [N, T, 2, H]
}
inline Value* lstm(Builder& b, Value* x) { return recurrent(b, x, graph::RnnKind::Lstm, 20); }
inline Value* gru(Builder& b, Value* x) { return recurrent(b, x, graph::RnnKind::Gru, 33); }

// Codes to numbers and back, as the importer writes them.
inline Value* dequantized(Builder& b, Value* codes, double scale, double zero) {
  Value* centred = b.sub(b.cast(codes, DType::I32), b.scalar(DType::I32, zero));
  return b.mul(b.cast(centred, DType::F32), b.scalar(DType::F32, scale));
}
inline Value* quantized(Builder& b, Value* x, double scale, double zero) {
  Value* y = b.unary(graph::UnaryFunction::Round, b.div(x, b.scalar_like(x, scale)));
  y = b.add(y, b.scalar_like(x, zero));
  return b.cast(b.minimum(b.maximum(y, b.scalar_like(y, 0)), b.scalar_like(y, 255)), DType::U8);
}
inline Value* code_weights(Builder& b, Dims dims, uint64_t seed) {
  return dequantized(b, b.constant(random_tensor(DType::I8, std::move(dims), seed, -127, 126)), 0.004, 0);
}

inline Value* quantized_images(Builder& b, Value* x) {  // codes [N, 16, 9, 9]
  Value* y = b.conv(dequantized(b, x, 0.02, 120), code_weights(b, {32, 16, 3, 3}, 1), same_size());
  y = quantized(b, relu(b, y), 0.05, 0);
  y = b.conv(dequantized(b, y, 0.05, 0), code_weights(b, {32, 1, 3, 3}, 2), same_size(32));
  y = dequantized(b, quantized(b, y, 0.1, 128), 0.1, 128);
  return b.matmul(b.mean(y, {2, 3}, false), code_weights(b, {32, 12}, 3));
}
inline Value* quantized_product(Builder& b, Value* x) {  // codes [N, 7, 64]
  Value* y = b.matmul(dequantized(b, x, 0.02, 120), code_weights(b, {64, 40}, 4));
  y = b.matmul(dequantized(b, quantized(b, gelu(b, y), 0.05, 9), 0.05, 9), code_weights(b, {40, 24}, 5));
  return b.softmax(y, 2);
}

}  // namespace batch_models

inline const BatchModel all_batch_models[] = {
    {"images", {3, 20, 20}, batch_models::images},
    {"odd channels", {20, 9, 11}, batch_models::odd_channels},
    {"inverted residuals", {24, 29, 28}, batch_models::inverted_residuals},
    {"signals", {6, 50}, batch_models::signals},
    {"perceptron", {13}, batch_models::perceptron},
    {"transformer", {9, 48}, batch_models::transformer},
    {"reductions", {6, 20, 17}, batch_models::reductions},
    {"scalars", {7, 150}, batch_models::scalars},
    {"lstm", {6, 10}, batch_models::lstm},
    {"gru", {6, 10}, batch_models::gru},
    {"quantized images", {16, 9, 9}, batch_models::quantized_images, DType::U8},
    {"quantized product", {7, 64}, batch_models::quantized_product, DType::U8},
};

}  // namespace sardonyx::driver
