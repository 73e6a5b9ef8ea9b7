#include "importer/model_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "importer/findings.h"
#include "runtime/base/status.h"

namespace sardonyx::importer {

namespace {
std::string failure(const std::string& path) { return str("model file '", printable(path), "': "); }
}  // namespace

ModelFile::ModelFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  require(file >= 0, Status::InvalidModel, failure(path), std::strerror(errno));
  struct stat info {};
  void* mapping = MAP_FAILED;
  const bool regular = fstat(file, &info) == 0 && S_ISREG(info.st_mode);
  const auto size = size_t(info.st_size);
  if (regular && size > 0) mapping = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = errno;
  close(file);
  require(regular, Status::InvalidModel, failure(path), "not a regular file");
  require(size > 0, Status::InvalidSize, failure(path), "it is empty");
  require(mapping != MAP_FAILED, Status::NoSystemMemory, failure(path), std::strerror(error));
  bytes_ = Bytes(static_cast<const uint8_t*>(mapping), size);
}

ModelFile::~ModelFile() { munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size()); }

std::shared_ptr<const uint8_t> ModelFile::lend(const std::shared_ptr<const ModelFile>& file, Bytes part) {
  return {part.data(), [file, part](const uint8_t*) { file->release(part); }};
}

void ModelFile::release(Bytes part) const noexcept {
  const auto page = size_t(sysconf(_SC_PAGESIZE));
  const auto begin = size_t(part.data() - bytes_.data()) / page * page;
  const auto end = size_t(part.data() + part.size() - bytes_.data()) / page * page;
  if (end > begin) madvise(const_cast<uint8_t*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace sardonyx::importer
