// The commands of `sardonyx`, one file each, and what they take. Results go to stdout, all else to stderr. Each returns
// the exit code: 0, or 1 when an answer is wrong; wrong usage throws UsageError (2), a refusing library Error (3).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/compare.h"
#include "tools/host.h"

namespace sardonyx::tools {

struct CommonOptions {
  std::string library;  // "": searched
  std::string backend;  // "": the first
  BackendOptions properties;
  bool json = false;
  bool progress = false;
};

struct RunOptions : CommonOptions {
  std::string model;                // a file, or the folder of a test
  std::vector<std::string> inputs;  // [NAME=]FILE
  std::vector<std::string> shapes;  // NAME=1x3x224x224
  std::string save;                 // folder for the outputs
  uint64_t seed = 0;
  int64_t limit = 1024;  // of a dim that depends on data
  int64_t print = 8;
  int repeat = 1;
  Tolerance tolerance;
};

struct TestOptions : CommonOptions {
  std::vector<std::string> folders;
  std::string pattern;
  std::string skip_list;    // tests that may fail, and why
  std::string random_list;  // tests whose outputs are random, and how: `name: distribution`
  std::string report;
  size_t jobs = 0;  // 0: one per processor
  double timeout = 60;
  size_t floor = 0;
  std::vector<std::string> shares;  // DEVICE=PERCENT: of the groups, at least
  bool strict = false;              // an operator, type or version that is not supported counts as a failure
  bool verbose = false;
  Tolerance tolerance;
};

struct BenchOptions : CommonOptions {
  std::vector<std::string> models;
  std::vector<std::string> shapes;
  double seconds = 2;  // of measuring, per model
  int64_t limit = 1024;
  std::optional<size_t> kernels;  // show so many groups of nodes, the most expensive ones; 0: all
  std::string report;
};

struct ExplainOptions : CommonOptions {
  std::string model;
};

struct OptOptions {
  std::string input = "-";
  std::string output = "-";
  std::vector<std::string> passes;  // empty: the default pipeline
  bool list = false;
  bool verify = true;
  bool timing = false;
};

int devices_command(const CommonOptions& options);
int run_command(const RunOptions& options);
int test_command(const TestOptions& options);
int bench_command(const BenchOptions& options);
int explain_command(const ExplainOptions& options);
int opt_command(const OptOptions& options);
int operators_command();

// "data/model.onnx" for a model file, "data/model.onnx" too for the folder "data" of a test.
std::string model_file(const std::string& model);
// Random inputs for what a graph has to be bound to. A dim without value takes it from `shapes` (NAME=1x3x8x8), else 1.
std::vector<HostTensor> random_inputs(const Signature& signature, const std::vector<std::string>& shapes,
                                      uint64_t seed);

}  // namespace sardonyx::tools
