#include "importer/external_data.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "importer/findings.h"
#include "importer/onnx_model.pb.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// The components of a relative path; throws for anything that is absolute, empty, or climbs.
std::vector<std::string> components_of(const std::string& location) {
  require(!location.empty(), Status::InvalidModel, "external data without a location");
  require(location.size() < 4096 && location.find('\0') == std::string::npos, Status::InvalidModel,
          "external data location '", printable(location), "' is not a path");
  require(location.front() != '/', Status::InvalidModel, "external data location '", printable(location),
          "' is absolute");
  std::vector<std::string> result;
  for (size_t begin = 0; begin <= location.size();) {
    size_t end = std::min(location.find('/', begin), location.size());
    std::string part = location.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    require(part != "..", Status::InvalidModel, "external data location '", printable(location),
            "' leaves its directory");
    result.push_back(std::move(part));
  }
  require(!result.empty(), Status::InvalidModel, "external data location '", printable(location), "' names no file");
  return result;
}

constexpr int file_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;

// Opens component by component without following links: what openat2 does in one call where the kernel has it.
int walk(int directory, const std::vector<std::string>& components) {
  Descriptor current(dup(directory));
  for (size_t i = 0; i < components.size(); ++i) {
    bool last = i + 1 == components.size();
    int flags = last ? file_flags : O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW;
    Descriptor next(openat(current.get(), components[i].c_str(), flags));
    if (next.get() < 0) return -1;
    current = std::move(next);
  }
  return current.release();
}

int open_beneath(const std::string& base_dir, const std::string& location) {
  std::vector<std::string> components = components_of(location);
  Descriptor directory(open(base_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  require(directory.get() >= 0, Status::InvalidModel, "cannot open the external data directory '", printable(base_dir),
          "': ", std::strerror(errno));
  std::string path = join(components, "/");
  open_how how{};
  how.flags = file_flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = walk(directory.get(), components);
  require(fd >= 0, Status::InvalidModel, "cannot open external data '", printable(location),
          "': ", std::strerror(errno));
  return int(fd);
}

// Decimal digits only, at most INT64_MAX.
int64_t parse_count(const std::string& key, const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size() && text.front() != '-', Status::InvalidModel,
          "external data ", key, " '", printable(text), "' is not a byte count");
  return value;
}

}  // namespace

ExternalData::ExternalData(const proto::TensorProto& tensor, const std::string& base_dir, int64_t expected) {
  require(!base_dir.empty(), Status::InvalidModel,
          "refers to external data, but the model comes from memory and no directory for external data was given");
  std::optional<int64_t> length;
  std::vector<std::string> keys;
  require(tensor.external_data_size() <= 16, Status::InvalidModel, "has too many external data entries");
  for (const auto& entry : tensor.external_data()) {
    for (const std::string& key : keys)
      require(key != entry.key(), Status::InvalidModel, "external data key '", printable(key), "' is given twice");
    keys.push_back(entry.key());
    if (entry.key() == "location") location_ = entry.value();
    if (entry.key() == "offset") offset_ = parse_count("offset", entry.value());
    if (entry.key() == "length") length = parse_count("length", entry.value());
  }
  Descriptor file(open_beneath(base_dir, location_));
  struct stat info {};
  require(fstat(file.get(), &info) == 0, Status::InvalidModel, "cannot inspect external data '", printable(location_),
          "': ", std::strerror(errno));
  require(S_ISREG(info.st_mode), Status::InvalidModel, "external data '", printable(location_),
          "' is not a regular file");
  require(info.st_nlink == 1, Status::InvalidModel, "external data '", printable(location_),
          "' is a hard link to a file that has other names");
  require(offset_ <= info.st_size, Status::InvalidModel, "external data offset ", offset_, " lies behind the end of '",
          printable(location_), "' (", info.st_size, " bytes)");
  length_ = length.value_or(expected);
  require(length_ <= info.st_size - offset_, Status::InvalidModel, "external data of ", length_, " bytes at ", offset_,
          " runs behind the end of '", printable(location_), "' (", info.st_size, " bytes)");
  require(length_ == expected, Status::InvalidModel, "external data has ", length_, " bytes, its dims need ", expected);
  fd_ = file.release();
}

ExternalData::~ExternalData() {
  if (fd_ >= 0) close(fd_);
}

void ExternalData::read(uint8_t* destination) const {
  for (int64_t done = 0; done < length_;) {
    ssize_t count = pread(fd_, destination + done, size_t(length_ - done), offset_ + done);
    if (count < 0 && errno == EINTR) continue;
    require(count > 0, Status::InvalidModel, "cannot read external data '", printable(location_),
            "': ", count < 0 ? std::strerror(errno) : "it ended early");
    done += count;
  }
}

}  // namespace sardonyx::importer
