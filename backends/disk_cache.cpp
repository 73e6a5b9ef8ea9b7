#include "backends/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <vector>

#include "runtime/base/log.h"

namespace sardonyx::backends {

namespace {

constexpr int64_t stale_seconds = 3600;  // a writer's temporary file that is older was left by a crash

struct Digest {
  uint64_t low = 0, high = 0;
};

// Two FNV-1a hashes of different constants. Each step is a bijection of the state, so a change of one byte never goes
// unnoticed; against collisions of keys 128 bits are plenty. Not meant against forgers: the folder is the user's own.
Digest digest_of(const std::string& bytes) {
  Digest digest{0xcbf29ce484222325, 0x6c62272e07bb0142};
  for (const char c : bytes) {
    digest.low = (digest.low ^ uint8_t(c)) * 0x100000001b3;
    digest.high = (digest.high ^ uint8_t(c)) * 0x9e3779b97f4a7c15;
  }
  return digest;
}

// In front of every entry. Written as it lies in memory: the folder is of one machine.
struct Header {
  char magic[8] = {'s', 'a', 'r', 'd', 'o', 'n', 'y', 'x'};
  uint64_t format = 1;
  Digest key, value;
  uint64_t value_bytes = 0;
};
static_assert(sizeof(Header) == 56, "no padding: every byte counts");

Header header_of(const std::string& key, const std::string& value) {
  Header header;
  header.key = digest_of(key);
  header.value = digest_of(value);
  header.value_bytes = value.size();
  return header;
}

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

  bool read_all(std::string& bytes) const {
    struct stat info;
    if (fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid()) return false;
    bytes.resize(size_t(info.st_size));
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t count = read(descriptor_, bytes.data() + done, bytes.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      done += size_t(count);
    }
    return true;
  }

  bool write_all(const void* data, size_t size) const {
    const char* bytes = static_cast<const char*>(data);
    for (size_t done = 0; done < size;) {
      const ssize_t count = write(descriptor_, bytes + done, size - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      done += size_t(count);
    }
    return true;
  }

 private:
  int descriptor_;
};

void make_folders(const std::string& folder) {
  for (size_t end = 1; end != std::string::npos;) {
    end = folder.find('/', end + 1);
    mkdir(folder.substr(0, end).c_str(), 0700);
  }
}

}  // namespace

std::string DiskCache::path(const std::string& key) const {
  const Digest digest = digest_of(key);
  char name[40];
  std::snprintf(name, sizeof name, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
  return folder_ + "/" + name + suffix_;
}

bool DiskCache::usable() const {
  struct stat info;
  return enabled() && stat(folder_.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
         (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::optional<std::string> DiskCache::find(const std::string& key) const {
  if (!usable()) return std::nullopt;
  const File file(open(path(key).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  std::string bytes;
  if (file.get() < 0 || !file.read_all(bytes) || bytes.size() < sizeof(Header)) return std::nullopt;
  std::string value = bytes.substr(sizeof(Header));
  const Header expected = header_of(key, value);
  if (std::memcmp(bytes.data(), &expected, sizeof expected) != 0) return std::nullopt;
  futimens(file.get(), nullptr);
  return value;
}

void DiskCache::store(const std::string& key, const std::string& value) const {
  if (!enabled()) return;
  make_folders(folder_);
  if (!usable()) {
    log(LogLevel::Debug, "the cache folder ", folder_, " is not used: not there, or not the user's alone");
    return;
  }
  std::string temporary = path(key) + ".XXXXXX";
  bool written = false;
  {
    const File file(mkostemp(temporary.data(), O_CLOEXEC));
    const Header header = header_of(key, value);
    written = file.get() >= 0 && file.write_all(&header, sizeof header) && file.write_all(value.data(), value.size());
  }
  if (!written || rename(temporary.c_str(), path(key).c_str()) != 0) {
    log(LogLevel::Debug, "cannot write to the cache folder ", folder_, ": ", std::strerror(errno));
    unlink(temporary.c_str());
  }
  evict();
}

void DiskCache::remove(const std::string& key) const {
  if (usable()) unlink(path(key).c_str());
}

void DiskCache::evict() const {
  DIR* folder = opendir(folder_.c_str());
  if (folder == nullptr) return;
  struct Entry {
    timespec age;
    int64_t bytes;
    std::string path;
  };
  std::vector<Entry> entries;
  int64_t total = 0;
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  while (const dirent* found = readdir(folder)) {
    const std::string name = found->d_name, file = folder_ + "/" + name;
    struct stat info;
    if (name.find(suffix_) == std::string::npos || lstat(file.c_str(), &info) != 0) continue;
    if (!name.ends_with(suffix_)) {
      if (now.tv_sec - info.st_mtim.tv_sec > stale_seconds) unlink(file.c_str());
      continue;
    }
    entries.push_back({info.st_mtim, info.st_size, file});
    total += info.st_size;
  }
  closedir(folder);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.age.tv_sec, a.age.tv_nsec) < std::pair(b.age.tv_sec, b.age.tv_nsec);
  });
  for (const Entry& entry : entries) {
    if (total <= limit_) break;
    unlink(entry.path.c_str());
    total -= entry.bytes;
  }
}

}  // namespace sardonyx::backends
