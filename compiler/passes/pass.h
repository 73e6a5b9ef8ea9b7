// Graph passes: a table of named functions, run in the order of pipeline.cpp.
//
// A pass changes the graph in place and says whether it did. Passes keep the verifier's invariants; run_pipeline checks
// that after each one when PassContext::verify is set, dumps the graph after every pass that changed it when dump_dir
// is set, and adds the time to `timings`.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/builder.h"
#include "compiler/graph/graph.h"

namespace sardonyx::passes {

struct PassContext {
  bool verify = false;
  std::string dump_dir;
  // Whether every device that may run the graph multiplies bytes at once (Target::byte_products): else quantized
  // contractions are faster in F32.
  bool byte_products = true;
  // Whether they all have dot products of bf16 and the host asks for them (Target::bf16_products).
  bool bf16_products = false;
  // Whether the host alone runs the graph, which has kernels for attention and for products by weights of few bits, and
  // may choose the order of their sums by the number of rows: else the parts of attention stay groups of their own, and
  // weights are widened once.
  bool host_kernels = true;
  // Of the host, that share a run.
  int cores = 1;
  // Filled in by run_pipeline: pass name and nanoseconds, in order of execution.
  std::vector<std::pair<std::string, double>> timings;
};

struct Pass {
  const char* name;
  const char* purpose;
  bool (*run)(graph::Graph& graph, PassContext& context);
};

bool canonicalize(graph::Graph& graph, PassContext& context);
bool fold_constants(graph::Graph& graph, PassContext& context);
bool fold_batch_norm(graph::Graph& graph, PassContext& context);
bool recognize_norm(graph::Graph& graph, PassContext& context);
bool simplify(graph::Graph& graph, PassContext& context);
bool eliminate_common(graph::Graph& graph, PassContext& context);
bool eliminate_dead(graph::Graph& graph, PassContext& context);
bool fuse(graph::Graph& graph, PassContext& context);
bool fast_math(graph::Graph& graph, PassContext& context);
bool fuse_attention(graph::Graph& graph, PassContext& context);
bool move_reshapes(graph::Graph& graph, PassContext& context);
bool quantize(graph::Graph& graph, PassContext& context);

// ---- helpers shared by the passes ----

// A block of the widest vectors: contractions over or to fewer channels leave lanes of their kernels empty.
inline constexpr int64_t least_channels = 16;

// Calls `f` for every region of the graph, outer regions first; `fused` bodies are left out.
void for_each_region(graph::Graph& graph, const std::function<void(graph::Region&)>& f);
// Calls `f` for every node outside `fused` bodies in order; the node may be erased and nodes may be inserted before it.
void for_each_node(graph::Graph& graph, const std::function<void(graph::Node&)>& f);
// A builder that inserts before `node` and passes on its provenance (with that of `others`).
graph::Builder builder_before(graph::Node& node, std::initializer_list<const graph::Node*> others = {});
// The producer when it is of kind `op`, else null.
graph::Node* producer_if(const graph::Value* value, graph::Op op);
// The producer when it is a `binary` of that function, else null.
graph::Node* binary_if(const graph::Value* value, graph::BinaryFunction function);
// Whether the node's kind has one of the traits (graph::Pointwise, ...).
bool has(const graph::Node& node, uint32_t traits);
// Single value of a constant (or broadcast constant) all of whose elements are equal.
std::optional<double> uniform_value(const graph::Value* value);
// A constant of one number per element of `axis`, of such a shape that it broadcasts to tensors of `rank`.
graph::Value* per_channel(graph::Builder& builder, DType dtype, const std::vector<double>& numbers, int axis, int rank);
// The value before any `broadcast` nodes.
graph::Value* strip_broadcast(graph::Value* value);

}  // namespace sardonyx::passes
