// Operators that read an image where floats say, and those that draw numbers.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::bools;
using ops::f32;
using ops::ramp;

namespace {

std::vector<Row> images() {
  std::vector<Row> rows;
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* padding : {"zeros", "border", "reflection"})
      for (int64_t corners : {0, 1}) {
        Row row{.test = {.op = "GridSample",
                         .opset = 20,
                         .inputs = {ramp({1, 1, 2, 3}, 1), f32({1, 1, 2, 2}, {0, 0, 0.5, 1})},
                         .attributes = {{"mode", std::string(mode)},
                                        {"padding_mode", std::string(padding)},
                                        {"align_corners", corners}}},
                .control = 1,
                .values = agrees(each_real(wild, {1, 1, 2, 2})) +
                          agrees(each_real({1e9, -1e9, 4.6e18, 9.3e18, -9.3e18}, {1, 1, 2, 2})) +
                          fails({ramp({1, 1, 2, 3}), ramp({2, 1, 2, 2})}) + agrees({zeros(DType::F32, {1, 0, 2, 2})})};
        if (std::string(padding) == "zeros")
          row.values = row.values + gives(f32({1, 1, 2, 2}, {1e9, 0, 0, -1e9}), {f32({1, 1, 1, 2}, {0, 0})});
        row.opencl = corners == 0 && std::string(mode) == "linear";
        rows.push_back(row);
        Row empty = row;
        empty.test.inputs[0] = zeros(DType::F32, {1, 1, 0, 3});
        empty.values = ends({f32({1, 1, 2, 2}, {0, 0, 1, 1})}) + ends(each_real(wild, {1, 1, 2, 2}));
        empty.honest = empty.opencl = false;
        if (corners == 0) rows.push_back(empty);
      }
  for (const char* mode : {"avg", "max"})
    for (int64_t ratio : {0, 2}) {
      const OnnxCase test{.op = "RoiAlign",
                          .opset = 16,
                          .inputs = {ramp({2, 1, 4, 4}), f32({1, 4}, {0, 0, 3, 3}), ints({1})},
                          .attributes = {{"mode", std::string(mode)},
                                         {"output_height", int64_t{2}},
                                         {"output_width", int64_t{2}},
                                         {"sampling_ratio", ratio}}};
      rows.push_back({.test = test,
                      .control = 1,
                      .values = agrees(each_real(wild, {1, 4})) +
                                agrees({
                                    f32({1, 4}, {3, 3, 0, 0}),
                                    f32({1, 4}, {-1e30, -1e30, 1e30, 1e30}),
                                    f32({1, 4}, {0, 0, infinity, infinity}),
                                    f32({1, 4}, {0, 0, 1e9, 1e9}),
                                    f32({1, 4}, {nan, 0, 1, 1}),
                                }) +
                                ends({zeros(DType::F32, {0, 4})}) + fails({ramp({1, 3}), ramp({1, 5})})});
      rows.push_back({.test = test,
                      .control = 2,
                      .values = fails(each({2, -3, most, least, int64_t{1} << 32})) + agrees(each({-1})) +
                                fails({zeros(DType::I64, {0})})});
    }
  rows.push_back(
      {.test = {.op = "MaxRoiPool",
                .inputs = {ramp({2, 1, 4, 4}), f32({1, 5}, {1, 0, 0, 3, 3})},
                .attributes = {{"pooled_shape", std::vector<int64_t>{2, 2}}}},
       .control = 1,
       .values =
           fails({f32({1, 5}, {2, 0, 0, 3, 3}), f32({1, 5}, {-1, 0, 0, 3, 3}), f32({1, 5}, {1e30, 0, 0, 3, 3}),
                  f32({1, 5}, {nan, 0, 0, 3, 3}), f32({1, 5}, {infinity, 0, 0, 3, 3}),
                  f32({1, 5}, {9.3e18, 0, 0, 3, 3}), ramp({1, 4})}) +
           agrees({f32({1, 5}, {0, nan, nan, nan, nan}), f32({1, 5}, {0, -infinity, -infinity, infinity, infinity}),
                   f32({1, 5}, {0, -1e30, -1e30, 1e30, 1e30}), f32({1, 5}, {0, 3, 3, 0, 0}),
                   f32({1, 5}, {0, 9.3e18, 9.3e18, -9.3e18, -9.3e18}), f32({1, 5}, {0, 100, 100, 200, 200}),
                   zeros(DType::F32, {0, 5})})});
  rows.push_back({.test = {.op = "DeformConv",
                           .opset = 19,
                           .inputs = {ramp({1, 1, 3, 3}),
                                      ramp({1, 1, 2, 2}),
                                      zeros(DType::F32, {1, 8, 2, 2}),
                                      {},
                                      zeros(DType::F32, {1, 4, 2, 2})},
                           .attributes = {{"kernel_shape", std::vector<int64_t>{2, 2}}}},
                  .control = 2,
                  .values = agrees(each_real(wild, {1, 8, 2, 2})) +
                            agrees(each_real({1e9, -1e9, 9.3e18}, {1, 8, 2, 2})) +
                            fails({ramp({1, 7, 2, 2}), ramp({1, 8, 3, 2}), ramp({2, 8, 2, 2})}),
                  .opencl = true});
  rows.back().test.inputs[4] = ramp({1, 4, 2, 2});
  return rows;
}

std::vector<Row> random_numbers() {
  std::vector<Row> rows;
  const Attributes seed = {{"seed", 1.0}};
  rows.push_back({.test = {.op = "Bernoulli", .opset = 15, .inputs = {f32({4}, {0, 0, 1, 1})}, .attributes = seed},
                  .values = agrees(each_real(wild, {4})) +
                            gives(f32({4}, {-1, -infinity, 2, infinity}), {f32({4}, {0, 0, 1, 1})})});
  rows.push_back({.test = {.op = "Multinomial",
                           .opset = 7,
                           .inputs = {f32({1, 3}, {0, 1, 0})},
                           .attributes = {{"seed", 1.0}, {"sample_size", int64_t{5}}}},
                  .values = agrees(each_real(wild, {1, 3})) +
                            agrees({f32({1, 3}, {nan, 0, 0}), f32({1, 3}, {-infinity, -infinity, 0}),
                                    zeros(DType::F32, {1, 0}), zeros(DType::F32, {0, 3})})});
  for (double ratio : {0.5}) {
    Row row{.test = {.op = "Dropout",
                     .opset = 13,
                     .inputs = {ramp({4}, 1), f32({}, {ratio}), bools({}, {1})},
                     .attributes = {{"seed", int64_t{1}}},
                     .outputs = 2},
            .control = 1,
            .values = agrees(each_real(wild, {})) + agrees(each_real({-1.0, 1.0, 2.0}, {})) +
                      fails({f32({2}, {0, 0}), zeros(DType::F32, {0})})};
    rows.push_back(row);
    row.control = 2;
    row.values = fails({bools({2}, {1, 0}), zeros(DType::Bool, {0})});
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

std::vector<Row> sampling_rows() {
  std::vector<Row> all = images(), more = random_numbers();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace sardonyx::hostile
