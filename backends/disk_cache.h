// Small files that outlive the process: what is dear to make and can be made again.
//
// An entry is one file, named by a hash of its key, with a header that guards every byte of it: whatever is not exactly
// what was stored - truncated, flipped, of another format, of another key - is a miss. Writers replace files by
// renaming, so readers see whole entries, and several processes may share the folder.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace sardonyx::backends {

class DiskCache {
 public:
  // `folder` "" : finds and stores nothing. Else the folder is created, mode 0700, with the first store; it is not used
  // when it belongs to another user or others may write there. `kind`: the ending of the files' names; caches of
  // different kinds may share a folder. `limit`: bytes of all entries of the kind.
  DiskCache(std::string folder, const std::string& kind, int64_t limit)
      : folder_(std::move(folder)), suffix_("." + kind), limit_(limit) {}

  bool enabled() const { return !folder_.empty(); }

  // All of these are thread-safe and never throw for what the file system does.

  // What was stored under `key`. A hit makes the entry the youngest.
  std::optional<std::string> find(const std::string& key) const;
  // Then deletes the oldest entries beyond the limit. Failures are logged at Debug.
  void store(const std::string& key, const std::string& value) const;
  void remove(const std::string& key) const;
  // The file of an entry, whether it exists or not.
  std::string path(const std::string& key) const;

 private:
  bool usable() const;
  void evict() const;

  std::string folder_, suffix_;
  int64_t limit_;
};

}  // namespace sardonyx::backends
