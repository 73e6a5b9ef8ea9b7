// Operators over time whose sequences have lengths of their own.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::ramp;

std::vector<Row> sequence_rows() {
  std::vector<Row> rows;
  for (int64_t time_axis : {0, 1})
    rows.push_back({.test = {.op = "ReverseSequence",
                             .opset = 10,
                             .inputs = {ramp({3, 3}), ints({1, 2, 3})},
                             .attributes = {{"time_axis", time_axis}, {"batch_axis", 1 - time_axis}}},
                    .control = 1,
                    .values = fails(each({4, -1, most, least, int64_t{1} << 32}, {3})) + agrees(each({0}, {3})) +
                              fails({ints({1, 2}), ints({1, 2, 3, 3}), scalar(1)}),
                    .opencl = true});
  const auto layer = [&](const char* op, int64_t gates, const char* direction, int opset) {
    const int64_t sides = std::string(direction) == "bidirectional" ? 2 : 1;
    Row row{.test = {.op = op,
                     .opset = opset,
                     .inputs = {ramp({3, 2, 2}, 0, 0.1),
                                ramp({sides, gates * 2, 2}, -0.5, 0.1),
                                ramp({sides, gates * 2, 2}, 0.5, -0.1),
                                {},
                                of(DType::I32, {2}, {3, 1})},
                     .attributes = {{"hidden_size", int64_t{2}}, {"direction", std::string(direction)}},
                     .outputs = 2},
            .control = 4,
            .values = fails(each({4, -1, INT32_MAX, INT32_MIN}, {2}, DType::I32)) + agrees(each({0}, {2}, DType::I32)) +
                      fails({of(DType::I32, {1}, {3}), of(DType::I32, {3}, {3, 3, 3}), of(DType::I32, {2}, {3, 4}),
                             of(DType::I32, {2}, {-1, 3})})};
    if (sides == 1 && std::string(direction) == "forward")
      row.values = row.values +
                   gives(of(DType::I32, {2}, {0, 0}), {zeros(DType::F32, {3, 1, 2, 2}), zeros(DType::F32, {1, 2, 2})});
    rows.push_back(row);
  };
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    layer("RNN", 1, direction, 14);
    layer("GRU", 3, direction, 14);
    layer("LSTM", 4, direction, 14);
  }
  return rows;
}

}  // namespace sardonyx::hostile
