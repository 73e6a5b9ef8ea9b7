// Concatenations without a kernel: groups write their results right where those stand in the whole.
//
// It works where an operand is one piece of memory in the result: every dim before the axis has one point, as in the
// concatenation of channels of one image, row-major or in blocks. Operands that no group of the host makes, or that
// stand elsewhere already, are copied there.
#pragma once
#include <map>
#include <set>
#include <unordered_map>

#include "compiler/driver/select.h"

namespace sardonyx::driver {

struct InPlaceConcats {
  struct Part {
    const graph::Value* whole = nullptr;
    int64_t offset = 0;  // in bytes
  };
  std::unordered_map<const graph::Value*, Part> parts;  // results of groups
  // Groups that become copies of what is not among the parts: byte offsets of all operands.
  std::map<const graph::Node*, std::vector<int64_t>> groups;
};

// Of all regions; shapes must be static.
InPlaceConcats find_in_place_concats(const graph::Graph& graph, const std::map<const graph::Node*, Choice>& choices);

}  // namespace sardonyx::driver
