#include "backends/cpu/llvm/code_cache.h"

#include <elf.h>
#include <link.h>
#include <llvm/Bitcode/BitcodeWriter.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/raw_ostream.h>

#include <cstring>

#include "runtime/base/strings.h"

namespace sardonyx::cpu {

namespace {

constexpr int64_t cache_limit = int64_t{256} << 20;

size_t aligned(size_t size) { return (size + 3) / 4 * 4; }

// The build ID among the notes, or "".
std::string build_id_of(const char* notes, size_t size) {
  while (size > sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes, sizeof header);
    const size_t name = sizeof header, id = name + aligned(header.n_namesz), next = id + aligned(header.n_descsz);
    if (next > size) break;
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(notes + name, "GNU", 4) == 0)
      return {notes + id, header.n_descsz};
    notes += next;
    size -= next;
  }
  return "";
}

// The build ID of the file that this function is in.
std::string build_id() {
  std::string found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        const auto here = reinterpret_cast<ElfW(Addr)>(&build_id_of);
        std::string id;
        bool ours = false;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          const ElfW(Addr) begin = info->dlpi_addr + segment.p_vaddr;
          ours |= segment.p_type == PT_LOAD && here >= begin && here - begin < segment.p_memsz;
          if (segment.p_type == PT_NOTE && id.empty())
            id = build_id_of(reinterpret_cast<const char*>(begin), segment.p_memsz);
        }
        if (ours) *static_cast<std::string*>(result) = id;
        return int(ours);
      },
      &found);
  return found;
}

}  // namespace

CodeCache::CodeCache(const std::string& folder, const tensor::Target& target) : CodeCache(folder, target, build_id()) {}

CodeCache::CodeCache(const std::string& folder, const tensor::Target& target, const std::string& build)
    : files_(build.empty() ? "" : folder, "code", cache_limit),
      context_(str(build, "\n", target.cpu, "\n", join(target.features, ","), "\n")) {}

std::string CodeCache::key_of(const llvm::Module& module) const {
  if (!files_.enabled()) return "";
  std::string key = context_;
  llvm::raw_string_ostream stream(key);
  llvm::WriteBitcodeToFile(module, stream);
  return key;
}

std::unique_ptr<llvm::MemoryBuffer> CodeCache::find(const std::string& key) const {
  const auto object = files_.find(key);
  return object ? llvm::MemoryBuffer::getMemBufferCopy(*object, "cached") : nullptr;
}

void CodeCache::store(const std::string& key, const llvm::MemoryBuffer& object) const {
  if (files_.enabled()) files_.store(key, object.getBuffer().str());
}

}  // namespace sardonyx::cpu
