// rnn against a plain transcription of ONNX's equations.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// One direction of an LSTM, one sample, with scalars per gate row. Gate order i, o, f, c.
struct Lstm {
  int64_t time, input, hidden;
  const Tensor &x, &w, &r, &bias, &peepholes;
  double pre(int64_t t, int64_t gate, int64_t j, const std::vector<double>& h) const {
    const int64_t row = gate * hidden + j;
    double sum = bias.as_double(row) + bias.as_double(4 * hidden + row);
    for (int64_t k = 0; k < input; ++k) sum += x.as_double(t * input + k) * w.as_double(row * input + k);
    for (int64_t k = 0; k < hidden; ++k) sum += h[size_t(k)] * r.as_double(row * hidden + k);
    return sum;
  }
  std::vector<double> run() const {
    std::vector<double> h(size_t(hidden), 0), c(size_t(hidden), 0), out;
    for (int64_t t = 0; t < time; ++t) {
      std::vector<double> next_h = h;
      for (int64_t j = 0; j < hidden; ++j) {
        double& cell = c[size_t(j)];
        const double in = sigmoid(pre(t, 0, j, h) + peepholes.as_double(j) * cell);
        const double forget = sigmoid(pre(t, 2, j, h) + peepholes.as_double(2 * hidden + j) * cell);
        cell = forget * cell + in * std::tanh(pre(t, 3, j, h));
        next_h[size_t(j)] = sigmoid(pre(t, 1, j, h) + peepholes.as_double(hidden + j) * cell) * std::tanh(cell);
      }
      h = next_h;
      out.insert(out.end(), h.begin(), h.end());
    }
    out.insert(out.end(), c.begin(), c.end());
    return out;
  }
};

TEST(Rnn, LstmMatchesEquations) {
  const int64_t time = 3, input = 2, hidden = 5;
  const Tensor x = ramp({time, 1, input}, -0.3, 0.2), w = ramp({1, 4 * hidden, input}, -0.5, 0.03);
  const Tensor r = ramp({1, 4 * hidden, hidden}, 0.4, -0.007), bias = ramp({1, 8 * hidden}, -0.2, 0.01);
  const Tensor peepholes = ramp({1, 3 * hidden}, -0.1, 0.02);
  const auto results = run({.op = "LSTM",
                            .inputs = {x, w, r, bias, {}, {}, {}, peepholes},
                            .attributes = {{"hidden_size", hidden}},
                            .outputs = 3,
                            .dynamic = false});
  const std::vector<double> expected = Lstm{time, input, hidden, x, w, r, bias, peepholes}.run();
  const std::vector<double> y(expected.begin(), expected.end() - hidden);
  expect_tensor(results[0], DType::F32, {time, 1, 1, hidden}, y, 1e-5);
  expect_tensor(results[1], DType::F32, {1, 1, hidden}, {y.end() - hidden, y.end()}, 1e-5);
  expect_tensor(results[2], DType::F32, {1, 1, hidden}, {expected.end() - hidden, expected.end()}, 1e-5);
}

TEST(Rnn, ReverseIsForwardOfReversedInput) {
  const Tensor w = ramp({1, 4, 2}, -0.3, 0.1), r = ramp({1, 4, 4}, -0.2, 0.05);
  const Tensor x = f32({3, 1, 2}, {1, 2, 3, 4, 5, 6}), mirrored = f32({3, 1, 2}, {5, 6, 3, 4, 1, 2});
  const auto backward = run({.op = "RNN",
                             .inputs = {x, w, r},
                             .attributes = {{"hidden_size", int64_t{4}}, {"direction", std::string("reverse")}},
                             .outputs = 2,
                             .dynamic = false});
  const auto forward = run({.op = "RNN",
                            .inputs = {mirrored, w, r},
                            .attributes = {{"hidden_size", int64_t{4}}},
                            .outputs = 2,
                            .dynamic = false});
  EXPECT_TRUE(same_bits(backward[1], forward[1]));
  for (int64_t j = 0; j < 4; ++j) EXPECT_EQ(backward[0].as_double(j), forward[0].as_double(8 + j));
}

TEST(Rnn, LengthsStopSequences) {
  const Tensor x = ramp({3, 2, 1}, 1), w = f32({1, 1, 1}, {1}), r = f32({1, 1, 1}, {1});
  const auto y = run({.op = "RNN",
                      .inputs = {x, w, r, {}, make(DType::I32, {2}, {3, 1})},
                      .attributes = {{"hidden_size", int64_t{1}}, {"activations", std::vector<std::string>{"Relu"}}},
                      .outputs = 2,
                      .dynamic = false});
  expect_tensor(y[0], DType::F32, {3, 1, 2, 1}, {1, 2, 4, 0, 9, 0});
  expect_tensor(y[1], DType::F32, {1, 2, 1}, {9, 2});
}

TEST(Rnn, GruForms) {
  // One unit, one step: z = s(x), r = s(x), h = tanh(x + r * (h0 * 1 + rb)) or tanh(x + (r * h0) * 1 + rb).
  const Tensor x = f32({1, 1, 1}, {0.5}), w = f32({1, 3, 1}, {1, 1, 1}), r = f32({1, 3, 1}, {0, 0, 1});
  const Tensor bias = f32({1, 6}, {0, 0, 0, 0, 0, 0.25}), h0 = f32({1, 1, 1}, {2});
  const double gate = sigmoid(0.5);
  const auto run_form = [&](int64_t linear) {
    return run({.op = "GRU",
                .inputs = {x, w, r, bias, {}, h0},
                .attributes = {{"hidden_size", int64_t{1}}, {"linear_before_reset", linear}},
                .outputs = 2,
                .dynamic = false})[1];
  };
  const double plain = std::tanh(0.5 + gate * 2 + 0.25), linear = std::tanh(0.5 + gate * (2 + 0.25));
  expect_tensor(run_form(0), DType::F32, {1, 1, 1}, {(1 - gate) * plain + gate * 2}, 1e-5);
  expect_tensor(run_form(1), DType::F32, {1, 1, 1}, {(1 - gate) * linear + gate * 2}, 1e-5);
}

// Both directions of a GRU with all operands, sample by sample.
TEST(Rnn, GruMatchesEquations) {
  const int64_t time = 3, batch = 2, input = 3, hidden = 4, rows = 3 * hidden;
  const Tensor x = ramp({time, batch, input}, -0.7, 0.1), w = ramp({2, rows, input}, -0.5, 0.013);
  const Tensor r = ramp({2, rows, hidden}, 0.6, -0.011), bias = ramp({2, 2 * rows}, -0.4, 0.017);
  const Tensor h0 = ramp({2, batch, hidden}, -0.3, 0.06);
  for (const bool linear : {false, true}) {
    const auto results = run({.op = "GRU",
                              .inputs = {x, w, r, bias, {}, h0},
                              .attributes = {{"hidden_size", hidden},
                                             {"direction", std::string("bidirectional")},
                                             {"linear_before_reset", int64_t{linear}}},
                              .outputs = 2,
                              .dynamic = false});
    std::vector<double> y(size_t(time * 2 * batch * hidden)), last;
    for (int64_t d = 0; d < 2; ++d)
      for (int64_t b = 0; b < batch; ++b) {
        std::vector<double> h;
        for (int64_t j = 0; j < hidden; ++j) h.push_back(h0.as_double((d * batch + b) * hidden + j));
        for (int64_t step = 0; step < time; ++step) {
          const int64_t t = d ? time - 1 - step : step;
          const auto from_input = [&](int64_t row) {
            double sum = bias.as_double(d * 2 * rows + row);
            for (int64_t k = 0; k < input; ++k)
              sum += x.as_double((t * batch + b) * input + k) * w.as_double((d * rows + row) * input + k);
            return sum;
          };
          const auto from_state = [&](int64_t row, const std::vector<double>& state) {
            double sum = bias.as_double(d * 2 * rows + rows + row);
            for (int64_t k = 0; k < hidden; ++k) sum += state[size_t(k)] * r.as_double((d * rows + row) * hidden + k);
            return sum;
          };
          std::vector<double> update, reset, scaled, next;
          for (int64_t j = 0; j < hidden; ++j) {
            update.push_back(sigmoid(from_input(j) + from_state(j, h)));
            reset.push_back(sigmoid(from_input(hidden + j) + from_state(hidden + j, h)));
            scaled.push_back(reset.back() * h[size_t(j)]);
          }
          for (int64_t j = 0; j < hidden; ++j) {
            const int64_t row = 2 * hidden + j;
            const double recurrent = linear ? reset[size_t(j)] * from_state(row, h) : from_state(row, scaled);
            const double candidate = std::tanh(from_input(row) + recurrent), z = update[size_t(j)];
            next.push_back((1 - z) * candidate + z * h[size_t(j)]);
            y[size_t(((t * 2 + d) * batch + b) * hidden + j)] = next.back();
          }
          h = next;
        }
        last.insert(last.end(), h.begin(), h.end());
      }
    expect_tensor(results[0], DType::F32, {time, 2, batch, hidden}, y, 1e-5);
    expect_tensor(results[1], DType::F32, {2, batch, hidden}, last, 1e-5);
  }
}

// Narrow floats are computed with in F32 and rounded once.
TEST(Rnn, NarrowFloats) {
  const auto layer = [](DType dtype) {
    return run({.op = "LSTM",
                .inputs = {ramp({3, 2, 2}, -0.5, 0.125, dtype), ramp({1, 8, 2}, -0.5, 0.0625, dtype),
                           ramp({1, 8, 2}, 0.5, -0.0625, dtype)},
                .attributes = {{"hidden_size", int64_t{2}}},
                .outputs = 3,
                .dynamic = false});
  };
  const auto wide = layer(DType::F32);
  for (DType dtype : {DType::F16, DType::BF16}) {
    const auto narrow = layer(dtype);
    for (size_t i = 0; i < wide.size(); ++i) {
      Tensor rounded(dtype, wide[i].dims());
      for (int64_t k = 0; k < rounded.count(); ++k) rounded.set_double(k, wide[i].as_double(k));
      EXPECT_TRUE(same_bits(narrow[i], rounded)) << dtype_name(dtype) << " result " << i;
    }
  }
}

TEST(Rnn, BidirectionalAndBatchFirst) {
  const Tensor w = ramp({2, 2, 1}, 0.1, 0.1), r = ramp({2, 2, 2}, 0.05, 0.05);
  const Tensor x = ramp({3, 2, 1}, 0.1, 0.1);
  const auto time_first = run({.op = "RNN",
                               .inputs = {x, w, r},
                               .attributes = {{"hidden_size", int64_t{2}}, {"direction", std::string("bidirectional")}},
                               .outputs = 2,
                               .dynamic = false});
  EXPECT_EQ(time_first[0].dims(), (Dims{3, 2, 2, 2}));
  Tensor swapped(DType::F32, {2, 3, 1});
  for (int64_t t = 0; t < 3; ++t)
    for (int64_t b = 0; b < 2; ++b) swapped.set_double(b * 3 + t, x.as_double(t * 2 + b));
  const auto batch_first = run(
      {.op = "RNN",
       .inputs = {swapped, w, r},
       .attributes = {{"hidden_size", int64_t{2}}, {"direction", std::string("bidirectional")}, {"layout", int64_t{1}}},
       .outputs = 2,
       .dynamic = false});
  EXPECT_EQ(batch_first[0].dims(), (Dims{2, 3, 2, 2}));
  // Sample 1, step 2, backward direction, unit 1.
  EXPECT_EQ(batch_first[0].as_double(((1 * 3 + 2) * 2 + 1) * 2 + 1),
            time_first[0].as_double(((2 * 2 + 1) * 2 + 1) * 2 + 1));
}

TEST(Rnn, RejectsActivationsAndShapes) {
  const Tensor x = ramp({1, 1, 1}), w = ramp({1, 1, 1}), r = ramp({1, 1, 1});
  expect_error(Status::InvalidModel, {"node", "activations"}, [&] {
    run({.op = "RNN",
         .inputs = {x, w, r},
         .attributes = {{"hidden_size", int64_t{1}}, {"activations", std::vector<std::string>{"Tanh", "Tanh"}}},
         .dynamic = false});
  });
  expect_error(Status::InvalidModel, {"W is", "should be [1,4,1]"}, [&] {
    run({.op = "LSTM", .inputs = {x, w, r}, .attributes = {{"hidden_size", int64_t{1}}}, .dynamic = false});
  });
  expect_error(Status::InvalidModel, {"B is", "should be [1,2]"}, [&] {
    run({.op = "RNN",
         .inputs = {x, w, r, ramp({1, 3})},
         .attributes = {{"hidden_size", int64_t{1}}},
         .dynamic = false});
  });
  expect_error(Status::InvalidModel, {"rnn", "operand 3"}, [&] {
    run({.op = "RNN",
         .inputs = {x, w, r, {}, {}, ramp({1, 2, 1})},
         .attributes = {{"hidden_size", int64_t{1}}},
         .dynamic = false});
  });
}

}  // namespace
}  // namespace sardonyx::ops
