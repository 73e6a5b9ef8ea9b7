// Object files of earlier processes, by the code that they were made from. Machine code depends on that, on the target
// and on this library, whose build is part of the key; whatever is missing or damaged is compiled.
#pragma once
#include <memory>
#include <string>

#include "backends/disk_cache.h"
#include "compiler/tensor/target.h"

namespace llvm {
class MemoryBuffer;
class Module;
}  // namespace llvm

namespace sardonyx::cpu {

class CodeCache {
 public:
  // Keeps nothing when `folder` is "" or the library has no build ID.
  CodeCache(const std::string& folder, const tensor::Target& target);

  // Of a module before it is optimised; "" when nothing is kept.
  std::string key_of(const llvm::Module& module) const;
  // Null when there is none.
  std::unique_ptr<llvm::MemoryBuffer> find(const std::string& key) const;
  void store(const std::string& key, const llvm::MemoryBuffer& object) const;

 private:
  CodeCache(const std::string& folder, const tensor::Target& target, const std::string& build);

  backends::DiskCache files_;
  std::string context_;  // of all modules
};

}  // namespace sardonyx::cpu
