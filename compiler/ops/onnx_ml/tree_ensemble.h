// Decision trees flattened into arrays: built and validated once while lowering, evaluated on the host.
#pragma once
#include <cstdint>
#include <vector>

#include "compiler/ops/lowering.h"

namespace sardonyx::ops {

enum class TreeComparison : uint8_t { LessEqual, Less, GreaterEqual, Greater, Equal, NotEqual };
enum class TreeAggregate { Average, Sum, Min, Max };

// Trees as an importer collects them. Branches are indices of nodes, or ~index of a leaf when negative.
struct TreeForest {
  struct Node {
    double split = 0;
    int64_t feature = 0, yes = 0, no = 0;
    TreeComparison comparison = TreeComparison::LessEqual;
    bool missing_is_yes = false;  // where NaN goes
  };
  // What a leaf adds to a target (or class).
  struct Vote {
    int64_t target = 0;
    double weight = 0;
  };
  std::vector<Node> nodes;
  std::vector<int64_t> roots;  // nodes or leaves
  std::vector<std::vector<Vote>> leaves;
  int64_t targets = 0;
};

// Throws InvalidModel unless every branch, feature and target is in range and no path from a root comes back to a node;
// afterwards each path ends at a leaf.
void validate(const Lowering& in, const TreeForest& forest);

// Sums (or other aggregates) of votes: [rows, targets] of `dtype`, F32 or F64, which is also the type that x
// [rows, features], a float tensor, is compared in. The forest must be valid.
Value* evaluated(Builder& builder, Value* x, const TreeForest& forest, TreeAggregate aggregate, DType dtype);

}  // namespace sardonyx::ops
