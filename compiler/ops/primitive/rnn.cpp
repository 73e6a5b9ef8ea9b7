// rnn: the recurrent part of LSTM, GRU and simple recurrent layers with all of ONNX's options. Opaque; the reference
// below is what runs where no generated kernel does.
//
// The recurrence works on rows of [gates * hidden]. R is transposed once so that inner loops are contiguous and
// vectorise.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "compiler/ops/primitive/common.h"
#include "compiler/ops/rnn_activations.h"

namespace sardonyx::ops {
namespace {

using graph::RnnAttrs;
using graph::RnnKind;

std::vector<TensorType> infer(const Attributes& attributes, Types operands) {
  const auto& rnn = as<RnnAttrs>(attributes);
  const bool lstm = rnn.kind == RnnKind::Lstm;
  require(!operands.empty() && (operands[0].dtype == DType::F32 || operands[0].dtype == DType::F64) &&
              operands[0].rank() == 3 && rnn.hidden > 0,
          Status::InvalidModel, "rnn of hidden size ", rnn.hidden, " does not accept ", type_list(operands));
  const DType dtype = operands[0].dtype;
  const Expr time = operands[0].dims[0], batch = operands[0].dims[1];
  const std::vector<Exprs> expected = rnn.operand_dims(time, batch);
  expect_operands(Op::rnn, operands, lstm && operands.size() == 5 ? 5 : expected.size());
  for (size_t i = 0; i < operands.size(); ++i) {
    const TensorType wanted{i == 2 ? DType::I32 : dtype, expected[i], {}};
    bool fits = operands[i].dtype == wanted.dtype && operands[i].rank() == wanted.rank();
    for (size_t d = 0; fits && d < expected[i].size(); ++d) fits = !surely_differ(operands[i].dims[d], expected[i][d]);
    require(fits, Status::InvalidModel, graph::rnn_names[int(rnn.kind)], ": operand ", i, " is ",
            graph::to_string(operands[i]), " but should be ", graph::to_string(wanted));
  }
  const TensorType state{dtype, expected[3], {}};
  std::vector<TensorType> results{{dtype, {time, rnn.directions(), batch, rnn.hidden}, {}}, state};
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
  void (*apply)(T* values, int64_t count, T alpha, T beta);
};

template <class T>
const ActivationEntry<T> activation_table[] = {
    {"Relu", [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return x > 0 ? x : T(0); }); }},
    {"Tanh", [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return std::tanh(x); }); }},
    {"Sigmoid", [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return 1 / (1 + std::exp(-x)); }); }},
    {"Affine", [](T* v, int64_t n, T a, T b) { each(v, n, [=](T x) { return a * x + b; }); }},
    {"LeakyRelu", [](T* v, int64_t n, T a, T) { each(v, n, [=](T x) { return x >= 0 ? x : a * x; }); }},
    {"ThresholdedRelu", [](T* v, int64_t n, T a, T) { each(v, n, [=](T x) { return x > a ? x : T(0); }); }},
    {"ScaledTanh", [](T* v, int64_t n, T a, T b) { each(v, n, [=](T x) { return a * std::tanh(b * x); }); }},
    {"HardSigmoid",
     [](T* v, int64_t n, T a, T b) { each(v, n, [=](T x) { return std::clamp(a * x + b, T(0), T(1)); }); }},
    {"Elu", [](T* v, int64_t n, T a, T) { each(v, n, [=](T x) { return x >= 0 ? x : a * std::expm1(x); }); }},
    {"Softsign", [](T* v, int64_t n, T, T) { each(v, n, [](T x) { return x / (1 + std::abs(x)); }); }},
    {"Softplus", [](T* v, int64_t n, T,
                    T) { each(v, n, [](T x) { return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))); }); }},
};

// All activations of all directions in order.
template <class T>
std::vector<Activation<T>> activations_of(const RnnAttrs& rnn) {
  std::vector<Activation<T>> result;
  for (const RnnActivation& activation : rnn_activations(rnn)) {
    const auto entry = std::find_if(std::begin(activation_table<T>), std::end(activation_table<T>),
                                    [&](const ActivationEntry<T>& e) { return activation.name == e.name; });
    check(entry != std::end(activation_table<T>), "activation '", activation.name, "' has no function");
    result.push_back({entry->apply, T(activation.alpha), T(activation.beta)});
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
  int64_t time, batch, hidden, columns;  // columns = gates * hidden
  const T* projected;                    // this direction's columns; rows are `row_stride` apart
  int64_t row_stride;
  std::vector<T> r;                     // [hidden, columns]
  const T *candidate_bias, *peepholes;  // null where there are none
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

  void peep(int64_t which, const T* c, T* gate) const {
    if (!peepholes) return;
    for (int64_t j = 0; j < hidden; ++j) gate[j] += peepholes[which * hidden + j] * c[j];
  }

  // Gates in ONNX order i, o, f, c.
  void lstm_step(T* gates, T* h, T* c) const {
    T *in = gates, *out = gates + hidden, *forget = gates + 2 * hidden, *cell = gates + 3 * hidden;
    peep(0, c, in);
    activate(0, in, hidden);
    if (rnn.input_forget) {
      for (int64_t j = 0; j < hidden; ++j) forget[j] = 1 - in[j];
    } else {
      peep(2, c, forget);
      activate(0, forget, hidden);
    }
    activate(1, cell, hidden);
    for (int64_t j = 0; j < hidden; ++j) c[j] = forget[j] * c[j] + in[j] * cell[j];
    peep(1, c, out);
    activate(0, out, hidden);
    std::copy_n(c, hidden, h);
    activations[2](h, hidden);
    for (int64_t j = 0; j < hidden; ++j) h[j] *= out[j];
  }

  // Gates z, r, h. `recurrent` is h * R for this row.
  void gru_step(T* gates, T* h, const T* recurrent) const {
    T *update = gates, *reset = gates + hidden, *candidate = gates + 2 * hidden;
    activate(0, update, hidden);
    activate(0, reset, hidden);
    if (rnn.linear_before_reset) {
      for (int64_t j = 0; j < hidden; ++j) candidate[j] += reset[j] * (recurrent[2 * hidden + j] + candidate_bias[j]);
    } else {
      for (int64_t j = 0; j < hidden; ++j) {
        const T scaled = reset[j] * h[j];
        const T* row = r.data() + j * columns + 2 * hidden;
        for (int64_t k = 0; k < hidden; ++k) candidate[k] += scaled * row[k];
      }
    }
    activate(1, candidate, hidden);
    for (int64_t j = 0; j < hidden; ++j) h[j] = (1 - update[j]) * candidate[j] + update[j] * h[j];
  }

  // y: this direction's rows of Y, `stride` elements between time steps; h and c hold the initial, then final state.
  void run(T* y, int64_t stride, T* h, T* c) const {
    std::vector<T> recurrent(size_t(batch * columns)), gates_of_row(static_cast<size_t>(columns));
    T* gates = gates_of_row.data();
    const bool gru = rnn.kind == RnnKind::Gru;
    const int64_t added = gru ? 2 * hidden : columns;  // a GRU's candidate gate adds its recurrent part itself
    for (int64_t step = 0; step < time; ++step) {
      std::fill(recurrent.begin(), recurrent.end(), T(0));
      multiply_add(h, r.data(), recurrent.data(), batch, hidden, columns, columns);
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t length = lengths[b];
        const int64_t t = backward && step < length ? length - 1 - step : step;
        T* out = y + t * stride + b * hidden;
        if (step >= length) {
          std::fill_n(out, hidden, T(0));
          continue;
        }
        std::copy_n(projected + (t * batch + b) * row_stride, columns, gates);
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
  const Tensor& lengths = operands[2];
  for (int64_t b = 0; b < lengths.count(); ++b)
    require(lengths.as_int(b) >= 0 && lengths.as_int(b) <= time, Status::MismatchingShape,
            graph::rnn_names[int(rnn.kind)], ": sequence length ", lengths.as_int(b), " of a time of ", time);
}

template <class T>
std::vector<Tensor> run_layer(const RnnAttrs& rnn, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &r = operands[1], &lengths = operands[2];
  const bool lstm = rnn.kind == RnnKind::Lstm;
  const int64_t time = x.dims()[0], batch = x.dims()[1], hidden = rnn.hidden;
  const int64_t columns = rnn.gates() * hidden, directions = rnn.directions(), states = batch * hidden;
  const std::vector<Activation<T>> activations = activations_of<T>(rnn);
  const size_t per_direction = activations.size() / size_t(directions);
  const auto optional = [&](bool given, size_t operand, int64_t offset) -> const T* {
    return given && operand < operands.size() ? operands[operand].data<T>() + offset : nullptr;
  };
  Tensor y(x.dtype(), {time, directions, batch, hidden});
  Tensor last_h = operands[3].clone(), last_c = lstm ? operands[4].clone() : Tensor();
  for (int64_t d = 0; d < directions; ++d) {
    const Direction<T> direction{rnn,
                                 time,
                                 batch,
                                 hidden,
                                 columns,
                                 x.data<T>() + d * columns,
                                 directions * columns,
                                 transposed(r.data<T>() + d * columns * hidden, columns, hidden),
                                 optional(!lstm, 4, d * hidden),
                                 optional(lstm, 5, d * 3 * hidden),
                                 lengths.data<int32_t>(),
                                 std::span(activations).subspan(size_t(d) * per_direction, per_direction),
                                 rnn.bidirectional ? d == 1 : rnn.reverse};
    direction.run(y.data<T>() + d * states, directions * states, last_h.data<T>() + d * states,
                  lstm ? last_c.data<T>() + d * states : nullptr);
  }
  if (lstm) return {y, last_h, last_c};
  return {y, last_h};
}

std::vector<Tensor> reference(const Attributes& attributes, std::span<const Tensor> operands) {
  const auto& rnn = as<RnnAttrs>(attributes);
  check_operands(rnn, operands);
  return operands[0].dtype() == DType::F64 ? run_layer<double>(rnn, operands) : run_layer<float>(rnn, operands);
}

const RegisterOp registration{{.op = Op::rnn, .traits = graph::Opaque, .infer = infer, .reference = reference}};

}  // namespace
}  // namespace sardonyx::ops
