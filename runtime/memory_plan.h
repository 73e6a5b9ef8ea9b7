// Packing of temporaries with lifetimes into one arena.
//
// Invariant: two blocks whose lifetimes share a position never share a byte; offsets are multiples of 64.
//
//   blocks {100 bytes, 0..1}, {60 bytes, 1..2}, {100 bytes, 2..3}  ->  offsets 0, 128, 0; arena of 192 bytes
#pragma once
#include <cstdint>
#include <span>

namespace sardonyx::runtime {

inline constexpr int64_t arena_alignment = 64;

struct ArenaBlock {
  int64_t bytes = 0;
  int32_t first = 0, last = 0;  // inclusive positions
  int64_t offset = 0;           // the result
};

// Assigns offsets and returns the arena's size. Greedy by size while that is affordable (it packs best), else a sweep
// over the positions with a best-fit free list, so that programs of any length plan in n log n.
int64_t assign_offsets(std::span<ArenaBlock> blocks);

// The two strategies by themselves, for tests.
int64_t assign_offsets_by_size(std::span<ArenaBlock> blocks);
int64_t assign_offsets_by_time(std::span<ArenaBlock> blocks);

}  // namespace sardonyx::runtime
