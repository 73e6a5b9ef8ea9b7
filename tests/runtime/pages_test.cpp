#include "runtime/base/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "runtime/base/compile_thread.h"
#include "runtime/base/status.h"

namespace sardonyx {
namespace {

TEST(Pages, AreZeroAlignedAndWritable) {
  for (size_t bytes : {size_t{1}, size_t{5000}, huge_page_bytes - 1, huge_page_bytes, 3 * huge_page_bytes + 4097}) {
    uint8_t* block = map_pages(bytes, bytes % 2 ? Pages::Plain : Pages::Huge);
    ASSERT_NE(block, nullptr) << bytes;
    const size_t alignment = bytes >= huge_page_bytes ? huge_page_bytes : 4096;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u) << bytes;
    EXPECT_TRUE(std::all_of(block, block + bytes, [](uint8_t byte) { return byte == 0; })) << bytes;
    std::fill(block, block + bytes, uint8_t{1});
    unmap_pages(block, bytes);
  }
  EXPECT_EQ(map_pages(0, Pages::Plain), nullptr);
  EXPECT_EQ(map_pages(SIZE_MAX, Pages::Plain), nullptr);
}

TEST(Pages, WeightsAreAlignedWhateverTheirSize) {
  for (int64_t bytes : {0, 1, 65535, 65536, 5'000'000}) {
    std::shared_ptr<uint8_t> weights = weight_bytes(bytes, Pages::Huge);
    ASSERT_NE(weights, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(weights.get()) % 64, 0u);
    std::fill(weights.get(), weights.get() + bytes, uint8_t{1});
  }
  try {
    weight_bytes(int64_t{1} << 60, Pages::Plain);
    FAIL() << "an exabyte was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::NoSystemMemory);
  }
}

TEST(ParallelParts, AreAllDoneOnce) {
  for (int64_t bytes : {int64_t{1000}, int64_t{1} << 30})
    for (int64_t count : {0, 1, 31, 32, 33, 1000}) {
      std::vector<std::atomic<int>> done(size_t(count) + 1);
      parallel_parts(count, bytes, [&](int64_t i) { ++done[size_t(i)]; });
      EXPECT_EQ(std::count(done.begin(), done.end() - 1, 1), count) << bytes;
      EXPECT_EQ(done.back(), 0);
    }
}

TEST(ParallelParts, PassFailuresOn) {
  for (int64_t bytes : {int64_t{1000}, int64_t{1} << 30})
    EXPECT_THROW(parallel_parts(100, bytes, [](int64_t i) { require(i != 70, Status::InvalidModel, "part ", i); }),
                 Error);
}

}  // namespace
}  // namespace sardonyx
