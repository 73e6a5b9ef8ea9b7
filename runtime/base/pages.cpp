#include "runtime/base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

namespace sardonyx {

namespace {
// AddressSanitizer watches the borders of blocks from the heap only.
#ifdef __SANITIZE_ADDRESS__
constexpr int64_t mapped_from = INT64_MAX;
#else
constexpr int64_t mapped_from = int64_t{64} << 10;
#endif

size_t whole_pages(size_t bytes) {
  const auto page = size_t(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}
}  // namespace

uint8_t* map_pages(size_t bytes, Pages pages) noexcept {
  if (bytes == 0 || bytes > SIZE_MAX / 2) return nullptr;
  const size_t size = whole_pages(bytes), spare = size >= huge_page_bytes ? huge_page_bytes : 0;
  void* mapping = mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  auto* begin = static_cast<uint8_t*>(mapping);
  if (spare == 0) return begin;
  const size_t before = (spare - reinterpret_cast<uintptr_t>(begin) % spare) % spare;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + size, spare - before);
  if (pages == Pages::Huge) madvise(begin + before, size, MADV_HUGEPAGE);
  return begin + before;
}

void unmap_pages(uint8_t* block, size_t bytes) noexcept { munmap(block, whole_pages(bytes)); }

std::shared_ptr<uint8_t> weight_bytes(int64_t bytes, Pages pages) {
  const auto size = size_t(bytes);
  if (bytes < mapped_from) return allocate_bytes(size);
  uint8_t* block = map_pages(size, pages);
  require(block != nullptr, Status::NoSystemMemory, "cannot allocate ", bytes, " bytes");
  return std::shared_ptr<uint8_t>(block, [size](uint8_t* p) { unmap_pages(p, size); });
}

}  // namespace sardonyx
