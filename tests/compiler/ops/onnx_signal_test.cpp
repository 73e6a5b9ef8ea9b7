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

TEST(Dft, OneSidedInverseGivesARealSignal) {
  for (int64_t length : {1, 2, 3, 4, 7, 8, 1025, 2048}) {
    Tensor signal(DType::F64, {2, length, 1});
    for (int64_t i = 0; i < signal.count(); ++i) signal.set_double(i, std::sin(double(i * i)) + 0.5);
    const Tensor n = i64({}, {double(length)});
    const auto transformed = [&](const Tensor& x, int64_t inverse) {
      return run(OnnxCase{.op = "DFT",
                          .opset = 20,
                          .inputs = {x, n, i64({}, {1})},
                          .attributes = {{"onesided", int64_t{1}}, {"inverse", inverse}},
                          .dynamic = false,
                          .constants = {1, 2}})[0];
    };
    const Tensor spectrum = transformed(signal, 0), back = transformed(spectrum, 1);
    EXPECT_EQ(spectrum.dims(), (Dims{2, length / 2 + 1, 2}));
    ASSERT_EQ(back.dims(), (Dims{2, length, 1}));
    for (int64_t i = 0; i < back.count(); ++i) EXPECT_NEAR(back.as_double(i), signal.as_double(i), 1e-10);
  }
  expect_error(Status::InvalidModel, {"complex"}, [&] {
    run(OnnxCase{.op = "DFT",
                 .opset = 20,
                 .inputs = {f32({1, 2, 1}, {1, 2})},
                 .attributes = {{"onesided", int64_t{1}}, {"inverse", int64_t{1}}},
                 .dynamic = false});
  });
}

// Lengths that only the run knows are transformed on the host, short static ones by products.
TEST(Dft, HostAndProductsAgree) {
  for (int64_t length : {1, 2, 5, 8, 12, 17}) {
    Tensor signal(DType::F64, {1, 8, 2});
    for (int64_t i = 0; i < signal.count(); ++i) signal.set_double(i, std::cos(double(3 * i)) * double(i));
    for (const int64_t inverse : {0, 1}) {
      OnnxCase test{.op = "DFT",
                    .opset = 20,
                    .inputs = {signal, i64({}, {double(length)}), i64({}, {1})},
                    .attributes = {{"inverse", inverse}},
                    .dynamic = false,
                    .constants = {2}};
      const Tensor host = run(test)[0];
      test.constants = {1, 2};
      const Tensor product = run(test)[0];
      ASSERT_EQ(host.dims(), product.dims());
      for (int64_t i = 0; i < host.count(); ++i) EXPECT_NEAR(host.as_double(i), product.as_double(i), 1e-10);
    }
  }
}

TEST(Dft, ChoosesItsAxisAtRunTime) {
  const Tensor signal = f32({2, 2, 1}, {1, 2, 3, 4});
  for (double axis : {0.0, -3.0})
    expect_tensor(
        run(OnnxCase{.op = "DFT", .opset = 20, .inputs = {signal, Tensor(), i64({}, {axis})}, .dynamic = false})[0],
        DType::F32, {2, 2, 2}, {4, 0, 6, 0, -2, 0, -2, 0}, 1e-5);
  for (double axis : {2.0, -1.0, -4.0, 9e18})
    expect_error(Status::InvalidModel, {"axis"}, [&] {
      run(OnnxCase{.op = "DFT", .opset = 20, .inputs = {signal, Tensor(), i64({}, {axis})}, .dynamic = false});
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
