#include "runtime/memory_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <vector>

namespace sardonyx::runtime {

namespace {
constexpr size_t greedy_limit = 2048;

int64_t aligned(int64_t bytes) {
  return (std::max<int64_t>(bytes, 1) + arena_alignment - 1) / arena_alignment * arena_alignment;
}

// Free ranges of a growing arena, found by size and merged by address.
class FreeList {
 public:
  int64_t take(int64_t bytes) {
    const auto fit = by_size_.lower_bound({bytes, 0});
    if (fit != by_size_.end()) {
      const auto [size, offset] = *fit;
      remove(offset, size);
      if (size > bytes) insert(offset + bytes, size - bytes);
      return offset;
    }
    // Grow, starting inside the last range when it touches the end.
    int64_t offset = end_;
    if (!by_offset_.empty()) {
      const auto [last, size] = *by_offset_.rbegin();
      if (last + size == end_) {
        offset = last;
        remove(last, size);
      }
    }
    end_ = offset + bytes;
    return offset;
  }

  void give(int64_t offset, int64_t bytes) {
    const auto next = by_offset_.lower_bound(offset);
    if (next != by_offset_.end() && next->first == offset + bytes) {
      const int64_t size = next->second;
      remove(offset + bytes, size);
      bytes += size;
    }
    const auto after = by_offset_.lower_bound(offset);
    if (after != by_offset_.begin()) {
      const auto [previous, size] = *std::prev(after);
      if (previous + size == offset) {
        remove(previous, size);
        offset = previous;
        bytes += size;
      }
    }
    insert(offset, bytes);
  }

  int64_t end() const { return end_; }

 private:
  void insert(int64_t offset, int64_t size) {
    by_offset_[offset] = size;
    by_size_.insert({size, offset});
  }
  void remove(int64_t offset, int64_t size) {
    by_offset_.erase(offset);
    by_size_.erase({size, offset});
  }

  std::map<int64_t, int64_t> by_offset_;
  std::set<std::pair<int64_t, int64_t>> by_size_;
  int64_t end_ = 0;
};
}  // namespace

int64_t assign_offsets_by_size(std::span<ArenaBlock> blocks) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<size_t> placed;  // by offset
  int64_t end = 0;
  for (size_t i : order) {
    ArenaBlock& block = blocks[i];
    const int64_t bytes = aligned(block.bytes);
    // First fit between the blocks that live at the same time.
    int64_t offset = 0;
    for (size_t other : placed) {
      const ArenaBlock& taken = blocks[other];
      if (taken.last < block.first || taken.first > block.last) continue;
      if (offset + bytes <= taken.offset) break;
      offset = std::max(offset, taken.offset + aligned(taken.bytes));
    }
    block.offset = offset;
    end = std::max(end, offset + bytes);
    const auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](int64_t value, size_t other) { return value < blocks[other].offset; });
    placed.insert(at, i);
  }
  return end;
}

int64_t assign_offsets_by_time(std::span<ArenaBlock> blocks) {
  std::vector<size_t> by_first(blocks.size()), by_last(blocks.size());
  std::iota(by_first.begin(), by_first.end(), size_t{0});
  by_last = by_first;
  std::stable_sort(by_first.begin(), by_first.end(),
                   [&](size_t a, size_t b) { return blocks[a].first < blocks[b].first; });
  std::stable_sort(by_last.begin(), by_last.end(), [&](size_t a, size_t b) { return blocks[a].last < blocks[b].last; });
  FreeList list;
  size_t ended = 0;
  for (size_t i : by_first) {
    // Every block that ended before this position started before it, so it has its offset by now.
    for (; ended < by_last.size() && blocks[by_last[ended]].last < blocks[i].first; ++ended)
      list.give(blocks[by_last[ended]].offset, aligned(blocks[by_last[ended]].bytes));
    blocks[i].offset = list.take(aligned(blocks[i].bytes));
  }
  return list.end();
}

int64_t assign_offsets(std::span<ArenaBlock> blocks) {
  return blocks.size() <= greedy_limit ? assign_offsets_by_size(blocks) : assign_offsets_by_time(blocks);
}

}  // namespace sardonyx::runtime
