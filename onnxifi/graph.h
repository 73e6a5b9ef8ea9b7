// A compiled model with its current bindings: what an onnxGraph handle stands for.
//
// Invariant: a run uses the bindings of the moment it was submitted. Bindings are immutable and shared with the runs,
// so binding anew never waits for a run. Any failure to bind leaves the graph unbound. After close() no run can start,
// and none is left.
//
//   auto graph = compile_graph(backend, {{model, size}}, weights);  // onnxInitGraph
//   graph->set_io(inputs, outputs);                               // onnxSetGraphIO
//   graph->run(input_fence, output_fence);                        // onnxRunGraph
//   graph->close();                                               // onnxReleaseGraph
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>

#include "onnxifi/descriptors.h"
#include "onnxifi/objects.h"
#include "onnxifi/properties.h"

namespace sardonyx::onnxifi {

class Graph {
 public:
  static constexpr Kind kind = Kind::Graph;
  static constexpr Status invalid = Status::InvalidGraph;
  static constexpr const char* noun = "graph";

  Graph(std::shared_ptr<const runtime::Program> program, const BackendObject& backend, const GraphOptions& options);

  const runtime::Program& program() const { return session_->program(); }
  const IoTable& inputs() const { return inputs_; }
  const IoTable& outputs() const { return outputs_; }

  // Runs a body that binds; when it throws, the graph is left unbound.
  template <class Body>
  void or_unbind(Body&& body) {
    try {
      body();
    } catch (...) {
      unbind();
      throw;
    }
  }
  // From the descriptor checks on; to be called inside or_unbind.
  void set_io(Descriptors inputs, Descriptors outputs);
  // From the fence checks on; stores the new event in the output fence.
  void run(const onnxMemoryFenceV1& input, onnxMemoryFenceV1& output);
  // Binds and runs as one step with inputs that are ready, from the fence checks on; inside or_unbind.
  void set_io_and_run(Descriptors inputs, Descriptors outputs, onnxMemoryFenceV1& output);
  // Runs on values that the library holds: `inputs` by program input, of the declared kinds and element types. The
  // results are those of the event (Event::result). Leaves the bindings alone.
  void run_values(std::span<const ValuePtr> inputs, const std::shared_ptr<EventObject>& event);
  // Returns once no run is left and none can start.
  void close();

  // Shape of each output for the described inputs; -1 where data decides.
  std::vector<Dims> infer(Descriptors inputs);
  // The program's, with the work of groups under the shapes that are bound.
  std::vector<runtime::GroupReport> report();

 private:
  class Submission;
  using BindingPtr = std::shared_ptr<runtime::Binding>;

  void unbind();
  // InvalidDatatype for a graph that has other inputs or outputs than tensors.
  void require_tensors() const;
  BindingPtr plan(Descriptors inputs, Descriptors outputs);
  void start(Submission& submission, runtime::EventPtr input, onnxMemoryFenceV1& output);

  std::span<const runtime::HostTensor> host_tensors(const Matched& matched, std::vector<runtime::HostTensor>& tensors);

  const std::shared_ptr<runtime::Context> context_;
  const int shared_device_;  // whose memory a host may bind
  const std::shared_ptr<runtime::Session> session_;
  const uint64_t memory_bytes_;
  const IoTable inputs_, outputs_;

  std::mutex mutex_;  // guards the members below; never held while planning or running
  std::condition_variable idle_;
  BindingPtr binding_;
  int submitting_ = 0;
  bool closed_ = false;
};

// Throws UnsupportedTag, InvalidFenceType, UnsupportedFenceType.
void check_output_fence(const onnxMemoryFenceV1& fence);

// Where a model is: in the host's memory, or in a file.
struct ModelSource {
  std::span<const uint8_t> bytes;
  const char* path = nullptr;
};

// The whole of onnxInitGraph and onnxxInitGraphFromFile after their pointer, size and property checks. Throws.
std::shared_ptr<Graph> compile_graph(const BackendObject& backend, const ModelSource& model, Descriptors weights,
                                     const GraphOptions& options);

}  // namespace sardonyx::onnxifi
