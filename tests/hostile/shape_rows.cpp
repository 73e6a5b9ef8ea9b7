// Operators whose results have shapes that a tensor names.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::f32;
using ops::ramp;

namespace {

const std::vector<int64_t> no_dims = {-1, least, most, huge};

std::vector<Row> slices_and_pads() {
  const auto slice = [](int control, std::vector<Hostile> values) {
    return Row{.test = {.op = "Slice", .opset = 13, .inputs = {ramp({3}), ints({0}), ints({2}), ints({0}), ints({1})}},
               .control = control,
               .values = std::move(values)};
  };
  std::vector<Row> rows;
  rows.push_back(slice(1, gives(ints({least}), {f32({2}, {0, 1})}) + gives(ints({most}), {zeros(DType::F32, {0})}) +
                              gives(ints({-4}), {f32({2}, {0, 1})}) + fails({ints({0, 0}), zeros(DType::I64, {0})})));
  rows.push_back(slice(2, gives(ints({most}), {f32({3}, {0, 1, 2})}) + gives(ints({least}), {zeros(DType::F32, {0})}) +
                              fails({ints({0, 0})})));
  rows.push_back(slice(3, fails(each({1, -2, most, least})) + gives(ints({-1}), {f32({2}, {0, 1})}) +
                              fails({ints({0, 0}), zeros(DType::I64, {0})})));
  rows.push_back(slice(4, fails(each({0})) + gives(ints({most}), {f32({1}, {0})}) +
                              gives(ints({least}), {zeros(DType::F32, {0})}) +
                              gives(ints({-1}), {zeros(DType::F32, {0})})));
  Row backwards = slice(4, gives(ints({least}), {f32({1}, {2})}) + gives(ints({-1}), {f32({3}, {2, 1, 0})}) +
                               gives(ints({most}), {zeros(DType::F32, {0})}));
  backwards.test.inputs[1] = ints({most}), backwards.test.inputs[2] = ints({least});
  rows.push_back(backwards);

  for (const char* mode : {"constant", "edge", "reflect", "wrap"}) {
    Row pads{.test = {.op = "Pad",
                      .opset = 19,
                      .inputs = {ramp({3}), ints({1, 1})},
                      .attributes = {{"mode", std::string(mode)}}},
             .control = 1};
    for (auto [before, after] : std::vector<std::pair<int64_t, int64_t>>{{-2, -2},
                                                                         {least, 0},
                                                                         {0, least},
                                                                         {most, most},
                                                                         {most, 0},
                                                                         {0, most},
                                                                         {huge, 0},
                                                                         {0, huge},
                                                                         {least, least},
                                                                         {least, most},
                                                                         {most, least}})
      pads.values = pads.values + fails({ints({before, after})});
    for (auto [before, after] : std::vector<std::pair<int64_t, int64_t>>{{-3, 0}, {-4, 4}, {-1, -1}, {9, 9}, {-4, 1}})
      pads.values = pads.values + agrees({ints({before, after})});
    if (std::string(mode) != "constant") pads.values = pads.values + fails({ints({-3, 3}), ints({1, -3})});
    pads.values = pads.values + fails({ints({1}), ints({1, 1, 1}), zeros(DType::I64, {0})});
    rows.push_back(pads);
    if (std::string(mode) == "constant") continue;
    Row empty = pads;
    empty.test.inputs = {zeros(DType::F32, {0}), ints({0, 0})};
    empty.values = fails({ints({1, 1}), ints({0, 1}), ints({1, 0})});
    rows.push_back(empty);
  }
  rows.push_back({.test = {.op = "Pad", .opset = 19, .inputs = {ramp({3}), ints({1, 1}), f32({}, {0}), ints({0})}},
                  .control = 3,
                  .values = fails(each({1, -2, most, least})) + fails({ints({0, 0})})});
  return rows;
}

std::vector<Row> filled() {
  const auto two = [](int64_t a, int64_t b) { return ints({a, b}); };
  const std::vector<Tensor> too_many = {
      two(int64_t{1} << 32, int64_t{1} << 32), two(most, most), two(huge, huge), two(most, 2),
      two(int64_t{1} << 31, int64_t{1} << 33), two(-1, -1)};
  return {
      {.test = {.op = "ConstantOfShape", .inputs = {ints({2})}},
       .values = fails(each(no_dims)) + fails(too_many) + gives(ints({0}), {zeros(DType::F32, {0})}) +
                 agrees({two(0, most), two(huge, 0)}) + gives(zeros(DType::I64, {0}), {f32({}, {0})})},
      {.test = {.op = "Expand", .inputs = {ramp({1, 1}, 1), ints({2, 2})}},
       .control = 1,
       .values = fails(each(no_dims, {2})) + fails(too_many) + agrees({two(0, most), two(huge, 0), two(0, 0)}) +
                 fails({ints({1, 2, -3})}) + fails({ints({2, huge, huge})}),
       .symbolic = false},
      {.test = {.op = "Expand", .inputs = {ramp({3}), ints({3})}},
       .control = 1,
       .values = fails(each({2, 4, 0})) + gives(ints({1}), {ramp({3})})},
      {.test = {.op = "Tile", .inputs = {ramp({3}, 1), ints({2})}},
       .control = 1,
       .values = fails(each(no_dims)) + fails({ints({(int64_t{1} << 62) + 1}), ints({1, 1}), zeros(DType::I64, {0})}) +
                 gives(ints({0}), {zeros(DType::F32, {0})}),
       .opencl = true},
      {.test = {.op = "Tile", .inputs = {ramp({2, 2}, 1), ints({2, 1})}},
       .control = 1,
       .values = fails(too_many) + agrees({two(0, most), two(huge, 0)})},
      {.test = {.op = "Tile", .opset = 1, .inputs = {ramp({3}, 1), f32({}, {2}), f32({}, {0})}, .constants = {2}},
       .control = 1,
       .values = fails(each_real({infinity, -infinity, 1e30, -1.0}, {})) + agrees(each_real({nan, 0.5, 1e-42}, {}))},
      {.test = {.op = "Tile", .opset = 1, .inputs = {ramp({3}, 1), f32({}, {2}), f32({}, {0})}},
       .control = 2,
       .values = agrees(each_real({nan}, {})) + fails(each_real({infinity, -infinity, 1e30, 1.0, -2.0}, {}))},
      {.test = {.op = "Reshape", .inputs = {ramp({2, 2}), ints({4, 1})}},
       .control = 1,
       .values =
           fails({two(-1, -1), two(-2, 2), two(3, 1), two(most, 1), two(least, 1), two(least, 2), two(3, -1),
                  two((int64_t{1} << 62) + 1, 4), two(int64_t{1} << 32, int64_t{1} << 32), two(0, 3), ints({1, 1, 0}),
                  ints({int64_t{1} << 62, -1}), two(-1, most), zeros(DType::I64, {0}), ints({2, 0, 0})}) +
           gives(two(0, -1), {ramp({2, 2})}) + gives(ints({-1}), {ramp({4})}),
       .opencl = true},
      {.test = {.op = "Reshape",
                .inputs = {zeros(DType::F32, {0, 3}), ints({3, 0})},
                .attributes = {{"allowzero", int64_t{1}}}},
       .control = 1,
       .values =
           ends({two(-1, 0)}) + fails({two(3, 1), two(-1, -1), two(least, 0)}) + agrees({two(0, most), two(huge, 0)})},
      {.test = {.op = "Reshape", .inputs = {zeros(DType::F32, {0, 3}), ints({0, 3})}},
       .control = 1,
       .values = fails({two(3, 1), two(-1, -1)}) + ends({two(-1, 0), two(0, -1), two(-1, 3)})},
      {.test = {.op = "AffineGrid", .opset = 20, .inputs = {ramp({1, 2, 3}), ints({1, 1, 2, 2})}},
       .control = 1,
       .values = fails({ints({1, 1, -1, 2}), ints({1, 1, most, 2}), ints({1, 1, huge, huge}), ints({2, 1, 2, 2}),
                        ints({1, 1, 2, least}), ints({-1, 1, 2, 2}), ints({1, 1, int64_t{1} << 32, int64_t{1} << 32}),
                        ints({1, 1, 2}), ints({1, 1, 2, 2, 2})}) +
                 ends({ints({1, most, 1, 1}), ints({1, 1, 0, 2}), ints({1, 1, 1, 1}), ints({1, -1, 2, 2})})},
      {.test = {.op = "CenterCropPad", .opset = 18, .inputs = {ramp({2, 3}), ints({3, 2})}},
       .control = 1,
       .values = fails(each(no_dims, {2})) + fails(too_many) + agrees({two(0, most), two(0, 0), two(2, 0)}) +
                 fails({ints({1}), ints({1, 1, 1})})},
      {.test = {.op = "Col2Im", .opset = 18, .inputs = {ramp({1, 4, 4}), ints({3, 3}), ints({2, 2})}},
       .control = 1,
       .values =
           fails(each({-1, least, most, huge, 0, 1, 2, 4}, {2})) + fails({two(3, most), ints({3}), ints({3, 3, 3})})},
      {.test = {.op = "Col2Im", .opset = 18, .inputs = {ramp({1, 4, 4}), ints({3, 3}), ints({2, 2})}},
       .control = 2,
       .values = fails(each({-1, least, most, huge, 0, 1, 3}, {2})) + fails({two(int64_t{1} << 32, int64_t{1} << 32)})},
      {.test = {.op = "MaxUnpool",
                .inputs = {f32({1, 1, 1}, {5}), ints({1}).reshaped({1, 1, 1}), ints({1, 1, 4})},
                .attributes = {{"kernel_shape", std::vector<int64_t>{3}}}},
       .control = 2,
       .values = fails({ints({1, 1, -1}), ints({1, 1, most}), ints({1, 1, least}), ints({1, 1}), ints({1, 1, 4, 1}),
                        ints({1, 1, huge})}) +
                 agrees({ints({1, 1, 0}), ints({1, 1, 1}), ints({2, 1, 4}), ints({1, 2, 4}), ints({0, 1, 4})})},
      {.test = {.op = "Upsample", .opset = 9, .inputs = {ramp({1, 1, 2, 2}), f32({4}, {1, 1, 2, 2})}},
       .control = 1,
       .values = fails(each_real({nan, infinity, -infinity, 1e30, -1.0, 1e15}, {4})) +
                 agrees(each_real({0.0, 0.25, 1e-42}, {4})) + fails({f32({2}, {1, 1})})},
  };
}

std::vector<Row> resizes() {
  std::vector<Row> rows;
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    const Attributes attributes = {{"mode", std::string(mode)}};
    rows.push_back(
        {.test = {.op = "Resize", .opset = 18, .inputs = {ramp({3}), {}, f32({1}, {2})}, .attributes = attributes},
         .control = 2,
         .values = fails(each_real({nan, -1.0, -infinity, infinity, 1e30, 1e15})) +
                   agrees(each_real({0.0, 1e-42, 1e-3, 0.4})) + fails({f32({2}, {1, 1})})});
    rows.push_back(
        {.test = {.op = "Resize", .opset = 18, .inputs = {ramp({3}), {}, {}, ints({4})}, .attributes = attributes},
         .control = 3,
         .values = fails(each({-1, least, most, huge})) + fails({ints({2, 2}), zeros(DType::I64, {0})}) +
                   agrees(each({0, 1}))});
    Row region{.test = {.op = "Resize",
                        .opset = 18,
                        .inputs = {ramp({3}), f32({2}, {0, 1}), {}, ints({4})},
                        .attributes = attributes},
               .control = 1};
    region.test.attributes["coordinate_transformation_mode"] = std::string("tf_crop_and_resize");
    region.test.attributes["extrapolation_value"] = 7.0;
    region.values =
        agrees(each_real(wild, {2})) + fails({f32({1}, {0})}) +
        agrees({f32({2}, {nan, 1}), f32({2}, {0, nan}), f32({2}, {-infinity, infinity}), f32({2}, {1, 0})}) +
        gives(f32({2}, {-1e30, 1e30}), {f32({4}, {7, 7, 7, 7})}) + gives(f32({2}, {5, 6}), {f32({4}, {7, 7, 7, 7})});
    rows.push_back(region);
    region.test.attributes.erase("extrapolation_value");
    rows.push_back(region);
    rows.back().values = agrees(each_real(wild, {2})) + agrees({f32({2}, {nan, 1}), f32({2}, {-infinity, infinity})});
  }
  Row policy{
      .test = {.op = "Resize",
               .opset = 18,
               .inputs = {ramp({1, 1, 2, 3}), {}, {}, ints({4, 4})},
               .attributes = {{"keep_aspect_ratio_policy", std::string("not_larger")},
                              {"axes", std::vector<int64_t>{2, 3}}}},
      .control = 3,
      .values = fails(each({-1, least, most, huge}, {2})) + agrees(each({0, 1}, {2})) + agrees({ints({1, most})})};
  rows.push_back(policy);
  rows.push_back(
      {.test = {.op = "Resize", .opset = 10, .inputs = {ramp({2, 2}), f32({2}, {2, 2})}},
       .control = 1,
       .values = fails(each_real({nan, infinity, -infinity, 1e30, -1.0}, {2})) + agrees(each_real({0.0, 0.25}, {2}))});
  return rows;
}

}  // namespace

std::vector<Row> shape_rows() {
  std::vector<Row> all;
  for (const auto& part : {slices_and_pads(), filled(), resizes()}) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace sardonyx::hostile
