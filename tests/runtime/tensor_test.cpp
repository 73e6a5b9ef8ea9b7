#include "runtime/base/tensor.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "runtime/base/status.h"

namespace sardonyx {
namespace {

// Bytes of floats 0, 1, 2, ... at an address that is `offset` beyond an aligned one.
std::shared_ptr<uint8_t> floats_at(size_t offset, size_t count) {
  auto memory = allocate_bytes(offset + count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    const auto value = float(i);
    std::memcpy(memory.get() + offset + i * sizeof value, &value, sizeof value);
  }
  return {memory, memory.get() + offset};
}

TEST(LentTensor, StaysWhereItIsUntilItsElementsAreRead) {
  for (size_t offset : {0, 1, 2, 3, 64}) {
    const auto bytes = floats_at(offset, 100);
    const Tensor lent = Tensor::lent(DType::F32, {100}, bytes), matrix = lent.reshaped({20, 5});
    EXPECT_TRUE(lent.is_lent() && matrix.is_lent());
    EXPECT_EQ(lent.unaligned(), bytes.get());
    EXPECT_EQ(matrix.unaligned(), bytes.get());
    EXPECT_NE(matrix.raw(), bytes.get());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(matrix.raw()) % 64, 0u);
    EXPECT_EQ(lent.raw(), matrix.raw()) << "one copy for all";
    for (int64_t i = 0; i < 100; ++i) ASSERT_EQ(lent.as_double(i), double(i));
    EXPECT_TRUE(same_bits(lent, lent.clone()));
  }
}

TEST(LentTensor, KeepsItsBytesAsLongAsItself) {
  auto bytes = floats_at(1, 10);
  const std::weak_ptr<uint8_t> watched = bytes;
  Tensor lent = Tensor::lent(DType::F32, {10}, std::move(bytes));
  Tensor other = lent, own = lent.clone();
  EXPECT_FALSE(own.is_lent());
  EXPECT_EQ(lent.data<float>()[9], 9);
  lent = {};
  EXPECT_FALSE(watched.expired());
  other = {};
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(own.data<float>()[9], 9);
}

TEST(LentTensor, IsReadByManyThreads) {
  for (int round = 0; round < 20; ++round) {
    const Tensor lent = Tensor::lent(DType::F32, {1000}, floats_at(3, 1000));
    std::vector<std::thread> threads;
    std::vector<const void*> seen(4);
    for (size_t t = 0; t < seen.size(); ++t)
      threads.emplace_back([&, t, copy = lent] {
        EXPECT_EQ(copy.data<float>()[999], 999);
        seen[t] = copy.raw();
      });
    for (std::thread& thread : threads) thread.join();
    for (const void* address : seen) EXPECT_EQ(address, lent.raw());
  }
}

TEST(LentTensor, HasPlainNumbersOnly) {
  EXPECT_THROW(Tensor::lent(DType::String, {1}, floats_at(0, 4)), Error);
  EXPECT_EQ(Tensor::lent(DType::F32, {0, 3}, nullptr).count(), 0);
}

}  // namespace
}  // namespace sardonyx
