// Attention, FlexAttention, LinearAttention, RotaryEmbedding, TensorScatter and CausalConvWithState.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

const double infinity = std::numeric_limits<double>::infinity();

// One head of size 1 whose queries are 0: every key that takes part weighs the same.
OnnxCase uniform(int opset, const std::vector<double>& values, int64_t queries, Attributes attributes = {}) {
  const auto keys = int64_t(values.size());
  const std::vector<double> zeros(size_t(queries), 0), key_zeros(values.size(), 0);
  OnnxCase test{
      .op = "Attention",
      .opset = opset,
      .inputs = {f32({1, 1, queries, 1}, zeros), f32({1, 1, keys, 1}, key_zeros), f32({1, 1, keys, 1}, values)},
      .attributes = std::move(attributes)};
  return test;
}

TEST(Attention, AveragesValuesOfTheKeysThatTakePart) {
  expect_tensor(run(uniform(23, {1, 2, 6}, 2))[0], DType::F32, {1, 1, 2, 1}, {3, 3});
  expect_tensor(run(uniform(23, {1, 2, 6}, 3, {{"is_causal", int64_t{1}}}))[0], DType::F32, {1, 1, 3, 1}, {1, 1.5, 3});
  OnnxCase masked = uniform(23, {1, 2, 6}, 2);
  masked.inputs.push_back(bools({2, 3}, {1, 0, 1, 0, 1, 0}));
  expect_tensor(run(masked)[0], DType::F32, {1, 1, 2, 1}, {3.5, 2});
  masked.inputs[3] = f32({1, 3}, {0, -infinity, std::log(3)});
  expect_tensor(run(masked)[0], DType::F32, {1, 1, 2, 1}, {4.75, 4.75});
}

TEST(Attention, PutsNewKeysBehindTheCache) {
  OnnxCase test = uniform(23, {5, 7}, 2, {{"is_causal", int64_t{1}}});
  test.inputs.resize(6);
  test.inputs[4] = f32({1, 1, 2, 1}, {0, 0});
  test.inputs[5] = f32({1, 1, 2, 1}, {1, 3});
  test.outputs = 4;
  const auto results = run(test);
  expect_tensor(results[0], DType::F32, {1, 1, 2, 1}, {3, 4});
  expect_tensor(results[1], DType::F32, {1, 1, 4, 1}, {0, 0, 0, 0});
  expect_tensor(results[2], DType::F32, {1, 1, 4, 1}, {1, 3, 5, 7});
  expect_tensor(results[3], DType::F32, {1, 1, 2, 4}, {0, 0, 0, 0, 0, 0, 0, 0});
}

TEST(Attention, CountsCausalityFromTheLastValidKey) {
  OnnxCase test = uniform(24, {1, 2, 6, 100}, 2, {{"is_causal", int64_t{1}}});
  test.inputs.resize(7);
  test.inputs[6] = i64({1}, {3});
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2, 1}, {1.5, 3});
  test.inputs[6] = i64({1}, {1});  // the first query comes before all keys
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2, 1}, {0, 1});
}

TEST(Attention, KeepsWindows) {
  const Attributes window = {{"left_window_size", int64_t{1}}, {"right_window_size", int64_t{1}}};
  expect_tensor(run(uniform(25, {1, 3, 5, 7}, 4, window))[0], DType::F32, {1, 1, 4, 1}, {2, 3, 5, 6});
  Attributes causal = window;
  causal["is_causal"] = int64_t{1};
  expect_tensor(run(uniform(25, {1, 3, 5, 7}, 4, causal))[0], DType::F32, {1, 1, 4, 1}, {1, 2, 4, 6});
}

TEST(Attention, GivesQueriesWithoutKeysZeros) {
  OnnxCase test = uniform(25, {1, 2}, 2, {{"qk_matmul_output_mode", int64_t{3}}});
  test.inputs.push_back(bools({2, 2}, {0, 0, 1, 1}));
  test.outputs = 4;
  const auto results = run(test);
  expect_tensor(results[0], DType::F32, {1, 1, 2, 1}, {0, 1.5});
  expect_tensor(results[3], DType::F32, {1, 1, 2, 2}, {0, 0, 0.5, 0.5});
}

TEST(Attention, TakesMissingMaskColumnsAsMaskedOut) {
  OnnxCase test = uniform(23, {1, 2, 6}, 1);
  test.inputs.push_back(f32({1, 2}, {0, 0}));
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 1}, {1.5});
}

// The stages of one query and key of product 2, biased by 1 and capped at 2.
TEST(Attention, ShowsTheStagesOfEachVersion) {
  const auto stage = [](int opset, int64_t mode) {
    return run(OnnxCase{
        .op = "Attention",
        .opset = opset,
        .inputs = {f32({1, 1, 1, 1}, {2}), f32({1, 1, 1, 1}, {1}), f32({1, 1, 1, 1}, {5}), f32({1, 1}, {1})},
        .attributes = {{"scale", 1.0}, {"softcap", 2.0}, {"qk_matmul_output_mode", mode}},
        .outputs = 4})[3]
        .as_double(0);
  };
  const double capped = 2 * std::tanh(1.0);
  EXPECT_NEAR(stage(23, 0), 2, 1e-6);
  EXPECT_NEAR(stage(23, 1), 3, 1e-6);
  EXPECT_NEAR(stage(23, 2), 2 * std::tanh(1.5), 1e-6);
  EXPECT_NEAR(stage(25, 0), 2, 1e-6);
  EXPECT_NEAR(stage(25, 1), capped, 1e-6);
  EXPECT_NEAR(stage(25, 2), capped + 1, 1e-6);
  EXPECT_NEAR(stage(25, 3), 1, 1e-6);
}

TEST(Attention, SharesKeysAmongNeighbouringHeads) {
  const OnnxCase test{
      .op = "Attention",
      .opset = 23,
      .inputs = {f32({1, 4, 1, 1}, {0, 0, 0, 0}), f32({1, 2, 1, 1}, {0, 0}), f32({1, 2, 1, 2}, {1, 2, 3, 4})}};
  expect_tensor(run(test)[0], DType::F32, {1, 4, 1, 2}, {1, 2, 1, 2, 3, 4, 3, 4});
  OnnxCase packed{.op = "Attention",
                  .opset = 23,
                  .inputs = {f32({1, 1, 4}, {0, 0, 0, 0}), f32({1, 1, 2}, {0, 0}), f32({1, 1, 4}, {1, 2, 3, 4})},
                  .attributes = {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}}};
  expect_tensor(run(packed)[0], DType::F32, {1, 1, 8}, {1, 2, 1, 2, 3, 4, 3, 4});
}

TEST(Attention, RefusesWhatDoesNotFit) {
  OnnxCase heads{.op = "Attention",
                 .opset = 23,
                 .inputs = {ramp({1, 3, 1, 1}), ramp({1, 2, 1, 1}), ramp({1, 2, 1, 1})},
                 .dynamic = false};
  expect_error(Status::InvalidModel, {"multiple"}, [&] { run(heads); });
  OnnxCase packed{.op = "Attention",
                  .opset = 23,
                  .inputs = {ramp({1, 1, 4}), ramp({1, 1, 4}), ramp({1, 1, 4})},
                  .attributes = {{"q_num_heads", int64_t{3}}, {"kv_num_heads", int64_t{0}}},
                  .dynamic = false};
  expect_error(Status::InvalidModel, {"q_num_heads"}, [&] { run(packed); });
  OnnxCase mode = uniform(23, {1}, 1, {{"qk_matmul_output_mode", int64_t{4}}});
  expect_error(Status::InvalidModel, {"qk_matmul_output_mode 4"}, [&] { run(mode); });
  OnnxCase mask = uniform(23, {1}, 1);
  mask.inputs.push_back(f32({1, 2}, {0, 0}));
  expect_error(Status::InvalidModel, {"longer"}, [&] { run(mask); });
}

TEST(FlexAttention, RunsItsSubgraphs) {
  const Subgraph ten{
      {"p"}, {"q"}, [](Builder& b, const Values& x) { return Values{b.mul(x[0], b.scalar_like(x[0], 10))}; }};
  OnnxCase test{.op = "FlexAttention",
                .opset = 1,
                .inputs = {f32({1, 2, 1, 1}, {0, 0}), f32({1, 1, 2, 1}, {0, 0}), f32({1, 1, 2, 1}, {1, 3})},
                .attributes = {{"prob_mod", ten}},
                .domain = "ai.onnx.preview"};
  expect_tensor(run(test)[0], DType::F32, {1, 2, 1, 1}, {20, 20});
  const Subgraph flat{{"p"}, {"q"}, [](Builder& b, const Values& x) {
                        return Values{b.reduce(graph::ReduceFunction::Sum, x[0], {3}, false)};
                      }};
  test.attributes = {{"score_mod", flat}};
  expect_error(Status::InvalidModel, {"score_mod"}, [&] { run(test); });
}

// The recurrence of every update rule, written out for one head of size 1.
TEST(LinearAttention, FollowsItsUpdateRules) {
  const Tensor query = f32({1, 3, 1}, {1, 2, 3}), key = f32({1, 3, 1}, {2, 1, 0.5}), value = f32({1, 3, 1}, {1, 4, 2});
  const Tensor decay = f32({1, 3, 1}, {-1, -0.5, 0}), beta = f32({1, 3, 1}, {1, 0.5, 0.25});
  for (const bool gated : {false, true})
    for (const bool delta : {false, true}) {
      double state = 0.5;
      std::vector<double> outputs;
      for (int64_t t = 0; t < 3; ++t) {
        if (gated) state *= std::exp(decay.as_double(t));
        double v = value.as_double(t);
        if (delta) v = beta.as_double(t) * (v - state * key.as_double(t));
        state += key.as_double(t) * v;
        outputs.push_back(2 * query.as_double(t) * state);
      }
      const std::string rule = gated ? (delta ? "gated_delta" : "gated") : (delta ? "delta" : "linear");
      OnnxCase test{
          .op = "LinearAttention",
          .opset = 27,
          .inputs = {query, key, value, f32({1, 1, 1, 1}, {0.5}), gated ? decay : Tensor(), delta ? beta : Tensor()},
          .attributes = {{"q_num_heads", int64_t{1}},
                         {"kv_num_heads", int64_t{1}},
                         {"scale", 2.0},
                         {"update_rule", rule}},
          .outputs = 2,
          .dynamic = false};
      const auto results = run(test);
      expect_tensor(results[0], DType::F32, {1, 3, 1}, outputs, 1e-5);
      expect_tensor(results[1], DType::F32, {1, 1, 1, 1}, {state}, 1e-5);
      // One step at a time is the same.
      test.inputs[0] = f32({1, 1, 1}, {1}), test.inputs[1] = f32({1, 1, 1}, {2}), test.inputs[2] = f32({1, 1, 1}, {1});
      if (gated) test.inputs[4] = f32({1, 1, 1}, {-1});
      if (delta) test.inputs[5] = f32({1, 1, 1}, {1});
      expect_tensor(run(test)[0], DType::F32, {1, 1, 1}, {outputs[0]}, 1e-5);
    }
}

TEST(LinearAttention, SharesStatesAmongQueryHeads) {
  const OnnxCase test{.op = "LinearAttention",
                      .opset = 27,
                      .inputs = {f32({1, 1, 4}, {1, 0, 0, 1}), f32({1, 1, 2}, {2, 3}), f32({1, 1, 1}, {5})},
                      .attributes = {{"q_num_heads", int64_t{2}},
                                     {"kv_num_heads", int64_t{1}},
                                     {"scale", 1.0},
                                     {"update_rule", std::string("linear")}},
                      .outputs = 2,
                      .dynamic = false};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2}, {10, 15});
  OnnxCase wrong = test;
  wrong.attributes["update_rule"] = std::string("gated");
  expect_error(Status::InvalidModel, {"needs decay"}, [&] { run(wrong); });
}

TEST(RotaryEmbedding, TurnsHalvesOrPairs) {
  const Tensor x = f32({1, 1, 1, 4}, {1, 2, 3, 4}), cosine = f32({2, 2}, {1, 1, 0, 0}),
               sine = f32({2, 2}, {0, 0, 1, 1});
  OnnxCase test{.op = "RotaryEmbedding", .opset = 23, .inputs = {x, cosine, sine, i64({1, 1}, {1})}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 4}, {-3, -4, 1, 2});
  test.attributes = {{"interleaved", int64_t{1}}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 4}, {-2, 1, -4, 3});
  test.inputs[1] = f32({2, 1}, {1, 0}), test.inputs[2] = f32({2, 1}, {0, 1});
  test.attributes = {{"rotary_embedding_dim", int64_t{2}}};
  test.dynamic = false;
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 4}, {-2, 1, 3, 4});
  test.inputs[3] = i64({1, 1}, {7});
  expect_error(Status::InternalError, {}, [&] { run(test); });
}

TEST(TensorScatter, WritesAtPositionsOfEachEntry) {
  const Tensor cache = ramp({2, 3, 1}), update = f32({2, 2, 1}, {10, 11, 12, 13});
  OnnxCase test{.op = "TensorScatter", .opset = 24, .inputs = {cache, update, i64({2}, {0, 1})}};
  expect_tensor(run(test)[0], DType::F32, {2, 3, 1}, {10, 11, 2, 3, 12, 13});
  test.attributes = {{"mode", std::string("circular")}};
  test.inputs[2] = i64({2}, {2, 4});
  expect_tensor(run(test)[0], DType::F32, {2, 3, 1}, {11, 1, 10, 3, 12, 13});
}

TEST(TensorScatter, RefusesPositionsOutsideTheCache) {
  for (double start : {-1.0, 2.0, 9e18}) {
    const OnnxCase test{
        .op = "TensorScatter", .opset = 24, .inputs = {ramp({1, 3, 1}), ramp({1, 2, 1}), i64({1}, {start})}};
    expect_error(Status::InternalError, {}, [&] { run(test); });
  }
}

TEST(CausalConvWithState, ContinuesItsState) {
  const Tensor whole = f32({1, 1, 4}, {1, 2, 3, 4}), weights = f32({1, 1, 3}, {1, 10, 100});
  OnnxCase test{.op = "CausalConvWithState", .opset = 27, .inputs = {whole, weights}, .outputs = 2};
  auto all = run(test);
  expect_tensor(all[0], DType::F32, {1, 1, 4}, {100, 210, 321, 432});
  expect_tensor(all[1], DType::F32, {1, 1, 2}, {3, 4});
  test.inputs = {f32({1, 1, 2}, {3, 4}), weights, f32({1}, {5}), f32({1, 1, 2}, {1, 2})};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2}, {326, 437});
  test.attributes = {{"activation", std::string("relu")}};
  expect_error(Status::InvalidModel, {"activation 'relu'"}, [&] { run(test); });
}

}  // namespace
}  // namespace sardonyx::ops
