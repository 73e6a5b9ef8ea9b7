// Signals: lengths and steps of transforms, sizes of windows and filter banks.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::f32;
using ops::ramp;

std::vector<Row> signal_rows() {
  std::vector<Row> rows;
  const std::vector<int64_t> no_lengths = {-1, 0, most, least, huge};
  const std::vector<Tensor> odd = {ints({4, 4}), zeros(DType::I64, {0})};
  for (int64_t inverse : {0, 1})
    for (int64_t onesided : {0, 1}) {
      if (inverse && onesided) continue;
      const OnnxCase test{.op = "DFT",
                          .opset = 20,
                          .inputs = {ramp({1, 4, 1}), scalar(4), scalar(1)},
                          .attributes = {{"inverse", inverse}, {"onesided", onesided}}};
      rows.push_back({.test = test,
                      .control = 1,
                      .values = fails(each(no_lengths, {})) + fails(odd) + agrees(each({1, 2, 3, 7}, {}))});
      rows.push_back({.test = test,
                      .control = 2,
                      .values = fails(each({2, 3, -4, most, least}, {})) + fails(odd) + agrees(each({-2, 0, -3}, {}))});
    }
  rows.push_back({.test = {.op = "DFT", .opset = 17, .inputs = {ramp({1, 4, 1}), scalar(4)}},
                  .control = 1,
                  .values = fails(each(no_lengths, {})) + agrees(each({1, 7}, {}))});
  const OnnxCase frames{.op = "STFT", .opset = 17, .inputs = {ramp({1, 8, 1}), scalar(2), ramp({4}, 1), scalar(4)}};
  rows.push_back({.test = frames,
                  .control = 1,
                  .values = fails(each({0, -1, least}, {})) + agrees(each({most, huge, 8, 1}, {})) + fails(odd)});
  rows.push_back({.test = frames,
                  .control = 3,
                  .values = fails(each({0, -1, 9, most, least, huge}, {})) + agrees(each({2, 8}, {})) + fails(odd)});
  for (const char* op : {"HannWindow", "HammingWindow", "BlackmanWindow"})
    for (int64_t periodic : {0, 1})
      rows.push_back({.test = {.op = op, .opset = 17, .inputs = {scalar(4)}, .attributes = {{"periodic", periodic}}},
                      .values = fails(each({-1, most, least, huge}, {})) + fails({ints({4, 4})}) +
                                agrees(each({1, 2}, {})) + gives(scalar(0), {zeros(DType::F32, {0})}),
                      .opencl = true});
  const OnnxCase mel{.op = "MelWeightMatrix",
                     .opset = 17,
                     .inputs = {scalar(2), scalar(64), scalar(8192), f32({}, {0}), f32({}, {4096})}};
  rows.push_back({.test = mel,
                  .control = 0,
                  .values = fails(each({-1, most, least, huge}, {})) + agrees(each({0}, {})) + fails(odd)});
  rows.push_back({.test = mel,
                  .control = 1,
                  .values = fails(each({-1, most, least, huge, -2}, {})) + agrees(each({0, 1}, {})) + fails(odd)});
  rows.push_back({.test = mel, .control = 2, .values = agrees(each({0, -1, 1, most, least}, {}))});
  rows.push_back(
      {.test = mel, .control = 3, .values = agrees(each_real(wild, {})) + agrees(each_real({-1000.0, 5000.0}, {}))});
  rows.push_back(
      {.test = mel, .control = 4, .values = agrees(each_real(wild, {})) + agrees(each_real({-1.0, 1e9}, {}))});
  return rows;
}

}  // namespace sardonyx::hostile
