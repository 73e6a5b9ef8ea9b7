// One or more functions per primitive kind that has a derivative, for tests that look at all of them.
#pragma once
#include <string>
#include <vector>

#include "compiler/graph/builder.h"

namespace sardonyx::gradient {

using graph::Builder;
using graph::Value;
using Values = std::vector<Value*>;

struct CaseInput {
  Dims dims;
  double low = -2, high = 2;
};

// y = build(inputs), of floats of any dtype. Static cases are not tried with symbolic dims.
struct Case {
  std::string name;
  graph::Op op;  // which y depends on the inputs through
  std::vector<CaseInput> inputs;
  Value* (*build)(Builder& b, const Values& x);
  bool is_static = false;
};

const std::vector<Case>& cases();

}  // namespace sardonyx::gradient
