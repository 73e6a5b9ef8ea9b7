// DFT, STFT and window functions.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

TEST(Windows, AreCosineSums) {
  const Tensor size = i64({}, {4});
  expect_tensor(run(OnnxCase{.op = "HannWindow", .inputs = {size}})[0], DType::F32, {4}, {0, 0.5, 1, 0.5});
  expect_tensor(
      run(OnnxCase{.op = "HannWindow", .inputs = {i64({}, {5})}, .attributes = {{"periodic", int64_t{0}}}})[0],
      DType::F32, {5}, {0, 0.5, 1, 0.5, 0});
  expect_tensor(run(OnnxCase{.op = "HammingWindow", .inputs = {size}})[0], DType::F32, {4},
                {4.0 / 46, 25.0 / 46, 1, 25.0 / 46});
  expect_tensor(
      run(OnnxCase{.op = "BlackmanWindow", .inputs = {size}, .attributes = {{"output_datatype", int64_t{11}}}})[0],
      DType::F64, {4}, {0, 0.34, 1, 0.34});
}

TEST(Dft, OfAnImpulseIsFlat) {
  expect_tensor(run(OnnxCase{.op = "DFT", .inputs = {f32({1, 4, 1}, {1, 0, 0, 0})}, .dynamic = false})[0], DType::F32,
                {1, 4, 2}, {1, 0, 1, 0, 1, 0, 1, 0});
}

TEST(Dft, InverseGivesTheSignalBack) {
  const Tensor signal = f32({1, 4, 2}, {1, 2, -3, 0.5, 0, 1, 4, -1});
  Tensor spectrum = run(OnnxCase{.op = "DFT", .inputs = {signal}, .dynamic = false})[0];
  Tensor back =
      run(OnnxCase{.op = "DFT", .inputs = {spectrum}, .attributes = {{"inverse", int64_t{1}}}, .dynamic = false})[0];
  expect_tensor(back, DType::F32, {1, 4, 2}, {1, 2, -3, 0.5, 0, 1, 4, -1}, 1e-5);
}

TEST(Dft, OneSidedKeepsHalfAndLengthsCutOrPad) {
  const Tensor signal = f32({1, 4, 1}, {1, 2, 3, 4});
  expect_tensor(
      run(OnnxCase{.op = "DFT", .inputs = {signal}, .attributes = {{"onesided", int64_t{1}}}, .dynamic = false})[0],
      DType::F32, {1, 3, 2}, {10, 0, -2, 2, -2, 0}, 1e-5);
  expect_tensor(run(OnnxCase{.op = "DFT", .inputs = {signal, i64({}, {2})}, .dynamic = false, .constants = {1}})[0],
                DType::F32, {1, 2, 2}, {3, 0, -1, 0}, 1e-5);
  expect_tensor(
      run(OnnxCase{.op = "DFT", .inputs = {f32({1, 1, 1}, {3}), i64({}, {2})}, .dynamic = false, .constants = {1}})[0],
      DType::F32, {1, 2, 2}, {3, 0, 3, 0}, 1e-5);
}

TEST(Dft, TransformsAnyAxis) {
  const Tensor signal = f32({2, 2, 1}, {1, 2, 3, 4});
  expect_tensor(
      run(OnnxCase{.op = "DFT", .inputs = {signal}, .attributes = {{"axis", int64_t{0}}}, .dynamic = false})[0],
      DType::F32, {2, 2, 2}, {4, 0, 6, 0, -2, 0, -2, 0}, 1e-5);
  expect_error(Status::InvalidModel, {"axis"}, [&] {
    run(OnnxCase{.op = "DFT", .inputs = {signal}, .attributes = {{"axis", int64_t{2}}}, .dynamic = false});
  });
}

TEST(Stft, TransformsOverlappingFrames) {
  const Tensor signal = f32({1, 6, 1}, {1, 0, 0, 0, 2, 0});
  Tensor result = run(OnnxCase{.op = "STFT",
                               .inputs = {signal, i64({}, {2}), Tensor(), i64({}, {4})},
                               .dynamic = false,
                               .constants = {1, 3}})[0];
  // Frames [1 0 0 0] and [0 0 2 0].
  expect_tensor(result, DType::F32, {1, 2, 3, 2}, {1, 0, 1, 0, 1, 0, 2, 0, -2, 0, 2, 0}, 1e-5);
}

}  // namespace
}  // namespace sardonyx::ops
