// What the benchmarks share: a model of mlp_tabular's shape (40-128-128-64-8, four Gemm with Relu between and a
// Softmax, open batch, seeded weights) and a host of it over the C ABI. Every status is checked; a failure ends the
// program.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "onnx/onnxifi.h"
#include "onnx/onnxifi_ext.h"

namespace bench {

inline constexpr uint64_t features = 40, classes = 8;

std::string mlp_model();

// Ends the program with a message unless SUCCESS.
void check(onnxStatus status, const char* call);

// `threads` 0 leaves the library's default.
onnxBackend make_backend(uint64_t threads = 0);

class Mlp {
 public:
  // One row per run; bound once.
  explicit Mlp(onnxBackend backend);
  ~Mlp();
  Mlp(const Mlp&) = delete;
  Mlp& operator=(const Mlp&) = delete;

  onnxGraph graph() const { return graph_; }
  const onnxTensorDescriptorV1* input() const { return &input_; }
  const onnxTensorDescriptorV1* output() const { return &output_; }
  // Submits a run that waits for `ready`; the caller releases the event.
  onnxEvent submit(onnxEvent ready);
  // Binds and submits in one step.
  onnxEvent submit_bound();
  // Spins until the event reads as signalled, as a host that must not sleep would.
  static void poll(onnxEvent event);

 private:
  uint64_t input_shape_[2] = {1, features}, output_shape_[2] = {1, classes};
  std::vector<float> x_, y_;
  onnxTensorDescriptorV1 input_ = {}, output_ = {};
  onnxGraph graph_ = nullptr;
};

// Bytes of resident memory, seconds of processor time of the whole process.
double resident_bytes();
double processor_seconds();

}  // namespace bench
