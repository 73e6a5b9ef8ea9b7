#include "runtime/memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "runtime/base/pages.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

namespace sardonyx::runtime {

namespace {
constexpr int64_t idle_limit = int64_t{64} << 20;
constexpr size_t idle_count_limit = 64;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Quarter-octave classes: at most a quarter is wasted, and sizes that vary a little reuse each other's blocks.
int64_t size_class(int64_t bytes) {
  if (bytes <= 256) return 256;
  const int shift = 61 - __builtin_clzll(uint64_t(bytes));
  return round_up(bytes, int64_t{1} << shift);
}
}  // namespace

Memory::Memory(int64_t bytes) {
  if (!try_reserve(bytes)) fail(Status::NoSystemMemory, "cannot allocate ", bytes, " bytes");
}

Memory::~Memory() { release(); }

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      mapped_(std::exchange(other.mapped_, false)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    mapped_ = std::exchange(other.mapped_, false);
  }
  return *this;
}

void Memory::reserve(int64_t bytes) {
  if (!try_reserve(bytes)) fail(Status::NoSystemMemory, "cannot allocate ", bytes, " bytes");
}

bool Memory::try_reserve(int64_t bytes) noexcept {
  if (bytes <= bytes_) return true;
  release();
  // The system may promise more than it has; do not find out by touching it.
  if (bytes > physical_memory()) return false;
  if (bytes >= int64_t{2 * huge_page_bytes}) {
    data_ = map_pages(size_t(bytes), Pages::Huge);
    if (data_ == nullptr) return false;
    bytes_ = bytes;
    mapped_ = true;
    return true;
  }
  const int64_t size = round_up(std::max<int64_t>(bytes, 1), 64);
  data_ = static_cast<uint8_t*>(std::aligned_alloc(64, size_t(size)));
  if (data_ == nullptr) return false;
  bytes_ = size;
  return true;
}

void Memory::release() noexcept {
  if (mapped_)
    unmap_pages(data_, size_t(bytes_));
  else
    std::free(data_);
  data_ = nullptr;
  bytes_ = 0;
  mapped_ = false;
}

int64_t physical_memory() {
  static const int64_t bytes = int64_t(sysconf(_SC_PHYS_PAGES)) * int64_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

DynamicBlock BlockCache::take(int64_t bytes) {
  require(bytes <= physical_memory(), Status::NoSystemMemory, "cannot allocate ", bytes, " bytes");
  const int64_t capacity = size_class(bytes);
  for (size_t i = idle_.size(); i-- > 0;) {
    if (idle_[i].capacity != capacity) continue;
    DynamicBlock block = std::move(idle_[i]);
    idle_.erase(idle_.begin() + ptrdiff_t(i));
    idle_bytes_ -= capacity;
    return block;
  }
  return {allocate_bytes(size_t(capacity)), capacity};
}

void BlockCache::give(DynamicBlock block) {
  // Shared blocks (a carried value that is also a result) stay with their other owner.
  if (block.capacity == 0 || block.memory.use_count() != 1 || block.capacity > idle_limit) return;
  while (!idle_.empty() && (idle_.size() >= idle_count_limit || idle_bytes_ + block.capacity > idle_limit)) {
    idle_bytes_ -= idle_.front().capacity;
    idle_.erase(idle_.begin());
  }
  idle_bytes_ += block.capacity;
  idle_.push_back(std::move(block));
}

}  // namespace sardonyx::runtime
