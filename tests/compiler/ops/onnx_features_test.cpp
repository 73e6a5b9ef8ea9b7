// TfIdfVectorizer and MelWeightMatrix.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using Ints = std::vector<int64_t>;

// Pool: 2, 3, 5 and the pairs 5 6, 7 8.
Tensor vectorized(const Tensor& x, const char* mode, int64_t shortest, int64_t skips, Attributes more = {}) {
  Attributes attributes = {{"mode", std::string(mode)},
                           {"min_gram_length", shortest},
                           {"max_gram_length", int64_t{2}},
                           {"max_skip_count", skips},
                           {"ngram_counts", Ints{0, 3}},
                           {"ngram_indexes", Ints{0, 1, 2, 4, 3}},
                           {"pool_int64s", Ints{2, 3, 5, 5, 6, 7, 8}}};
  attributes.merge(more);
  return run(OnnxCase{.op = "TfIdfVectorizer", .inputs = {x}, .attributes = attributes})[0];
}

TEST(TfIdfVectorizer, CountsItemsAndPairs) {
  const Tensor x = i64({2, 5}, {2, 5, 6, 7, 8, 5, 0, 6, 5, 6});
  expect_tensor(vectorized(x, "TF", 1, 0), DType::F32, {2, 5}, {1, 0, 1, 1, 1, 0, 0, 2, 0, 1});
  expect_tensor(vectorized(x, "TF", 2, 1), DType::F32, {2, 5}, {0, 0, 0, 1, 1, 0, 0, 0, 0, 2});
  expect_tensor(vectorized(i64({3}, {3, 3, 1}), "TF", 1, 9), DType::F32, {5}, {0, 2, 0, 0, 0});
  expect_tensor(vectorized(i64({0}, {}), "TF", 1, 0), DType::F32, {5}, {0, 0, 0, 0, 0});
}

TEST(TfIdfVectorizer, WeighsByNumberOfTheGram) {
  const Attributes weights = {{"weights", std::vector<double>{1, 2, 3, 4, 5}}};
  const Tensor x = i64({4}, {5, 6, 5, 6});
  expect_tensor(vectorized(x, "IDF", 1, 0, weights), DType::F32, {5}, {0, 0, 3, 0, 4});
  expect_tensor(vectorized(x, "TFIDF", 1, 0, weights), DType::F32, {5}, {0, 0, 6, 0, 8});
}

TEST(TfIdfVectorizer, RejectsPoolsThatDoNotAddUp) {
  const Attributes short_weights = {{"weights", std::vector<double>{1}}};
  EXPECT_THROW(vectorized(i64({1}, {2}), "TF", 1, 0, short_weights), Error);
  EXPECT_THROW(vectorized(i64({1}, {2}), "BM25", 1, 0), Error);
  EXPECT_THROW(vectorized(i64({1}, {2}), "TF", 3, 0), Error);
}

Tensor mel_weights(double filters, double length, double rate, double low, double high) {
  return run(
      OnnxCase{.op = "MelWeightMatrix",
               .inputs = {i64({}, {filters}), i64({}, {length}), i64({}, {rate}), f32({}, {low}), f32({}, {high})}})[0];
}

TEST(MelWeightMatrix, MakesTriangles) {
  const Tensor weights = mel_weights(2, 64, 8192, 0, 4096);
  EXPECT_EQ(weights.dims(), (Dims{33, 2}));
  for (int64_t f = 0; f < 2; ++f) {
    double peak = 0;
    for (int64_t bin = 0; bin < 33; ++bin) {
      const double weight = weights.as_double(bin * 2 + f);
      EXPECT_TRUE(weight >= 0 && weight <= 1) << weight;
      peak = std::max(peak, weight);
    }
    EXPECT_EQ(peak, 1);
  }
  EXPECT_EQ(weights.as_double(0), 0) << "a triangle starts at its lower edge";
}

TEST(MelWeightMatrix, SurvivesOddSizes) {
  EXPECT_EQ(mel_weights(0, 16, 8000, 0, 4000).dims(), (Dims{9, 0}));
  EXPECT_EQ(mel_weights(3, 0, 8000, 0, 4000).dims(), (Dims{1, 3}));
  EXPECT_THROW(mel_weights(-1, 16, 8000, 0, 4000), Error);
  EXPECT_THROW(mel_weights(2, 16, 0, 0, 4000), Error);
  EXPECT_THROW(mel_weights(1 << 23, 1 << 23, 8000, 0, 4000), Error);
  EXPECT_THROW(mel_weights(2, 16, 8000, -800, 4000), Error);
}

}  // namespace
}  // namespace sardonyx::ops
