// Tensor files, comparison and workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <cmath>

#include <csignal>
#include <cstring>
#include <functional>
#include <random>

#include "tools/compare.h"
#include "tools/distribution.h"
#include "tools/test_case.h"
#include "tools/usage_error.h"
#include "tools/workers.h"

namespace sardonyx::tools {
namespace {

template <class T>
HostTensor tensor(DType dtype, std::vector<int64_t> dims, const std::vector<T>& values) {
  HostTensor result{"t", dtype, std::move(dims), {}};
  result.bytes.resize(values.size() * sizeof(T));
  std::memcpy(result.bytes.data(), values.data(), result.bytes.size());
  return result;
}
HostTensor floats(const std::vector<float>& values) { return tensor(DType::F32, {int64_t(values.size())}, values); }
Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

TEST(TensorFile, ReadsTypedAndRawData) {
  // dims 2, data_type INT32, int32_data packed 5, -1
  const std::string typed("\x08\x02\x10\x06\x2A\x0B\x05\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 17);
  const HostTensor ints = parse_tensor(bytes_of(typed), "typed");
  EXPECT_EQ(ints.dims, std::vector<int64_t>{2});
  EXPECT_EQ(ints.number(0), 5);
  EXPECT_EQ(ints.number(1), -1);
  // dims [1,2] packed, data_type FLOAT16, raw_data 1.0, -2.0
  const HostTensor halves =
      parse_tensor(bytes_of(std::string("\x0A\x02\x01\x02\x10\x0A\x4A\x04\x00\x3C\x00\xC0", 12)), "raw");
  EXPECT_EQ(halves.dims, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(halves.number(1), -2);
}

TEST(TensorFile, RefusesWhatIsNone) {
  for (const auto& broken : {std::string("\x08"), std::string("\x08\x02\x10\x01"), std::string("\x10\x08"),
                             std::string("\x0F"), std::string("\x4A\x7F\x01"),
                             // dims 2^39 twice, data_type FLOAT: more elements than there can be
                             std::string("\x0A\x0C\x80\x80\x80\x80\x80\x10\x80\x80\x80\x80\x80\x10\x10\x01", 16)}) {
    EXPECT_THROW(parse_tensor(bytes_of(broken), "broken"), UsageError);
  }
}

TEST(Compare, FollowsTheToleranceForFloats) {
  EXPECT_EQ(difference(floats({1, 100}), floats({1.0009f, 100.09f}), {}), "");
  EXPECT_NE(difference(floats({1, 100}), floats({1.0011f, 100}), {}), "");
  EXPECT_NE(difference(floats({0}), floats({1e-6f}), {}), "");
  EXPECT_EQ(difference(floats({}), floats({}), {}), "");
  EXPECT_EQ(difference(floats({0, 1000}), floats({0.05f, 1000}), {1e-3, 1e-7, 1e-4}), "");
}

// Runs of 8 draws each; draw `i` of run `r` is one where `hit(r, i)`.
std::vector<std::vector<HostTensor>> draws(int runs, const std::function<bool(int, int)>& hit) {
  std::vector<std::vector<HostTensor>> result;
  for (int run = 0; run < runs; ++run) {
    std::vector<float> values;
    for (int i = 0; i < 8; ++i) values.push_back(hit(run, i));
    result.push_back({floats(values)});
  }
  return result;
}

TEST(Distribution, HoldsDrawsAgainstTheirProbabilities) {
  std::mt19937 random(7);
  const auto quarter = [&](int, int) { return random() % 4 == 0; };
  const std::vector<HostTensor> inputs = {floats(std::vector<float>(8, 0.25f))};
  EXPECT_EQ(misfit(Chance::Bernoulli, inputs, draws(200, quarter)), "");
  const std::vector<HostTensor> others = {floats(std::vector<float>(8, 0.4f))};
  EXPECT_NE(misfit(Chance::Bernoulli, others, draws(200, quarter)), "");
  EXPECT_NE(misfit(Chance::BernoulliComplement, inputs, draws(200, quarter)), "");
  const std::vector<HostTensor> complement = {floats(std::vector<float>(8, 0.75f))};
  EXPECT_EQ(misfit(Chance::BernoulliComplement, complement, draws(200, quarter)), "");
  // The sum is right, the elements are not.
  const auto unfair = [](int run, int i) { return i == 0 || (i == 1 && run % 2 == 0) || (i == 2 && run % 2 != 0); };
  EXPECT_THAT(misfit(Chance::Bernoulli, inputs, draws(200, unfair)), testing::HasSubstr("draw 0 differs by"));
  EXPECT_THAT(misfit(Chance::Bernoulli, {floats({0, 1})}, {{floats({1, 1})}}), testing::HasSubstr("the sum"));
  EXPECT_EQ(misfit(Chance::Bernoulli, {floats({0, 1})}, {{floats({0, 1})}}), "");
  EXPECT_THAT(misfit(Chance::Bernoulli, {floats({0.5})}, {{floats({0.5})}}), testing::HasSubstr("only 0 and 1"));
}

TEST(Distribution, RepeatedRunsCountOnce) {
  const std::vector<HostTensor> inputs = {floats(std::vector<float>(8, 0.5f))};
  EXPECT_EQ(misfit(Chance::Bernoulli, inputs, draws(200, [](int, int i) { return i < 3; })), "");
}

TEST(Distribution, HoldsDropoutAgainstItsRatio) {
  const std::vector<HostTensor> inputs = {floats({1, -2, 0, 3}), floats({0.75})};
  EXPECT_EQ(misfit(Chance::Dropout, inputs, {{floats({4, 0, 0, 0}), floats({1, 0, 1, 0})}}), "");
  EXPECT_THAT(misfit(Chance::Dropout, inputs, {{floats({4, 0, 0, 0}), floats({1, 1, 1, 0})}}),
              testing::HasSubstr("contradicts"));
  EXPECT_THAT(misfit(Chance::Dropout, inputs, {{floats({1, 0, 0, 0})}}), testing::HasSubstr("only 0 and 4"));
  EXPECT_THROW(parse_chance("normal"), UsageError);
}

TEST(Compare, KnowsNanAndInfinity) {
  EXPECT_EQ(difference(floats({NAN, INFINITY}), floats({NAN, INFINITY}), {}), "");
  EXPECT_NE(difference(floats({1}), floats({NAN}), {}), "");
  EXPECT_NE(difference(floats({NAN}), floats({1}), {}), "");
  EXPECT_NE(difference(floats({INFINITY}), floats({-INFINITY}), {}), "");
  EXPECT_NE(difference(floats({INFINITY}), floats({1}), {}), "");
}

TEST(Compare, IsExactForIntegersAndShapes) {
  const auto big = [](int64_t value) { return tensor(DType::I64, {1}, std::vector<int64_t>{value}); };
  EXPECT_EQ(difference(big(5), big(5), {}), "");
  EXPECT_NE(difference(big(100000), big(100001), {}), "");
  EXPECT_NE(difference(big((int64_t(1) << 60) + 1), big(int64_t(1) << 60), {}), "");
  EXPECT_NE(difference(floats({1, 2}), tensor(DType::F32, {2, 1}, std::vector<float>{1, 2}), {}), "");
}

TEST(TestCase, MatchesFilesByNameOrPosition) {
  const std::string folder = testing::TempDir();
  HostTensor first = floats({1}), second = floats({2});
  first.name = "a";
  second.name = "b";
  write_tensor_file(first, folder + "a.pb");
  write_tensor_file(second, folder + "b.pb");
  const std::vector<std::string> files = {folder + "a.pb", folder + "b.pb"};
  EXPECT_EQ(read_tensors(files, {{"b", DType::F32, true, {1}}, {"a", DType::F32, true, {1}}})[0].number(0), 2);
  EXPECT_EQ(read_tensors(files, {{"x", DType::F32, true, {1}}, {"y", DType::F32, true, {1}}})[0].number(0), 1);
  EXPECT_THROW(read_tensors(files, {{"x", DType::F32, true, {1}}}), UsageError);
}

TEST(Workers, TellHowEachTaskEnded) {
  std::vector<WorkerResult> results(4);
  const auto task = [](size_t index) -> std::string {
    if (index == 1) std::raise(SIGKILL);
    if (index == 2) {
      for (;;) pause();
    }
    if (index == 3) std::fputs("a word on stderr\n", stderr);
    return std::string(100000, char('a' + index));
  };
  run_in_workers(4, 2, 0.5, task, [&](size_t index, const WorkerResult& result) { results[index] = result; });
  EXPECT_EQ(results[0].end, WorkerResult::End::Finished);
  EXPECT_EQ(results[0].text, std::string(100000, 'a'));
  EXPECT_EQ(results[1].end, WorkerResult::End::Crashed);
  EXPECT_EQ(results[1].signal, SIGKILL);
  EXPECT_EQ(results[2].end, WorkerResult::End::TimedOut);
  EXPECT_EQ(results[3].errors, "a word on stderr\n");
}

}  // namespace
}  // namespace sardonyx::tools
