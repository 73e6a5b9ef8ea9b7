// The only place of the project that opens a file named by a model.
//
// Models are untrusted and come from memory, so external data is refused unless the host names a base directory. Then
// a location is opened beneath that directory only: no absolute path, no "..", no symbolic link in any component, no
// hard link, no device or FIFO, and nothing is created or written. The file is opened once per use and checked through
// its descriptor, so nothing can be swapped between check and use.
//
//   ExternalData data(tensor_proto, "/models/bert", 4096);  // throws Error(InvalidModel) naming what is wrong
//   data.read(destination);                                 // exactly 4096 bytes
#pragma once
#include <cstdint>
#include <string>

namespace sardonyx::proto {
class TensorProto;
}

namespace sardonyx::importer {

class ExternalData {
 public:
  // Opens and checks the file and the range that `tensor` names; the range must be `expected` bytes long.
  ExternalData(const proto::TensorProto& tensor, const std::string& base_dir, int64_t expected);
  ~ExternalData();
  ExternalData(const ExternalData&) = delete;
  ExternalData& operator=(const ExternalData&) = delete;

  void read(uint8_t* destination) const;

 private:
  int fd_ = -1;
  int64_t offset_ = 0, length_ = 0;
  std::string location_;
};

}  // namespace sardonyx::importer
