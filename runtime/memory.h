// Memory of runs: arenas, scratch and the small cache of run-time-sized temporaries.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sardonyx::runtime {

// An exclusively owned block, 64-byte aligned; large blocks are page-aligned and may use huge pages. Contents
// undefined.
class Memory {
 public:
  Memory() = default;
  // Throws Error(NoSystemMemory).
  explicit Memory(int64_t bytes);
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;

  uint8_t* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  // Replaces the block (contents are lost) when it holds less than `bytes`.
  void reserve(int64_t bytes);
  // The same as a return value, for code that must not throw.
  bool try_reserve(int64_t bytes) noexcept;

 private:
  void release() noexcept;
  uint8_t* data_ = nullptr;
  int64_t bytes_ = 0;
  bool mapped_ = false;
};

// Physical memory of the machine in bytes.
int64_t physical_memory();

// A block of the cache below, or memory that a host function allocated.
struct DynamicBlock {
  std::shared_ptr<uint8_t> memory;
  int64_t capacity = 0;  // 0: not from the cache
};

// Allocations of one run after another: freed blocks are kept by size class up to a bound. Not thread-safe; every
// RunState owns one.
class BlockCache {
 public:
  // At least `bytes`. Throws Error(NoSystemMemory).
  DynamicBlock take(int64_t bytes);
  void give(DynamicBlock block);
  int64_t idle_bytes() const { return idle_bytes_; }

 private:
  std::vector<DynamicBlock> idle_;
  int64_t idle_bytes_ = 0;
};

}  // namespace sardonyx::runtime
