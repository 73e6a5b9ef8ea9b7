// Operators that take axes, or diagonals, from a tensor.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::ramp;

std::vector<Row> axis_rows() {
  std::vector<Row> rows;
  const std::vector<int64_t> beyond_two = {2, -3, most, least, int64_t{1} << 32};
  for (const char* op : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                         "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"})
    rows.push_back({.test = {.op = op, .opset = 18, .inputs = {ramp({2, 3}, 1), ints({1})}},
                    .control = 1,
                    .values = fails(each(beyond_two)) + agrees(each({0, -1, -2})) +
                              fails({ints({0, 0}), ints({1, -1})}) + agrees({zeros(DType::I64, {0})})});
  rows.push_back({.test = {.op = "Squeeze", .opset = 13, .inputs = {ramp({1, 3}), ints({0})}},
                  .control = 1,
                  .values = fails(each(beyond_two)) + fails(each({1})) + agrees({ints({0, 0}), ints({0, -2})})});
  rows.push_back({.test = {.op = "Unsqueeze", .opset = 13, .inputs = {ramp({2}), ints({0})}},
                  .control = 1,
                  .values = fails(each(beyond_two)) + fails({ints({0, 0}), ints({0, -3}), ints({0, most})})});
  for (const char* op : {"CumSum", "CumProd"})
    rows.push_back({.test = {.op = op, .opset = 26, .inputs = {ramp({2, 2}, 1), scalar(1)}},
                    .control = 1,
                    .values = fails(each(beyond_two, {})) + fails(each({2, -3, INT32_MAX, INT32_MIN}, {}, DType::I32)) +
                              agrees({scalar(-2), ints({0}), ints({0, 1}), zeros(DType::I64, {0})}),
                    .opencl = true});
  Row diagonal{
      .test = {.op = "Trilu", .opset = 14, .inputs = {ramp({2, 2}, 1), scalar(0)}}, .control = 1, .opencl = true};
  const Tensor all = ramp({2, 2}, 1), none = ramp({2, 2}, 0, 0);
  diagonal.values = gives(scalar(most), {none}) + gives(scalar(least), {all}) + gives(scalar(2), {none}) +
                    gives(scalar(-1), {all}) + agrees({ints({1})}) + fails({ints({0, 0}), zeros(DType::I64, {0})});
  rows.push_back(diagonal);
  diagonal.test.attributes["upper"] = int64_t{0};
  diagonal.values = gives(scalar(most), {all}) + gives(scalar(least), {none}) + gives(scalar(-2), {none});
  rows.push_back(diagonal);
  return rows;
}

}  // namespace sardonyx::hostile
