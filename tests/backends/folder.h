// Folders and files of tests.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace sardonyx::testing {

// A new folder, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = ::testing::TempDir() + "sardonyx_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

inline std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// Files in a folder, 0 when there is none.
inline size_t entries(const std::string& folder) {
  size_t count = 0;
  if (std::filesystem::exists(folder))
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

}  // namespace sardonyx::testing
