// ONNX's layout of tests on disk: a folder with model.onnx and test_data_set_N/{input_K.pb,output_K.pb}.
#pragma once
#include <string>
#include <vector>

#include "tools/tensor_file.h"

namespace sardonyx::tools {

struct TestCase {
  std::string name;  // of the folder
  std::string folder;
  std::string model() const { return folder + "/model.onnx"; }
};

struct DataSet {
  std::string name;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// Every folder of `folders` that is a test, or else the tests right inside it, by name. `pattern` is a shell pattern,
// or a part of the name when it has no special character; empty takes all. Throws UsageError for a folder without
// tests.
std::vector<TestCase> find_tests(const std::vector<std::string>& folders, const std::string& pattern);
std::vector<DataSet> data_sets(const TestCase& test);

// The files' tensors in the order of `bindings` and under their names. Files are matched by the names inside them when
// every binding is found so, otherwise by position, as ONNX's own runner does.
std::vector<HostTensor> read_tensors(const std::vector<std::string>& files, const std::vector<Binding>& bindings);

// Uniform in [-1, 1) for floats, 0 to 9 for integers, either for bool. The same seed gives the same values.
void fill_randomly(HostTensor& tensor, uint64_t seed);

}  // namespace sardonyx::tools
