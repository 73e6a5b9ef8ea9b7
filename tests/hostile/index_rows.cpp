// Operators that read or write at positions which a tensor names.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::bools;
using ops::f32;
using ops::ramp;

namespace {

const std::vector<int64_t> beyond_three = {
    3, -4, most, least, int64_t{1} << 32, (int64_t{1} << 32) + 1, -(int64_t{1} << 32)};
const std::vector<int64_t> beyond_three_32 = {3, -4, INT32_MAX, INT32_MIN};

std::vector<Row> gathers() {
  const Tensor x = ramp({3, 2});
  return {
      {.test = {.op = "Gather", .inputs = {x, ints({1})}},
       .control = 1,
       .values = fails(each(beyond_three)) + fails(each(beyond_three_32, {1}, DType::I32)) +
                 gives(ints({-3}), {f32({1, 2}, {0, 1})}) + gives(zeros(DType::I64, {0}), {zeros(DType::F32, {0, 2})}),
       .opencl = true},
      {.test = {.op = "Gather", .inputs = {x, ints({1})}, .attributes = {{"axis", int64_t{1}}}},
       .control = 1,
       .values = fails(each({2, -3, most, least})) + gives(ints({-2}), {f32({3, 1}, {0, 2, 4})}),
       .opencl = true},
      // Nothing to gather from.
      {.test = {.op = "Gather", .inputs = {zeros(DType::F32, {0, 2}), zeros(DType::I64, {0})}},
       .control = 1,
       .values = fails(each({0, -1, 1, most, least}))},
      {.test = {.op = "GatherElements", .inputs = {x, ints({1, 0}).reshaped({1, 2})}},
       .control = 1,
       .values = fails(each(beyond_three, {1, 2})) + fails(each(beyond_three_32, {1, 2}, DType::I32)) +
                 fails(each({0}, {1, 3})) + gives(ints({-3, -1}).reshaped({1, 2}), {f32({1, 2}, {0, 5})}),
       .opencl = true},
      {.test = {.op = "GatherND", .inputs = {x, ints({1, 1}).reshaped({1, 2})}},
       .control = 1,
       .values =
           fails(each(beyond_three, {1, 2})) + gives(ints({-3, -2}).reshaped({1, 2}), {f32({1}, {0})}) +
           fails({ints({0, 2}).reshaped({1, 2}), ints({2, -3}).reshaped({1, 2}), ints({0, 0, 0}).reshaped({1, 3})}),
       .opencl = true},
      {.test = {.op = "GatherND",
                .inputs = {ramp({2, 3}), ints({1, 2}).reshaped({2, 1})},
                .attributes = {{"batch_dims", int64_t{1}}}},
       .control = 1,
       .values =
           fails(each(beyond_three, {2, 1})) + agrees({ints({0}).reshaped({1, 1}), ints({0, 0, 0}).reshaped({3, 1})})},
      {.test = {.op = "ArrayFeatureExtractor", .opset = 1, .inputs = {ramp({2, 3}), ints({1})}, .domain = "ai.onnx.ml"},
       .control = 1,
       .values = fails(each(beyond_three)) + agrees({zeros(DType::I64, {0})})},
      {.test = {.op = "Compress", .inputs = {ramp({3}), bools({3}, {1, 0, 1})}, .attributes = {{"axis", int64_t{0}}}},
       .control = 1,
       .values = gives(bools({2}, {0, 1}), {f32({1}, {1})}) + gives(zeros(DType::Bool, {0}), {zeros(DType::F32, {0})}) +
                 agrees({bools({4}, {1, 1, 1, 1}), bools({4}, {1, 1, 1, 0}), bools({2, 2}, {1, 1, 1, 1})})},
  };
}

// Indices that no kernel reads from memory: counted, or dims.
std::vector<Row> computed() {
  return {
      {.test = {.op = "Gather", .inputs = {ramp({3}), scalar(3)}},
       .control = 1,
       .values = fails({scalar(4), scalar(100)}) + gives(scalar(2), {f32({2}, {0, 1})}),
       .build =
           [](Builder& b, const Values& v) {
             return Values{b.gather(v[0], b.iota(DType::I64, b.values_of(v[1], {0, INT64_MAX, 1}), 0), 0)};
           },
       .opencl = true},
      {.test = {.op = "Gather", .inputs = {ramp({3}), ramp({2})}},
       .control = 1,
       .values = fails({ramp({3}), ramp({100})}) + gives(ramp({1}), {f32({}, {1})}),
       .build = [](Builder& b,
                   const Values& v) { return Values{b.gather(v[0], b.dims_tensor({v[1]->type.dims[0]}, {}), 0)}; }},
      {.test = {.op = "Gather", .inputs = {ramp({3, 2}), ramp({2})}},
       .control = 0,
       .values = fails({ramp({2, 2}), ramp({1, 2}), zeros(DType::F32, {0, 2})}),
       .build =
           [](Builder& b, const Values& v) {
             Value* column = b.cast(b.reduce(graph::ReduceFunction::Sum, v[1], {0}, false), DType::I64);
             return Values{b.gather(v[0], b.add(b.ints({1}), column), 0)};
           }},
  };
}

std::vector<Row> scatters() {
  std::vector<Row> rows;
  for (const char* reduction : {"none", "add", "max"}) {
    const Attributes attributes = {{"reduction", std::string(reduction)}};
    rows.push_back({.test = {.op = "ScatterElements",
                             .opset = 18,
                             .inputs = {ramp({3}), ints({1}), f32({1}, {9})},
                             .attributes = attributes},
                    .control = 1,
                    .values = fails(each(beyond_three)) + fails(each(beyond_three_32, {1}, DType::I32)) +
                              fails({ints({0, 1}), zeros(DType::I64, {0})}) + agrees(each({-3}))});
    rows.push_back({.test = {.op = "ScatterND",
                             .opset = 18,
                             .inputs = {ramp({3, 2}), ints({1, 1}).reshaped({1, 2}), f32({1}, {9})},
                             .attributes = attributes},
                    .control = 1,
                    .values = fails(each(beyond_three, {1, 2})) + fails({ints({0, 2}).reshaped({1, 2})}) +
                              fails({ints({0}).reshaped({1, 1}), ints({0, 0, 0}).reshaped({1, 3})}) +
                              agrees(each({-1}, {1, 2}))});
  }
  for (int opset : {9, 11})
    rows.push_back({.test = {.op = opset == 9 ? "Scatter" : "ScatterElements",
                             .opset = opset,
                             .inputs = {ramp({3}), ints({1}), f32({1}, {9})}},
                    .control = 1,
                    .values = fails(each(beyond_three))});
  // More rows of indices than the data have, and updates of another shape.
  rows.push_back({.test = {.op = "ScatterElements",
                           .opset = 18,
                           .inputs = {ramp({1, 2}), ints({0, 1}).reshaped({1, 2}), f32({1, 2}, {1, 2})},
                           .attributes = {{"axis", int64_t{1}}}},
                  .control = 1,
                  .values = fails({ints({0, 0}).reshaped({2, 1}), ints({0, 0, 0, 0}).reshaped({2, 2})})});
  const Tensor cache = ramp({2, 1, 4, 2}), update = ramp({2, 1, 2, 2}, 100);
  for (const char* mode : {"linear", "circular"}) {
    const bool linear = std::string(mode) == "linear";
    const std::vector<Tensor> past_the_end = each({3, 4}, {2}), wild_starts = each({-1, most, most - 1, least}, {2});
    rows.push_back(
        {.test = {.op = "TensorScatter",
                  .opset = 24,
                  .inputs = {cache, update, ints({1, 2})},
                  .attributes = {{"mode", std::string(mode)}}},
         .control = 2,
         .values = (linear ? fails(past_the_end) + fails(wild_starts) : agrees(past_the_end) + agrees(wild_starts)) +
                   fails({ints({0}), ints({0, 0, 0})})});
  }
  rows.push_back({.test = {.op = "MaxUnpool",
                           .inputs = {f32({1, 1, 1}, {5}), ints({1}).reshaped({1, 1, 1})},
                           .attributes = {{"kernel_shape", std::vector<int64_t>{3}}}},
                  .control = 1,
                  .values = fails(each({9, -10, most, least}, {1, 1, 1})) + agrees(each({3, -1}, {1, 1, 1})) +
                            fails({ints({0, 1}).reshaped({1, 1, 2})})});
  return rows;
}

std::vector<Row> labels() {
  std::vector<Row> rows;
  const Tensor scores = ramp({2, 3}, -1, 0.25), labels = ints({0, 2});
  for (const char* op : {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"})
    for (const char* reduction : {"none", "mean"}) {
      const Attributes plain = {{"reduction", std::string(reduction)}};
      Attributes ignoring = plain;
      ignoring["ignore_index"] = int64_t{-7};
      rows.push_back({.test = {.op = op, .inputs = {scores, labels}, .attributes = plain},
                      .control = 1,
                      .values = fails(each({3, most, least, int64_t{1} << 32}, {2})) + agrees(each({-1, -3, -4}, {2})),
                      .opencl = true});
      rows.push_back({.test = {.op = op, .inputs = {scores, labels, f32({3}, {1, 2, 3})}, .attributes = ignoring},
                      .control = 1,
                      .values = fails(each({3, most, least}, {2})) + agrees(each({-7, -6}, {2})),
                      .opencl = true});
    }
  return rows;
}

std::vector<Row> one_hots() {
  const Tensor off_on = f32({2}, {0, 1}), none = f32({1, 2}, {0, 0});
  Row indices{.test = {.op = "OneHot", .inputs = {ints({0}), scalar(2), off_on}}, .control = 0, .opencl = true};
  for (int64_t index : {int64_t{2}, int64_t{-3}, most, least})
    indices.values = indices.values + gives(ints({index}), {none});
  indices.values = indices.values + gives(ints({-1}), {f32({1, 2}, {0, 1})}) + agrees(each_real(wild));
  Row depth{.test = {.op = "OneHot", .inputs = {ints({0}), scalar(2), off_on}}, .control = 1};
  depth.values = fails(each({-1, least, most, huge}, {})) + fails(each_real({infinity, -infinity, 1e30, -1.0}, {})) +
                 agrees(each_real({nan}, {})) + agrees(each({0}, {})) + agrees(each_real({0.5, 1e-42}, {})) +
                 agrees({ints({2}), ints({1, 1})});
  Row values{.test = {.op = "OneHot", .inputs = {ints({0}), scalar(2), off_on}}, .control = 2};
  values.values = fails({f32({1}, {0}), f32({3}, {0, 1, 2}), zeros(DType::F32, {0})});
  return {indices, depth, values};
}

}  // namespace

std::vector<Row> index_rows() {
  std::vector<Row> all;
  for (const auto& part : {gathers(), computed(), scatters(), labels(), one_hots()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace sardonyx::hostile
