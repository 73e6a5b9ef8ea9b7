// Sums, norms, softmax and recurrent layers.
#include <cmath>

#include "tests/accuracy/compare.h"

namespace sardonyx::accuracy {

namespace {

using graph::ReduceFunction;
using graph::RnnKind;

Build layer(RnnKind kind) {
  return [=](Maker& m) {
    constexpr int64_t steps = 50, batch = 2, hidden = 96;
    graph::RnnAttrs attrs;
    attrs.kind = kind, attrs.hidden = hidden;
    attrs.activations = kind == RnnKind::Lstm ? "Sigmoid,Tanh,Tanh" : kind == RnnKind::Gru ? "Sigmoid,Tanh" : "Tanh";
    const int64_t rows = attrs.gates() * hidden;
    Value* projected = m.input({steps, batch, rows});
    Value* state = m.b.full(m.number(0), {1, batch, hidden});
    std::vector<Value*> operands{projected, m.constant({1, rows, hidden}, 1 / std::sqrt(double(hidden))),
                                 m.b.full(m.b.scalar(DType::I32, double(steps)), {batch}), state};
    if (kind == RnnKind::Lstm) operands.push_back(state);
    return m.b.rnn(operands, attrs)[0];
  };
}

Value* normalised(Maker& m, Value* x, std::vector<int64_t> axes) {
  Value* centred = m.b.sub(x, m.b.mean(x, axes, true));
  Value* variance = m.b.mean(m.b.mul(centred, centred), axes, true);
  return m.b.div(centred, m.b.sqrt(m.b.add(variance, m.number(1e-5))));
}

struct Case {
  const char* family;
  const char* what;
  Measure measure;
  double bound;
  Build build;
};
const Case cases[] = {
    {"Reductions, norms and softmax", "sum of 1000 numbers of [0, 1)", Measure::Ulp, 1.5,
     [](Maker& m) {
       return m.b.reduce(ReduceFunction::Sum, m.between({50, 1000}, 0, 1), {1}, false);
     }},
    {"Reductions, norms and softmax", "sum of 1000 numbers of [0, 1), across rows", Measure::Ulp, 28,
     [](Maker& m) {
       return m.b.reduce(ReduceFunction::Sum, m.between({1000, 50}, 0, 1), {0}, false);
     }},
    {"Reductions, norms and softmax", "mean of images of 56 x 56, numbers of [0, 1)", Measure::Ulp, 56,
     [](Maker& m) {
       return m.b.mean(m.between({2, 32, 56, 56}, 0, 1), {2, 3}, false);
     }},
    {"Reductions, norms and softmax", "layer norm of 768 normal numbers", Measure::Absolute, 1.3e-6,
     [](Maker& m) {
       return m.b.layer_norm(m.input({32, 768}), m.constant({768}, 1), m.constant({768}, 1), 1, 1e-5);
     }},
    {"Reductions, norms and softmax", "instance norm of 40 x 40 normal numbers", Measure::Absolute, 3.6e-6,
     [](Maker& m) {
       return normalised(m, m.input({2, 6, 40, 40}), {2, 3});
     }},
    {"Reductions, norms and softmax", "softmax of 128 scores of deviation 5", Measure::Ulp, 27,
     [](Maker& m) {
       return m.b.softmax(m.input({64, 128}, 5), 1);
     }},
    {"Reductions, norms and softmax", "log-softmax of 128 scores of deviation 5", Measure::Largest, 1e-7,
     [](Maker& m) {
       return m.b.softmax(m.input({64, 128}, 5), 1, true);
     }},
    {"Recurrent layers", "LSTM, 50 steps of 96 units", Measure::Absolute, 2e-7, layer(RnnKind::Lstm)},
    {"Recurrent layers", "GRU, 50 steps of 96 units", Measure::Absolute, 3.2e-7, layer(RnnKind::Gru)},
    {"Recurrent layers", "simple (tanh), 50 steps of 96 units", Measure::Absolute, 1.2e-6, layer(RnnKind::Rnn)},
};

}  // namespace

std::vector<Row> reduction_rows() {
  std::vector<Row> rows;
  for (const Case& c : cases)
    rows.push_back({c.family, c.what, c.measure, c.bound, [&c] { return error_of(c.build, c.measure); }});
  return rows;
}

}  // namespace sardonyx::accuracy
