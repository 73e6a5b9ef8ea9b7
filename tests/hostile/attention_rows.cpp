// Attention and its kin: lengths and positions within caches, masks.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::bools;
using ops::f32;
using ops::ramp;

std::vector<Row> attention_rows() {
  std::vector<Row> rows;
  // [batch, heads, length, size]
  const Tensor q = ramp({2, 1, 2, 2}, 0, 0.1), k = ramp({2, 1, 3, 2}, 0, 0.1), v = ramp({2, 1, 3, 2});
  for (int64_t causal : {0, 1})
    rows.push_back({.test = {.op = "Attention",
                             .opset = 24,
                             .inputs = {q, k, v, {}, {}, {}, ints({3, 2})},
                             .attributes = {{"is_causal", causal}}},
                    .control = 6,
                    .values = agrees(each({0, -1, 4, most, least}, {2})) + agrees({ints({3})}) +
                              fails({ints({3, 3, 3})}) + agrees({scalar(3)})});
  rows.push_back({.test = {.op = "Attention", .opset = 23, .inputs = {q, k, v, f32({2, 3}, {0, 0, 0, 0, 0, 0})}},
                  .control = 3,
                  .values = agrees(each_real(wild, {2, 3})) + agrees({bools({2, 3}, {0, 0, 0, 0, 0, 0})}) +
                            fails({ramp({2, 4}), ramp({3, 3})})});
  const Tensor x = ramp({1, 1, 2, 4}), cosine = ramp({3, 2}), sine = ramp({3, 2}, 5);
  for (int64_t interleaved : {0, 1})
    rows.push_back({.test = {.op = "RotaryEmbedding",
                             .opset = 23,
                             .inputs = {x, cosine, sine, ints({0, 2}).reshaped({1, 2})},
                             .attributes = {{"interleaved", interleaved}}},
                    .control = 3,
                    .values = fails(each({3, -4, most, least, int64_t{1} << 32}, {1, 2})) + agrees(each({-1}, {1, 2})) +
                              agrees({ints({0}).reshaped({1, 1})}) + fails({ints({0, 1, 2}).reshaped({1, 3})}),
                    .opencl = true});
  const Tensor past = ramp({1, 2, 2});
  rows.push_back({.test = {.op = "CausalConvWithState",
                           .opset = 27,
                           .inputs = {ramp({1, 2, 4}), ramp({2, 1, 3}), {}, past},
                           .outputs = 2},
                  .control = 3,
                  .values = agrees(each_real(wild, {1, 2, 2})) +
                            fails({ramp({1, 2, 1}), ramp({1, 2, 3}), ramp({2, 2, 2}), ramp({1, 3, 2})})});
  const Tensor heads = ramp({1, 2, 4}, 0, 0.1);
  rows.push_back({.test = {.op = "LinearAttention",
                           .opset = 27,
                           .inputs = {heads, heads, heads, ramp({1, 2, 2, 2})},
                           .attributes = {{"q_num_heads", int64_t{2}},
                                          {"kv_num_heads", int64_t{2}},
                                          {"update_rule", std::string("linear")}},
                           .outputs = 2},
                  .control = 3,
                  .values = agrees(each_real(wild, {1, 2, 2, 2})) +
                            fails({ramp({1, 2, 2, 3}), ramp({2, 2, 2, 2}), ramp({1, 1, 2, 2}), ramp({1, 2, 1, 2})}),
                  .symbolic = false});
  return rows;
}

}  // namespace sardonyx::hostile
