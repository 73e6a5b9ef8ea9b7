// rnn: LSTM, GRU and simple recurrent layers with all of ONNX's options. Opaque; the reference below is also what runs.
//
// Input projections of all time steps are one matrix product up front; the recurrence then works on rows of
// [gates * hidden]. Matrices are transposed once so that inner loops are contiguous and vectorise.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "compiler/ops/primitive/common.h"

namespace sardonyx::ops {
namespace {

using graph::RnnAttrs;
using graph::RnnKind;

int64_t gates_of(RnnKind kind) { return kind == RnnKind::Lstm ? 4 : kind == RnnKind::Gru ? 3 : 1; }

std::vector<TensorType> infer(const Attributes& attributes, Types operands) {
  const auto& rnn = as<RnnAttrs>(attributes);
  const bool lstm = rnn.kind == RnnKind::Lstm;
  expect_operands(Op::rnn, operands, lstm ? 8 : 6);
  const TensorType &x = operands[0], &w = operands[1];
  require(is_float(x.dtype) && x.rank() == 3 && w.rank() == 3 && rnn.hidden > 0, Status::InvalidModel,
          "rnn of hidden size ", rnn.hidden, " does not accept ", type_list(operands));
  const Expr time = x.dims[0], batch = x.dims[1], input = x.dims[2], hidden = rnn.hidden;
  const Expr directions = rnn.bidirectional ? 2 : 1, rows = gates_of(rnn.kind) * rnn.hidden;
  const std::vector<Exprs> expected{{time, batch, input},
                                    {directions, rows, input},
                                    {directions, rows, hidden},
                                    {directions, expr::simplify(rows * 2)},
                                    {batch},
                                    {directions, batch, hidden},
                                    {directions, batch, hidden},
                                    {directions, expr::simplify(hidden * 3)}};
  for (size_t i = 0; i < operands.size(); ++i) {
    const TensorType wanted{i == 4 ? DType::I32 : x.dtype, expected[i], {}};
    bool fits = operands[i].dtype == wanted.dtype && operands[i].rank() == wanted.rank();
    for (size_t d = 0; fits && d < expected[i].size(); ++d) fits = !surely_differ(operands[i].dims[d], expected[i][d]);
    require(fits, Status::InvalidModel, graph::rnn_names[int(rnn.kind)], ": operand ", i, " is ",
            graph::to_string(operands[i]), " but should be ", graph::to_string(wanted));
  }
  const TensorType state{x.dtype, {directions, batch, hidden}, {}};
  std::vector<TensorType> results{{x.dtype, {time, directions, batch, hidden}, {}}, state};
  if (lstm) results.push_back(state);
  return results;
}

// ---- activations ----
template <class T>
struct Activation {
  void (*apply)(T* values, int64_t count, T alpha, T beta);
  T alpha, beta;
  void operator()(T* values, int64_t count) const { apply(values, count, alpha, beta); }
};

template <class T, class F>
void each(T* values, int64_t count, F f) {
  for (int64_t i = 0; i < count; ++i) values[i] = f(values[i]);
}

template <class T>
struct ActivationEntry {
  const char* name;
  T alpha, beta;  // ONNX's defaults
  void (*apply)(T* values, int64_t count, T alpha, T beta);
};

template <class T>
const ActivationEntry<T> activation_table[] = {
    {"Relu", 0, 0, [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return x > 0 ? x : T(0); }); }},
    {"Tanh", 0, 0, [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return std::tanh(x); }); }},
    {"Sigmoid", 0, 0, [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return 1 / (1 + std::exp(-x)); }); }},
    {"Affine", 1, 0, [](T* v, int64_t n, T a, T b) { each(v, n, [=](T x) { return a * x + b; }); }},
    {"LeakyRelu", T(0.01), 0, [](T* v, int64_t n, T a, T) { each(v, n, [=](T x) { return x >= 0 ? x : a * x; }); }},
    {"ThresholdedRelu", 1, 0, [](T* v, int64_t n, T a, T) { each(v, n, [=](T x) { return x > a ? x : T(0); }); }},
    {"ScaledTanh", 1, 1, [](T* v, int64_t n, T a, T b) { each(v, n, [=](T x) { return a * std::tanh(b * x); }); }},
    {"HardSigmoid", T(0.2), T(0.5),
     [](T* v, int64_t n, T a, T b) { each(v, n, [=](T x) { return std::clamp(a * x + b, T(0), T(1)); }); }},
    {"Elu", 1, 0, [](T* v, int64_t n, T a, T) { each(v, n, [=](T x) { return x >= 0 ? x : a * std::expm1(x); }); }},
    {"Softsign", 0, 0, [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return x / (1 + std::abs(x)); }); }},
    {"Softplus", 0, 0,
     [](T* v, int64_t n, T, T) {
       each(v, n, [](T x) { return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))); });
     }},
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  size_t start = 0;
  for (size_t comma; (comma = text.find(',', start)) != std::string::npos; start = comma + 1)
    parts.push_back(text.substr(start, comma - start));
  parts.push_back(text.substr(start));
  return parts;
}

// All activations of all directions in order. An empty entry of alphas or betas means the activation's default.
template <class T>
std::vector<Activation<T>> activations_of(const RnnAttrs& rnn) {
  const std::vector<std::string> names = split(rnn.activations), alphas = split(rnn.alphas), betas = split(rnn.betas);
  const auto number = [](const std::vector<std::string>& texts, size_t i, T fallback) {
    return i < texts.size() && !texts[i].empty() ? T(to_double(texts[i])) : fallback;
  };
  std::vector<Activation<T>> result;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto entry = std::find_if(std::begin(activation_table<T>), std::end(activation_table<T>),
                                    [&](const ActivationEntry<T>& e) { return names[i] == e.name; });
    require(entry != std::end(activation_table<T>), Status::InvalidModel, "unknown activation '", names[i], "'");
    result.push_back({entry->apply, number(alphas, i, entry->alpha), number(betas, i, entry->beta)});
  }
  return result;
}

// ---- dense algebra ----
// to[columns][rows] = from[rows][columns] transposed.
template <class T>
std::vector<T> transposed(const T* from, int64_t rows, int64_t columns) {
  std::vector<T> to(size_t(rows * columns));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[size_t(j * rows + i)] = from[i * columns + j];
  return to;
}

// out[r, :] += a[r, :] * b for `rows` rows; b is [inner, columns]. Four rows share each row of b.
template <class T>
void multiply_add(const T* a, const T* b, T* out, int64_t rows, int64_t inner, int64_t columns, int64_t out_stride) {
  constexpr int64_t tile = 256;  // columns that stay in the first-level cache
  for (int64_t from = 0; from < columns; from += tile) {
    const int64_t width = std::min(tile, columns - from);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      T* __restrict o0 = out + r * out_stride + from;
      T* __restrict o1 = o0 + out_stride;
      T* __restrict o2 = o1 + out_stride;
      T* __restrict o3 = o2 + out_stride;
      for (int64_t k = 0; k < inner; ++k) {
        const T* __restrict row = b + k * columns + from;
        const T a0 = a[r * inner + k], a1 = a[(r + 1) * inner + k], a2 = a[(r + 2) * inner + k],
                a3 = a[(r + 3) * inner + k];
        for (int64_t j = 0; j < width; ++j) {
          o0[j] += a0 * row[j];
          o1[j] += a1 * row[j];
          o2[j] += a2 * row[j];
          o3[j] += a3 * row[j];
        }
      }
    }
    for (; r < rows; ++r) {
      T* __restrict o = out + r * out_stride + from;
      for (int64_t k = 0; k < inner; ++k) {
        const T* __restrict row = b + k * columns + from;
        const T value = a[r * inner + k];
        for (int64_t j = 0; j < width; ++j) o[j] += value * row[j];
      }
    }
  }
}

// One direction of one layer. Rows of `gates` hold the pre-activations of one sample at one step.
template <class T>
struct Direction {
  const RnnAttrs& rnn;
  int64_t time, batch, input, hidden, columns;  // columns = gates * hidden
  const T* x;
  std::vector<T> w, r;  // [input, columns], [hidden, columns]
  const T *bias_w, *bias_r, *peepholes;
  const int32_t* lengths;
  std::span<const Activation<T>> activations;
  bool backward;

  void clipped(T* values, int64_t count) const {
    if (rnn.clip <= 0) return;
    const T limit = T(rnn.clip);
    each(values, count, [=](T v) { return std::clamp(v, -limit, limit); });
  }
  void activate(size_t which, T* values, int64_t count) const {
    clipped(values, count);
    activations[which](values, count);
  }

  // Gates in ONNX order i, o, f, c.
  void lstm_step(T* gates, T* h, T* c) const {
    T *in = gates, *out = gates + hidden, *forget = gates + 2 * hidden, *cell = gates + 3 * hidden;
    for (int64_t j = 0; j < hidden; ++j) in[j] += peepholes[j] * c[j];
    activate(0, in, hidden);
    if (rnn.input_forget) {
      for (int64_t j = 0; j < hidden; ++j) forget[j] = 1 - in[j];
    } else {
      for (int64_t j = 0; j < hidden; ++j) forget[j] += peepholes[2 * hidden + j] * c[j];
      activate(0, forget, hidden);
    }
    activate(1, cell, hidden);
    for (int64_t j = 0; j < hidden; ++j) c[j] = forget[j] * c[j] + in[j] * cell[j];
    for (int64_t j = 0; j < hidden; ++j) out[j] += peepholes[hidden + j] * c[j];
    activate(0, out, hidden);
    std::copy_n(c, hidden, h);
    activations[2](h, hidden);
    for (int64_t j = 0; j < hidden; ++j) h[j] *= out[j];
  }

  // Gates z, r, h. `recurrent` is h * R + bias_r for this row when linear_before_reset.
  void gru_step(T* gates, T* h, const T* recurrent) const {
    T *update = gates, *reset = gates + hidden, *candidate = gates + 2 * hidden;
    activate(0, update, hidden);
    activate(0, reset, hidden);
    if (rnn.linear_before_reset) {
      for (int64_t j = 0; j < hidden; ++j) candidate[j] += reset[j] * recurrent[2 * hidden + j];
    } else {
      for (int64_t j = 0; j < hidden; ++j) {
        const T scaled = reset[j] * h[j];
        const T* row = r.data() + j * columns + 2 * hidden;
        for (int64_t k = 0; k < hidden; ++k) candidate[k] += scaled * row[k];
      }
      for (int64_t j = 0; j < hidden; ++j) candidate[j] += bias_r[2 * hidden + j];
    }
    activate(1, candidate, hidden);
    for (int64_t j = 0; j < hidden; ++j) h[j] = (1 - update[j]) * candidate[j] + update[j] * h[j];
  }

  // y: this direction's rows of Y, `stride` elements between time steps; h and c hold the initial, then final state.
  void run(T* y, int64_t stride, T* h, T* c) const {
    std::vector<T> projected(size_t(time * batch * columns));
    for (int64_t row = 0; row < time * batch; ++row) std::copy_n(bias_w, columns, projected.data() + row * columns);
    multiply_add(x, w.data(), projected.data(), time * batch, input, columns, columns);
    std::vector<T> recurrent(size_t(batch * columns));
    const bool gru = rnn.kind == RnnKind::Gru;
    const int64_t added = gru ? 2 * hidden : columns;  // a GRU's candidate gate adds its recurrent part itself
    for (int64_t step = 0; step < time; ++step) {
      for (int64_t b = 0; b < batch; ++b) std::copy_n(bias_r, columns, recurrent.data() + b * columns);
      multiply_add(h, r.data(), recurrent.data(), batch, hidden, columns, columns);
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t length = lengths[b];
        const int64_t t = backward && step < length ? length - 1 - step : step;
        T* out = y + t * stride + b * hidden;
        if (step >= length) {
          std::fill_n(out, hidden, T(0));
          continue;
        }
        T* gates = projected.data() + (t * batch + b) * columns;
        const T* row = recurrent.data() + b * columns;
        for (int64_t j = 0; j < added; ++j) gates[j] += row[j];
        T* state = h + b * hidden;
        if (rnn.kind == RnnKind::Lstm) {
          lstm_step(gates, state, c + b * hidden);
        } else if (gru) {
          gru_step(gates, state, row);
        } else {
          activate(0, gates, hidden);
          std::copy_n(gates, hidden, state);
        }
        std::copy_n(state, hidden, out);
      }
    }
  }
};

// What inference could not prove, and the lengths, which are data.
void check_operands(const RnnAttrs& rnn, std::span<const Tensor> operands) {
  std::vector<TensorType> types;
  for (const Tensor& operand : operands)
    types.push_back({operand.dtype(), {operand.dims().begin(), operand.dims().end()}, {}});
  infer(rnn, types);
  const int64_t time = operands[0].dims()[0];
  for (int64_t b = 0; b < operands[4].count(); ++b)
    require(operands[4].as_int(b) >= 0 && operands[4].as_int(b) <= time, Status::MismatchingShape,
            graph::rnn_names[int(rnn.kind)], ": sequence length ", operands[4].as_int(b), " of a time of ", time);
}

template <class T>
std::vector<Tensor> run_layer(const RnnAttrs& rnn, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &w = operands[1], &r = operands[2], &bias = operands[3], &lengths = operands[4];
  const bool lstm = rnn.kind == RnnKind::Lstm;
  const int64_t time = x.dims()[0], batch = x.dims()[1], input = x.dims()[2], hidden = rnn.hidden;
  const int64_t columns = gates_of(rnn.kind) * hidden, directions = w.dims()[0], states = batch * hidden;
  const std::vector<Activation<T>> activations = activations_of<T>(rnn);
  const size_t per_direction = lstm ? 3 : rnn.kind == RnnKind::Gru ? 2 : 1;
  require(activations.size() == per_direction * size_t(directions), Status::InvalidModel,
          graph::rnn_names[int(rnn.kind)], " with ", directions, " directions needs ",
          per_direction * size_t(directions), " activations, got '", rnn.activations, "'");
  Tensor y(x.dtype(), {time, directions, batch, hidden});
  Tensor last_h = operands[5].clone(), last_c = lstm ? operands[6].clone() : Tensor();
  for (int64_t d = 0; d < directions; ++d) {
    const Direction<T> direction{rnn,
                                 time,
                                 batch,
                                 input,
                                 hidden,
                                 columns,
                                 x.data<T>(),
                                 transposed(w.data<T>() + d * columns * input, columns, input),
                                 transposed(r.data<T>() + d * columns * hidden, columns, hidden),
                                 bias.data<T>() + d * 2 * columns,
                                 bias.data<T>() + d * 2 * columns + columns,
                                 lstm ? operands[7].data<T>() + d * 3 * hidden : nullptr,
                                 lengths.data<int32_t>(),
                                 std::span(activations).subspan(size_t(d) * per_direction, per_direction),
                                 rnn.bidirectional ? d == 1 : rnn.reverse};
    direction.run(y.data<T>() + d * states, directions * states, last_h.data<T>() + d * states,
                  lstm ? last_c.data<T>() + d * states : nullptr);
  }
  if (lstm) return {y, last_h, last_c};
  return {y, last_h};
}

Tensor converted(const Tensor& x, DType dtype) {
  if (!is_float(x.dtype()) || x.dtype() == dtype) return x;
  Tensor result(dtype, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) result.set_double(i, x.as_double(i));
  return result;
}

std::vector<Tensor> reference(const Attributes& attributes, std::span<const Tensor> operands) {
  const auto& rnn = as<RnnAttrs>(attributes);
  const DType dtype = operands[0].dtype();
  check_operands(rnn, operands);
  if (dtype == DType::F64) return run_layer<double>(rnn, operands);
  if (dtype == DType::F32) return run_layer<float>(rnn, operands);
  std::vector<Tensor> wide;
  for (const Tensor& operand : operands) wide.push_back(converted(operand, DType::F32));
  std::vector<Tensor> results = run_layer<float>(rnn, wide);
  for (Tensor& result : results) result = converted(result, dtype);
  return results;
}

const RegisterOp registration{{.op = Op::rnn, .traits = graph::Opaque, .infer = infer, .reference = reference}};

}  // namespace
}  // namespace sardonyx::ops
