// Operators that take counts: how many results, iterations, parts or boxes there are.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::bools;
using ops::f32;
using ops::ramp;
using ops::Subgraph;
using ops::Values;

namespace {

std::vector<Row> ranges() {
  std::vector<Row> rows;
  const std::vector<Tensor> whole = {scalar(0), scalar(3), scalar(1)};
  const Tensor empty(DType::I64, {0});
  const auto range = [&](int control, std::vector<Hostile> values) {
    return Row{.test = {.op = "Range", .inputs = whole}, .control = control, .values = std::move(values)};
  };
  rows.push_back(range(0, fails(each({least, -huge, int64_t{-1000000000000000000}}, {})) +
                              gives(scalar(most), {empty}) + fails({zeros(DType::I64, {0}), ints({0, 1})})));
  rows.push_back(range(1, fails(each({most, huge, int64_t{1000000000000000000}}, {})) + gives(scalar(least), {empty}) +
                              gives(scalar(-1), {empty})));
  rows.push_back(range(2, fails(each({0}, {})) + gives(scalar(most), {ints({0})}) + gives(scalar(least), {empty}) +
                              gives(scalar(-1), {empty})));
  Row far = range(2, fails(each({1, 2, 0}, {})) + gives(scalar(most), {ints({least, -1, most - 1})}) +
                         gives(scalar(-1), {empty}) + gives(scalar(least), {empty}));
  far.test.inputs = {scalar(least), scalar(most), scalar(most)};
  rows.push_back(far);
  Row down =
      range(2, fails(each({-1, -2, 0}, {})) + gives(scalar(least), {ints({most, -1})}) + gives(scalar(1), {empty}));
  down.test.inputs = {scalar(most), scalar(least), scalar(least)};
  rows.push_back(down);
  for (DType type : {DType::F32, DType::F64, DType::I16, DType::I32}) {
    const auto of_type = [&](double value) { return ops::make(type, {}, {value}); };
    for (int control = 0; control < 3; ++control) {
      Row row{.test = {.op = "Range", .inputs = {of_type(0), of_type(3), of_type(1)}}, .control = control};
      if (is_float(type))
        row.values = agrees(each_real({nan}, {}, type)) + agrees(each_real({-0.0}, {}, type));
      else
        row.values = agrees(
            each(type == DType::I16 ? std::vector<int64_t>{INT16_MAX, INT16_MIN} : std::vector<int64_t>{}, {}, type));
      if (is_float(type) && control == 0)
        row.values =
            row.values + fails(each_real({-infinity, -1e30}, {}, type)) + agrees(each_real({1e30, infinity}, {}, type));
      if (is_float(type) && control == 1)
        row.values =
            row.values + fails(each_real({infinity, 1e30}, {}, type)) + agrees(each_real({-1e30, -infinity}, {}, type));
      if (control == 2) row.values = row.values + fails(each_real({0.0}, {}, type));
      if (is_float(type) && control == 2)
        row.values = row.values + fails(each_real({1e-42, 1e-30}, {}, type)) +
                     agrees(each_real({infinity, -infinity, 1e30, -1e-42}, {}, type));
      rows.push_back(row);
    }
  }
  return rows;
}

std::vector<Row> loops() {
  const Subgraph counting{{"i", "c", "x"}, {"c_out", "x_out"}, [](Builder& b, const Values& arguments) {
                            return Values{arguments[1], b.add(arguments[2], b.scalar(DType::F32, 1))};
                          }};
  // Ends by its condition after five iterations.
  const Subgraph ending{{"i", "c", "x"}, {"c_out", "x_out", "scan"}, [](Builder& b, const Values& arguments) {
                          Value* next = b.add(arguments[2], b.scalar(DType::F32, 1));
                          return Values{b.binary(graph::BinaryFunction::Lt, next, b.scalar(DType::F32, 5)), next, next};
                        }};
  const auto loop = [](const Subgraph& body, int64_t trips, double condition) {
    return OnnxCase{
        .op = "Loop", .inputs = {scalar(trips), bools({}, {condition}), f32({}, {0})}, .attributes = {{"body", body}}};
  };
  std::vector<Row> rows;
  rows.push_back({.test = loop(counting, 3, 1), .control = 0, .values = {}});
  for (int64_t trips : {int64_t{0}, int64_t{-5}, least})
    rows.back().values = rows.back().values + gives(scalar(trips), {f32({}, {0})});
  rows.back().values = rows.back().values + agrees({ints({2})}) + fails({ints({1, 2}), zeros(DType::I64, {0})});
  rows.push_back({.test = loop(counting, most, 0), .control = 0, .values = gives(scalar(most), {f32({}, {0})})});
  rows.push_back({.test = loop(ending, 3, 1), .control = 0});
  rows.back().test.outputs = 2;
  const Tensor five = f32({5}, {1, 2, 3, 4, 5});
  rows.back().values = gives(scalar(most), {f32({}, {5}), five}) + gives(scalar(huge), {f32({}, {5}), five}) +
                       gives(scalar(least), {f32({}, {0}), zeros(DType::F32, {0})});
  rows.push_back(
      {.test = loop(counting, 3, 1), .control = 1, .values = fails({bools({2}, {1, 1}), zeros(DType::Bool, {0})})});
  const Subgraph branch{{}, {"y"}, [](Builder& b, const Values&) { return Values{b.scalar(DType::F32, 1)}; }};
  rows.push_back({.test = {.op = "If",
                           .inputs = {bools({}, {1})},
                           .attributes = {{"then_branch", branch}, {"else_branch", branch}}},
                  .values = fails({bools({2}, {1, 1}), zeros(DType::Bool, {0})})});
  const Subgraph sum{{"state", "x"}, {"next", "y"}, [](Builder& b, const Values& arguments) {
                       Value* next = b.add(arguments[0], arguments[1]);
                       return Values{next, next};
                     }};
  rows.push_back(
      {.test = {.op = "Scan",
                .opset = 8,
                .inputs = {ints({2, 3}), f32({2}, {0, 0}), ramp({2, 3}, 1)},
                .attributes = {{"body", sum}, {"num_scan_inputs", int64_t{1}}},
                .outputs = 2},
       .values = agrees({ints({0, 3}), ints({-1, 3}), ints({4, 3}), ints({most, 1}), ints({least, 1}), ints({1})}),
       .honest = false});
  return rows;
}

std::vector<Row> parts() {
  std::vector<Row> rows;
  for (bool largest : {true, false})
    rows.push_back({.test = {.op = "TopK",
                             .inputs = {ramp({3}), ints({2})},
                             .attributes = {{"largest", int64_t{largest}}},
                             .outputs = 2},
                    .control = 1,
                    .values = fails(each({4, -1, most, least, huge})) + fails({ints({1, 1}), zeros(DType::I64, {0})}) +
                              gives(ints({0}), {zeros(DType::F32, {0}), zeros(DType::I64, {0})}) +
                              agrees({scalar(1)})});
  rows.push_back({.test = {.op = "Split", .opset = 13, .inputs = {ramp({4}), ints({1, 3})}, .outputs = 2},
                  .control = 1,
                  .values = fails({ints({2, 3}), ints({-1, 5}), ints({most, least}), ints({most, 5}), ints({1, 1}),
                                   ints({4}), ints({least, 4}), ints({huge, 4 - huge})}) +
                            gives(ints({0, 4}), {zeros(DType::F32, {0}), ramp({4})}) + agrees({ints({1, 1, 2})})});
  const std::vector<Tensor> boxes = {f32({1, 3, 4}, {0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3}),
                                     f32({1, 1, 3}, {0.9, 0.8, 0.7}), ints({3}), f32({1}, {0.5}), f32({1}, {0})};
  for (int64_t center : {0, 1}) {
    const OnnxCase test{
        .op = "NonMaxSuppression", .opset = 11, .inputs = boxes, .attributes = {{"center_point_box", center}}};
    rows.push_back(
        {.test = test,
         .control = 0,
         .values = agrees(each_real(wild, {1, 3, 4})) +
                   fails({f32({1, 1, 4}, {0, 0, 1, 1}), zeros(DType::F32, {1, 3, 3})}) +
                   agrees({f32({1, 3, 4}, {1, 1, 0, 0, nan, 0, 1, 1, -infinity, -infinity, infinity, infinity}),
                           zeros(DType::F32, {0, 3, 4})})});
    rows.push_back({.test = test,
                    .control = 1,
                    .values = agrees(each_real(wild, {1, 1, 3})) + fails({zeros(DType::F32, {2, 1, 3})}) +
                              agrees({zeros(DType::F32, {1, 0, 3})})});
    const Tensor none(DType::I64, {0, 3});
    rows.push_back({.test = test,
                    .control = 2,
                    .values = gives(ints({0}), {none}) + agrees(each({-1, least, most, huge})) +
                              gives(ints({most}), {ints({0, 0, 0, 0, 0, 2}).reshaped({2, 3})}) +
                              fails({ints({1, 1}), zeros(DType::I64, {0})})});
    rows.push_back({.test = test, .control = 3, .values = agrees(each_real(wild)) + agrees(each_real({-1.0, 2.0}))});
    rows.push_back({.test = test, .control = 4, .values = agrees(each_real(wild))});
  }
  return rows;
}

}  // namespace

std::vector<Row> count_rows() {
  std::vector<Row> all;
  for (const auto& part : {ranges(), loops(), parts()}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace sardonyx::hostile
