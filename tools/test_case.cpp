#include "tools/test_case.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "runtime/base/mini_float.h"
#include "runtime/base/strings.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace fs = std::filesystem;

namespace {

bool matches(const std::string& name, const std::string& pattern) {
  if (pattern.empty()) return true;
  if (pattern.find_first_of("*?[") == std::string::npos) return name.find(pattern) != std::string::npos;
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool is_test(const fs::path& folder) { return fs::is_regular_file(folder / "model.onnx"); }

// The files PREFIX0.pb, PREFIX1.pb, ... that exist without a gap.
std::vector<std::string> numbered_files(const fs::path& folder, const std::string& prefix) {
  std::vector<std::string> files;
  for (;;) {
    const fs::path file = folder / str(prefix, files.size(), ".pb");
    if (!fs::is_regular_file(file)) return files;
    files.push_back(file.string());
  }
}

}  // namespace

std::vector<TestCase> find_tests(const std::vector<std::string>& folders, const std::string& pattern) {
  std::vector<TestCase> tests;
  for (const auto& folder : folders) {
    if (!fs::is_directory(folder)) throw UsageError(str(folder, ": no such folder"));
    std::vector<fs::path> found;
    if (is_test(folder)) {
      found.push_back(fs::canonical(folder));
    } else {
      for (const auto& entry : fs::directory_iterator(folder)) {
        if (is_test(entry.path())) found.push_back(entry.path());
      }
    }
    if (found.empty()) throw UsageError(str(folder, ": neither a test (model.onnx) nor a folder of tests"));
    std::sort(found.begin(), found.end());
    for (const auto& path : found) {
      if (matches(path.filename().string(), pattern)) tests.push_back({path.filename().string(), path.string()});
    }
  }
  return tests;
}

std::vector<DataSet> data_sets(const TestCase& test) {
  std::vector<DataSet> sets;
  for (;;) {
    const std::string name = str("test_data_set_", sets.size());
    const fs::path folder = fs::path(test.folder) / name;
    if (!fs::is_directory(folder)) return sets;
    sets.push_back({name, numbered_files(folder, "input_"), numbered_files(folder, "output_")});
  }
}

std::vector<HostTensor> read_tensors(const std::vector<std::string>& files, const std::vector<Binding>& bindings) {
  std::vector<HostTensor> read;
  for (const auto& file : files) read.push_back(read_tensor_file(file));
  std::vector<HostTensor> ordered;
  for (const auto& binding : bindings) {
    const auto found =
        std::find_if(read.begin(), read.end(), [&](const HostTensor& tensor) { return tensor.name == binding.name; });
    if (found == read.end()) break;
    ordered.push_back(*found);
  }
  if (ordered.size() < bindings.size()) {
    if (read.size() != bindings.size()) {
      throw UsageError(str(read.size(), " files for ", bindings.size(), " tensors",
                           files.empty() ? "" : str(" (", files.front(), " ...)")));
    }
    ordered = std::move(read);
    for (size_t i = 0; i < bindings.size(); ++i) ordered[i].name = bindings[i].name;
  }
  for (size_t i = 0; i < bindings.size(); ++i) {
    // ONNX's files hold bfloat16 as the bits in uint16, since numpy has no such type.
    if (bindings[i].dtype == DType::BF16 && ordered[i].dtype == DType::U16) ordered[i].dtype = DType::BF16;
  }
  return ordered;
}

void fill_randomly(HostTensor& tensor, uint64_t seed) {
  tensor.bytes.assign(tensor.byte_size(), 0);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> real(-1, 1);
  std::uniform_int_distribution<int> integer(0, tensor.dtype == DType::Bool ? 1 : 9);
  const auto fill = [&](auto zero, auto draw) {
    using T = decltype(zero);
    for (size_t at = 0; at + sizeof(T) <= tensor.bytes.size(); at += sizeof(T)) {
      const T value = draw();
      std::memcpy(tensor.bytes.data() + at, &value, sizeof value);
    }
  };
  switch (tensor.dtype) {
    case DType::F16:
      fill(uint16_t{}, [&] { return f32_to_f16(real(random)); });
      return;
    case DType::BF16:
      fill(uint16_t{}, [&] { return f32_to_bf16(real(random)); });
      return;
    case DType::Complex64:
      fill(float{}, [&] { return real(random); });
      return;
    case DType::Complex128:
      fill(double{}, [&] { return real(random); });
      return;
    default:
      break;
  }
  if (const MiniFloat* format = mini_float(tensor.dtype); format && !is_packed(tensor.dtype)) {
    fill(uint8_t{}, [&] { return encode_mini(*format, format->sign ? real(random) : std::abs(real(random))); });
    return;
  }
  if (is_packed(tensor.dtype)) {
    std::vector<uint8_t> elements(size_t(tensor.element_count()));
    for (uint8_t& element : elements) element = uint8_t(random());
    pack(tensor.dtype, elements.data(), tensor.element_count(), tensor.bytes.data());
    return;
  }
  visit_dtype(tensor.dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_floating_point_v<T>) {
      fill(zero, [&] { return T(real(random)); });
    } else {
      fill(zero, [&] { return T(integer(random)); });
    }
  });
}

}  // namespace sardonyx::tools
