#include "compiler/ops/onnx_ml/tree_ensemble.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <sstream>

#include "compiler/ops/host_functions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// Indices are 32 bits wide where trees are walked.
constexpr int64_t most_entries = INT32_MAX;

template <class T>
struct FlatNode {
  T split;
  int32_t feature, yes, no;
  TreeComparison comparison;
  bool missing_is_yes;
};
struct FlatVote {
  int32_t target;
  float padding;
  double weight;
};

// Structures as a tensor of bytes.
template <class T>
Tensor bytes_of(const std::vector<T>& items) {
  Tensor tensor(DType::U8, {int64_t(items.size() * sizeof(T))});
  if (!items.empty()) std::memcpy(tensor.raw(), items.data(), items.size() * sizeof(T));
  return tensor;
}

struct Parameters {
  TreeAggregate aggregate = TreeAggregate::Sum;
  int64_t targets = 0, features = 0;
  bool plain = false;  // all comparisons are <=, and NaN goes where false goes

  std::string text() const { return str(int(aggregate), ' ', targets, ' ', features, ' ', int(plain)); }
  static Parameters parse(const std::string& text) {
    Parameters p;
    int aggregate = 0;
    std::istringstream(text) >> aggregate >> p.targets >> p.features >> p.plain;
    p.aggregate = TreeAggregate(aggregate);
    return p;
  }
};

template <class T>
bool takes_yes(const FlatNode<T>& node, T x) {
  if (x != x) return node.missing_is_yes || node.comparison == TreeComparison::NotEqual;
  switch (node.comparison) {
    case TreeComparison::LessEqual:
      return x <= node.split;
    case TreeComparison::Less:
      return x < node.split;
    case TreeComparison::GreaterEqual:
      return x >= node.split;
    case TreeComparison::Greater:
      return x > node.split;
    case TreeComparison::Equal:
      return x == node.split;
    case TreeComparison::NotEqual:
      return x != node.split;
  }
  return false;
}

void add_vote(TreeAggregate aggregate, double& total, double weight) {
  if (aggregate == TreeAggregate::Min)
    total = std::min(total, weight);
  else if (aggregate == TreeAggregate::Max)
    total = std::max(total, weight);
  else
    total += weight;
}

// Rows are taken in blocks, so that a tree is in the cache for all of a block.
template <class T>
Tensor walk(const Parameters& p, std::span<const Tensor> operands) {
  const Tensor &x = operands[0], &roots = operands[2], &begins = operands[3];
  const auto* nodes = reinterpret_cast<const FlatNode<T>*>(operands[1].raw());
  const auto* votes = reinterpret_cast<const FlatVote*>(operands[4].raw());
  const int64_t rows = x.dims()[0], width = x.dims()[1], trees = roots.count();
  constexpr int64_t block = 128;
  Tensor result(x.dtype(), {rows, p.targets});
  const double start = p.aggregate == TreeAggregate::Min   ? double(std::numeric_limits<T>::max())
                       : p.aggregate == TreeAggregate::Max ? double(std::numeric_limits<T>::lowest())
                                                           : 0;
  std::vector<double> totals(size_t(block * p.targets));
  for (int64_t first = 0; first < rows; first += block) {
    const int64_t count = std::min(block, rows - first);
    std::fill(totals.begin(), totals.end(), start);
    for (int64_t t = 0; t < trees; ++t) {
      const int32_t root = roots.data<int32_t>()[t];
      for (int64_t r = 0; r < count; ++r) {
        const T* row = x.data<T>() + (first + r) * width;
        int32_t at = root;
        if (p.plain)
          while (at >= 0) at = row[nodes[at].feature] <= nodes[at].split ? nodes[at].yes : nodes[at].no;
        else
          while (at >= 0) at = takes_yes(nodes[at], row[nodes[at].feature]) ? nodes[at].yes : nodes[at].no;
        const int32_t* range = begins.data<int32_t>() + ~at;
        for (int32_t v = range[0]; v < range[1]; ++v)
          add_vote(p.aggregate, totals[size_t(r * p.targets + votes[v].target)], votes[v].weight);
      }
    }
    const double divisor = p.aggregate == TreeAggregate::Average ? double(std::max<int64_t>(1, trees)) : 1;
    for (int64_t i = 0; i < count * p.targets; ++i)
      result.data<T>()[first * p.targets + i] = T(totals[size_t(i)] / divisor);
  }
  return result;
}

// Operands: x, nodes, roots, where the votes of each leaf begin, votes.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  const Parameters p = Parameters::parse(parameters);
  const Tensor& x = operands[0];
  require(x.dims()[1] >= p.features, Status::MismatchingShape, "the trees read ", p.features,
          " features of rows that have ", x.dims()[1]);
  return {x.dtype() == DType::F64 ? walk<double>(p, operands) : walk<float>(p, operands)};
}

const HostFunctionEntry entry{{.name = "tree_ensemble", .run = run}};

template <class T>
Tensor flat_nodes(const TreeForest& forest) {
  std::vector<FlatNode<T>> nodes;
  nodes.reserve(forest.nodes.size());
  for (const auto& n : forest.nodes)
    nodes.push_back({T(n.split), int32_t(n.feature), int32_t(n.yes), int32_t(n.no), n.comparison, n.missing_is_yes});
  return bytes_of(nodes);
}

Tensor int32s(const std::vector<int32_t>& values) {
  return Tensor::of<int32_t>(DType::I32, {int64_t(values.size())}, std::span(values));
}

}  // namespace

void validate(const Lowering& in, const TreeForest& forest) {
  const auto nodes = int64_t(forest.nodes.size()), leaves = int64_t(forest.leaves.size());
  in.require(nodes < most_entries && leaves < most_entries && forest.targets > 0 && forest.targets < most_entries,
             Status::InvalidModel, nodes, " nodes, ", leaves, " leaves and ", forest.targets, " targets");
  const auto in_range = [&](int64_t branch) { return branch >= 0 ? branch < nodes : ~branch < leaves; };
  for (int64_t i = 0; i < nodes; ++i) {
    const auto& node = forest.nodes[size_t(i)];
    in.require(in_range(node.yes) && in_range(node.no), Status::InvalidModel, "tree node ", i,
               " has a branch that does not exist");
    in.require(node.feature >= 0 && node.feature < most_entries, Status::InvalidModel, "tree node ", i,
               " reads feature ", node.feature);
  }
  int64_t votes = 0;
  for (const auto& leaf : forest.leaves)
    for (const auto& vote : leaf) {
      in.require(vote.target >= 0 && vote.target < forest.targets, Status::InvalidModel, "a leaf has target ",
                 vote.target, " of ", forest.targets);
      in.require(++votes < most_entries, Status::InvalidModel, "too many votes of leaves");
    }
  // Depth first without recursion: a branch to a node that is still open closes a cycle.
  enum : uint8_t { unseen, open, done };
  std::vector<uint8_t> state(forest.nodes.size(), unseen);
  std::vector<int64_t> stack;
  for (int64_t root : forest.roots) {
    in.require(in_range(root), Status::InvalidModel, "a tree has root ", root);
    stack.push_back(root);
    while (!stack.empty()) {
      const int64_t at = stack.back();
      if (at < 0 || state[size_t(at)] == done) {
        stack.pop_back();
      } else if (state[size_t(at)] == open) {
        state[size_t(at)] = done;
        stack.pop_back();
      } else {
        state[size_t(at)] = open;
        for (int64_t branch : {forest.nodes[size_t(at)].no, forest.nodes[size_t(at)].yes}) {
          in.require(branch < 0 || state[size_t(branch)] != open, Status::InvalidModel, "tree node ", branch,
                     " is below itself");
          stack.push_back(branch);
        }
      }
    }
  }
}

Value* evaluated(Builder& builder, Value* x, const TreeForest& forest, TreeAggregate aggregate, DType dtype) {
  Parameters p;
  p.aggregate = aggregate;
  p.targets = forest.targets;
  p.plain = true;
  for (const auto& node : forest.nodes) {
    p.features = std::max(p.features, node.feature + 1);
    p.plain &= node.comparison == TreeComparison::LessEqual && !node.missing_is_yes;
  }
  std::vector<int32_t> begins{0};
  std::vector<FlatVote> votes;
  for (const auto& leaf : forest.leaves) {
    for (const auto& vote : leaf) votes.push_back({int32_t(vote.target), 0, vote.weight});
    begins.push_back(int32_t(votes.size()));
  }
  const std::vector<int32_t> roots(forest.roots.begin(), forest.roots.end());
  const Tensor nodes = dtype == DType::F64 ? flat_nodes<double>(forest) : flat_nodes<float>(forest);
  return builder.host_call("tree_ensemble", p.text(),
                           {builder.cast(x, dtype), builder.constant(nodes), builder.constant(int32s(roots)),
                            builder.constant(int32s(begins)), builder.constant(bytes_of(votes))},
                           {{dtype, {x->type.dims[0], forest.targets}, {}}})[0];
}

}  // namespace sardonyx::ops
