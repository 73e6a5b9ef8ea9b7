// The call graph of model-local functions: finds recursion, calls nested too deeply, and inlining that would explode,
// before anything is inlined. Bodies are the functions by index, and the model's graph as `main_body`.
#pragma once
#include <string>
#include <vector>

#include "importer/onnx_model.pb.h"

namespace sardonyx::importer {

inline constexpr int main_body = -1;

class CallGraph {
 public:
  explicit CallGraph(int functions) : bodies_(size_t(functions) + 1) {}

  void count_nodes(int body, int64_t count) { at(body).nodes += count; }
  // A subgraph at `depth` below the body's top level.
  void reach_depth(int body, int depth);
  // A call made `depth` subgraphs below the body's top level.
  void add_call(int body, int callee, int depth);

  // What is wrong with the calls, a text each. `nesting`: levels of subgraphs and calls below the main body's top
  // level.
  std::vector<std::string> problems(const proto::ModelProto& model, int* nesting) const;

 private:
  struct Call {
    int callee;
    int depth;
  };
  struct Body {
    int64_t nodes = 0;
    int depth = 0;
    std::vector<Call> calls;
  };
  Body& at(int body) { return bodies_[size_t(body + 1)]; }

  std::vector<Body> bodies_;  // [0] is the main body
};

}  // namespace sardonyx::importer
