// Random numbers: distributions, seeds, and independence of neighbours.
#include <algorithm>

#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

struct Moments {
  double mean = 0, variance = 0, correlation = 0;  // correlation of neighbours
};

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> values;
  for (int64_t i = 0; i < tensor.count(); ++i) values.push_back(tensor.as_double(i));
  return values;
}

Moments moments_of(const std::vector<double>& values) {
  Moments m;
  for (double v : values) m.mean += v / double(values.size());
  for (double v : values) m.variance += (v - m.mean) * (v - m.mean) / double(values.size());
  for (size_t i = 1; i < values.size(); ++i)
    m.correlation += (values[i] - m.mean) * (values[i - 1] - m.mean) / double(values.size()) / m.variance;
  return m;
}

// The largest distance between the distribution of `values` and `cumulative` (Kolmogorov and Smirnov).
double distance(std::vector<double> values, const std::function<double(double)>& cumulative) {
  std::sort(values.begin(), values.end());
  double largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = cumulative(values[i]), n = double(values.size());
    largest = std::max({largest, std::fabs(double(i) / n - expected), std::fabs(double(i + 1) / n - expected)});
  }
  return largest;
}

constexpr int64_t count = 20000;
const double ks_limit = 1.95 / std::sqrt(double(count));  // passed with probability 0.999
const double mean_limit = 4 / std::sqrt(double(count));

std::vector<double> sampled(const char* op, Attributes attributes, double seed = 3) {
  attributes["shape"] = std::vector<int64_t>{200, count / 200};
  attributes["seed"] = seed;
  return values_of(run(OnnxCase{.op = op, .opset = 22, .attributes = attributes, .dynamic = false})[0]);
}

TEST(Random, UniformNumbersAreUniform) {
  for (const DType dtype : {DType::F32, DType::F64, DType::F16, DType::BF16}) {
    const auto values =
        sampled("RandomUniform", {{"dtype", int64_t(dtype)}, {"low", -2.0}, {"high", 6.0}}, double(dtype));
    const Moments m = moments_of(values);
    EXPECT_NEAR(m.mean, 2, 8 * mean_limit);
    EXPECT_NEAR(m.variance, 64.0 / 12, 0.1);
    EXPECT_NEAR(m.correlation, 0, mean_limit);
    EXPECT_GE(*std::min_element(values.begin(), values.end()), -2);
    EXPECT_LE(*std::max_element(values.begin(), values.end()), 6);
    if (dtype == DType::F32 || dtype == DType::F64) {
      EXPECT_LT(distance(values, [](double v) { return (v + 2) / 8; }), ks_limit) << dtype_name(dtype);
    }
  }
}

TEST(Random, NormalNumbersAreNormal) {
  for (const DType dtype : {DType::F32, DType::F64}) {
    const auto values = sampled("RandomNormal", {{"dtype", int64_t(dtype)}, {"mean", 1.0}, {"scale", 2.0}});
    const Moments m = moments_of(values);
    EXPECT_NEAR(m.mean, 1, 2 * mean_limit);
    EXPECT_NEAR(m.variance, 4, 0.2);
    EXPECT_NEAR(m.correlation, 0, mean_limit);
    EXPECT_LT(distance(values, [](double v) { return 0.5 * std::erfc(-(v - 1) / 2 / std::sqrt(2.0)); }), ks_limit);
  }
}

TEST(Random, SeedsNameSequences) {
  EXPECT_EQ(sampled("RandomUniform", {}, 1), sampled("RandomUniform", {}, 1));
  EXPECT_NE(sampled("RandomUniform", {}, 1), sampled("RandomUniform", {}, 2));
  const OnnxCase unseeded{
      .op = "RandomUniform", .opset = 22, .attributes = {{"shape", std::vector<int64_t>{8}}}, .dynamic = false};
  EXPECT_FALSE(same_bits(run(unseeded)[0], run(unseeded)[0]));
}

TEST(Random, LikeTakesShapeAndTypeOfItsInput) {
  const OnnxCase test{.op = "RandomNormalLike",
                      .opset = 22,
                      .inputs = {make(DType::F64, {2, 3}, {0, 0, 0, 0, 0, 0})},
                      .attributes = {{"seed", 1.0}}};
  const Tensor result = run(test)[0];
  EXPECT_EQ(result.dtype(), DType::F64);
  EXPECT_EQ(result.dims(), (Dims{2, 3}));
}

TEST(Random, BernoulliDrawsWithTheGivenProbabilities) {
  Tensor probabilities(DType::F32, {4, count});
  const double wanted[] = {0, 0.25, 0.9, 1};
  for (int64_t i = 0; i < probabilities.count(); ++i) probabilities.set_double(i, wanted[i / count]);
  const Tensor drawn = run(OnnxCase{.op = "Bernoulli",
                                    .opset = 22,
                                    .inputs = {probabilities},
                                    .attributes = {{"seed", 5.0}, {"dtype", int64_t(DType::I32)}}})[0];
  ASSERT_EQ(drawn.dtype(), DType::I32);
  for (int64_t row = 0; row < 4; ++row) {
    double ones = 0;
    for (int64_t i = 0; i < count; ++i) ones += drawn.as_double(row * count + i);
    const double p = wanted[row], limit = 4 * std::sqrt(p * (1 - p) / double(count));
    EXPECT_NEAR(ones / double(count), p, limit + 1e-12);
  }
}

TEST(Random, MultinomialDrawsClassesByTheirWeights) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor drawn = run(OnnxCase{.op = "Multinomial",
                                    .opset = 22,
                                    .inputs = {f32({2, 3}, {std::log(1), std::log(2), std::log(5), 0, -infinity, 0})},
                                    .attributes = {{"seed", 5.0}, {"sample_size", count}, {"dtype", int64_t{7}}}})[0];
  ASSERT_EQ(drawn.dims(), (Dims{2, count}));
  const double expected[2][3] = {{0.125, 0.25, 0.625}, {0.5, 0, 0.5}};
  for (int64_t row = 0; row < 2; ++row) {
    double counts[3] = {};
    for (int64_t i = 0; i < count; ++i) {
      const int64_t chosen = drawn.as_int(row * count + i);
      ASSERT_TRUE(chosen >= 0 && chosen < 3);
      counts[chosen] += 1.0 / double(count);
    }
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(counts[i], expected[row][i], mean_limit);
  }
}

TEST(Random, RefusesWhatIsNoDistribution) {
  const auto refused = [](const char* op, const Attributes& attributes, const char* text) {
    const OnnxCase test{.op = op, .opset = 22, .inputs = {ramp({2, 2})}, .attributes = attributes};
    expect_error(Status::InvalidModel, {text}, [&] { run(test); });
  };
  refused("RandomNormalLike", {{"dtype", int64_t{6}}}, "dtype 6");
  refused("Multinomial", {{"sample_size", int64_t{0}}}, "sample_size 0");
  refused("Multinomial", {{"dtype", int64_t{1}}}, "dtype 1");
  const OnnxCase negative{.op = "RandomUniform", .opset = 22, .attributes = {{"shape", std::vector<int64_t>{-1}}}};
  expect_error(Status::InvalidModel, {"negative"}, [&] { run(negative); });
}

TEST(Dropout, ScalesWhatItKeepsInTraining) {
  const Tensor x = f32({1, count}, std::vector<double>(size_t(count), 3));
  OnnxCase test{.op = "Dropout",
                .opset = 13,
                .inputs = {x, f32({}, {0.75}), bools({}, {1})},
                .attributes = {{"seed", int64_t{4}}},
                .outputs = 2};
  const auto results = run(test);
  double kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_EQ(results[0].as_double(i), results[1].as_int(i) ? 12 : 0);
    kept += results[1].as_double(i) / double(count);
  }
  EXPECT_NEAR(kept, 0.25, mean_limit);
  test.inputs[2] = bools({}, {0});
  EXPECT_TRUE(same_bits(run(test)[0], x));
}

}  // namespace
}  // namespace sardonyx::ops
