// Large blocks straight from the system: they go back to it the moment they are released, whatever the heap looks like,
// and can sit on huge pages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace sardonyx {

inline constexpr size_t huge_page_bytes = size_t{2} << 20;

// Huge ones are read faster, but the system may take a while to find them.
enum class Pages { Plain, Huge };

// Zeroed memory that starts at a huge page when it is as large as one, else at a page; null when there is none.
uint8_t* map_pages(size_t bytes, Pages pages) noexcept;
// `bytes` as they were asked for.
void unmap_pages(uint8_t* block, size_t bytes) noexcept;

// 64-byte aligned memory for weights: all but small ones are mapped, as they come and go while a graph is compiled and
// would leave holes in the heap. Huge pages are for what runs read again and again. Throws Error(NoSystemMemory).
std::shared_ptr<uint8_t> weight_bytes(int64_t bytes, Pages pages);

}  // namespace sardonyx
