// AffineGrid, CenterCropPad, Col2Im, DeformConv, GridSample in three dims, MaxRoiPool, and Resize's newer options.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

TEST(AffineGrid, PlacesPixelCentres) {
  const Tensor theta = f32({1, 2, 3}, {1, 0, 0, 0, 1, 10});
  OnnxCase test{.op = "AffineGrid", .opset = 20, .inputs = {theta, i64({4}, {1, 1, 1, 2})}, .dynamic = false};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2, 2}, {-0.5, 10, 0.5, 10});
  test.attributes = {{"align_corners", int64_t{1}}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2, 2}, {-1, 9, 1, 9});
  test.inputs[1] = i64({5}, {1, 1, 1, 1, 1});
  expect_error(Status::InvalidModel, {}, [&] { run(test); });
  test.inputs[1] = i64({3}, {1, 1, 1});
  expect_error(Status::InvalidModel, {"size of 3 dims"}, [&] { run(test); });
}

TEST(CenterCropPad, CutsAndPads) {
  OnnxCase test{.op = "CenterCropPad", .opset = 18, .inputs = {ramp({2, 5}, 1), i64({2}, {3, 2})}};
  expect_tensor(run(test)[0], DType::F32, {3, 2}, {2, 3, 7, 8, 0, 0});
  test.attributes = {{"axes", std::vector<int64_t>{-1}}};
  test.inputs[1] = i64({1}, {6});
  test.constants = {1};
  expect_tensor(run(test)[0], DType::F32, {2, 6}, {1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10, 0});
  test.attributes = {{"axes", std::vector<int64_t>{1, -1}}};
  test.inputs[1] = i64({2}, {6, 6});
  expect_error(Status::InvalidModel, {"named twice"}, [&] { run(test); });
  test.attributes = {};
  test.constants = {};
  test.inputs[1] = i64({2}, {-1, 6});
  expect_error(Status::MismatchingShape, {"-1"}, [&] { run(test); });
}

TEST(Col2Im, AddsWhatOverlaps) {
  // Blocks of two at every position of four pixels.
  OnnxCase test{.op = "Col2Im",
                .opset = 18,
                .inputs = {f32({1, 2, 3}, {1, 2, 3, 10, 20, 30}), i64({2}, {1, 4}), i64({2}, {1, 2})}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 4}, {1, 12, 23, 30});
  test.attributes = {{"dilations", std::vector<int64_t>{1, 2}}, {"pads", std::vector<int64_t>{0, 1, 0, 0}}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 4}, {2, 13, 20, 30});
  test.attributes = {{"strides", std::vector<int64_t>{1, 0}}};
  expect_error(Status::InvalidModel, {"strides"}, [&] { run(test); });
  test.attributes = {};
  test.inputs[1] = i64({2}, {1, 5});
  expect_error(Status::MismatchingShape, {}, [&] { run(test); });
}

TEST(DeformConv, IsAConvolutionWithoutOffsets) {
  const Tensor x = ramp({2, 4, 5, 4}, -3, 0.25), w = ramp({6, 2, 2, 3}, -1, 0.1);
  const Attributes attributes = {{"group", int64_t{2}},
                                 {"strides", std::vector<int64_t>{2, 1}},
                                 {"dilations", std::vector<int64_t>{1, 2}},
                                 {"pads", std::vector<int64_t>{1, 2, 0, 1}}};
  const Tensor expected = run(OnnxCase{.op = "Conv", .inputs = {x, w}, .attributes = attributes, .dynamic = false})[0];
  const Dims out = expected.dims();
  Tensor offsets(DType::F32, {2, 2 * 2 * 6, out[2], out[3]}), mask(DType::F32, {2, 2 * 6, out[2], out[3]});
  for (int64_t i = 0; i < offsets.count(); ++i) offsets.set_double(i, 0);
  for (int64_t i = 0; i < mask.count(); ++i) mask.set_double(i, 2);
  Attributes deformed = attributes;
  deformed["offset_group"] = int64_t{2};
  const Tensor result = run(OnnxCase{.op = "DeformConv",
                                     .opset = 22,
                                     .inputs = {x, w, offsets, Tensor(), mask},
                                     .attributes = deformed,
                                     .dynamic = false})[0];
  ASSERT_EQ(result.dims(), out);
  for (int64_t i = 0; i < result.count(); ++i) EXPECT_NEAR(result.as_double(i), 2 * expected.as_double(i), 1e-3);
}

TEST(DeformConv, ReadsBetweenPixelsAndZerosOutside) {
  OnnxCase test{
      .op = "DeformConv",
      .opset = 19,
      .inputs = {f32({1, 1, 2, 2}, {1, 2, 3, 4}), f32({1, 1, 1, 1}, {1}), ramp({1, 2, 2, 2}, 0, 0), f32({1}, {100})},
      .dynamic = false};
  test.inputs[2] = f32({1, 2, 2, 2}, {0.5, 0, 0, 1e30, 0.5, 0, 0, 0});
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2, 2}, {102.5, 102, 103, 100});
  test.attributes = {{"offset_group", int64_t{2}}};
  expect_error(Status::InvalidModel, {"offset_group 2"}, [&] { run(test); });
}

TEST(GridSample, ReadsVolumes) {
  OnnxCase test{.op = "GridSample",
                .opset = 20,
                .inputs = {ramp({1, 1, 2, 2, 2}), f32({1, 1, 1, 2, 3}, {0, 0, 0, 1, -1, 1})},
                .attributes = {{"align_corners", int64_t{1}}}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 1, 2}, {3.5, 5});
}

TEST(MaxRoiPool, TakesTheLargestOfEachBin) {
  OnnxCase test{.op = "MaxRoiPool",
                .opset = 22,
                .inputs = {ramp({1, 1, 4, 4}), f32({2, 5}, {0, 0, 0, 3, 3, 0, 8, 8, 9, 9})},
                .attributes = {{"pooled_shape", std::vector<int64_t>{2, 2}}},
                .dynamic = false};
  expect_tensor(run(test)[0], DType::F32, {2, 1, 2, 2}, {5, 7, 13, 15, 0, 0, 0, 0});
  for (double hostile : {1.0, -1.0, 1e30, std::nan("")}) {
    test.inputs[1] = f32({1, 5}, {hostile, 0, 0, 1, 1});
    expect_error(Status::InternalError, {"batch index"}, [&] { run(test); });
    test.inputs[1] = f32({1, 5}, {0, 0, 0, hostile * 1e30, 1});
    expect_error(Status::InternalError, {"corner"}, [&] { run(test); });
  }
}

TEST(Resize, SmoothsWhenShrinking) {
  OnnxCase test{.op = "Resize",
                .opset = 18,
                .inputs = {f32({1, 1, 1, 4}, {1, 2, 3, 4}), Tensor(), f32({4}, {1, 1, 1, 0.5})},
                .attributes = {{"mode", std::string("linear")}, {"antialias", int64_t{1}}},
                .dynamic = false};
  // Triangles of width 4 around 0.5 and 2.5, with the border elements repeated.
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 2}, {1.625, 3.375});
  test.attributes["exclude_outside"] = int64_t{1};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 1, 2}, {1.7142857, 3.2857143}, 1e-5);
}

TEST(Resize, KeepsTheAspectRatio) {
  for (const bool larger : {false, true}) {
    OnnxCase test{.op = "Resize",
                  .opset = 18,
                  .inputs = {ramp({2, 4}), Tensor(), Tensor(), i64({2}, {4, 12})},
                  .attributes = {{"keep_aspect_ratio_policy", std::string(larger ? "not_smaller" : "not_larger")},
                                 {"axes", std::vector<int64_t>{0, 1}}}};
    EXPECT_EQ(run(test)[0].dims(), larger ? (Dims{6, 12}) : (Dims{4, 8}));
    test.constants = {3};
    EXPECT_EQ(run(test)[0].dims(), larger ? (Dims{6, 12}) : (Dims{4, 8}));
  }
}

TEST(Upsample, TakesScalesAsAttributesAtFirst) {
  const OnnxCase test{.op = "Upsample",
                      .opset = 1,
                      .inputs = {f32({1, 1, 1, 2}, {1, 2})},
                      .attributes = {{"height_scale", 2.0}, {"width_scale", 1.0}}};
  expect_tensor(run(test)[0], DType::F32, {1, 1, 2, 2}, {1, 2, 1, 2});
}

}  // namespace
}  // namespace sardonyx::ops
