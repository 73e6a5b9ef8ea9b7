// A model file in memory for as long as its model or a weight of it is read. Pages come when they are looked at and go
// when nothing refers to what they hold, so weights are not there twice.
#pragma once
#include <memory>
#include <string>

#include "importer/lift.h"

namespace sardonyx::importer {

class ModelFile {
 public:
  // Throws Error(InvalidModel) for what is no readable regular file. Nobody may shorten the file meanwhile.
  explicit ModelFile(const std::string& path);
  ~ModelFile();
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  Bytes bytes() const { return bytes_; }
  // The part at `part`, which keeps the file and lets go of its pages in the end.
  static std::shared_ptr<const uint8_t> lend(const std::shared_ptr<const ModelFile>& file, Bytes part);
  // Lets go of the pages that lie within `part`; they can still be read, from the file again.
  void release(Bytes part) const noexcept;

 private:
  Bytes bytes_;
};

}  // namespace sardonyx::importer
