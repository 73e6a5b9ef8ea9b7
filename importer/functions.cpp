#include "importer/functions.h"

#include <algorithm>

#include "importer/findings.h"
#include "importer/limits.h"
#include "runtime/base/strings.h"

namespace sardonyx::importer {

void CallGraph::reach_depth(int body, int depth) { at(body).depth = std::max(at(body).depth, depth); }

void CallGraph::add_call(int body, int callee, int depth) { at(body).calls.push_back({callee, depth}); }

std::vector<std::string> CallGraph::problems(const proto::ModelProto& model, int* nesting) const {
  // Depth-first with an explicit stack: the chain of calls may be as long as the model has functions.
  enum class State : uint8_t { New, Open, Done };
  struct Frame {
    size_t body;
    size_t next = 0;
  };
  std::vector<State> state(bodies_.size(), State::New);
  std::vector<int64_t> size(bodies_.size(), 0);  // nodes after inlining, saturating
  std::vector<int> height(bodies_.size(), 0);    // levels of subgraphs and calls below the top level
  std::vector<std::string> problems;
  auto name = [&](size_t body) {
    return body == 0 ? std::string("the graph")
                     : str("function '", printable(model.functions(int(body) - 1).name()), "'");
  };
  const int64_t limit = std::max(max_inlined_nodes, bodies_[0].nodes);

  for (size_t root = 0; root < bodies_.size(); ++root) {
    if (state[root] != State::New) continue;
    std::vector<Frame> stack{{root}};
    state[root] = State::Open;
    while (!stack.empty()) {
      Frame& frame = stack.back();
      const Body& body = bodies_[frame.body];
      if (frame.next < body.calls.size()) {
        size_t callee = size_t(body.calls[frame.next++].callee + 1);
        if (state[callee] == State::Open)
          problems.push_back(str(name(callee), " is recursive: it is called again by ", name(frame.body)));
        if (state[callee] != State::New) continue;
        state[callee] = State::Open;
        stack.push_back({callee});
        continue;
      }
      size_t done = frame.body;
      size[done] = body.nodes;
      height[done] = body.depth;
      for (const Call& call : body.calls) {
        size[done] = std::min(limit + 1, size[done] + size[size_t(call.callee + 1)]);
        height[done] = std::max(height[done], call.depth + 1 + height[size_t(call.callee + 1)]);
      }
      state[done] = State::Done;
      stack.pop_back();
    }
  }
  *nesting = height[0];
  if (!problems.empty()) return problems;
  if (size[0] > limit) problems.push_back(str("inlining the functions would make more than ", limit, " nodes"));
  if (height[0] > max_nesting)
    problems.push_back(str("subgraphs and function calls are nested ", height[0], " deep, more than ", max_nesting));
  return problems;
}

}  // namespace sardonyx::importer
