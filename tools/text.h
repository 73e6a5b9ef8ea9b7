// How the commands show quantities and tables, and their progress.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/tensor_file.h"

namespace sardonyx::tools {

std::string bytes_text(double bytes);      // "97.5 MiB"
std::string seconds_text(double seconds);  // "3.21 ms"
// f32[1,3,?,224]; the unknown dims of a binding are question marks, an unknown rank is [...].
std::string type_text(const Binding& binding);
std::string type_text(const HostTensor& tensor);
// The first `limit` elements and, for longer tensors, least, greatest and mean of all.
std::string values_text(const HostTensor& tensor, int64_t limit);
// Columns padded to their widest cell; numbers, recognised by their first character, to the right.
std::string table_text(const std::vector<std::vector<std::string>>& rows);

// One line on stderr that is overwritten: only on a terminal, or when asked for (then a line per update).
class Progress {
 public:
  Progress(bool forced, size_t total);
  ~Progress();
  void show(size_t done, const std::string& what);

 private:
  bool terminal_;
  bool forced_;
  size_t total_;
  size_t width_ = 0;
};

}  // namespace sardonyx::tools
