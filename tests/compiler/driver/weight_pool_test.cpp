#include "compiler/driver/weight_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "compiler/graph/builder.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::driver {
namespace {

using expr::Expr;
using graph::Builder;
using graph::Graph;
using graph::Value;

WeightPool& pool() { return WeightPool::instance(); }
Tensor negated(const Tensor& source) {
  Tensor result = source.clone();
  for (int64_t i = 0; i < result.count(); ++i) result.data<float>()[i] *= -1;
  return result;
}

TEST(WeightPool, MakesEqualThingsOnce) {
  const size_t before = pool().size();
  int made = 0;
  const auto make = [&](const Tensor& source) {
    ++made;
    return negated(source);
  };
  {
    const Tensor first = pool().get("negated", ramp({300, 1000}), make);
    EXPECT_TRUE(same_bits(first, negated(ramp({300, 1000}))));
    EXPECT_EQ(pool().get("negated", ramp({300, 1000}), make).raw(), first.raw());
    EXPECT_EQ(made, 1);
    EXPECT_EQ(pool().size(), before + 1);
    const Tensor others[] = {pool().get("another form", ramp({300, 1000}), make),
                             pool().get("negated", ramp({1000, 300}), make),
                             pool().get("negated", ramp({300, 1000}, 1), make)};
    EXPECT_EQ(made, 4);
    EXPECT_EQ(pool().size(), before + 4);
  }
  EXPECT_EQ(pool().size(), before);
  pool().get("negated", ramp({300, 1000}), make);
  EXPECT_EQ(made, 5) << "what nobody uses is made again";
}

TEST(WeightPool, LooksAtEveryByte) {
  Tensor values = ramp({300, 1000});
  const Tensor first = pool().get("bytes", values, negated);
  for (int64_t at : {int64_t{0}, int64_t{262143}, int64_t{262144}, values.count() - 1}) {
    Tensor changed = values.clone();
    changed.data<float>()[at] += 1;
    EXPECT_NE(pool().get("bytes", changed, negated).raw(), first.raw()) << at;
  }
}

TEST(WeightPool, LeavesNothingOfWhatFails) {
  const size_t before = pool().size();
  EXPECT_THROW(
      pool().get("failure", ramp({10}), [](const Tensor&) -> Tensor { throw Error(Status::NoSystemMemory, "no"); }),
      Error);
  EXPECT_EQ(pool().size(), before);
}

TEST(WeightPool, ServesThreads) {
  const size_t before = pool().size();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 500; ++i) {
        const Tensor source = ramp({64}, float(i % 3));
        const Tensor got = pool().get("threads", source, negated);
        ASSERT_TRUE(same_bits(got, negated(source)));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool().size(), before);
}

// y = x w, and w itself.
std::unique_ptr<Graph> product(int64_t rows, Tensor weights) {
  auto graph = std::make_unique<Graph>();
  Value* x = graph->body().add_parameter({DType::F32, {Expr(rows), Expr(256)}, {}}, "x");
  Builder b(*graph);
  Value* w = b.constant(std::move(weights));
  graph->set_outputs({b.matmul(x, w), w}, {"y", "w"});
  return graph;
}

std::vector<const void*> large_constants(const runtime::Program& program) {
  std::vector<const void*> found;
  for (const runtime::Constant& constant : program.constants)
    if (constant.tensor.bytes() >= 65536) found.push_back(constant.tensor.raw());
  return found;
}

TEST(WeightPool, HasThePackedAndThePlainWeightsOfGraphs) {
  const size_t before = pool().size();
  const Tensor weights = ramp({256, 192});
  auto first = compile(product(5, weights.clone()), host(), {});
  const auto bytes = std::shared_ptr<uint8_t>(allocate_bytes(size_t(weights.bytes()) + 1));
  std::memcpy(bytes.get() + 1, weights.raw(), size_t(weights.bytes()));
  const std::weak_ptr<uint8_t> lender = bytes;
  auto lent = Tensor::lent(DType::F32, weights.dims(), std::shared_ptr<const uint8_t>(bytes, bytes.get() + 1));
  auto second = compile(product(5, std::move(lent)), host(), {});
  EXPECT_EQ(lender.use_count(), 1) << "nothing of what was lent is kept";
  EXPECT_EQ(large_constants(*first).size(), 2u);
  EXPECT_EQ(large_constants(*first), large_constants(*second));
  EXPECT_EQ(pool().size(), before + 2);
  const auto other = compile(product(5, ramp({256, 192}, 1)), host(), {});
  EXPECT_NE(large_constants(*first), large_constants(*other));
  first = nullptr;
  expect_compiled_equals_interpreted(*product(5, weights.clone()), {ramp({5, 256})}, Policy::Auto);
  EXPECT_EQ(pool().size(), before + 4);
  second = nullptr;
  EXPECT_EQ(pool().size(), before + 2);
}

}  // namespace
}  // namespace sardonyx::driver
