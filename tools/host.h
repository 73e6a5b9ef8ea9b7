// A host of one graph over the C ABI: initialise a backend, compile a model, bind tensors, run, read the results.
//
//   Backend backend(device, {});
//   Graph graph(backend, model.bytes(), "model.onnx");
//   auto outputs = graph.make_outputs(inputs, 64);
//   graph.bind(inputs, outputs);
//   double seconds = graph.run();
//   graph.read_shapes(outputs);   // outputs whose shape depends on data
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/library.h"
#include "tools/tensor_file.h"

namespace sardonyx::tools {

// Unset members leave the library's own choice (its environment variables, then its defaults).
struct BackendOptions {
  std::optional<uint64_t> threads;
  std::optional<uint64_t> policy;
  std::string trace_file;    // empty: none
  bool allow_empty = false;  // of the graphs: open dims may be bound to 0
  bool values = false;       // of the graphs: inputs and outputs may be sequences, optionals and maps
};

class Backend {
 public:
  Backend(const Device& device, const BackendOptions& options);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  const Device& device() const { return device_; }
  const BackendOptions& options() const { return options_; }
  onnxBackend handle() const { return handle_; }

 private:
  Device device_;
  BackendOptions options_;
  onnxBackend handle_ = nullptr;
};

class Graph {
 public:
  // Throws the library's Error when it refuses the model. FALLBACK is taken as success.
  Graph(const Backend& backend, Bytes model, const std::string& source);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // From the library's reflection where it has one, else from the model itself.
  const Signature& signature() const { return signature_; }
  // Allocated outputs of the shapes that follow from the inputs; a dim that depends on data gets `limit`.
  std::vector<HostTensor> make_outputs(const std::vector<HostTensor>& inputs, int64_t limit) const;
  // Both stay in use until the last run is complete.
  void bind(const std::vector<HostTensor>& inputs, std::vector<HostTensor>& outputs);
  // Seconds from onnxRunGraph to the signalled output event. Throws the run's Error.
  double run();
  // Replaces the dims of the outputs by those of the last run. Without the extension they stay as bound.
  void read_shapes(std::vector<HostTensor>& outputs) const;
  // Runs on values that the library holds (onnxxRunValues), in the order of the signature. Throws the run's Error.
  std::vector<ValuePtr> run_values(const std::vector<ValuePtr>& inputs);
  // onnxxGetGraphReport; empty when the library has none.
  std::string report() const;

 private:
  void release_output_event();
  // Throws the Error of the run behind done_ unless it ended well.
  void require_success(onnxStatus finished) const;

  Device device_;
  onnxBackend backend_ = nullptr;
  onnxGraph handle_ = nullptr;
  onnxEvent ready_ = nullptr;  // signalled once and for all: inputs are always ready
  onnxEvent done_ = nullptr;   // of the last run
  Signature signature_;
};

// Resident memory of this process in bytes: now, and at its highest.
struct Memory {
  uint64_t resident = 0;
  uint64_t peak = 0;
};
Memory process_memory();

}  // namespace sardonyx::tools
