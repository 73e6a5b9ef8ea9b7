// Indices, axes, counts and sizes that only the run knows and that no honest model has: each case gives what ONNX
// defines or fails, and nothing reads or writes outside of a tensor.
#include <climits>

#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

constexpr int64_t least = INT64_MIN, most = INT64_MAX;

Tensor ints(std::vector<int64_t> values) { return Tensor::ints(values); }
Tensor scalar(int64_t value) { return ints({value}).reshaped({}); }

// Runs the case with the hostile values as inputs, and as constants too: both must fail.
void expect_failure(OnnxCase test, const std::string& what) {
  test.dynamic = false;
  for (const bool constant : {false, true}) {
    if (constant)
      for (size_t i = 1; i < test.inputs.size(); ++i)
        if (test.inputs[i].defined()) test.constants.push_back(int(i));
    try {
      const auto results = run(test);
      ADD_FAILURE() << what << (constant ? " as a constant" : "") << ": no error, but [" << join(results[0].dims(), ",")
                    << "]";
    } catch (const Error& error) {
      EXPECT_NE(error.status(), Status::Success) << what;
    }
  }
}

const std::vector<int64_t> bad_indices = {3, -4, most, least, int64_t{1} << 32};

TEST(Hostile, GatherIndices) {
  for (int64_t index : bad_indices) {
    expect_failure({.op = "Gather", .inputs = {ramp({3, 2}), ints({index})}}, str("Gather ", index));
    expect_failure({.op = "GatherElements", .inputs = {ramp({3}), ints({index})}}, str("GatherElements ", index));
    expect_failure({.op = "GatherND", .inputs = {ramp({3, 2}), ints({index}).reshaped({1, 1})}},
                   str("GatherND ", index));
  }
  expect_tensor(run(OnnxCase{.op = "Gather", .inputs = {ramp({3}), ints({-3, 2})}})[0], DType::F32, {2}, {0, 2});
}

TEST(Hostile, ScatterIndices) {
  for (int64_t index : bad_indices) {
    expect_failure({.op = "ScatterElements", .opset = 18, .inputs = {ramp({3}), ints({index}), f32({1}, {9})}},
                   str("ScatterElements ", index));
    expect_failure(
        {.op = "ScatterND", .opset = 18, .inputs = {ramp({3}), ints({index}).reshaped({1, 1}), f32({1}, {9})}},
        str("ScatterND ", index));
  }
  // More rows of indices than the data have.
  expect_failure({.op = "ScatterElements",
                  .opset = 18,
                  .inputs = {ramp({1, 2}), i64({2, 1}, {0, 0}), f32({2, 1}, {1, 2})},
                  .attributes = {{"axis", int64_t{1}}}},
                 "rows");
  expect_failure({.op = "ScatterElements", .opset = 18, .inputs = {ramp({3}), ints({0, 1}), f32({1}, {1})}}, "updates");
}

TEST(Hostile, SliceBounds) {
  const auto sliced = [](int64_t start, int64_t end, int64_t step) {
    OnnxCase test{
        .op = "Slice", .opset = 13, .inputs = {ramp({3}), ints({start}), ints({end}), ints({0}), ints({step})}};
    std::vector<double> values;
    const Tensor result = run(test)[0];
    test.constants = {1, 2, 3, 4};
    EXPECT_TRUE(same_bits(result, run(test)[0])) << start << ":" << end << ":" << step;
    for (int64_t i = 0; i < result.count(); ++i) values.push_back(result.as_double(i));
    return values;
  };
  EXPECT_EQ(sliced(least, most, 1), (std::vector<double>{0, 1, 2}));
  EXPECT_EQ(sliced(most, least, -1), (std::vector<double>{2, 1, 0}));
  EXPECT_EQ(sliced(least, most, most), (std::vector<double>{0}));
  EXPECT_EQ(sliced(most, least, least), (std::vector<double>{2}));
  EXPECT_EQ(sliced(most, most, 1), (std::vector<double>{}));
  EXPECT_EQ(sliced(2, 1, 1), (std::vector<double>{}));
  for (int64_t axis : {int64_t{1}, int64_t{-2}, most, least})
    expect_failure({.op = "Slice", .opset = 13, .inputs = {ramp({3}), ints({0}), ints({1}), ints({axis})}},
                   str("axis ", axis));
  expect_failure({.op = "Slice", .opset = 13, .inputs = {ramp({3}), ints({0}), ints({1}), ints({0}), ints({0})}},
                 "step 0");
}

TEST(Hostile, PadSizes) {
  const auto padded = [](std::vector<int64_t> pads, const char* mode) {
    return OnnxCase{.op = "Pad",
                    .opset = 19,
                    .inputs = {ramp({3}), ints(std::move(pads))},
                    .attributes = {{"mode", std::string(mode)}}};
  };
  expect_tensor(run(padded({-1, -1}, "constant"))[0], DType::F32, {1}, {1});
  expect_tensor(run(padded({-2, 2}, "constant"))[0], DType::F32, {3}, {2, 0, 0});
  expect_tensor(run(padded({5, 0}, "reflect"))[0], DType::F32, {8}, {1, 2, 1, 0, 1, 0, 1, 2}, 10);  // repeats
  expect_tensor(run(padded({4, 4}, "wrap"))[0], DType::F32, {11}, {2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0});
  for (const char* mode : {"constant", "edge", "reflect", "wrap"}) {
    expect_failure(padded({-2, -2}, mode), str(mode, " cut away"));
    expect_failure(padded({least, 0}, mode), str(mode, " least"));
    expect_failure(padded({most, most}, mode), str(mode, " most"));
    expect_failure(padded({most, 0}, mode), str(mode, " most before"));
  }
  for (const char* mode : {"edge", "reflect", "wrap"}) {
    OnnxCase empty = padded({1, 1}, mode);
    empty.inputs[0] = Tensor(DType::F32, {0});
    expect_failure(empty, str(mode, " of nothing"));
  }
  for (int64_t axis : {int64_t{1}, int64_t{-2}, most, least})
    expect_failure({.op = "Pad", .opset = 19, .inputs = {ramp({3}), ints({1, 1}), f32({}, {0}), ints({axis})}},
                   str("axis ", axis));
}

TEST(Hostile, ResizeScalesAndSizes) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    const Attributes attributes = {{"mode", std::string(mode)}};
    for (double scale : {-1.0, -infinity, infinity, 1e30})
      expect_failure(
          {.op = "Resize", .opset = 18, .inputs = {ramp({3}), Tensor(), f32({1}, {scale})}, .attributes = attributes},
          str(mode, " scale ", scale));
    for (int64_t size : {int64_t{-1}, least, most})
      expect_failure({.op = "Resize",
                      .opset = 18,
                      .inputs = {ramp({3}), Tensor(), Tensor(), ints({size})},
                      .attributes = attributes},
                     str(mode, " size ", size));
    OnnxCase region{.op = "Resize",
                    .opset = 18,
                    .inputs = {ramp({3}), f32({2}, {-1e30, 1e30}), Tensor(), ints({4})},
                    .attributes = attributes};
    region.attributes["coordinate_transformation_mode"] = std::string("tf_crop_and_resize");
    region.attributes["extrapolation_value"] = 7.0;
    expect_tensor(run(region)[0], DType::F32, {4}, {7, 7, 7, 7});
  }
}

TEST(Hostile, OneHotDepthsAndIndices) {
  const auto encoded = [](int64_t index, int64_t depth, const Tensor& values) {
    return OnnxCase{.op = "OneHot", .inputs = {ints({index}), scalar(depth), values}};
  };
  const Tensor off_on = f32({2}, {0, 1});
  for (int64_t index : {int64_t{2}, int64_t{-3}, most, least})
    expect_tensor(run(encoded(index, 2, off_on))[0], DType::F32, {1, 2}, {0, 0});
  for (int64_t depth : {int64_t{-1}, least, most}) expect_failure(encoded(0, depth, off_on), str("depth ", depth));
  expect_failure(encoded(0, 2, f32({1}, {0})), "one value");
  expect_failure(encoded(0, 2, f32({3}, {0, 1, 2})), "three values");
}

TEST(Hostile, CountsOfTopKRangeTileAndExpand) {
  for (int64_t k : {int64_t{4}, int64_t{-1}, most, least})
    expect_failure({.op = "TopK", .inputs = {ramp({3}), ints({k})}, .outputs = 2}, str("k ", k));
  for (int64_t limit : {most, int64_t{1} << 50})
    expect_failure({.op = "Range", .inputs = {scalar(0), scalar(limit), scalar(1)}}, str("limit ", limit));
  expect_failure({.op = "Range", .inputs = {scalar(0), scalar(3), scalar(0)}}, "delta 0");
  expect_failure({.op = "Range", .inputs = {f32({}, {0}), f32({}, {3}), f32({}, {0})}}, "float delta 0");
  expect_tensor(run(OnnxCase{.op = "Range", .inputs = {scalar(3), scalar(0), scalar(1)}})[0], DType::I64, {0}, {});
  expect_tensor(run(OnnxCase{.op = "Range", .inputs = {scalar(5), scalar(0), scalar(least)}})[0], DType::I64, {1}, {5});
  for (int64_t count : {int64_t{-1}, least, most, int64_t{1} << 50}) {
    expect_failure({.op = "Tile", .inputs = {ramp({3}), ints({count})}}, str("repeats ", count));
    expect_failure({.op = "Expand", .inputs = {ramp({1}), ints({count})}}, str("dim ", count));
    expect_failure({.op = "ConstantOfShape", .inputs = {ints({count})}}, str("shape ", count));
  }
  expect_failure({.op = "Expand", .inputs = {ramp({3}), ints({2})}}, "dims that do not broadcast");
}

TEST(Hostile, LoopCounts) {
  const Subgraph body{{"i", "c", "x"}, {"c_out", "x_out"}, [](Builder& b, const Values& arguments) {
                        return Values{arguments[1], b.add(arguments[2], b.scalar(DType::F32, 1))};
                      }};
  const auto looped = [&](int64_t count, double condition) {
    return run(OnnxCase{.op = "Loop",
                        .inputs = {scalar(count), bools({}, {condition}), f32({}, {0})},
                        .attributes = {{"body", body}},
                        .dynamic = false})[0]
        .as_double(0);
  };
  EXPECT_EQ(looped(3, 1), 3);
  EXPECT_EQ(looped(0, 1), 0);
  EXPECT_EQ(looped(-5, 1), 0);
  EXPECT_EQ(looped(least, 1), 0);
  EXPECT_EQ(looped(most, 0), 0);
}

TEST(Hostile, PositionsAndDiagonals) {
  for (int64_t index : {int64_t{9}, int64_t{-10}, most, least})
    expect_failure({.op = "MaxUnpool",
                    .inputs = {f32({1, 1, 1}, {5}), ints({index}).reshaped({1, 1, 1})},
                    .attributes = {{"kernel_shape", std::vector<int64_t>{3}}}},
                   str("MaxUnpool ", index));
  for (int64_t k : {most, least}) {
    const Tensor upper = run(OnnxCase{.op = "Trilu", .inputs = {ramp({2, 2}, 1), scalar(k)}})[0];
    expect_tensor(upper, DType::F32, {2, 2},
                  k == most ? std::vector<double>{0, 0, 0, 0} : std::vector<double>{1, 2, 3, 4});
  }
  for (int64_t axis : {int64_t{2}, int64_t{-3}, most, least})
    expect_failure({.op = "CumSum", .inputs = {ramp({2, 2}), scalar(axis)}}, str("CumSum ", axis));
  for (int64_t length : {int64_t{4}, int64_t{-1}, most, least})
    expect_failure({.op = "ReverseSequence", .inputs = {ramp({3, 1}), ints({length})}}, str("length ", length));
}

}  // namespace
}  // namespace sardonyx::ops
